"""A shared store that goes on alone: while Redis is away, a local SQLite file answers and remembers.

When Redis is back, what was learned meanwhile is merged into it, record by record, while decisions already use Redis
again: until the merge is done, each of them first takes along what the local file has on the same tuple.

    up ──trouble──▶ away ──ping answered──▶ merging ──file empty──▶ up
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Move, Record, Timers, Tuple
from filter_greylist.store.base import Log, Question, Store, StoreError
from filter_greylist.store.redis.store import RedisStore

PROBE_SECONDS = 0.5
"""How often a server that is away is looked for."""

MERGE = 200
"""Records merged at a time."""

Result = TypeVar("Result")


class State(enum.Enum):
    """Who answers."""

    UP = "up"
    AWAY = "away"
    MERGING = "merging"


class FallbackStore(Store):
    """`remote`, with `local` in its place while it is away."""

    def __init__(self, remote: RedisStore, local: Store, log: Log) -> None:
        self._remote = remote
        self._local = local
        self._log = log
        self._state = State.MERGING  # what an earlier process left behind is merged first
        self._since: float | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._handing_over = asyncio.Lock()
        self._alone = 0  # operations of the local file that have not ended

    async def open(self) -> None:
        await self._local.open()
        await self._remote.open()
        try:
            await self._remote.ping()
        except StoreError as error:
            self._lost(error)
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        await self._remote.close()
        await self._local.close()

    @property
    def falling_back(self) -> bool:
        return self._state is State.AWAY

    async def consult(self, question: Question) -> Known:
        known = await self._either(lambda store: store.consult(question))
        if self._state is State.MERGING:
            with contextlib.suppress(StoreError):
                local = await self._local.consult(question)
                known = Known(*(_longer(one, other) for one, other in zip(known, local, strict=True)))
        return known

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        if self._state is State.MERGING:
            await self._take_along(attempt.key)
        return await self._either(lambda store: store.attempt(attempt, now, timers))

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        return await self._either(lambda store: store.merge(records))

    async def put(self, records: Sequence[Record]) -> None:
        await self._either(lambda store: store.put(records))

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        if self._state is State.MERGING:
            with contextlib.suppress(StoreError):
                if (record := await self._local.get(kind, name)) is not None:
                    return record
        return await self._either(lambda store: store.get(kind, name))

    async def delete(self, kind: Kind, name: bytes) -> bool:
        local = False
        with contextlib.suppress(StoreError):
            local = await self._local.delete(kind, name)
        return await self._either(lambda store: store.delete(kind, name)) or local

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        store = self._local if self._state is State.AWAY else self._remote
        async for record in store.scan(kind):
            yield record

    async def sweep(self, now: int) -> bool:
        return await self._local.sweep(now)

    async def note(self, name: str, value: bytes) -> None:
        await self._either(lambda store: store.note(name, value))

    async def noted(self, name: str) -> bytes | None:
        return await self._either(lambda store: store.noted(name))

    async def mark(self, name: str, now: int) -> None:
        await self._either(lambda store: store.mark(name, now))

    async def marked(self, name: str) -> int | None:
        return await self._either(lambda store: store.marked(name))

    async def witness(self, now: int) -> None:
        await self._local.witness(now)

    async def witnessed(self) -> int | None:
        return await self._local.witnessed()

    async def redate(self, move: Move, timers: Timers) -> None:
        await self._local.redate(move, timers)

    async def _either(self, ask: Callable[[Store], Awaitable[Result]]) -> Result:
        """Ask the server, or the local file if the server is away or turns out to be."""
        if self._state is not State.AWAY:
            try:
                return await ask(self._remote)
            except StoreError as error:
                self._lost(error)
        self._alone += 1
        try:
            return await ask(self._local)
        finally:
            self._alone -= 1

    def _lost(self, error: StoreError) -> None:
        if self._state is State.AWAY:
            return
        self._state, self._since = State.AWAY, time.monotonic()
        self._changed.set()
        self._log(f"the shared store is away ({error}): the local one carries on")

    async def _keep(self) -> None:
        """Look for a server that is away, and merge when it is there."""
        while True:
            if self._state is State.UP:
                self._changed.clear()
                await self._changed.wait()
            try:
                if self._state is State.AWAY:
                    await asyncio.sleep(PROBE_SECONDS)
                    await self._remote.ping()
                    self._state = State.MERGING
                merged = await self._merge_to_the_last()
            except StoreError as error:
                self._lost(error)
                continue
            if self._state is State.MERGING:
                self._back(merged)

    def _back(self, merged: int) -> None:
        self._state = State.UP
        if self._since is not None:
            seconds = round(time.monotonic() - self._since)
            self._log(f"the shared store is back after {seconds} seconds, {merged} records merged into it")

    async def _merge_to_the_last(self) -> int:
        """Merge until nothing is left, not even what is still being written: it would lie there to the next outage."""
        merged = await self._merge_all()
        while self._state is State.MERGING:
            busy = self._alone
            more = await self._merge_all()
            merged += more
            if not busy and not more:
                break
        return merged

    async def _merge_all(self) -> int:
        """Merge every record of the local file and remove it there."""
        count = 0
        for kind in Kind:
            batch: list[tuple[Kind, bytes]] = []
            async for record in self._local.scan(kind):
                batch.append((kind, record.name))
                if len(batch) >= MERGE:
                    count += await self._hand_over(batch)
                    batch = []
            count += await self._hand_over(batch)
        return count

    async def _hand_over(self, names: Sequence[tuple[Kind, bytes]]) -> int:
        """First there, then not here: a crash in between counts something twice, and loses nothing."""
        async with self._handing_over:
            found = await asyncio.gather(*(self._local.get(kind, name) for kind, name in names))
            records = [record for record in found if record is not None]
            if records:
                await self._remote.merge(records)
                await asyncio.gather(*(self._local.delete(kind, name) for kind, name, _, _ in records))
        return len(records)

    async def _take_along(self, key: bytes) -> None:
        """Hand over what the local file has on one tuple, before it is asked for there."""
        with contextlib.suppress(StoreError):  # the one there will tell if it is away, and the one here is not needed
            if await self._local.get(Kind.GREY, key) is not None:
                await self._hand_over([(Kind.GREY, key)])


def _longer(one: Life | None, other: Life | None) -> Life | None:
    """The one of two accounts that holds longer."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda life: life.expires)
