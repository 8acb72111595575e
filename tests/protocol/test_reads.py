"""However the bytes are cut into reads, the parser tells the same, whether lines come with their LF or without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.protocol.events import Config, DataLines, Event, Report, Request, Unknown
from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser

TOKEN = b"80bb07f5d532c2d0"
SESSIONS = (b"3c1bba49506bc31c", b"3c1bba49506bc31d")

texts = st.binary(max_size=20).filter(lambda text: b"\n" not in text)


def line(kind: bytes, session: bytes, text: bytes) -> bytes:
    """One line of smtpd: a data-line, a request, a report, or none of them."""
    if kind == b"report":
        return b"report|0.7|1795162010.221831|smtp-in|tx-begin|" + session + b"|" + text
    if kind == b"garbage":
        return text
    return b"filter|0.7|1795162010.221831|smtp-in|" + kind + b"|" + session + b"|" + TOKEN + b"|" + text


kinds = st.sampled_from([b"data-line"] * 4 + [b"rcpt-to", b"report", b"garbage"])
streams = st.lists(st.builds(line, kinds, st.sampled_from(SESSIONS), texts), max_size=30)


class Told:
    """Keeps what it is told, each message line by itself."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def config(self, key: bytes, value: bytes) -> None:
        self.events.append(Config(key, value))

    def report(self, name: bytes, session_id: bytes, parts: list[bytes], outgoing: bool) -> None:
        self.events.append(Report(name, session_id, parts[6:], outgoing))

    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        self.events.append(Request(phase, session_id, token, argument))

    def data_lines(self, session_id: bytes, token: bytes, text: bytes) -> None:
        self.events += [DataLines(session_id, token, each) for each in text.split(b"\n")]

    def unknown(self, line: bytes, reason: str) -> None:
        self.events.append(Unknown(line, reason))

    def broke(self, error: BaseException) -> None:
        raise error


def told(stream: list[bytes], cuts: list[int]) -> list[Event]:
    """Feed the stream in reads of the given sizes, over and over, as the dispatcher does."""
    data = b"".join(each + b"\n" for each in stream)
    framing, parser, sink = Framing(), Parser(), Told()
    turn = 0
    while data:
        size = cuts[turn % len(cuts)]
        turn += 1
        ends = parser.in_text
        parser.tell(framing.feed(data[:size], ends=ends), sink, ends=ends)
        data = data[size:]
    assert framing.pending == 0
    return sink.events


@given(streams, st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_any_reads_tell_the_same(stream: list[bytes], cuts: list[int]) -> None:
    one_by_one = Told()
    parser = Parser()
    for each in stream:
        parser.tell([each], one_by_one)
    assert told(stream, cuts) == one_by_one.events


@pytest.mark.parametrize("clock", [b"1795162010.221831", b"11795162010.221831", b"1.2"])
def test_message_lines_come_whole_whatever_the_shape_of_what_stands_before_them(clock: bytes) -> None:
    head = b"filter|0.7|" + clock + b"|smtp-in|data-line|" + SESSIONS[0] + b"|" + TOKEN + b"|"
    stream = [head + text for text in (b"one", b"two", b"", b"|", b"five")]
    for cuts in ([len(head) + 4], [1], [1_000]):
        assert told(stream, cuts) == [
            DataLines(SESSIONS[0], TOKEN, text) for text in (b"one", b"two", b"", b"|", b"five")
        ]


def test_a_read_within_a_message_is_taken_the_fast_way() -> None:
    parser = Parser()
    data = line(b"data-line", SESSIONS[0], b"x")
    assert not parser.in_text
    parser.parse([data])
    assert parser.in_text
    parser.parse([data, line(b"report", SESSIONS[0], b"x")])
    assert not parser.in_text
