"""A message between its first line and the answer at commit: what is odd comes out neither twice nor in half."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from filter_api import AddHeader, Filter, Message, Session, Verdict
from filter_api.message.spool import HeldLines, Spool, SpoolError
from filter_api.runtime.held import _cut_at_dot, _has_longer_line
from filter_api.runtime.life import ANSWERED, COLLECTING, DECIDED, DOT, DROPPED, ENDED, OVER, RELEASED, Held
from tests.support.talk import Talk, talks

PROCEED = b"proceed"
NO_SPACE = b"reject|452 4.3.1 insufficient system storage"
LOST = b"reject|451 4.3.0 temporary local problem"
LONG = b"reject|550 5.6.0 line too long"


class Looking(Filter):
    """Passes a message, edited, at once or after some seconds."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.seen = 0

    def on_message(self, session: Session, message: Message) -> Verdict | Awaitable[Verdict]:
        self.seen += 1
        verdict = Verdict(edits=[AddHeader("X-Seen", "1")])
        return verdict if self.seconds is None else self._later(verdict, self.seconds)

    async def _later(self, verdict: Verdict, seconds: float) -> Verdict:
        await asyncio.sleep(seconds)
        return verdict


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    with talks() as make:
        yield make


# --- the dot ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, 1.0], ids=["sync", "async"])
@pytest.mark.parametrize(
    "reads",
    [
        [(b"A: b", b"", b"x", b".", b"smuggled")],
        [(b"A: b", b"", b"x", b"."), (b"smuggled",)],
        [(b"A: b", b"", b"x"), (b".", b"smuggled", b"smuggled too")],
        [(b"A: b", b"", b"x", b".", b"smuggled", b".")],
        [(b"A: b", b"", b"x", b"."), (b"smuggled", b".")],
    ],
)
def test_lines_behind_the_dot_never_come_back(
    talk: Callable[..., Talk], reads: Sequence[Sequence[bytes]], seconds: float | None
) -> None:
    """smtpd never sends them; given back they would be a second message, or the beginning of the next."""
    looking = Looking(seconds)
    one = talk(looking, judged=False)
    for read in reads:
        one.lines(*read)
        if seconds is None and b"." in read:
            break  # our dot is out: what comes now would be the next message
    one.smtpd.advance(5)
    assert one.back == [b"X-Seen: 1", b"A: b", b"", b"x", b"."]
    assert looking.seen == 1


@pytest.mark.parametrize("seconds", [None, 1.0], ids=["sync", "async"])
def test_a_commit_is_answered_by_its_message_once_and_the_next_is_not(
    talk: Callable[..., Talk], seconds: float | None
) -> None:
    """A verdict belongs to one message; another commit without a message passes nothing."""
    one = talk(Looking(seconds), judged=False)
    one.lines(b"A: b", b"", b"x", b".")
    one.smtpd.advance(5)
    one.commit()
    assert one.answers == [PROCEED]
    one.commit()
    assert one.answers == [PROCEED, LOST]
    one.lines(b"A: b", b"", b"y", b".")
    one.smtpd.advance(5)
    one.commit()
    assert one.answers == [PROCEED, LOST, PROCEED]


def test_two_commits_before_the_verdict_are_both_answered_behind_the_dot(talk: Callable[..., Talk]) -> None:
    one = talk(Looking(1.0), judged=False)
    one.lines(b"A: b", b"", b"x", b".")
    one.commit()
    one.commit()
    assert one.answers == one.back == []
    one.smtpd.advance(5)
    assert one.answers == [PROCEED, PROCEED]
    assert not one.smtpd.dispatcher.held.open


