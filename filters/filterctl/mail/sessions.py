"""The lines of a log by session, in one pass and in bounded memory.

What was asked for is looked for in the text of a line; a session with such a line is kept whole. A delivery is logged
under a session of its own and belongs to the one that brought the message, which its envelope's id tells: the first
eight digits are the message's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from filter_api.bounds import LOG_LINES_HELD, LOG_SESSION_LINES, LOG_SESSIONS, LOG_SESSIONS_FOUND
from filterctl.mail.logfile import SMTPD, Line

_MESSAGE: Final = re.compile(r"smtp (?:message msgid=|envelope evpid=)([0-9a-f]{8})")
_DELIVERY: Final = re.compile(r"m[dt]a delivery evpid=([0-9a-f]{8})")


@dataclass(slots=True)
class Session:
    """A session as logged. left_out: lines beyond the bound."""

    host: str
    name: str
    lines: list[Line] = field(default_factory=list)
    deliveries: list[Line] = field(default_factory=list)
    left_out: int = 0
    found: bool = False

    @property
    def size(self) -> int:
        """Lines held."""
        return len(self.lines) + len(self.deliveries)

    def add(self, line: Line, *, delivery: bool) -> bool:
        """Whether there was room for the line."""
        if self.size >= LOG_SESSION_LINES:
            self.left_out += 1
            return False
        (self.deliveries if delivery else self.lines).append(line)
        return True


class Found(NamedTuple):
    """sessions: in the order they began; more: whether there were too many; first, last: times of the lines read."""

    sessions: list[Session]
    more: bool
    first: str
    last: str


class _Gatherer:
    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._open: dict[tuple[str, str], Session] = {}
        self._messages: dict[tuple[str, str], Session] = {}
        self._kept: dict[tuple[str, str], Session] = {}
        self._held = 0
        self.more = False

    @property
    def found(self) -> list[Session]:
        """In the order they began."""
        return sorted(self._kept.values(), key=lambda each: min(line.when for line in each.lines + each.deliveries))

    def take(self, line: Line) -> None:
        session = None
        delivery = None
        if line.who == SMTPD and line.text.startswith(("mda ", "mta ")):
            delivery = _DELIVERY.match(line.text)
            if delivery is None:
                return
            session = self._messages.get((line.host, delivery[1]))
        if session is None:
            session = self._session(line)
        self._held += session.add(line, delivery=delivery is not None)
        if line.who == SMTPD and (message := _MESSAGE.match(line.text)):
            self._messages[line.host, message[1]] = session
        if not session.found and self._wanted(f"{line.session} {line.text}".lower()):
            self._keep(session)
        if self._held > LOG_LINES_HELD or len(self._open) > LOG_SESSIONS:
            self._make_room()

    def _session(self, line: Line) -> Session:
        key = (line.host, line.session)
        session = self._open.pop(key, None) or self._kept.get(key) or Session(*key)
        self._open[key] = session  # at the end: it was heard of last
        return session

    def _keep(self, session: Session) -> None:
        if len(self._kept) < LOG_SESSIONS_FOUND:
            session.found = True
            self._kept[session.host, session.name] = session
        else:
            self.more = True

    def _make_room(self) -> None:
        """A session that is kept still hears of its deliveries, which may take days."""
        while self._open and (self._held > LOG_LINES_HELD or len(self._open) > LOG_SESSIONS):
            session = self._open.pop(next(iter(self._open)))
            if not session.found:
                self._forget(session)
        if self._held > LOG_LINES_HELD:  # those that are kept have them all: the last one gives way
            self._forget(self._kept.popitem()[1])
            self.more = True

    def _forget(self, session: Session) -> None:
        self._held -= session.size
        for line in session.lines:
            if message := _MESSAGE.match(line.text):
                self._messages.pop((session.host, message[1]), None)


def find(lines: Iterable[Line], wanted: Callable[[str], bool], also: Callable[[Line], None]) -> Found:
    """The sessions with a line that is `wanted`, given its session and text in lower case; `also` gets each line."""
    gatherer = _Gatherer(wanted)
    first = last = ""
    for line in lines:
        first = min(first or line.when, line.when)
        last = max(last, line.when)
        also(line)
        gatherer.take(line)
    return Found(gatherer.found, gatherer.more, first, last)
