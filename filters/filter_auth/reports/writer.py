"""Writes rows to the store once a second, in a thread of its own: no message waits for a disk.

Trouble with the store costs rows, never mail: it is told once a minute, and what fits in memory is written later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from filter_api import bounds
from filter_api.errors import reason
from filter_auth.reports.pace import Pace
from filter_auth.reports.row import Row
from filter_auth.reports.store import SECONDS_A_DAY, open_store

INTERVAL: Final = 1.0  # seconds
_QUIET: Final = 60.0  # seconds between two complaints
_LAST: Final = 2.0  # seconds for what is left at the end


class Writer:
    """complain: told in a few words what is wrong, from the thread. address: see `Store.address`, as last read."""

    def __init__(
        self, path: str, complain: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """monotonic: the clock by which that of `note` is tested."""
        self.address = b""
        self._path = path
        self._complain = complain
        self._monotonic = monotonic
        self._pace = Pace()
        self._today = 0
        self._proven = False
        self._pending: dict[tuple[int, Row], int] = {}
        self._size = 0  # characters of what is pending
        self._lost = 0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._complained = float("-inf")
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Begin to write; also where the store cannot be opened yet."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, for a moment."""
        self._end.set()
        self._thread.join(_LAST)

    def note(self, wall: float, row: Row) -> None:
        """One message. wall: seconds since 1970."""
        today = int(wall // SECONDS_A_DAY)
        with self._lock:
            self._today, self._proven = today, self._pace.proven(wall, self._monotonic())
            self._put((today, row), 1)

    def _put(self, key: tuple[int, Row], count: int) -> None:
        if key in self._pending:
            self._pending[key] += count
            return
        size = self._size + len(key[1].facts) + len(key[1].record)
        if len(self._pending) >= bounds.MAX_REPORT_PENDING or size > bounds.MAX_REPORT_PENDING_TEXT:
            self._lost += count
            return
        self._pending[key], self._size = count, size

    def _run(self) -> None:
        self._flush()  # to learn the address
        while not self._end.wait(INTERVAL):
            if self._pending:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            pending, self._pending, self._size = self._pending, {}, 0
            today, proven = self._today, self._proven
        try:
            with closing(open_store(self._path)) as store:
                for (day, row), count in pending.items():
                    store.add(day, row, count)
                if pending:
                    store.forget(today, proven=proven)
                store.commit()
                self.address = store.address.encode("ascii", "replace").lower()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a store, the thread goes on
            with self._lock:
                for key, count in pending.items():
                    self._put(key, count)
            self._tell(reason(error))

    def _tell(self, why: str) -> None:
        if time.monotonic() - self._complained < _QUIET:
            return
        self._complained = time.monotonic()
        with self._lock:
            lost, self._lost = self._lost, 0
        self._complain(f"{why}{f'; {lost} messages are in no report' if lost else ''}")
