"""Hand over to the shared store what the local file learned alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from filter_greylist.rules.records import Kind, Record
from filter_greylist.store.base import StoreError
from filter_greylist.store.mirroring import here
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.sqlite.mirror import COPIED
from filter_greylist.store.sqlite.store import SqliteStore

MERGE = 200
"""Records merged at a time."""


class HandOver:
    """From `local` to `remote`. Raises LocalTrouble for trouble with the file, StoreError for the server's."""

    def __init__(self, remote: RedisStore, local: SqliteStore) -> None:
        self._remote = remote
        self._local = local
        self._alone = asyncio.Lock()
        self._handed = 0

    def handed(self) -> int:
        """How many records were handed over since this was asked last, whoever wanted it."""
        handed, self._handed = self._handed, 0
        return handed

    async def everything(self) -> int:
        """Merge every record of the local file and remove it there; how many there were."""
        count = 0
        for kind in Kind:
            after: int | bytes | None = 0 if kind is Kind.GREY else b""
            while after is not None:
                page, after = await here(self._local.page(kind, after))
                for start in range(0, len(page), MERGE):
                    names = [(kind, record.name) for record in page[start : start + MERGE]]
                    count += await self._records(names)
        return count

    async def _records(self, names: Sequence[tuple[Kind, bytes]]) -> int:
        """First there, then not here: a crash in between counts something twice, and loses nothing."""
        async with self._alone:
            found = await here(asyncio.gather(*(self._local.own(kind, name) for kind, name in names)))
            records = [record for record in found if record is not None]
            if records:
                lives = await self._remote.merge(records)
                pairs = zip(records, lives, strict=True)
                done = [record._replace(life=life) for record, life in pairs if record.kind in COPIED]
                await here(self._finish(records, done))
                self._handed += len(records)
        return len(records)

    async def _finish(self, records: Sequence[Record], copied: Sequence[Record]) -> None:
        """What was handed over is a copy now, or is no longer needed."""
        if copied:
            await self._local.mirror.copy(copied)
        await asyncio.gather(*(self._local.disown(record.kind, record.name) for record in records))

    async def take_along(self, key: bytes) -> None:
        """Hand over what the local file has on one tuple, before it is asked for there."""
        # Ignored: if Redis is away, the next call notices; and what the local file has is not needed.
        with contextlib.suppress(StoreError):
            if await self._local.own(Kind.GREY, key) is not None:
                await self._records([(Kind.GREY, key)])
