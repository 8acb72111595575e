"""What a quarantine has used up, in all and by client network; pure arithmetic.

    account = Account()
    account.remember(name, Kept(cost, network))
    account.total, account.of(network)

A message costs what the disk gives for it: whole blocks for its text and for its facts. Ten thousand small messages
are 80 MB that way, whatever their texts add up to.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


def whole_blocks(size: int, block: int) -> int:
    """`size` bytes rounded up to blocks of `block` bytes."""
    return -(-size // block) * block


class Kept(NamedTuple):
    """One message. cost: bytes on the disk. network: whose share that is. whole: no longer being written."""

    cost: int
    network: str
    whole: bool = True


class Account:
    """The messages of one directory."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.total = 0
        self._used: Counter[str] = Counter()

    def of(self, network: str) -> int:
        """Bytes that the messages of a network take."""
        return self._used[network]

    def remember(self, name: str, kept: Kept) -> None:
        """Count a message; what was counted for it before counts no more."""
        self.forget(name)
        self.kept[name] = kept
        self.total += kept.cost
        self._used[kept.network] += kept.cost

    def forget(self, name: str) -> None:
        """Count a message no more, if it was."""
        kept = self.kept.pop(name, None)
        if kept is not None:
            self.total -= kept.cost
            self._used[kept.network] -= kept.cost
            if self._used[kept.network] <= 0:
                del self._used[kept.network]
