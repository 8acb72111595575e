"""Events as values: what tests and tools compare."""

from __future__ import annotations

import pytest

from filter_api.protocol.events import DataLines, Report, Request
from filter_api.protocol.parser import Parser
from filter_api.protocol.sink import Values

SID, TOKEN = b"3c1bba49506bc31c", b"80bb07f5d532c2d0"


def test_events_are_equal_by_what_they_say() -> None:
    one = Request(b"helo", SID, TOKEN, b"x")
    assert one == Request(b"helo", SID, TOKEN, b"x")
    assert hash(one) == hash(Request(b"helo", SID, TOKEN, b"x"))
    assert one != Request(b"ehlo", SID, TOKEN, b"x")
    assert one != DataLines(SID, TOKEN, b"x")
    assert Report(b"tx-reset", SID, [b"1"]) != Report(b"tx-reset", SID, [b"1"], outgoing=True)
    assert repr(one) == f"Request(b'x', b'helo', {SID!r}, {TOKEN!r})"


@pytest.mark.parametrize("text", [False, True], ids=["no message is open", "between message lines"])
def test_what_a_call_of_a_report_throws_reaches_the_sink_and_the_next_line_is_told(text: bool) -> None:
    """The sink that keeps values gives it to the test; that of a filter logs it."""
    told: list[bytes] = []

    class Logging(Values):
        def broke(self, error: BaseException) -> None:
            told.append(type(error).__name__.encode())

    def throw(_session: object, _parts: list[bytes]) -> None:
        raise ZeroDivisionError

    for kind in (Logging, Values):
        parser = Parser(known={SID: object()})
        parser.told = {b"tx-reset": throw}
        sink = kind()
        start = b"|0.7|1700000000.000000|smtp-in|"
        parser.tell([b"report" + start + b"tx-data|%b|1|ok" % SID], sink)
        if text:
            parser.tell([b"filter" + start + b"data-line|%b|%b|x" % (SID, TOKEN)], sink)
        lines = [b"report" + start + b"tx-data|%b|1|ok" % SID]  # of which nobody wants to be told
        lines += [b"report" + start + b"tx-reset|%b|0badcafe" % SID, b"filter" + start + b"rset|%b|%b|" % (SID, TOKEN)]
        if kind is Values:
            with pytest.raises(ZeroDivisionError):
                parser.tell(lines, sink)
            continue
        parser.tell(lines, sink)
        assert told == [b"ZeroDivisionError"]
        assert sink.events[-1] == Request(b"rset", SID, TOKEN, b"")


def test_an_empty_line_says_nothing() -> None:
    assert Parser().parse([b"", b""]) == []


@pytest.mark.parametrize("text", [False, True], ids=["no message is open", "between message lines"])
def test_a_call_of_a_report_gets_the_session_and_the_whole_line(text: bool) -> None:
    session = object()
    told: list[tuple[object, ...]] = []
    parser = Parser(known={SID: session})
    start = b"|0.7|1700000000.000000|smtp-in|"
    reset, end = b"report" + start + b"tx-reset|%b|0badcafe" % SID, b"report" + start + b"link-disconnect|" + SID
    parser.parse([b"filter" + start + b"data-line|%b|%b|x" % (SID, TOKEN) if text else reset])  # tells the version
    parser.told = {b"tx-reset": lambda *what: told.append(what), b"link-disconnect": lambda *what: told.append(what)}
    assert parser.parse([reset, end]) == []
    assert told == [(session, reset.split(b"|")), (session, end.split(b"|"))]
