"""For when there is no memory left: some is set aside, and a line for the log is ready.

What handles a MemoryError may need memory itself. `spend` lets go of the reserve, so that the answer that is due can
be made; `restore` sets it aside again, when there is room. Neither raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from filter_api.bounds import MEMORY_RESERVE

_NOTE: Final = b'library error=MemoryError note="memory has run out; what is held is being refused"\n'
_PAUSE: Final = 1.0  # seconds


class Reserve:
    """Memory set aside; never touched, so it costs address space only."""

    __slots__ = ("_clock", "_fd", "_held", "_spent_at", "spent")

    def __init__(self, clock: Callable[[], float], fd: int = 2) -> None:
        self._clock = clock
        self._fd = fd
        self._held: bytes | None = bytes(MEMORY_RESERVE)
        self._spent_at = 0.0
        #: Whether it is gone.
        self.spent = False

    def spend(self) -> None:
        """Let go of it; at the first time a line in the log says so."""
        if not self.spent:
            self._held = None
            self.spent = True
            try:
                self._spent_at = self._clock()
                os.write(self._fd, _NOTE)
            except BaseException:  # noqa: BLE001 - nobody reads the log, or memory is short even for this
                return

    def restore(self) -> None:
        """Set it aside again, if there is room; not at once, as what comes next may need it."""
        if self.spent:
            try:
                if self._clock() - self._spent_at >= _PAUSE:
                    self._held = bytes(MEMORY_RESERVE)
                    self.spent = False
            except MemoryError:
                return
