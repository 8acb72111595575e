"""Giving messages back: their lines, edited, and one dot. Small ones at once, large ones a block at a time.

What goes out can be fifty times of what is held (each line gets a head), so while smtpd does not read, one block of one
message is made at a time. Once a line is out, a failure can only refuse: never half a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from filter_api.bounds import BLOCK
from filter_api.decision import Reject
from filter_api.protocol import writer
from filter_api.runtime.life import RELEASING, Held
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.refusals import refusal_of
from filter_api.session import Session

_WRITE: Final = 1 << 17  # bytes for one write: what is given back after as many waits for the next


class Releaser:
    """done(held): its dot is out. broken(session, error): logs what went wrong; gives the refusal. spend: `Reserve`."""

    __slots__ = ("_broken", "_done", "_outbox", "_spend")

    def __init__(
        self,
        outbox: Outbox,
        done: Callable[[Held], None],
        broken: Callable[[Session, BaseException], Reject],
        spend: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._done = done
        self._broken = broken
        self._spend = spend

    def give_back(self, held: Held, head: bytes, blocks: Iterator[bytes] | None) -> None:
        """Give back these blocks of lines, or none of a refused message, and the dot. Never raises.

        head: what stands before each line. Leads to `done`, now or later, unless the message is dropped.
        """
        if blocks is None:
            self._end(held, head)
            return
        outbox = self._outbox
        if held.message.wire_size > BLOCK or outbox.paused:
            self._start(held, head, blocks)
            return
        try:
            for block in blocks:
                lines = writer.datalines(head, block)
                outbox.released += len(lines[1])
                outbox.extend(lines)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the message must end with a dot
            held.decision = self._failure(held, error)
        self._end(held, head)
        if outbox.released > _WRITE:
            outbox.flush()

    def _start(self, held: Held, head: bytes, blocks: Iterator[bytes]) -> None:
        work = self._in_blocks(held, head, blocks)
        try:
            held.task = asyncio.get_running_loop().create_task(work)
        except BaseException as error:  # noqa: BLE001 - as above
            work.close()
            held.decision = self._failure(held, error)
            self._end(held, head)

    async def _in_blocks(self, held: Held, head: bytes, blocks: Iterator[bytes]) -> None:
        """Wait for smtpd before each block; the dot leaves with the last. Who drops the message cancels this."""
        try:
            await self._outbox.drain()
            for number, block in enumerate(blocks):
                if number:
                    self._outbox.flush()
                    await self._outbox.drain()
                self._outbox.extend(writer.datalines(head, block))
        except BaseException as error:  # noqa: BLE001 - as above; what is cancelled was mostly dropped
            if held.state is not RELEASING:
                return
            held.decision = self._failure(held, error)
        self._end(held, head)
        self._outbox.flush()

    def _failure(self, held: Held, error: BaseException) -> Reject:
        return refusal_of(error) or self._broken(held.session, error)

    def _end(self, held: Held, head: bytes) -> None:
        try:
            self._outbox.put(writer.end_of_data(head))
        except MemoryError:
            self._spend()
            self._outbox.put(writer.end_of_data(head))
        self._done(held)
