"""What is told of a recorded session when the filter decides otherwise than the recording did."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.testing.transcript import Transcript
from filterctl.replaying.story import Decision, Event, Story

FOLDER = Path(__file__).parents[2] / "transcripts"


def told(path: str, decisions: dict[bytes, Decision]) -> list[tuple[bytes, bytes]]:
    """(name, rest) of everything told of the recording's one session, with these decisions and proceed elsewhere."""
    story, names = Story(), []
    (wire,) = Transcript.read(FOLDER / path).wires()
    for event in [Event.parse(line) for to_filter, line in wire if to_filter]:
        assert event is not None
        for line in story.tell(event):
            shown = Event.parse(line)
            assert shown is not None
            names.append((shown.name, shown.rest))
            if shown.request and shown.name != b"data-line":
                story.decided(decisions.get(shown.name, Decision(shown.name, b"proceed", b"")))
    return names


def requests(events: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [
        name
        for name, _ in events
        if name in {b"connect", b"ehlo", b"mail-from", b"rcpt-to", b"data", b"commit", b"quit"}
    ]


def refuse(phase: bytes, text: bytes = b"550 no", word: bytes = b"reject") -> dict[bytes, Decision]:
    return {phase: Decision(phase, word, text)}


ALL = [b"connect", b"ehlo", b"mail-from", b"rcpt-to", b"data", b"commit", b"quit"]


@pytest.mark.parametrize("version", ["6.8.0p2", "7.8.0p1"])
def test_a_filter_that_decides_as_recorded_is_told_what_was_recorded(version: str) -> None:
    (wire,) = Transcript.read(FOLDER / version / "plain.txt").wires()
    story = Story()
    for to_filter, line in wire:
        event = Event.parse(line) if to_filter else None
        if event is not None:
            assert story.tell(event) == [line]
            if event.request:
                story.decided(Decision(event.name, b"proceed", b""))


@pytest.mark.parametrize(
    ("decision", "asked"),
    [
        (refuse(b"connect"), [b"connect"]),
        (refuse(b"ehlo"), [b"connect", b"ehlo", b"quit"]),
        (refuse(b"ehlo", word=b"disconnect"), [b"connect", b"ehlo"]),
        (refuse(b"mail-from"), [b"connect", b"ehlo", b"mail-from", b"quit"]),
        (refuse(b"mail-from", b"421 bye"), [b"connect", b"ehlo", b"mail-from"]),
        (refuse(b"rcpt-to"), [b"connect", b"ehlo", b"mail-from", b"rcpt-to", b"quit"]),
        (refuse(b"data"), [b"connect", b"ehlo", b"mail-from", b"rcpt-to", b"data", b"quit"]),
        (refuse(b"commit"), ALL),
        ({b"mail-from": Decision(b"mail-from", b"junk", b"")}, ALL),
    ],
)
def test_a_refusal_ends_what_it_ends(decision: dict[bytes, Decision], asked: list[bytes]) -> None:
    events = told("7.8.0p1/plain.txt", decision)
    assert requests(events) == asked
    assert events[-1] == (b"link-disconnect", b"")
    (made,) = decision.values()
    answer = b"|".join(filter(None, [made.phase.replace(b"connect", b"connected"), made.word, made.text]))
    assert (b"filter-response", answer) in events
    assert ((b"protocol-server", made.text) in events) is made.refuses


@pytest.mark.parametrize("phase", [b"rcpt-to", b"data", b"commit"])
def test_a_transaction_that_began_is_rolled_back(phase: bytes) -> None:
    names = [name for name, _ in told("7.8.0p1/plain.txt", refuse(phase))]
    assert b"tx-commit" not in names
    assert names.count(b"tx-begin") == names.count(b"tx-rollback") == names.count(b"tx-reset") == 1


def test_a_disconnect_in_a_transaction_rolls_it_back() -> None:
    names = [name for name, _ in told("7.8.0p1/plain.txt", refuse(b"data", word=b"disconnect"))]
    assert names[-3:] == [b"tx-rollback", b"tx-reset", b"link-disconnect"]
    assert b"tx-commit" not in names


@pytest.mark.parametrize(
    ("version", "text", "result"),
    [("7.8.0p1", b"550 no", b"permfail"), ("6.8.0p2", b"451 later", b"tempfail")],
)
def test_a_refused_recipient_fails(version: str, text: bytes, result: bytes) -> None:
    events = told(f"{version}/plain.txt", refuse(b"rcpt-to", text))
    ((_, rest),) = [event for event in events if event[0] == b"tx-rcpt"]
    assert rest.endswith(b"|" + result + b"|bob@test.local")


def test_the_next_transaction_is_told_after_a_refused_one() -> None:
    events = told("7.8.0p1/two_mails.txt", refuse(b"mail-from"))
    assert requests(events) == [b"connect", b"ehlo", b"mail-from", b"mail-from", b"quit"]
    assert not [name for name, _ in events if name.startswith(b"tx-")]


WORDS = st.sampled_from(
    [(b"proceed", b""), (b"junk", b""), (b"reject", b"550 no"), (b"reject", b"451 later"), (b"disconnect", b"550 go")]
)
RECORDED = sorted(path for path in FOLDER.glob("*/*.txt") if "out_and_bounce" not in path.name)


@given(st.sampled_from(RECORDED), st.data())
def test_whatever_is_decided_the_course_is_one_smtpd_could_take(path: Path, data: st.DataObject) -> None:
    stories: dict[bytes, Story] = {}
    open_transactions: dict[bytes, bytes] = {}
    refused: set[bytes] = set()
    gone: set[bytes] = set()
    lines = [line for wire in Transcript.read(path).wires() for to_filter, line in wire if to_filter]
    for event in filter(None, map(Event.parse, lines)):
        story = stories.setdefault(event.session, Story())
        for line in story.tell(event):
            shown = Event.parse(line)
            assert shown is not None
            session, name, message = shown.session, shown.name, shown.rest.partition(b"|")[0]
            assert session not in gone or name in {b"link-disconnect", b"tx-rollback", b"tx-reset", *RESPONSES}
            if name == b"tx-begin":
                assert session not in open_transactions
                open_transactions[session] = message
            elif name in {b"tx-commit", b"tx-rollback", b"tx-reset"}:
                assert open_transactions[session] == message
                assert name != b"tx-commit" or session not in refused
                refused.discard(session)
                if name == b"tx-reset":
                    del open_transactions[session]
            elif name == b"link-disconnect":
                assert session not in open_transactions
            if shown.request and name != b"data-line":
                word, text = data.draw(WORDS)
                decision = Decision(name, b"proceed" if name == b"commit" and word == b"junk" else word, text)
                story.decided(decision)
                if decision.refuses and name in {b"data", b"commit"}:
                    refused.add(session)
                if decision.hangs_up:
                    gone.add(session)


RESPONSES = {b"filter-response", b"protocol-server", b"timeout"}
