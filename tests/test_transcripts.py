"""Recorded traffic of two daemons against the library: what it writes is what a plain echo filter wrote, and legal."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from filter_api import Decision, Filter, Message, Proceed, Session, Verdict
from filter_api.bounds import MAX_PAYLOAD, MAX_PAYLOAD_OLD
from filter_api.testing import Oracle, Player, Transcript, Wire, WouldMislead

FILES = sorted((Path(__file__).parent / "transcripts").glob("*/*.txt"))


class Everything(Filter):
    """Has a say in every phase the library offers, and none of it changes anything."""

    def __init__(self) -> None:
        self.commits: list[tuple[bytes | None, tuple[bytes, ...]]] = []

    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return Proceed()

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return Proceed()

    def on_data(self, session: Session) -> Decision:
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()

    def saw_commit(self, session: Session, size: int) -> None:
        transaction = session.transaction
        assert transaction is not None
        self.commits.append((transaction.sender, tuple(transaction.recipients)))


def wires() -> list[tuple[str, list[Wire]]]:
    return [
        (f"{path.parent.name}/{path.stem}/{number}", wire)
        for path in FILES
        for number, wire in enumerate(Transcript.read(path).wires())
    ]


RECORDED = wires()


@pytest.mark.parametrize("wire", [wire for _, wire in RECORDED], ids=[name for name, _ in RECORDED])
def test_what_was_recorded_is_legal_by_our_rules(wire: list[Wire]) -> None:
    """The oracle agrees with two real daemons that lived through this; the older one cut long lines, and it says so."""
    cut = any(line.startswith(b"filter|0.6|") for _, line in wire) and any(
        len(line) > 2_047 for to_filter, line in wire if not to_filter
    )
    oracle = Oracle(registered=True)
    with pytest.raises(WouldMislead, match="cut at") if cut else contextlib.nullcontext():
        for to_filter, line in wire:
            (oracle.smtpd_wrote if to_filter else oracle.filter_wrote)(line + b"\n")


def lines_by_session(lines: list[bytes], kind: bytes) -> dict[bytes, list[bytes]]:
    sessions: dict[bytes, list[bytes]] = {}
    for line in lines:
        parts = line.split(b"|", 3)
        if parts[0] == kind and len(parts) == 4:
            sessions.setdefault(parts[1], []).append(parts[3])
    return sessions


@pytest.mark.parametrize("wire", [wire for _, wire in RECORDED], ids=[name for name, _ in RECORDED])
def test_a_filter_of_ours_gives_back_what_the_recorded_one_gave(wire: list[Wire]) -> None:
    version = next((line.split(b"|")[1].decode() for to_filter, line in wire if to_filter and b"|0." in line), "0.7")
    longest = MAX_PAYLOAD if version >= "0.7" else MAX_PAYLOAD_OLD
    asked = [line.split(b"|", 7) for to_filter, line in wire if to_filter and line.startswith(b"filter|")]
    too_long = {parts[5] for parts in asked if parts[4] == b"data-line" and len(parts[7]) > longest}
    ended = {parts[5] for parts in asked if parts[4] == b"data-line" and parts[7] == b"."}
    with Player(Everything(), protocol=version) as smtpd:
        ours = lines_by_session(smtpd.play(wire), b"filter-dataline")
    theirs = lines_by_session([line for to_filter, line in wire if not to_filter], b"filter-dataline")
    for session, lines in theirs.items():
        if session in too_long:
            assert ours[session][-1] == b"."
        elif session in ended:
            assert ours[session] == lines
        else:
            assert session not in ours, "a message without an end was given back"
    assert {session for session in ours if session not in theirs} == set()


@pytest.mark.parametrize("version", ["6.8.0p2", "7.8.0p1"])
def test_facts_of_a_recorded_session(version: str) -> None:
    filter_ = Everything()
    (wire, *_) = Transcript.read(Path(__file__).parent / "transcripts" / version / "two_mails.txt").wires()
    with Player(filter_, protocol="0.6" if version.startswith("6") else "0.7") as smtpd:
        smtpd.play(wire)
    (first_sender, first_recipients), (second_sender, second_recipients) = filter_.commits
    assert (first_sender, first_recipients) == (b"alice@example.org", (b"bob@test.local",))
    assert second_sender == b"carol@example.org"
    assert len(second_recipients) == 2


def test_there_are_recordings() -> None:
    assert len(FILES) > 80
    assert sum(len(wire) for _, wire in RECORDED) > 2_000
