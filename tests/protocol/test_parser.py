"""Lines of every version to events: literals first, then what is odd."""

from __future__ import annotations

import pytest

from filter_api.bounds import MAX_LINE_IN
from filter_api.protocol.events import REPORTS, Config, DataLines, Event, Report, Request, Unknown
from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser, is_hex, version_tuple
from filter_api.protocol.sink import Values

SID = b"3c1bba49506bc31c"
TOKEN = b"80bb07f5d532c2d0"


def report(version: str, event: str, *fields: str) -> bytes:
    head = f"report|{version}|1795162010.221831|smtp-in|{event}|{SID.decode()}"
    return "|".join((head, *fields)).encode("latin-1")


def request(version: str, phase: str, argument: str = "") -> bytes:
    return f"filter|{version}|1795162010.221831|smtp-in|{phase}|{SID.decode()}|{TOKEN.decode()}|{argument}".encode(
        "latin-1"
    )


LITERALS: list[tuple[bytes, Event]] = [
    (b"config|smtpd-version|6.8.0p2", Config(b"smtpd-version", b"6.8.0p2")),
    (b"config|ready", Config(b"ready", b"")),
    (b"config|admd|a|b", Config(b"admd", b"a|b")),
    (
        report("0.7", "link-connect", "mx.example.org", "pass", "192.0.2.1:25", "[2001:db8::1]:25"),
        Report(b"link-connect", SID, [b"mx.example.org", b"pass", b"192.0.2.1:25", b"[2001:db8::1]:25"]),
    ),
    (report("0.7", "link-disconnect"), Report(b"link-disconnect", SID, [])),
    (report("0.7", "link-auth", "pass", "al|ice"), Report(b"link-auth", SID, [b"pass", b"al|ice"])),
    (report("0.6", "link-auth", "al|ice", "pass"), Report(b"link-auth", SID, [b"pass", b"al|ice"])),
    (report("0.7", "tx-mail", "54e2cdcd", "ok", "a|b@c"), Report(b"tx-mail", SID, [b"54e2cdcd", b"ok", b"a|b@c"])),
    (report("0.6", "tx-mail", "54e2cdcd", "ok", "a|b@c"), Report(b"tx-mail", SID, [b"54e2cdcd", b"ok", b"a|b@c"])),
    (report("0.5", "tx-mail", "54e2cdcd", "a|b@c", "ok"), Report(b"tx-mail", SID, [b"54e2cdcd", b"ok", b"a|b@c"])),
    (report("0.4", "tx-rcpt", "54e2cdcd", "a|b@c", "ok"), Report(b"tx-rcpt", SID, [b"54e2cdcd", b"ok", b"a|b@c"])),
    (report("0.4", "tx-mail", "54e2cdcd", "", "ok"), Report(b"tx-mail", SID, [b"54e2cdcd", b"ok", b""])),
    (report("0.7", "protocol-client", "AUTH|\xff\r|"), Report(b"protocol-client", SID, [b"AUTH|\xff\r|"])),
    (
        b"report|0.7|1795162010.2|smtp-out|tx-commit|" + SID + b"|54e2cdcd|497",
        Report(b"tx-commit", SID, [b"54e2cdcd", b"497"], True),
    ),
    (request("0.7", "connect", "<unknown>|192.0.2.1"), Request(b"connect", SID, TOKEN, b"<unknown>|192.0.2.1")),
    (request("0.7", "data"), Request(b"data", SID, TOKEN, b"")),
    (request("0.9", "mail-from", "a|b@c"), Request(b"mail-from", SID, TOKEN, b"a|b@c")),
    (request("0.7", "data-line", "a|b\x0c\x85"), DataLines(SID, TOKEN, b"a|b\x0c\x85")),
    (request("0.7", "data-line"), DataLines(SID, TOKEN, b"")),
]


@pytest.mark.parametrize(("line", "event"), LITERALS, ids=[repr(line)[:60] for line, _ in LITERALS])
def test_a_line_is_this_event(line: bytes, event: Event) -> None:
    """The first time, when everything is looked at, and the second, when much of it is known."""
    assert Parser().parse([line]) == [event]
    sessions: list[dict[bytes, object]] = [{}, {SID: object()}]
    for known in sessions[: 1 if isinstance(event, Report) else 2]:  # reports of known ones are calls: test_sink
        parser = Parser(known)
        assert parser.parse([line]) == [event]
        assert joined(parser.parse([line, line])) == joined([event, event])