def test_a_commit_while_a_large_message_is_given_back_is_answered_behind_the_dot(talk: Callable[..., Talk]) -> None:
    one = talk(Looking(), judged=False)
    texts = [b"A: b", b"", *[b"x" * 990] * 200]
    one.lines(*texts)
    dot = one.head + b"data-line|%b|%b|.\n" % (one.client.id, one.smtpd.token(b"data-line"))
    commit = one.head + b"commit|%b|%b|\n" % (one.client.id, one.smtpd.token(b"commit"))
    one.smtpd.feed(dot + commit)
    one.smtpd.advance(1)
    assert one.back == [b"X-Seen: 1", *texts, b"."]
    assert one.answers == [PROCEED]
    assert one.smtpd.lines()[-2].endswith(b"|.")


def test_a_commit_in_the_middle_of_a_message_passes_nothing(talk: Callable[..., Talk]) -> None:
    one = talk(Looking(), judged=False)
    one.lines(b"A: b", b"", b"x")
    one.commit()
    assert one.answers == [LOST]
    assert one.back == []
    assert not one.smtpd.dispatcher.held.open


@pytest.mark.parametrize("phase", [b"mail-from", b"data", b"rcpt-to"])
def test_a_question_in_the_middle_of_a_message_ends_it(talk: Callable[..., Talk], phase: bytes) -> None:
    class Asked(Looking):
        def on_data(self, session: Session) -> Any:  # noqa: ANN401 - a decision
            return self.tempfail

    one = talk(Asked(), judged=False)
    one.lines(b"A: b", b"", b"x")
    one.smtpd.feed(one.head + b"%b|%b|%b|x@y\n" % (phase, one.client.id, one.smtpd.token(phase)))
    assert not one.smtpd.dispatcher.held.open
    one.commit()
    assert one.answers == [LOST]


# --- lines that are too long -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "limit"), [("0.7", 65_485), ("0.6", 1_997)])
@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize(
    "around", [(), (b"after",), (b"", b""), (b"z" * 1_900,)], ids=["last", "one", "empty ones", "a long one"]
)
def test_a_line_of_exactly_the_limit_passes_wherever_it_stands(
    talk: Callable[..., Talk], protocol: str, limit: int, over: int, around: Sequence[bytes]
) -> None:
    for before in ((), around):
        one = talk(Looking(), protocol=protocol)
        texts = [b"A: b", b"", *before, b"y" * (limit + over), *around]
        one.lines(*texts, b".")
        one.smtpd.advance(1)
        one.commit()
        assert one.answers == ([LONG] if over else [PROCEED])
        assert one.back == ([b"."] if over else [b"X-Seen: 1", *texts, b"."])


@pytest.mark.parametrize("later_on", [False, True])
def test_what_follows_a_line_too_long_is_swallowed_up_to_the_dot(talk: Callable[..., Talk], later_on: bool) -> None:
    one = talk(Looking())
    if later_on:
        one.lines(b"A: b", b"", b"x")
    one.lines(b"y" * 65_486)
    one.lines(b"z", b"y" * 65_486, b"z")
    one.lines(b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LONG])
    assert sum("line-too-long" in line for line in one.smtpd.log) == 1


