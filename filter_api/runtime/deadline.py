"""One timer for all deadlines of a process: a heap of what is due, swept when the earliest is."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_at(self, when: float, callback: Callable[[], None], /) -> object: ...


def _nothing() -> None:
    """Stands for what has been done."""


class Entry:
    """Something that is due at a time, unless it is done before."""

    __slots__ = ("done", "expire")

    def __init__(self, expire: Callable[[], None]) -> None:
        self.expire = expire
        self.done = False

    def drop(self) -> None:
        """It need not happen any more: what it held is free at once, the entry itself when its turn comes."""
        self.done = True
        self.expire = _nothing


class Deadlines:
    """`add` what must happen at a time; `drop` it when it need not any more.

    `sweep` is also called before any input is taken, so that after a stall what is overdue goes out first.
    """

    __slots__ = ("_armed", "_count", "_failed", "_timer", "heap")

    def __init__(self, timer: Timer, failed: Callable[[BaseException], None]) -> None:
        """failed: told of what an `expire` throws; the others that are due are expired all the same."""
        self._timer = timer
        self._failed = failed
        #: What is due, and what was dropped before its time: (monotonic seconds, place, entry).
        self.heap: list[tuple[float, int, Entry]] = []
        self._count = itertools.count()
        self._armed = float("inf")

    def add(self, due: float, expire: Callable[[], None]) -> Entry:
        """Call `expire` at `due` (monotonic seconds), at most once."""
        entry = Entry(expire)
        heapq.heappush(self.heap, (due, next(self._count), entry))
        self._arm()
        return entry

    def sweep(self) -> None:
        """Expire what is due now."""
        heap = self.heap
        now = self._timer.time()
        while heap and (heap[0][2].done or heap[0][0] <= now):
            entry = heapq.heappop(heap)[2]
            if not entry.done:
                entry.done = True
                try:
                    entry.expire()
                except BaseException as error:  # noqa: BLE001 - one session's trouble is not the others'
                    self._failed(error)

    def _on_timer(self) -> None:
        self._armed = float("inf")
        self.sweep()
        self._arm()

    def _arm(self) -> None:
        if self.heap and self.heap[0][0] < self._armed:
            self._armed = self.heap[0][0]
            self._timer.call_at(self._armed, self._on_timer)

    def __len__(self) -> int:
        return len(self.heap)
