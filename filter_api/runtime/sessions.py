"""The sessions of a process: those open, and for a while those that ended.

Reports and requests come by different channels, so a line of a session may come before its link-connect or after its
link-disconnect. The first makes the session known, the second must not make it known again, for ever.
"""

from __future__ import annotations

from typing import Final

from filter_api.protocol.parser import is_hex
from filter_api.session import Session

_GONE: Final = 4096  # sessions remembered after their end, at least; twice as many at most


class Sessions:
    """`open` is read directly: a look-up for every line of smtpd."""

    __slots__ = ("_gone", "_gone_before", "open", "seen")

    def __init__(self) -> None:
        self.open: dict[bytes, Session] = {}
        #: How many there were.
        self.seen = 0
        self._gone: set[bytes] = set()
        self._gone_before: set[bytes] = set()

    def begin(self, session_id: bytes, now: float, outgoing: bool = False) -> Session:
        """smtpd says that a session begins, whatever is known of its id. What is no id is not kept."""
        session = Session(session_id, outgoing, now)
        self._gone.discard(session_id)
        self._gone_before.discard(session_id)
        if is_hex(session_id):
            self.open[session_id] = session
            self.seen += 1
        return session

    def add(self, session_id: bytes, now: float, outgoing: bool = False) -> Session:
        """Make a session known. For one that has ended: a session that is thrown away after use."""
        if self.has_ended(session_id):
            return Session(session_id, outgoing, now)
        return self.begin(session_id, now, outgoing)

    def has_ended(self, session_id: bytes) -> bool:
        """Whether it was a session, not long ago."""
        return session_id in self._gone or session_id in self._gone_before

    def end(self, session_id: bytes) -> None:
        """Forget a session; its id is remembered."""
        self.open.pop(session_id, None)
        self._gone.add(session_id)
        if len(self._gone) >= _GONE:
            self._gone_before = self._gone
            self._gone = set()

    def __len__(self) -> int:
        return len(self.open)