# --- no room ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", [1, 20])
def test_a_message_beyond_the_account_is_put_off_and_its_rest_swallowed(talk: Callable[..., Talk], reads: int) -> None:
    spool = Spool(limit=30_000)
    one = talk(Looking(), spool=spool)
    for _ in range(reads):
        one.lines(*[b"x" * 999] * (60 // reads))
    assert spool.held == 0, "what was held is free for others at once"
    one.lines(b"y", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [NO_SPACE])
    assert sum(" spool error=" in line for line in one.smtpd.log) == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a mistake of the library's own")])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_message_of_which_a_part_is_lost_does_not_pass(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, error: Exception, call: int
) -> None:
    real, calls = HeldLines.append, 0

    def append(self: HeldLines, run: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise error
        real(self, run)

    monkeypatch.setattr(HeldLines, "append", append)
    one = talk(Looking())
    for _ in range(3):
        one.lines(b"x", b"y")
    one.lines(b".")
    one.commit()
    assert one.back == [b"."]
    assert one.answers in ([NO_SPACE], [LOST])
    said = str(error) or "MemoryError"
    assert [line for line in one.smtpd.log if " error=" in line and said in line]
    assert one.smtpd.context.spool.held == 0
    one.client.mail_from()
    one.lines(b"x", b".")
    one.commit()
    assert one.answers[1:] == [PROCEED]


def test_a_message_whose_last_lines_are_lost_with_their_dot_ends(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: HeldLines, run: bytes) -> None:
        raise RuntimeError("a mistake of the library's own")

    monkeypatch.setattr(HeldLines, "append", append)
    one = talk(Looking())
    one.lines(b"x", b"y", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_client_that_goes_while_its_message_is_given_back_gets_no_more_of_it(talk: Callable[..., Talk]) -> None:
    one = talk(Looking())
    for _ in range(40):
        one.lines(*[b"x" * 900] * 100)
    one.smtpd.dispatcher.outbox.pause()
    one.lines(b".")
    one.smtpd.advance(1)
    one.client.vanish()
    one.smtpd.dispatcher.outbox.resume()
    one.smtpd.advance(1)
    assert b"." not in one.back
    assert one.smtpd.context.spool.held == 0
    assert not one.smtpd.dispatcher.held.open


def test_a_verdict_on_a_message_that_is_over_is_ignored(talk: Callable[..., Talk]) -> None:
    one = talk(Looking(1.0))
    one.lines(b"A: b", b"", b"x", b".")
    (held,) = one.smtpd.dispatcher.held.open.values()
    one.client.vanish()
    one.smtpd.dispatcher.held.finish(held, Verdict())
    one.smtpd.dispatcher.held.drop(one.client.id)
    assert one.back == []


def test_what_has_no_place_in_the_life_of_a_message_is_ignored() -> None:
    held = Held(Session(b"00000000000000aa"), b"88", Spool())
    assert held.state is COLLECTING
    assert not held.on(DECIDED)
    assert held.state is COLLECTING
    for event in (DOT, DECIDED, RELEASED):
        assert held.on(event)
    assert held.state is ENDED
    assert not held.on(DOT)
    assert held.on(ANSWERED)
    assert not held.on(DROPPED)
    assert held.state is OVER


def test_a_verdict_that_comes_when_the_message_was_given_up_is_ignored(talk: Callable[..., Talk]) -> None:
    """smtpd rolls back a transaction, and the session goes on; nobody else is asked about it then."""
    first, second = Looking(1.0), Looking()
    one = talk({"first": first, "second": second})
    one.lines(b"A: b", b"", b"x", b".")
    one.client.report("tx-reset", b"0badcafe")
    one.smtpd.advance(5)
    assert (first.seen, second.seen) == (1, 0)
    assert one.back == []
    assert one.smtpd.context.spool.held == 0


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "before", "ended"),
    [
        (b".", None, True),
        (b".\nsmuggled", None, True),
        (b"a", b"a", False),
        (b"", b"", False),
        (b"a\n.", b"a", True),
        (b"a\n\n.", b"a\n", True),
        (b"a\n.\nsmuggled", b"a", True),
        (b"a\n.\nb\n.", b"a", True),
        (b"a\n.\nb\n.\nc", b"a", True),
        (b"\n.", b"", True),
        (b"\n.\nsmuggled", b"", True),
        (b"..", b"..", False),
        (b"a.\n.b\nc.", b"a.\n.b\nc.", False),
    ],
)
def test_a_message_ends_at_its_first_lone_dot(text: bytes, before: bytes | None, ended: bool) -> None:
    assert _cut_at_dot(text) == (before, ended)


@pytest.mark.parametrize(
    ("text", "longer"),
    [
        (b"", False),
        (b"12345", False),
        (b"123456", True),
        (b"12345\n12345", False),
        (b"12345\n123456", True),
        (b"123456\n12345", True),
        (b"1\n2\n3\n4\n123456\n1", True),
        (b"1\n2\n3\n4\n12345\n1", False),
        (b"\n" * 50, False),
        (b"\n" * 50 + b"123456", True),
        (b"12345\n", False),
    ],
)
def test_a_line_that_is_longer_than_the_limit_is_found_wherever_it_stands(text: bytes, longer: bool) -> None:
    assert _has_longer_line(text, 5) is longer


def test_lines_of_the_next_message_are_not_taken_for_those_of_one_that_was_dropped(talk: Callable[..., Talk]) -> None:
    one = talk(Looking(), judged=False)
    one.lines(b"A: old")
    one.smtpd.feed(b"report|0.7|1.1|smtp-in|tx-reset|%b|0badcafe\n" % one.client.id)
    one.lines(b"A: new", b"")
    one.lines(b"x", b".")
    one.commit()
    assert one.back == [b"X-Seen: 1", b"A: new", b"", b"x", b"."]
    assert one.answers == [PROCEED]


@pytest.mark.parametrize("text", [b".", b"x\n.", b"x\ny"])
def test_lines_that_are_lost_refuse_the_message_they_belong_to_at_its_dot(
    talk: Callable[..., Talk], text: bytes
) -> None:
    one = talk(Looking(), judged=False)
    one.lines(b"A: b", b"")
    messages = one.smtpd.dispatcher.held
    (held,) = messages.open.values()
    messages.lose(held.session, held.token, text)
    assert (messages.begun, list(messages.open.values())) == (1, [held])
    one.smtpd.dispatcher.outbox.flush()
    assert one.back == ([b"."] if text.endswith(b".") else [])
    if not text.endswith(b"."):
        one.lines(b"z", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])


