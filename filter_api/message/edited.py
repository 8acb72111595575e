"""A held message under another header: what the next filter of a process sees. The lines are shared, not copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from filter_api.bounds import BLOCK
from filter_api.message.spool import Spool, SpoolError


class Lines(Protocol):
    """Lines of a message, see `HeldLines`."""

    @property
    def size(self) -> int: ...
    def blocks(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class EditedLines:
    """Other lines in place of the first `skip` bytes. top: those lines, a LF each; counted by the spool.

    Over lines that are edited themselves, `skip` is all of their top: the two replace the same lines of what is held,
    and only the newer is counted. Closing it closes the lines beneath. Raises SpoolError if the spool has no room.
    """

    __slots__ = ("_base", "_counted", "_skip", "_spool", "_top")

    def __init__(self, top: bytes, skip: int, base: Lines, spool: Spool) -> None:
        if len(top) > spool.limit - spool.held:
            raise SpoolError("spool limit reached")
        spool.held += len(top)
        self._counted = len(top)
        self._top = top
        self._spool = spool
        self._base: Lines = base
        self._skip = skip
        if isinstance(base, EditedLines):  # whose own lines are among those that are replaced
            base._give_back()
            self._base, self._skip = base._base, base._skip

    @property
    def size(self) -> int:
        """Bytes, one for each line end included."""
        return self._base.size - self._skip + len(self._top)

    def blocks(self) -> Iterator[bytes]:
        """Give all lines in blocks that end with the LF of their last line. Raises SpoolError."""
        top = self._top
        while len(top) > BLOCK:
            cut = top.rfind(b"\n", 0, BLOCK) + 1 or top.find(b"\n") + 1
            yield top[:cut]
            top = top[cut:]
        if top:
            yield top
        yield from without(self._base, self._skip)

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""
        self._give_back()
        self._base.close()

    def _give_back(self) -> None:
        """To the account only: who still reads the older view reads on."""
        self._spool.held -= self._counted
        self._counted = 0


def without(lines: Lines, skip: int) -> Iterator[bytes]:
    """The lines after the first `skip` bytes, in blocks."""
    for block in lines.blocks():
        if skip >= len(block):
            skip -= len(block)
            continue
        yield block[skip:]
        skip = 0
