"""Keep the copies of a shared store in the local file up to date, and give back what the shared store has lost.

Copied is what must not be forgotten when the shared store is away: all but tuples. What this filter writes is copied
at once (`keep`), what others write within a second, by the log of changes (`follow`). Every few minutes, and whenever
the shared store may have lost something, the two are compared as a whole (`compare`).

What is copied here and not there was either removed on purpose, which the shared store remembers, or it was lost, and
then it is given back. So a Redis that comes back empty, or with the data of yesterday, forgets nobody.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from filter_greylist.rules.records import Kind, Life, Record
from filter_greylist.store.base import Clock, StoreError
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.sqlite.mirror import COPIED, Mirror

COMPARE_SECONDS = 600.0
"""Between two comparisons."""

PAUSE = 0.01
"""Between two steps of one."""

REMEMBERED = 2_000
"""Copies whose lives are remembered, so that our own changes are not copied again when they are read in the log."""

SLIGHT = 300
"""Seconds by which a record may end later here without having been lost there: clocks are corrected."""

LETTERS = "".join(kind.value for kind in COPIED)

Result = TypeVar("Result")


class LocalTrouble(StoreError):
    """The local file cannot be used; nothing is said about the shared store."""


class Copier:
    """Copies from `remote` to `mirror`. Raises LocalTrouble for trouble with the file, StoreError for the server's."""

    def __init__(self, remote: RedisStore, mirror: Mirror) -> None:
        self._remote = remote
        self._mirror = mirror
        self._last: bytes | None = None
        self._compared: float | None = None
        self._doubts = 0
        self._copied: OrderedDict[tuple[Kind, bytes], Life] = OrderedDict()

    async def keep(self, records: Sequence[Record]) -> None:
        """Copy what was written there just now."""
        fresh = [record for record in records if record.kind in COPIED and not self._is_copied(record)]
        if fresh:
            await here(self._mirror.copy(fresh))
            for kind, name, life, _ in fresh:
                self._copied[kind, name] = life
            while len(self._copied) > REMEMBERED:
                self._copied.popitem(last=False)

    def _is_copied(self, record: Record) -> bool:
        return self._copied.get((record.kind, record.name)) == record.life

    async def forget(self, kind: Kind, name: bytes) -> None:
        """It was removed there on purpose."""
        self._copied.pop((kind, name), None)
        await here(self._mirror.forget([(kind, name)]))

    async def follow(self, clock: Clock) -> None:
        """Copy what others changed; compare everything where that cannot be told, or was long ago."""
        while True:
            before = self._last
            names, self._last, gap = await self._remote.reader.changes(self._last)
            if gap or self._compared is None or clock.monotonic() - self._compared >= COMPARE_SECONDS:
                await self.compare(clock)
            records = await self._remote.get_many(names)
            if self._compared is None:
                continue  # there is doubt since: these may be older than the copies
            if not names:
                return
            await self.keep([record for record in records if record is not None])
            await self._dropped([name for name, record in zip(names, records, strict=True) if record is None])
            if self._last == before:
                return

    async def _dropped(self, names: Sequence[tuple[Kind, bytes]]) -> None:
        for kind, name in names:
            await self.forget(kind, name)

    def doubt(self) -> None:
        """The server may have lost something: compare before anything else, and anew if that is going on."""
        self._compared = None
        self._doubts += 1

    async def compare(self, clock: Clock) -> None:
        """Give back what is missing there, then copy what is missing here."""
        doubts = self._doubts
        for kind in COPIED:
            after: bytes | None = b""
            while after is not None:
                page, after = await here(self._mirror.page(kind, after))
                await self._give_back(page, clock.time())
                await asyncio.sleep(PAUSE)
        async for page in self._remote.reader.scan(LETTERS):
            if doubts != self._doubts:
                return  # this page may be older than the copies
            if page:
                await here(self._mirror.copy(page))
            await asyncio.sleep(PAUSE)
        self._copied.clear()  # what was copied here may be older than what was kept meanwhile: the log tells it again
        if doubts == self._doubts:  # still, behind the last pause
            self._compared = clock.monotonic()

    async def _give_back(self, page: Sequence[Record], now: float) -> None:
        """Restore the records of a page that the server lacks, or knows an older state of; forget the others."""
        names = [(record.kind, record.name) for record in page]
        there = await self._remote.get_many(names)
        lost = [
            record
            for record, other in zip(page, there, strict=True)
            if record.life.expires > now and (other is None or other.life.expires + SLIGHT < record.life.expires)
        ]
        lives = await self._remote.restore(lost)
        given = {(record.kind, record.name) for record, life in zip(lost, lives, strict=True) if life is not None}
        gone = [name for name, other in zip(names, there, strict=True) if other is None and name not in given]
        if gone:
            await here(self._mirror.forget(gone))


async def here(work: Awaitable[Result]) -> Result:
    """The result of something done with the local file; LocalTrouble if it cannot be done."""
    try:
        return await work
    except StoreError as error:
        raise LocalTrouble(str(error)) from error
