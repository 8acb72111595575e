"""Lines → events, for protocol 0.4 to 0.7 and later minors.

The parser is total: whatever the bytes, it tells events and never raises. Data-lines of one session that follow each
other become one event; everything else is one event a line. Fields that changed places between versions
(OpenSMTPD 6.6, 6.7, 7.4) come out in the order of 0.7.

`Parser.tell` calls a `Sink` as it reads: a filter handles a line in about a microsecond, and an object for each would
be a fifth of that. `Parser.parse` gives the same events as values, for tests and tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter, length_hint
from typing import Any, Final

from filter_api.protocol.events import FIELDS, PHASES, REPORTS, Event
from filter_api.protocol.sink import Sink, Values

_PHASES: Final = frozenset(PHASES)
_SHAPES: Final = {name: (FIELDS + count, free) for name, (count, free) in REPORTS.items()}
_LENGTHS: Final = {name: FIELDS + count for name, (count, _) in REPORTS.items()}
_MOVED_AT_6: Final = frozenset({b"tx-mail", b"tx-rcpt"})
_MOVED_AT_7: Final = frozenset({b"link-auth"})
_R: Final = ord("r")
_F: Final = ord("f")
_MARK: Final = b"|smtp-in|data-line|"
_MAX_HEADS: Final = 1024  # sessions in DATA at a time that are parsed the fast way
_MAX_TOKENS: Final = 256
_STRETCH: Final = 64  # lines in which the end of a run is looked for first: a read has hundreds, of several sessions
_DIGITS: Final = b"0123456789abcdefABCDEF"


def version_tuple(text: bytes) -> tuple[int, int] | None:
    """``0.7`` → (0, 7); None if it is not a version. Compared as numbers: 0.10 is later than 0.7."""
    major, dot, minor = text.partition(b".")
    if not dot or not (major.isdigit() and minor.isdigit()) or len(text) > 10:
        return None
    return int(major), int(minor)


def is_hex(text: bytes) -> bool:
    """Whether it is hexadecimal digits and nothing else; what `int` takes beside them smtpd never writes."""
    return text != b"" and not text.strip(_DIGITS)


class Parser:
    """Holds what it learned of the peer: the protocol version, and where the ids of data-lines stand."""

    __slots__ = (
        "_heads",
        "_ids",
        "_known",
        "_lengths",
        "_text",
        "_tokens",
        "_version",
        "at",
        "in_text",
        "lines",
        "protocol",
        "swapped",
        "told",
    )

    def __init__(self, known: Mapping[bytes, Any] | None = None) -> None:
        """known: sessions by id, which need no second look."""
        self.protocol: tuple[int, int] = (0, 7)
        self._known: Mapping[bytes, Any] = {} if known is None else known
        #: Report of smtp-in → the call that takes it, for a session that is known: spares the way through the sink.
        self.told: Mapping[bytes, Callable[[Any, list[bytes]], None]] = {}
        self._version = b""
        self._lengths = _LENGTHS
        #: Tokens seen, and the phase of each: smtpd has one for each filter and phase.
        self._tokens: dict[bytes, bytes] = {}
        # Everything of a data-line from "|smtp-in|" to its text is the same for all lines of a session, and stands at
        # the same place in all of them, as version and time before it are smtpd's own and of fixed width. So what was
        # read once is looked up from then on; a client's text stands behind it and cannot pose as it.
        self._heads: dict[bytes, tuple[bytes, bytes]] = {}
        self._ids = slice(28, 81)
        self._text = (itemgetter(slice(81, None)), itemgetter(slice(81, -1)))
        #: The lines told last, and how many of them were: what is left if `tell` raised for want of memory.
        self.lines: list[bytes] = []
        self.at = 0
        #: Whether the last line told was one of a message: more of them will follow.
        self.in_text = False
        #: Whether answers have token and session id in the order of the first versions.
        self.swapped = False

    def parse(self, lines: list[bytes]) -> list[Event]:
        """Give the events of complete lines, in order."""
        values = Values()
        self.tell(lines, values)
        return values.events

    def tell(self, lines: list[bytes], sink: Sink, ends: bool = False) -> None:
        """Tell the events of complete lines, in order; ends: each still has its LF, see `Framing.feed`.

        Raises what the sink raises, and MemoryError; `lines` from `at` on were not told then.
        """
        self.lines, self.at = lines, 0
        if not (self._heads or ends):
            self._tell_events(lines, sink)
        if self.at < len(lines):
            self._tell_mixed(lines, sink, ends)
        if self._heads:
            self.in_text = len(lines) > 0 and lines[-1][self._ids] in self._heads

    def _tell_events(self, lines: list[bytes], sink: Sink) -> None:
        """While no session has been in DATA; then the rest is `_tell_mixed`, which costs a quarter more."""
        request, heads, version, tokens, known = sink.request, self._heads, self._version, self._tokens, self._known
        length_of, session_of, call_of = self._lengths.get, known.get, self.told.get
        rest = iter(lines)
        try:
            for line in rest:
                parts = line.split(b"|")
                count = len(parts)
                if count > 5 and parts[1] == version and parts[3] == b"smtp-in":
                    if length_of(parts[4]) == count and parts[0] == b"report":
                        session = session_of(parts[5])
                        if session is None:
                            sink.report(parts[4], parts[5], parts, False)
                            continue
                        tell = call_of(parts[4])
                        if tell is not None:
                            try:
                                tell(session, parts)
                            except BaseException as error:  # noqa: BLE001 - what else was read is not lost with it
                                sink.broke(error)
                        continue
                    if count > 7 and tokens.get(parts[6]) == parts[4] and parts[5] in known and parts[0] == b"filter":
                        request(parts[4], parts[5], parts[6], parts[7] if count == 8 else b"|".join(parts[7:]))
                        continue
                self._line(line, sink)
                if heads:
                    self.at = len(lines) - length_hint(rest)
                    return
        except BaseException:
            self.at = len(lines) - length_hint(rest) - 1  # all but the line at hand, and what is left
            raise
        self.at = len(lines)

    def _line(self, line: bytes, sink: Sink) -> None:
        """Any line, without haste."""
        if line.startswith(b"report|"):
            self._report(line, line.split(b"|"), sink)
        elif line.startswith(b"filter|"):
            self._request(line, sink)
        elif line:
            self._config(line, sink)

    def _tell_mixed(self, lines: list[bytes], sink: Sink, ends: bool) -> None:
        """Message text and other lines."""
        report, data_lines = sink.report, sink.data_lines
        session_of, call_of = self._known.get, self.told.get
        heads, length_of, version = self._heads, self._lengths.get, self._version
        count = len(lines)
        index = at = self.at
        try:
            while index < count:
                at = index
                line = lines[index]
                index += 1
                first = line[0] if line else 0
                if first == _F:
                    head = line[self._ids]
                    known = heads.get(head)
                    if known is not None:
                        if index < count and lines[index][self._ids] == head:
                            run = self._run(lines, at, ends)
                            index = at + len(run)
                            data_lines(known[0], known[1], b"\n".join(run))
                        else:
                            data_lines(known[0], known[1], self._text[ends](line))
                        continue
                if ends:
                    line = line[:-1]
                if first == _R:
                    parts = line.split(b"|")
                    if (
                        len(parts) > 5
                        and length_of(parts[4]) == len(parts)
                        and parts[1] == version
                        and parts[3] == b"smtp-in"
                        and parts[0] == b"report"
                    ):
                        session = session_of(parts[5])
                        if session is None:
                            report(parts[4], parts[5], parts, False)
                            continue
                        tell = call_of(parts[4])
                        if tell is not None:
                            try:
                                tell(session, parts)
                            except BaseException as error:  # noqa: BLE001 - as above
                                sink.broke(error)
                    else:
                        self._report(line, parts, sink)
                elif first == _F:
                    self._request(line, sink)
                elif line:
                    self._config(line, sink)
            at = index
        finally:
            self.at = at

    def _run(self, lines: list[bytes], at: int, ends: bool) -> list[bytes]:
        """The texts of the message lines from `at` on that are of the same session."""
        ids, text = itemgetter(self._ids), self._text[ends]
        head, first = next(groupby(lines[at : at + _STRETCH], ids))
        run = [*map(text, first)]
        if len(run) == _STRETCH:
            more, rest = next(groupby(lines[at + _STRETCH :], ids), (b"", ()))
            if more == head:
                run.extend(map(text, rest))
        return run

    def _learn(self, version: bytes) -> None:
        if version != self._version:
            parsed = version_tuple(version)
            if parsed is not None:
                self._version = version
                self.protocol = parsed
                self.swapped = parsed < (0, 5)
                moved = (_MOVED_AT_6 if parsed < (0, 6) else set()) | (_MOVED_AT_7 if parsed < (0, 7) else set())
                self._lengths = {name: length for name, length in _LENGTHS.items() if name not in moved}

    def _config(self, line: bytes, sink: Sink) -> None:
        if not line.startswith(b"config|"):
            sink.unknown(line, "unknown line")
            return
        _, key, *value = line.split(b"|", 2)
        if key == b"protocol" and value:
            self._learn(value[0])
        sink.config(key, value[0] if value else b"")

    def _report(self, line: bytes, parts: list[bytes], sink: Sink) -> None:
        """What is not as it mostly is: another version, outgoing, a ``|`` in the last field, or not a report."""
        if len(parts) < 6 or parts[0] != b"report" or parts[4] not in _SHAPES:
            sink.unknown(line, "unknown report")
            return
        name, direction = parts[4], parts[3]
        expected, free = _SHAPES[name]
        if len(parts) < expected:
            sink.unknown(line, "short report")
            return
        if direction not in {b"smtp-in", b"smtp-out"}:
            sink.unknown(line, "unknown direction")
            return
        self._learn(parts[1])
        parts = line.split(b"|", expected - 1) if free else parts[:expected]
        if name not in self._lengths:
            parts[FIELDS:] = self._reorder(name, parts[FIELDS:], line)
        sink.report(name, parts[5], parts, direction == b"smtp-out")

    def _reorder(self, name: bytes, fields: list[bytes], line: bytes) -> list[bytes]:
        """Give the fields of an older protocol in the order of 0.7.

        Before 0.7 the user name, and before 0.6 the address, came first and may hold ``|``: split from the right.
        """
        if name == b"link-auth":
            return line.split(b"|", 6)[6].rsplit(b"|", 1)[::-1]
        rest = line.split(b"|", 7)[7]
        address, _, result = rest.rpartition(b"|")
        return [fields[0], result, address]

    def _request(self, line: bytes, sink: Sink) -> None:
        try:
            kind, version, _, direction, phase, session_id, token, argument = line.split(b"|", 7)
        except ValueError:
            sink.unknown(line, "short request")
            return
        if kind != b"filter" or direction != b"smtp-in" or (phase not in _PHASES and phase != b"data-line"):
            sink.unknown(line, "unknown request")
        elif not ((session_id in self._known or is_hex(session_id)) and (token in self._tokens or is_hex(token))):
            sink.unknown(line, "bad request id")
        else:
            if version != self._version:
                self._learn(version)
            if phase != b"data-line":
                if token not in self._tokens and len(self._tokens) < _MAX_TOKENS:
                    self._tokens[token] = phase
                sink.request(phase, session_id, token, argument)
            else:
                self._remember(line, session_id, token, len(line) - len(argument))
                sink.data_lines(session_id, token, argument)

    def _remember(self, line: bytes, session_id: bytes, token: bytes, end: int) -> None:
        """Keep the head of a data-line whose text begins at `end`, so that the next one is known by it."""
        ids = slice(end - len(_MARK) - len(session_id) - len(token) - 2, end)
        if ids != self._ids or len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
            self._ids = ids
            self._text = (itemgetter(slice(end, None)), itemgetter(slice(end, -1)))
        self._heads[line[ids]] = (session_id, token)
