"""The pump: operations of the script gather while a batch is under way, and go as the next one.

Any trouble with the server fails the batch, and what waits behind it: each of those would wait as long, one after the
other. A reply that says `!` fails only its operation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from filter_greylist.store.background import end
from filter_greylist.store.base import StoreError
from filter_greylist.store.redis.link import BadEntry, trouble

BATCH = 256
WAITING = 20_000
REPLY_SECONDS = 2.0

#: What makes an error of one operation one of the server: it takes no writes now.
_OF_SERVER = (b"OOM", b"READONLY", b"MISCONF", b"NOREPLICAS", b"LOADING", b"MASTERDOWN", b"NOPERM", b"BUSY")

Argument = bytes | str | int
Call = Callable[[list[Argument], int], Awaitable[Sequence[bytes]]]
"""Carries out the arguments of so many operations; gives a reply for each."""


class _Job(NamedTuple):
    arguments: tuple[Argument, ...]
    future: asyncio.Future[bytes]


class Pump:
    """One task that sends batches with `call`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Carry out what waits, and end."""
        task, self._task = self._task, None
        if task is not None:
            await asyncio.gather(*(job.future for job in self._jobs), return_exceptions=True)
            await end(task)

    def submit(self, *arguments: Argument) -> asyncio.Future[bytes]:
        """Queue an operation; the future has its reply. Raises StoreError at once if too many wait already."""
        if self._task is None:
            raise StoreError("the store is closed")
        if len(self._jobs) >= WAITING:
            raise StoreError("overloaded: too many operations wait for Redis")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(arguments, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                batch = [self._jobs.popleft() for _ in range(min(BATCH, len(self._jobs)))]
                await self._carry_out([job for job in batch if not job.future.cancelled()])

    async def _carry_out(self, batch: list[_Job]) -> None:
        """Send a batch and hand out its replies; whatever happens, every future is done then."""
        if not batch:
            return
        replies: Sequence[bytes] | StoreError
        try:
            arguments: list[Argument] = []
            for job in batch:
                arguments += job.arguments
            async with asyncio.timeout(REPLY_SECONDS):
                replies = await self._call(arguments, len(batch))
        except asyncio.CancelledError:
            _answer(batch, StoreError("the store is closed"))
            raise
        except Exception as error:  # noqa: BLE001 - redis-py has no common base for what a broken server does to it
            replies = trouble(error)
            batch += self._jobs
            self._jobs.clear()
        _answer(batch, replies)


def _answer(batch: Sequence[_Job], replies: Sequence[bytes] | StoreError) -> None:
    for index, job in enumerate(batch):
        if job.future.done():
            continue
        if isinstance(replies, StoreError):
            job.future.set_exception(replies)
        elif replies[index].startswith(b"!"):
            job.future.set_exception(_failed(replies[index][1:]))
        else:
            job.future.set_result(replies[index])


def _failed(text: bytes) -> StoreError:
    """An operation failed: because of the server's state, or of the keys it met with."""
    shown = text.decode("utf-8", "replace")
    return StoreError(f"Redis: {shown}") if text.lstrip(b"-").startswith(_OF_SERVER) else BadEntry(shown)
