"""The sessions of a process: those open, and for a while those that ended.

Reports and requests come by different channels, so a line of a session may come before its link-connect or after its
link-disconnect. The first makes the session known, the second must not make it known again, for ever.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from filter_api.protocol.parser import is_hex
from filter_api.session import Session

_GONE: Final = 4096  # sessions remembered after their end


class Sessions:
    """`open` is read directly: a look-up for every line of smtpd."""

    __slots__ = ("_order", "gone", "open")

    def __init__(self) -> None:
        self.open: dict[bytes, Session] = {}
        self.gone: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def add(self, session_id: bytes, now: float, *, outgoing: bool = False) -> Session:
        """Make a session known; one that ended is given its due, but not kept."""
        session = Session(session_id, outgoing=outgoing, connected_at=now)
        if session_id not in self.gone and is_hex(session_id):
            self.open[session_id] = session
        return session

    def end(self, session_id: bytes) -> None:
        """Forget a session, but for its id."""
        self.open.pop(session_id, None)
        if session_id not in self.gone:
            self.gone.add(session_id)
            self._order.append(session_id)
            if len(self._order) > _GONE:
                self.gone.discard(self._order.popleft())

    def __len__(self) -> int:
        return len(self.open)
