"""What is written when there is time: nobody waits for it, and only so much of it may be under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from filter_greylist.store.base import StoreError


class Background:
    """Work of one event loop. most: pieces under way; failed: told of a StoreError that one of them ended with."""

    def __init__(self, most: int, failed: Callable[[StoreError], None]) -> None:
        self._most = most
        self._failed = failed
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
            await work
        except StoreError as error:
            self._failed(error)
