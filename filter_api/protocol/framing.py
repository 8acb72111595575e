"""Bytes from smtpd → lines.

Lines end at LF and nowhere else: they hold CR, VT, NEL and any 8-bit byte, which `bytes.splitlines` would break at. A
line that grows past `MAX_LINE_IN` keeps its beginning, enough to answer it, and loses the rest.
"""

from __future__ import annotations

from filter_api.protocol.limits import MAX_LINE_IN


class Framing:
    """Collects reads and gives complete lines, without their LF, in order."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take one read of any size; give the lines it completed."""
        lines = data.split(b"\n")
        if self._tail:
            lines[0] = self._tail + lines[0]
        tail = lines.pop()
        self._tail = tail if len(tail) <= MAX_LINE_IN else tail[:MAX_LINE_IN]
        return lines

    @property
    def pending(self) -> int:
        """Bytes of the unfinished line held."""
        return len(self._tail)
