"""Whether the wall clock can be believed: it has kept the pace of the clock that nobody sets."""

from __future__ import annotations

from typing import Final

JUMP: Final = 3_600.0
"""Seconds by which the two may part at once; less is a correction."""

PROOF: Final = 86_400.0
"""Seconds of the same pace after which the wall clock is right."""


class Pace:
    """Fed with both clocks whenever a message comes."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._since = 0.0

    def proven(self, wall: float, monotonic: float) -> bool:
        """Whether there was no step for a day. wall: seconds since 1970."""
        offset = wall - monotonic
        if self._offset is None or abs(offset - self._offset) > JUMP:
            self._since = monotonic
        self._offset = offset
        return monotonic - self._since >= PROOF