@pytest.mark.parametrize(
    "line",
    [
        request("0.7", "mail-from", "x").replace(b"filter|", b"filtre|"),
        request("0.7", "mail-from", "x").replace(b"|mail-from|", b"|connect|"),
        request("0.7", "mail-from", "a|b"),
        request("0.7", "mail-from", "|a||b|"),
        request("0.7", "mail-from")[:-1],
        request("0.7", "mail-from", "x").replace(SID, b"0" * 16),
        request("0.7", "mail-from", "x").replace(TOKEN, b"0" * 16),
        report("0.7", "tx-begin", "54e2cdcd", "more"),
        report("0.7", "tx-mail", "54e2cdcd", "ok", "a|b"),
        report("0.7", "tx-begin", "54e2cdcd").replace(b"report|", b"retort|"),
        report("0.6", "link-auth", "alice", "pass"),
    ],
)
def test_what_is_nearly_as_the_line_before_is_read_as_if_none_had_been_before(line: bytes) -> None:
    parser = Parser({SID: object()})
    parser.parse([request("0.7", "mail-from", "x"), report("0.7", "tx-begin", "54e2cdcd")])
    assert parser.parse([line]) == Parser().parse([line])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello world", "unknown line"),
        (b"report|0.7|1|smtp-in", "unknown report"),
        (b"report|0.7|1|smtp-in|link-disconnect", "unknown report"),
        (report("0.7", "link-connect", "too", "few"), "short report"),
        (report("0.7", "some-day-this-exists", "x"), "unknown report"),
        (b"report|0.7|1|smtp-sideways|link-disconnect|" + SID, "unknown direction"),
        (b"filter|0.7|1|smtp-in|connect|" + SID, "short request"),
        (b"filter|0.7|1|smtp-in|connect|" + SID + b"|" + TOKEN, "short request"),
        (b"filter|0.7|1|smtp-in|connect|" + SID + b"||x", "bad request id"),
        (b"filter|0.7|1|smtp-in|connect|not hex|" + TOKEN + b"|x", "bad request id"),
        (b"filter|0.7|1|smtp-in|connect|3c1b b495|" + TOKEN + b"|x", "bad request id"),
        (b"filter|0.7|1|smtp-in|connect|3c1b_b495|" + TOKEN + b"|x", "bad request id"),
        (b"filter|0.7|1|smtp-in|connect|-3c1bb495|" + TOKEN + b"|x", "bad request id"),
        (b"filter|0.7|1|smtp-in|data-line|" + SID + b"|zz|x", "bad request id"),
        (b"filter|0.7|1|smtp-in|some-day-this-is-asked|" + SID + b"|" + TOKEN + b"|x", "unknown request"),
        (b"filter|0.7|1|smtp-out|connect|" + SID + b"|" + TOKEN + b"|x", "unknown request"),
        (b"filters|0.7|1|smtp-in|connect|" + SID + b"|" + TOKEN + b"|x", "unknown line"),
        (b"reports|0.7|1|smtp-in|link-disconnect|" + SID, "unknown line"),
    ],
)
def test_what_says_nothing_we_know_is_unknown(line: bytes, reason: str) -> None:
    assert Parser().parse([line]) == [Unknown(line, reason)]
    (event,) = Parser().parse([line])
    assert repr(event) == f"Unknown({line!r}, {reason!r})"
    in_data = Parser()  # where lines go another way
    in_data.parse([request("0.7", "data-line", "x")])
    (event,) = in_data.parse([line])
    assert isinstance(event, Unknown)
    assert event.line == line


def test_later_versions_may_add_fields() -> None:
    line = report("0.8", "link-connect", "mx", "pass", "192.0.2.1:25", "192.0.2.2:25", "something-new")
    (event,) = Parser().parse([line])
    assert isinstance(event, Report)
    assert event.fields == [b"mx", b"pass", b"192.0.2.1:25", b"192.0.2.2:25"]


def test_every_report_of_the_table_is_understood() -> None:
    for name, (count, _) in REPORTS.items():
        line = report("0.7", name.decode(), *(f"f{n}" for n in range(count)))
        assert Parser().parse([line]) == [Report(name, SID, [b"f%d" % n for n in range(count)])]


