"""A wall clock that does not jump.

Records hold wall clock times, so that they mean the same after a restart and to every process that shares the store.
But a wall clock that jumps would whitelist everybody who waits at once, or forget the whole whitelist. `SteadyClock`
goes on at the pace of the monotonic clock when the two part by more than an hour: for 24 hours it keeps its own time,
and `suspended` tells the store to expire nothing. After that, or when the wall clock comes back, it follows again.

A host without a battery for its clock starts in 1970 and is set right a minute later. Its own store knows better: it
was written at a later time. `SteadyClock.distrust` hears of it. From then on a step of the wall clock to that time, or
past it, is followed at once.

    clock = SteadyClock()
    now = clock.now()               # whole seconds
    if not clock.suspended: ...     # expire
    for move in clock.moves(): ...  # the clock was set: what the store holds moves with it

When the clock follows a step, what was written in the old time is given the new one (`records.Move`): nobody is let in
early by the step, and nobody is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from filter_greylist.rules.records import Move

JUMP = 3600.0
"""Seconds by which the wall clock must leave the monotonic one to be called wrong; less is a correction."""

SUSPENSION = 24 * 3600.0
"""Seconds without expiry after a jump."""

PLAUSIBLE = 1_666_000_000
"""October 2022: no clock that is right is earlier, as the Python this needs is not older."""

_Reading = Callable[[], float]


class SteadyClock:
    """Seconds of the wall clock, held steady. `wall` and `monotonic` are for tests."""

    def __init__(self, wall: _Reading = time.time, monotonic: _Reading = time.monotonic) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self.begun = monotonic()
        self._offset = wall() - self.begun
        self._resumes: float | None = None
        self._jumped = 0.0
        self._store_time = float(PLAUSIBLE) if wall() < PLAUSIBLE else None  # the clock is behind this: it is wrong
        self._adopted = False  # whether the store's time is kept
        self._moves: list[Move] = []

    def now(self) -> int:
        """Whole seconds since the epoch."""
        return int(self.time())

    def time(self) -> float:
        """Seconds since the epoch."""
        monotonic, wall = self.monotonic(), self._wall()
        jump = wall - monotonic - self._offset
        trusted = self._store_time is not None and wall + JUMP >= self._store_time
        if trusted and (self._adopted or jump > JUMP):
            self._follow(jump, self.begun + self._offset - 1)
        elif abs(jump) <= JUMP:
            self._correct(jump, monotonic)
        elif self._resumes is None or abs(jump - self._jumped) > JUMP:
            self._resumes, self._jumped = monotonic + SUSPENSION, jump
        elif monotonic >= self._resumes:
            self._follow(jump, 0)
        return monotonic + self._offset

    def _correct(self, jump: float, monotonic: float) -> None:
        """Follow a small step, and see whether a doubt is over."""
        self._offset += jump
        if self._resumes is not None and monotonic >= self._resumes:
            self._resumes = None
        if self._store_time is not None and monotonic + self._offset >= self._store_time:
            self._store_time = None

    def _follow(self, jump: float, since: float) -> None:
        """Take the time of the wall clock; what was written since `since`, in the time kept so far, moves with it."""
        self._moves.append(Move(int(since), int(self.monotonic() + self._offset) + 1, round(jump)))
        self._offset += jump
        self._jumped = jump
        self._resumes = self._store_time = None
        self._adopted = False

    @property
    def suspended(self) -> bool:
        """Whether a jump happened less than a day ago, or the clock is behind the store: nothing is to be expired."""
        return self._resumes is not None

    def distrust(self, written: int | None = None) -> int:
        """Compare with the time at which this host's store was last written; by how many seconds we are behind, or 0.

        If we are, nothing expires for a day, and a step of the clock to that time is followed at once. A clock that
        cannot be right (`PLAUSIBLE`) gives way to the store's time. One that can be right keeps its own: it may as
        well be the store that was written by a wrong clock. Without `written` nothing expires for a day.
        """
        now, monotonic = self.time(), self.monotonic()
        if written is not None and (written <= now + JUMP or written == self._store_time):
            return 0
        self._resumes = monotonic + SUSPENSION
        if written is None:
            return 0
        self._store_time = float(written)
        if now < PLAUSIBLE:
            self._adopted = True
            self._offset = written - monotonic
            self._jumped = self._wall() - written
        return int(written - now)

    @property
    def doubtful(self) -> bool:
        """Whether the clock is known to be behind: by its store, or by the age of this program."""
        return self._store_time is not None

    @property
    def jump(self) -> int:
        """Seconds of the last jump, negative if the clock went back: for the log."""
        return int(self._jumped)

    @property
    def moved(self) -> bool:
        """Whether there is something in `moves`."""
        return bool(self._moves)

    def moves(self) -> list[Move]:
        """The steps that were followed since the last call, the earliest first."""
        moves, self._moves = self._moves, []
        return moves


class CurrentClock:
    """The clock that a filter has at the moment, for its store."""

    def __init__(self, current: Callable[[], SteadyClock]) -> None:
        self._current = current

    @property
    def source(self) -> tuple[object, float]:
        """The clock itself, and when it began: it is another one once the filter has started."""
        clock = self._current()
        return clock, clock.begun

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._current().time()

    def monotonic(self) -> float:
        """Seconds of the clock that nobody sets."""
        return self._current().monotonic()