@pytest.mark.parametrize("call", [1, 2])
def test_lines_for_which_there_is_no_room_are_told_once_with_their_session(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """The first lines of a message are taken on the long way, those behind them on the short one."""
    real, calls = HeldLines.append, 0

    def append(self: HeldLines, run: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise SpoolError("full")
        real(self, run)

    monkeypatch.setattr(HeldLines, "append", append)
    one = talk(Looking())
    for text in (b"x", b"y", b"."):
        one.lines(text)
    one.commit()
    assert (one.back, one.answers) == ([b"."], [NO_SPACE])
    told = [line for line in one.smtpd.log if "error=" in line]
    assert told == [f"{one.client.id.decode()} spool error=full"]


@pytest.mark.parametrize("size", [1, 3_000])
def test_a_client_that_goes_between_the_dot_and_the_commit_is_no_mistake(talk: Callable[..., Talk], size: int) -> None:
    one = talk(Looking(), judged=False)
    for _ in range(size // 300 + 1):
        one.lines(*[b"x" * 900] * min(size, 300))
    one.lines(b".")
    one.smtpd.advance(1)
    assert one.back[-1] == b"."
    one.client.vanish()
    assert one.smtpd.log == []
    assert not one.smtpd.dispatcher.held.open


def test_before_7_4_a_message_is_refused_that_would_get_a_longer_line(talk: Callable[..., Talk]) -> None:
    class Adding(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict(edits=[AddHeader("X", "y" * 2_500)])

    one = talk(Adding(), protocol="0.6")
    one.lines(b"A: b", b"", b"x", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [b"reject|550 5.6.0 header too long"])


def test_short_reads_of_several_lines_are_held_without_a_word(talk: Callable[..., Talk]) -> None:
    one = talk(Looking())
    for read in ((b"A: b", b""), (b"x", b"y"), (b"z", b""), (b"..", b"end"), (b".",)):
        one.lines(*read)
    one.commit()
    assert one.back == [b"X-Seen: 1", b"A: b", b"", b"x", b"y", b"z", b"", b"..", b"end", b"."]
    assert one.answers == [PROCEED]
    assert one.smtpd.log == []
