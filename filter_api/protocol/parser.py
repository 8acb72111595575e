"""Lines → events, for protocol 0.4 to 0.7 and later minors.

The parser is total: whatever the bytes, it gives events and never raises. Data-lines of one session that follow each
other become one event; everything else is one event a line. Fields that changed places between versions
(OpenSMTPD 6.6, 6.7, 7.4) come out in the order of 0.7.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Final

from filter_api.protocol.events import PHASES, REPORTS, Config, DataLines, Event, Report, Request, Unknown

_HEX: Final = b"0123456789abcdefABCDEF"
_PHASES: Final = frozenset(PHASES)
_REPORTS: Final = {name: (6 + count, free) for name, (count, free) in REPORTS.items()}
_MOVED: Final = frozenset({b"tx-mail", b"tx-rcpt", b"link-auth"})
_MARK: Final = b"|smtp-in|data-line|"
_MAX_HEADS: Final = 1024  # sessions in DATA at a time that are parsed the fast way


def version_tuple(text: bytes) -> tuple[int, int] | None:
    """``0.7`` → (0, 7); None if it is not a version. Compared as numbers: 0.10 is later than 0.7."""
    major, dot, minor = text.partition(b".")
    if not dot or not (major.isdigit() and minor.isdigit()) or len(text) > 10:
        return None
    return int(major), int(minor)


class Parser:
    """Holds what it learned of the peer: the protocol version, and where the ids of data-lines stand."""

    __slots__ = ("_heads", "_ids", "_old", "_text", "_version", "protocol")

    def __init__(self) -> None:
        self.protocol: tuple[int, int] = (0, 7)
        self._version = b""
        self._old = False
        # Everything of a data-line from "|smtp-in|" to its text is the same for all lines of a session, and stands at
        # the same place in all of them, as version and time before it are smtpd's own and of fixed width. So what was
        # read once is looked up from then on; a client's text stands behind it and cannot pose as it.
        self._heads: dict[bytes, tuple[bytes, bytes]] = {}
        self._ids = slice(28, 81)
        self._text = itemgetter(slice(81, None))

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
                head = line[self._ids]
                known = self._heads.get(head)
                if known is None:
                    append(self._request(line))
                elif index < count and lines[index][self._ids] == head:
                    run = list(next(groupby(lines[index - 1 :], itemgetter(self._ids)))[1])
                    append(DataLines(known[0], known[1], b"\n".join(map(self._text, run))))
                    index += len(run) - 1
                else:
                    append(DataLines(known[0], known[1], self._text(line)))
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
                self._old = parsed < (0, 7)

    def _config(self, line: bytes) -> Event:
        _, key, *value = line.split(b"|", 2)
        if key == b"protocol" and value:
            self._learn(value[0])
        return Config(key, value[0] if value else b"")

    def _report(self, line: bytes) -> Event:
        parts = line.split(b"|")
        try:
            name = parts[4]
            expected, free = _REPORTS[name]
        except (IndexError, KeyError):
            return Unknown(line, "unknown report")
        if len(parts) != expected:
            if len(parts) < expected:
                return Unknown(line, "short report")
            parts = line.split(b"|", expected - 1) if free else parts[:expected]
        if parts[1] != self._version:
            self._learn(parts[1])
        outgoing = parts[3] == b"smtp-out"
        if not outgoing and parts[3] != b"smtp-in":
            return Unknown(line, "unknown direction")
        fields = parts[6:]
        if self._old and name in _MOVED:
            fields = self._reorder(name, fields, line)
        return Report(name, parts[5], fields, outgoing)

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

    def _request(self, line: bytes) -> Event:
        try:
            _, version, _, direction, phase, session_id, token, argument = line.split(b"|", 7)
        except ValueError:
            return Unknown(line, "short request")
        if version != self._version:
            self._learn(version)
        if direction != b"smtp-in" or (phase not in _PHASES and phase != b"data-line"):
            return Unknown(line, "unknown phase")
        if not session_id or not token or (session_id + token).translate(None, _HEX):
            return Unknown(line, "bad request id")
        if phase != b"data-line":
            return Request(phase, session_id, token, argument)
        self._remember(line, session_id, token, len(line) - len(argument))
        return DataLines(session_id, token, argument)

    def _remember(self, line: bytes, session_id: bytes, token: bytes, end: int) -> None:
        """Keep the head of a data-line whose text begins at `end`, so that the next one is known by it."""
        ids = slice(end - len(_MARK) - len(session_id) - len(token) - 2, end)
        if ids != self._ids or len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
            self._ids = ids
            self._text = itemgetter(slice(end, None))
        self._heads[line[ids]] = (session_id, token)
