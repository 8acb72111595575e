"""What waits to be written: answers of one read leave in one write; releases wait while smtpd does not read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable


class Outbox:
    """`put` collects, `flush` writes all at once through the function given, `drain` waits for a slow reader."""

    __slots__ = ("_parts", "_resumed", "_turn", "extend", "paused", "put", "released", "write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self._parts: list[bytes] = []
        #: Collect complete lines.
        self.put: Callable[[bytes], None] = self._parts.append
        #: Collect parts that are complete lines together.
        self.extend: Callable[[Iterable[bytes]], None] = self._parts.extend
        #: Bytes of message lines among it; whoever gives a message back adds them.
        self.released = 0
        #: Whether the transport holds so much that more should wait.
        self.paused = False
        self._resumed: asyncio.Event | None = None
        self._turn = asyncio.Lock()

    def flush(self) -> None:
        """Write what was collected."""
        parts = self._parts
        if parts:
            try:
                data = parts[0] if len(parts) == 1 else b"".join(parts)
            except MemoryError:
                self._flush_singly()
                return
            self.write(data)
            parts.clear()
            self.released = 0

    def _flush_singly(self) -> None:
        """There is no memory for all of it at once; nothing is lost if it runs out in the middle."""
        written = 0
        try:
            for part in self._parts:
                self.write(part)
                written += 1
        finally:
            del self._parts[:written]
            self.released = 0

    def pause(self) -> None:
        """The transport holds too much."""
        if self._resumed is None:
            self._resumed = asyncio.Event()
            self.paused = True

    def resume(self) -> None:
        """The transport takes more."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None
            self.paused = False

    async def drain(self) -> None:
        """Let other sessions run; come back when the transport takes more, one after the other."""
        await asyncio.sleep(0)
        if self._resumed is not None:
            async with self._turn:
                while self._resumed is not None:
                    await self._resumed.wait()
