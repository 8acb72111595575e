"""Lines → events, for protocol 0.4 to 0.7 and later minors.

The parser is total: whatever the bytes, it gives events and never raises. Data-lines of one session that follow each
other become one event; everything else is one event a line. Fields that changed places between versions
(OpenSMTPD 6.6, 6.7, 7.4) come out in the order of 0.7.
"""

from __future__ import annotations

from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from filter_api.protocol.events import PHASES, REPORTS, Config, DataLines, Event, Report, Request, Unknown

_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_PHASES: Final = frozenset(PHASES)
_REPORTS: Final = {name: (6 + count, free) for name, (count, free) in REPORTS.items()}
_MOVED: Final = frozenset({b"tx-mail", b"tx-rcpt", b"link-auth"})
_MARK: Final = b"|smtp-in|data-line|"


def version_tuple(text: bytes) -> tuple[int, int] | None:
    """``0.7`` → (0, 7); None if it is not a version. Compared as numbers: 0.10 is later than 0.7."""
    major, dot, minor = text.partition(b".")
    if not dot or not (major.isdigit() and minor.isdigit()) or len(text) > 10:
        return None
    return int(major), int(minor)


class Parser:
    """Holds what it learned of the peer: the protocol version, from ``config|protocol`` or from the lines."""

    __slots__ = ("_version", "protocol")

    def __init__(self) -> None:
        self.protocol: tuple[int, int] = (0, 7)
        self._version = b""

    def parse(self, lines: list[bytes]) -> list[Event]:
        """Give the events of complete lines, in order."""
        events: list[Event] = []
        append = events.append
        count = len(lines)
        index = 0
        while index < count:
            line = lines[index]
            index += 1
            kind = line[:7]
            if kind == b"report|":
                append(self._report(line))
            elif kind == b"filter|":
                parts = line.split(b"|", 7)
                if len(parts) < 8:
                    append(Unknown(line, "short request"))
                elif parts[4] == b"data-line":
                    index = self._data_lines(lines, index, parts, events)
                else:
                    append(self._request(line, parts))
            elif kind == b"config|":
                append(self._config(line))
            elif line:
                append(Unknown(line, "unknown line"))
        return events

    def _learn(self, version: bytes) -> None:
        if version != self._version:
            parsed = version_tuple(version)
            if parsed is not None:
                self._version = version
                self.protocol = parsed

    def _config(self, line: bytes) -> Event:
        _, key, *value = line.split(b"|", 2)
        if key == b"protocol" and value:
            self._learn(value[0])
        return Config(key, value[0] if value else b"")

    def _report(self, line: bytes) -> Event:
        parts = line.split(b"|")
        if len(parts) < 6:
            return Unknown(line, "short report")
        name = parts[4]
        shape = _REPORTS.get(name)
        if shape is None:
            return Unknown(line, "unknown report")
        expected, free = shape
        if len(parts) != expected:
            if len(parts) < expected:
                return Unknown(line, "short report")
            parts = line.split(b"|", expected - 1) if free else parts[:expected]
        if parts[1] != self._version:
            self._learn(parts[1])
        direction = parts[3]
        if direction != b"smtp-in" and direction != b"smtp-out":  # noqa: PLR1714 - two compares beat a set here
            return Unknown(line, "unknown direction")
        fields = parts[6:]
        if self.protocol < (0, 7) and name in _MOVED:
            fields = self._reorder(name, fields, line)
        return Report(name, parts[5], fields, direction == b"smtp-out")

    def _reorder(self, name: bytes, fields: list[bytes], line: bytes) -> list[bytes]:
        """Give the fields of an older protocol in the order of 0.7.

        Before 0.7 the user name, and before 0.6 the address, came first and may hold ``|``: split from the right.
        """
        if name == b"link-auth":
            return line.split(b"|", 6)[6].rsplit(b"|", 1)[::-1]
        if self.protocol < (0, 6):
            rest = line.split(b"|", 7)[7]
            address, _, result = rest.rpartition(b"|")
            return [fields[0], result, address]
        return fields

    def _request(self, line: bytes, parts: list[bytes]) -> Event:
        _, version, _, direction, phase, session_id, token, argument = parts
        if version != self._version:
            self._learn(version)
        if direction != b"smtp-in" or phase not in _PHASES:
            return Unknown(line, "unknown phase")
        if not (_HEX.issuperset(token) and token and session_id and _HEX.issuperset(session_id)):
            return Unknown(line, "bad request id")
        return Request(phase, session_id, token, argument)

    def _data_lines(self, lines: list[bytes], index: int, parts: list[bytes], events: list[Event]) -> int:
        """Take the run of lines that begins before `index`; give the index after it.

        The head up to the payload is the same for every line of a run but for version and time, which are smtpd's own
        and of fixed width; so comparing the slice behind them cannot be fooled by a client.
        """
        first = lines[index - 1]
        session_id, token, text = parts[5], parts[6], parts[7]
        if parts[1] != self._version:
            self._learn(parts[1])
        if not (_HEX.issuperset(token) and token and session_id and _HEX.issuperset(session_id)):
            events.append(Unknown(first, "bad request id"))
            return index
        end = len(first) - len(text)
        start = end - len(token) - len(session_id) - len(_MARK) - 2
        key = first[start:end]
        if index == len(lines) or lines[index][start:end] != key or key[: len(_MARK)] != _MARK:
            events.append(DataLines(session_id, token, text))
            return index
        run = list(next(groupby(islice(lines, index, None), itemgetter(slice(start, end))))[1])
        payload = itemgetter(slice(end, None))
        events.append(DataLines(session_id, token, text + b"\n" + b"\n".join(map(payload, run))))
        return index + len(run)
