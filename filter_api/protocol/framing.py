"""Bytes from smtpd → lines.

Lines end at LF and nowhere else: they hold CR, VT, NEL and any 8-bit byte, which `bytes.splitlines` would break at. A
line that grows past `MAX_LINE_IN` keeps its beginning, enough to answer it, and loses the rest.
"""

from __future__ import annotations

from io import BytesIO

from filter_api.bounds import MAX_LINE_IN


class Framing:
    """Collects reads and gives complete lines, without their LF, in order."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes, ends: bool = False) -> list[bytes]:
        """Take one read of any size; give the lines it completed.

        ends: leave each its LF, for a read that is mostly message text: long lines are found three times as fast so.
        """
        if ends:
            lines = BytesIO(data).readlines()
            if not lines or lines[-1].endswith(b"\n"):
                lines.append(b"")
        else:
            lines = data.split(b"\n")
        if self._tail:
            lines[0] = self._tail + lines[0]
        tail = self._tail = lines.pop()
        if len(tail) > MAX_LINE_IN:
            self._tail = tail[:MAX_LINE_IN]
        return lines

    @property
    def pending(self) -> int:
        """Bytes of the unfinished line held."""
        return len(self._tail)
