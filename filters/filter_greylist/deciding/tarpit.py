"""Option -s: let trapped clients wait for their replies, a few at a time.

Each waiting reply holds a session of smtpd, so their number is bounded: beyond it, the answer comes at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter

LONGEST = 8.0
"""Seconds of one reply: below the time a decision may take."""

AT_ONCE = 100
PER_ADDRESS = 4


class Tarpit:
    """Holds replies for `seconds`; 0 holds none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: Counter[bytes] = Counter()
        self._total = 0

    async def hold(self, address: bytes, longest: float) -> float:
        """Wait, if there is room, up to `longest` seconds; returns for how long."""
        seconds = min(self._seconds, longest)
        if seconds <= 0 or self._total >= AT_ONCE or self._held[address] >= PER_ADDRESS:
            return 0.0
        self._total += 1
        self._held[address] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._total -= 1
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]
        return seconds
