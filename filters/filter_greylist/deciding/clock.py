"""A wall clock that does not jump.

Records hold wall clock times, so that they mean the same after a restart and to every server that shares the store.
But a wall clock that jumps would whitelist everybody who waits at once, or forget the whole whitelist. `SteadyClock`
goes on at the pace of the monotonic clock when the two part by more than an hour: for 24 hours it keeps its own time,
and `suspended` tells the store to expire nothing. After that, or when the wall clock comes back, it follows again.

    clock = SteadyClock()
    now = clock.now()               # whole seconds
    if not clock.suspended: ...     # expire
"""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP = 3600.0
"""Seconds by which the wall clock must leave the monotonic one to be called wrong; less is a correction."""

SUSPENSION = 24 * 3600.0
"""Seconds without expiry after a jump."""

_Reading = Callable[[], float]


class SteadyClock:
    """Seconds of the wall clock, held steady. `wall` and `monotonic` are for tests."""

    def __init__(self, wall: _Reading = time.time, monotonic: _Reading = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._resumes: float | None = None
        self._jumped = 0.0

    def now(self) -> int:
        """Whole seconds since the epoch."""
        monotonic = self._monotonic()
        jump = self._wall() - monotonic - self._offset
        if abs(jump) <= JUMP:
            self._offset += jump
            if self._resumes is not None and monotonic >= self._resumes:
                self._resumes = None
        elif self._resumes is None or abs(jump - self._jumped) > JUMP:
            self._resumes, self._jumped = monotonic + SUSPENSION, jump
        elif monotonic >= self._resumes:
            self._offset += jump
            self._resumes = None
        return int(monotonic + self._offset)

    @property
    def suspended(self) -> bool:
        """Whether a jump happened less than a day ago: nothing is to be expired."""
        return self._resumes is not None

    def distrust(self) -> None:
        """Suspend expiry for a day because the store was written by a clock well ahead of this one."""
        self._resumes = self._monotonic() + SUSPENSION

    @property
    def jump(self) -> int:
        """Seconds of the last jump, negative if the clock went back: for the log."""
        return int(self._jumped)
