"""What is written when there is time: nobody waits for it, and only so much of it may be under way; and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from filter_greylist.store.base import StoreError

PATIENCE = 0.1
"""Seconds between two cancellations of a task that goes on."""


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: redis-py takes a cancellation that comes while it looks whether a connection is still alive for
    its own time limit (with Python before 3.11.3), and the task goes on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE)
    await asyncio.gather(task, return_exceptions=True)


class Background:
    """Work of one event loop.

    most: pieces under way. failed: told of a StoreError that one of them ended with. opened: none is begun before it is
    set; a store that is asked before it is open would take itself for broken.
    """

    def __init__(self, most: int, failed: Callable[[StoreError], None], opened: asyncio.Event | None = None) -> None:
        self._most = most
        self._failed = failed
        self._opened = opened
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do it when there is time; False if there is too much of it already, and this is dropped."""
        if len(self._tasks) >= self._most:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def finish(self) -> None:
        """Wait until all of it is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            if self._opened is not None:
                await self._opened.wait()
            await work
        except StoreError as error:
            self._failed(error)
        finally:
            work.close()