def joined(events: list[Event]) -> list[Event]:
    """Runs of one session's lines as one event: how they are cut is the parser's own business."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, DataLines) and isinstance(last, DataLines) and event.session_id == last.session_id:
            merged[-1] = DataLines(event.session_id, event.token, last.text + b"\n" + event.text)
        else:
            merged.append(event)
    return merged


def test_lines_of_a_known_session_become_one_event() -> None:
    lines = [request("0.7", "data-line", text) for text in ("one", "", "..", "three|", ".")]
    parser = Parser()
    parser.parse(lines[:1])
    assert parser.parse(lines) == [DataLines(SID, TOKEN, b"one\n\n..\nthree|\n.")]
    assert joined(Parser().parse(lines)) == [DataLines(SID, TOKEN, b"one\n\n..\nthree|\n.")]


def test_an_empty_line_says_nothing_wherever_it_stands() -> None:
    line, end = request("0.7", "data-line", "x"), report("0.7", "link-disconnect")
    parser = Parser()
    parser.parse([line])
    assert parser.parse([b"", line, b"", line, b""]) == [DataLines(SID, TOKEN, b"x"), DataLines(SID, TOKEN, b"x")]
    assert parser.parse([b"", end, b""]) == [Report(b"link-disconnect", SID, [])]


def test_lines_of_two_sessions_keep_apart_and_in_order() -> None:
    other = b"ffffffffffffffff"
    mine = request("0.7", "data-line", "mine")
    theirs = mine.replace(SID, other).replace(b"mine", b"theirs")
    events = joined(Parser().parse([mine, mine, theirs, mine, report("0.7", "link-disconnect"), mine]))
    assert events == [
        DataLines(SID, TOKEN, b"mine\nmine"),
        DataLines(other, TOKEN, b"theirs"),
        DataLines(SID, TOKEN, b"mine"),
        Report(b"link-disconnect", SID, []),
        DataLines(SID, TOKEN, b"mine"),
    ]


def test_a_client_cannot_pose_as_another_session() -> None:
    other = b"ffffffffffffffff"
    forged = b"|smtp-in|data-line|" + other + b"|" + TOKEN + b"|forged"
    lines = [
        request("0.7", "data-line", "x").replace(SID, other),
        request("0.7", "data-line", forged.decode()),
        report("0.7", "protocol-client", forged.decode()),
        request("0.7", "mail-from", forged.decode()),
    ]
    first, second, third, fourth = Parser().parse(lines)
    assert first == DataLines(other, TOKEN, b"x")
    assert second == DataLines(SID, TOKEN, forged)
    assert third == Report(b"protocol-client", SID, [forged])
    assert fourth == Request(b"mail-from", SID, TOKEN, forged)


def test_a_run_may_change_its_shape() -> None:
    """A clock that gains a digit, another version: the heads move, the lines must not."""
    short = request("0.7", "data-line", "a")
    long = short.replace(b"1795162010", b"11795162010")
    newer = short.replace(b"|0.7|", b"|0.10|")
    texts = [event.text for event in Parser().parse([short, long, long, newer, short]) if isinstance(event, DataLines)]
    assert b"\n".join(texts) == b"a\na\na\na\na"


def test_the_version_is_learned_from_the_first_line() -> None:
    parser = Parser()
    parser.parse([report("0.6", "timeout")])
    assert parser.protocol == (0, 6)
    parser.parse([b"config|protocol|0.12"])
    assert parser.protocol == (0, 12)
    parser.parse([report("rubbish", "timeout")])
    assert parser.protocol == (0, 12)


@pytest.mark.parametrize(
    ("version", "protocol", "swapped"),
    [("0.4", (0, 4), True), ("0.5", (0, 5), False), ("0.6", (0, 6), False), ("1.0", (1, 0), False)],
)
def test_whatever_comes_first_tells_the_version_and_whether_the_token_comes_first(
    version: str, protocol: tuple[int, int], swapped: bool
) -> None:
    for line in (
        request(version, "connect", "x|192.0.2.1"),
        request(version, "data-line", "x"),
        report(version, "timeout"),
        f"config|protocol|{version}".encode(),
    ):
        parser = Parser()
        assert (parser.protocol, parser.swapped) == ((0, 7), False)
        parser.parse([line])
        assert (parser.protocol, parser.swapped) == (protocol, swapped)


def test_no_other_word_of_the_configuration_tells_a_version() -> None:
    parser = Parser()
    parser.parse([b"config|smtp-session-timeout|0.4", b"config|protocol"])
    assert parser.protocol == (0, 7)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", True), (b"0000000000000000", True), (b"9af", True), (b"9AF", True), (b"9ag", False), (b"9g9", False),
        (b"", False), (b"-1", False), (b"+1", False), (b"1_0", False), (b" 1", False), (b"0x1", False),
        (b"\xb2", False),
    ],
)  # fmt: skip
def test_an_id_is_hexadecimal_digits_and_nothing_else(text: bytes, number: bool) -> None:
    assert is_hex(text) is number


def test_what_is_kept_of_tokens_and_sessions_is_bounded_and_what_is_beyond_is_read_all_the_same() -> None:
    parser = Parser()
    for number in range(300):
        line = request("0.7", "helo", "x").replace(TOKEN, b"%016x" % number)
        assert parser.parse([line]) == [Request(b"helo", SID, b"%016x" % number, b"x")]
    assert len(parser._tokens) == 256
    for number in range(1_100):
        line = request("0.7", "data-line", "x").replace(SID, b"%016x" % number)
        assert parser.parse([line]) == [DataLines(b"%016x" % number, TOKEN, b"x")]
        assert len(parser._heads) <= 1_024


@pytest.mark.parametrize("text", [False, True], ids=["no message is open", "between message lines"])
def test_where_the_sink_raises_the_rest_was_not_told(text: bool) -> None:
    class Full(Values):
        def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
            raise MemoryError

    parser = Parser()
    parser.parse([request("0.7", "data-line", "x") if text else report("0.7", "timeout")])
    lines = [report("0.7", "timeout"), report("0.7", "timeout"), request("0.7", "helo", "x"), report("0.7", "timeout")]
    with pytest.raises(MemoryError):
        parser.tell(lines, Full())
    assert (parser.lines, parser.at) == (lines, 2)
    parser.tell(lines[:2], Full())
    assert parser.at == 2


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"0.7", (0, 7)),
        (b"0.10", (0, 10)),
        (b"1.0", (1, 0)),
        (b"1", None),
        (b"a.b", None),
        (b"", None),
        (b"0.-1", None),
        (b".7", None),
        (b"0.", None),
        (b"0.7.1", None),
        (b"0.12345678", (0, 12345678)),
        (b"0.123456789", None),
    ],
)
def test_versions(text: bytes, version: tuple[int, int] | None) -> None:
    assert version_tuple(text) == version


class TestFraming:
    def test_only_lf_ends_a_line(self) -> None:
        odd = b"a\rb\x0bc\x0cd\x1ce\x85f\xe2\x80\xa8g"
        assert Framing().feed(odd + b"\n") == [odd]

    def test_bytes_one_by_one(self) -> None:
        framing = Framing()
        lines = [line for byte in b"ab\n\nc\n" for line in framing.feed(bytes([byte]))]
        assert lines == [b"ab", b"", b"c"]
        assert framing.pending == 0

    def test_an_endless_line_keeps_its_beginning_and_bounded_memory(self) -> None:
        framing = Framing()
        for _ in range(100):
            assert framing.feed(b"x" * 65_536) == []
            assert framing.pending <= MAX_LINE_IN
        (line, after) = framing.feed(b"\nnext\n")
        assert line == b"x" * MAX_LINE_IN
        assert after == b"next"


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("first", [1, 2, 63, 64, 65, 127, 128, 129, 300])
def test_a_run_ends_with_its_last_line_however_long_it_is(first: int, ends: bool) -> None:
    """Its end is looked for in a few lines first, then in all."""

    def lines(session_id: bytes, count: int) -> list[bytes]:
        head = b"filter|0.7|1795162010.221831|smtp-in|data-line|%b|%b|" % (session_id, TOKEN)
        return [b"%bline %d%b" % (head, number, b"\n" * ends) for number in range(count)]

    def told(*runs: tuple[bytes, int]) -> list[Event]:
        return [
            DataLines(session_id, TOKEN, b"\n".join(b"line %d" % number for number in range(count)))
            for session_id, count in runs
        ]

    other = SID[::-1]
    parser, values = Parser(), Values()
    parser.tell(lines(SID, 1) + lines(other, 1), values, ends=ends)  # from now on it knows both
    for last in (0, 1, 64, 70):
        values.events.clear()
        parser.tell(lines(SID, first) + lines(other, last), values, ends=ends)
        assert values.events == told((SID, first), (other, last))[: 1 + (last > 0)]
