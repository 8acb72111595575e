"""What holds for every stream of bytes: the parser is total, cuts do not matter, answers are legal, mail survives."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_api import (
    AddHeader,
    Decision,
    Disconnect,
    Filter,
    Junk,
    Message,
    Proceed,
    Reject,
    Rewrite,
    Session,
    Verdict,
)
from filter_api.protocol.events import DataLines, Event
from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser
from filter_api.testing import Player
from filter_api.testing.strategies import MESSAGE_LINES, chunked, conversations, garbage

SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def events_of(chunks: list[bytes]) -> list[Event]:
    framing, parser = Framing(), Parser()
    merged: list[Event] = []
    for chunk in chunks:
        for event in parser.parse(framing.feed(chunk)):
            last = merged[-1] if merged else None
            if isinstance(event, DataLines) and isinstance(last, DataLines) and event.session_id == last.session_id:
                merged[-1] = DataLines(event.session_id, event.token, last.text + b"\n" + event.text)
            else:
                merged.append(event)
    return merged


@given(st.binary(max_size=400))
def test_the_parser_takes_anything(data: bytes) -> None:
    events_of([data, b"\n"])


@given(st.lists(garbage(), max_size=20))
def test_the_parser_takes_what_is_almost_right(lines: list[bytes]) -> None:
    events_of(lines)


@SLOW
@given(st.data(), st.lists(st.one_of(conversations(), garbage().map(lambda line: [line])), max_size=4))
def test_cuts_do_not_matter(data: st.DataObject, parts: list[list[bytes]]) -> None:
    wire = b"".join(line for part in parts for line in part)
    assert events_of(data.draw(chunked(wire))) == events_of([wire])


DECISIONS = st.sampled_from(
    [
        Proceed(),
        Junk(),
        Reject(550, "5.7.1", "no"),
        Reject(421, None, "bye"),
        Disconnect(550, None, "no"),
        Rewrite("x@example.org"),
        Verdict(),
        None,
        "proceed",
        ValueError("bug"),
        SystemExit(1),
    ]
)
VERDICTS = st.sampled_from(
    [
        Verdict(),
        Verdict(edits=[AddHeader("X-A", "one\n two")]),
        Verdict(Reject(550, "5.7.1", "no"), [AddHeader("X-A", "b")]),
        Verdict(Disconnect(421, None, "no")),
        Proceed(),
        None,
        KeyError("bug"),
        SystemExit(1),
    ]
)


class Erratic(Filter):
    """Answers anything, at once or later."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data

    def _any(self, values: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 - anything is the point
        value = self.data.draw(values)
        if self.data.draw(st.booleans()):
            return self._later(value, self.data.draw(st.sampled_from([0.0, 1.0, 100.0])))
        if isinstance(value, BaseException):
            raise value
        return value

    async def _later(self, value: object, seconds: float) -> object:
        await asyncio.sleep(seconds)
        if isinstance(value, BaseException):
            raise value
        return value

    def on_connect(self, session: Session) -> Decision:
        return self._any(DECISIONS)  # type: ignore[no-any-return]  # as above

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return self._any(DECISIONS)  # type: ignore[no-any-return]  # as above

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return self._any(DECISIONS)  # type: ignore[no-any-return]  # as above

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return self._any(DECISIONS)  # type: ignore[no-any-return]  # as above

    def on_data(self, session: Session) -> Decision:
        return self._any(DECISIONS)  # type: ignore[no-any-return]  # as above

    def on_message(self, session: Session, message: Message) -> Verdict:
        return self._any(VERDICTS)  # type: ignore[no-any-return]  # as above


@SLOW
@given(st.data())
def test_whatever_a_filter_answers_smtpd_lives_and_nobody_waits(data: st.DataObject) -> None:
    """The player raises where smtpd would die, and when the filter owes an answer at the end."""
    with Player(Erratic(data), protocol=data.draw(st.sampled_from(["0.4", "0.6", "0.7"]))) as smtpd:
        for address in ("192.0.2.1", "2001:db8::1", "unix"):
            client = smtpd.connect(address)
            if client.last.ok:
                client.helo()
            if not client.gone:
                client.mail(b"A: b\r\n\r\n..x\r\n", "a@x", "b@x")
            if data.draw(st.booleans()):
                client.vanish()
        assert smtpd.oracle.asked == smtpd.oracle.answered


class Passing(Filter):
    """Holds messages and lets everything pass, some of it later."""

    async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        await asyncio.sleep(0.01)
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()


@SLOW
@given(st.lists(st.one_of(garbage(), st.binary(max_size=60)), max_size=30))
def test_garbage_gets_no_wrong_line_out(lines: list[bytes]) -> None:
    with Player(Passing()) as smtpd:
        for line in lines:
            smtpd.feed(line)
        smtpd.feed(b"\n")
        smtpd.advance(100)
        assert smtpd.connect().mail().ok


def answers(lines: list[bytes], session_id: bytes) -> list[bytes]:
    return [line for line in lines if session_id in line]


@SLOW
@given(st.data())
def test_sessions_do_not_disturb_each_other(data: st.DataObject) -> None:
    ids = [b"%016x" % number for number in (10, 11, 12)]
    version = data.draw(st.sampled_from([b"0.4", b"0.6", b"0.7"]))
    talks = [data.draw(conversations(session_id=sid, version=version)) for sid in ids]
    alone = []
    for talk in talks:
        with Player(Passing()) as smtpd:
            smtpd.play_lines(talk)
            alone.append(smtpd.lines())
    with Player(Passing()) as smtpd:
        queues = [list(talk) for talk in talks]
        while any(queues):
            queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
            smtpd.play_lines([queue.pop(0)])
        together = smtpd.lines()
    for sid, lines in zip(ids, alone, strict=True):
        assert answers(together, sid) == answers(lines, sid)


@SLOW
@given(st.lists(MESSAGE_LINES, max_size=40), st.booleans())
def test_message_lines_survive(lines: list[bytes], edit: bool) -> None:
    class Editing(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict(edits=[AddHeader("X-A", "b")] if edit else ())

    with Player(Editing()) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        client.rcpt_to()
        outcome = client.send([b"Subject: x", b"", *lines])
    assert list(outcome.lines) == [b"X-A: b"] * edit + [b"Subject: x", b"", *lines]
