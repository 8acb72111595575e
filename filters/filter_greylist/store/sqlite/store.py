"""The embedded store: one SQLite file, used by one thread with group commit.

Several processes of one host may share the file. See `schema` for its layout, `worker` for what is promised about
durability, `bulk` for the two hot operations, `ledger` for the others, and `base.Store` for what the methods mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence

from filter_api.figures import Figure, gauge
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Move, Record, Timers, Tuple
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds, Log, Question, Store, entries
from filter_greylist.store.sqlite.bulk import Attempt, attempt_all, consult_all, consult_copies
from filter_greylist.store.sqlite.checkpoint import Checkpointer
from filter_greylist.store.sqlite.ledger import Ledger, note, noted
from filter_greylist.store.sqlite.mirror import Mirror
from filter_greylist.store.sqlite.redating import Redating, claim, redate_entries, redate_tuples
from filter_greylist.store.sqlite.room import Room, Tally
from filter_greylist.store.sqlite.rows import pages
from filter_greylist.store.sqlite.schema import DatabaseFile
from filter_greylist.store.sqlite.worker import Worker

CLOCK = "clock"
"""The note with the time of this host."""


class SqliteStore(Store):
    """The store in the file at `path`. copies: the file holds copies of a shared store, which count as well."""

    commits = True

    def __init__(self, path: str, log: Log, bounds: Bounds = DEFAULT_BOUNDS, *, copies: bool = False) -> None:
        self.path = path
        self._log = log
        self._bounds = bounds
        self._tally = Tally()
        self._room = Room(self._tally, bounds, self._say)
        self._ledger = Ledger(self._tally, self._room, bounds, self._say, copies=copies)
        self._consult = consult_copies if copies else consult_all
        self._checkpointer = Checkpointer(path)
        self._worker = Worker(DatabaseFile(path, self._say), self._tally.begin, self._commit, self._say)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.mirror = Mirror(self._worker)

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        self._checkpointer.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._checkpointer.stop)
        await self._worker.stop()

    async def consult(self, question: Question) -> Known:
        return await self._worker.submit(self._consult, question, writes=False)

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        return await self._worker.submit(self._attempt, Attempt(attempt, now, timers))

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        return await self._worker.submit(self._ledger.merge, records)

    async def put(self, records: Sequence[Record]) -> None:
        await self._worker.submit(self._ledger.put, records)

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        return await self._worker.submit(self._ledger.get, (kind.value, name), writes=False)

    async def delete(self, kind: Kind, name: bytes) -> bool:
        return await self._worker.submit(self._ledger.delete, (kind.value, name))

    async def own(self, kind: Kind, name: bytes) -> Record | None:
        """One record that the file learned itself; no copy."""
        return await self._worker.submit(self._ledger.own, (kind.value, name), writes=False)

    async def disown(self, kind: Kind, name: bytes) -> None:
        """Remove such a record; a copy stays."""
        await self._worker.submit(self._ledger.disown, (kind.value, name))

    async def page(self, kind: Kind, after: int | bytes) -> tuple[list[Record], int | bytes | None]:
        """The next records of a kind, and behind what to go on; begin with 0 for tuples, else with an empty name."""
        return await self._worker.submit(pages, (kind.value, after), writes=False)

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        after: int | bytes | None = 0 if kind is Kind.GREY else b""
        while after is not None:
            page, after = await self.page(kind, after)
            for record in page:
                yield record

    async def sweep(self, now: int) -> bool:
        return await self._worker.submit(self._ledger.sweep, now)

    async def note(self, name: str, value: bytes) -> None:
        await self._worker.submit(note, (name, value))

    async def noted(self, name: str) -> bytes | None:
        return await self._worker.submit(noted, name, writes=False)

    async def mark(self, name: str, now: int) -> None:
        await self.note(name, b"%d" % now)

    async def marked(self, name: str) -> int | None:
        value = await self.noted(name)
        return int(value) if value is not None and value.isdigit() and len(value) < 16 else None

    async def witness(self, now: int) -> None:
        await self.mark(CLOCK, now)

    async def witnessed(self) -> int | None:
        return await self.marked(CLOCK)

    async def redate(self, move: Move, timers: Timers) -> None:
        last = await self._worker.submit(claim, move)
        if last is None:
            return
        await self._worker.submit(redate_entries, Redating(move, timers, 0, last))
        after: int | None = 0
        while after is not None:
            after = await self._worker.submit(redate_tuples, Redating(move, timers, after, last))

    def figures(self) -> list[Figure]:
        """The records, as they were counted last; what expired; and the files, with what is not merged into them."""
        size = 0
        for path in (self.path, f"{self.path}-wal"):
            with contextlib.suppress(OSError):
                size += os.stat(path).st_size
        return [
            *entries(Kind.GREY, self._tally.tuples, self._bounds.total),
            *self._ledger.figures(),
            gauge("greylist_store_bytes", "Bytes of the store on this host.", size),
        ]

    def _say(self, text: str) -> None:
        """Log from the writer's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._log, text)

    def _commit(self, connection: sqlite3.Connection) -> None:
        self._tally.commit(connection)
        self._checkpointer.committed()

    def _attempt(self, connection: sqlite3.Connection, attempts: list[Attempt]) -> list[Life | None]:
        return attempt_all(connection, attempts, self._tally, self._bounds, self._room)
