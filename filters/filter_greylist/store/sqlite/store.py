"""The embedded store: one SQLite file, used by one thread with group commit.

Several processes of one host may share the file. See `schema` for its layout, `worker` for what is promised about
durability, `bulk` for the two hot operations, and `store.Store` for what the methods mean.
"""

# ruff: noqa: S608 - statements are put together from constants of this package; every value is a parameter

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import GROUP_BYTES, NO_DETAILS, Details, Kind, Life, Record, Timers, Tuple, merged
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds, Log, Question, Store
from filter_greylist.store.sqlite.bulk import (
    COLUMNS,
    LIFE,
    Attempt,
    Tally,
    attempt_all,
    consult_all,
    tuples_of,
    write_tuples,
)
from filter_greylist.store.sqlite.checkpoint import Checkpointer
from filter_greylist.store.sqlite.schema import DatabaseFile
from filter_greylist.store.sqlite.worker import Worker

PAGE = 500
"""Records of one step of a scan."""

WINDOW = 100
"""Records looked at in one step of a sweep: a millisecond or two, if all of them are removed from a large file."""

_Name = tuple[Kind, bytes]
_Place = tuple[Kind, int | bytes]


class SqliteStore(Store):
    """The store in the file at `path`."""

    def __init__(self, path: str, log: Log, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self.path = path
        self._bounds = bounds
        self._swept = 0
        self._tally = Tally()
        self._checkpointer = Checkpointer(path)
        self._worker = Worker(DatabaseFile(path, self._say), self._tally.begin, self._commit)
        self._log = log
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        self._checkpointer.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._checkpointer.stop)
        await self._worker.stop()

    async def consult(self, question: Question) -> Known:
        return await self._worker.submit(consult_all, question, writes=False)

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        return await self._worker.submit(self._attempt, Attempt(attempt, now, timers))

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        return await self._worker.submit(self._merge, records)

    async def put(self, records: Sequence[Record]) -> None:
        await self._worker.submit(self._put, records)

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        return await self._worker.submit(_get, (kind, name), writes=False)

    async def delete(self, kind: Kind, name: bytes) -> bool:
        return await self._worker.submit(self._delete, (kind, name))

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        after: int | bytes = 0 if kind is Kind.GREY else b""
        page: list[Record] = []
        while True:
            page, after = await self._worker.submit(_pages, (kind, after), writes=False)
            for record in page:
                yield record
            if len(page) < PAGE:
                return

    async def sweep(self, now: int) -> bool:
        return await self._worker.submit(self._sweep, now)

    async def note(self, name: str, value: bytes) -> None:
        await self._worker.submit(_note, (name, value))

    async def noted(self, name: str) -> bytes | None:
        return await self._worker.submit(_noted, name, writes=False)

    def _say(self, text: str) -> None:
        """Log from the writer's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._log, text)

    def _commit(self, connection: sqlite3.Connection) -> None:
        self._tally.commit(connection)
        self._checkpointer.committed()

    def _attempt(self, connection: sqlite3.Connection, attempts: list[Attempt]) -> list[Life | None]:
        return attempt_all(connection, attempts, self._tally, self._bounds)

    def _put(self, connection: sqlite3.Connection, batches: list[Sequence[Record]]) -> list[None]:
        for records in batches:
            for record in records:
                self._write(connection, record)
        return [None] * len(batches)

    def _merge(self, connection: sqlite3.Connection, batches: list[Sequence[Record]]) -> list[list[Life]]:
        return [[self._merge_one(connection, record) for record in records] for records in batches]

    def _merge_one(self, connection: sqlite3.Connection, record: Record) -> Life:
        old = _read(connection, record.kind, record.name)
        if old is not None:
            record = old._replace(life=merged(old.life, record.life))
        self._write(connection, record)
        return record.life

    def _write(self, connection: sqlite3.Connection, record: Record) -> None:
        kind, name, life, details = record
        if kind is not Kind.GREY:
            connection.execute(
                f"INSERT OR REPLACE INTO entry (kind, name, {LIFE}) VALUES (?,?,?,?,?,?,?)", (kind.value, name, *life)
            )
            return
        if not tuples_of(connection, (name,)):
            self._tally.tuples += 1
        write_tuples(connection, ((name, life, details or NO_DETAILS),))

    def _delete(self, connection: sqlite3.Connection, names: list[_Name]) -> list[bool]:
        found = []
        for kind, name in names:
            if kind is Kind.GREY:
                removed = connection.execute("DELETE FROM tuple WHERE key=?", (name,)).rowcount
                self._tally.tuples -= removed
            else:
                where = "DELETE FROM entry WHERE kind=? AND name=?"
                removed = connection.execute(where, (kind.value, name)).rowcount
            found.append(bool(removed))
        return found

    def _sweep(self, connection: sqlite3.Connection, times: list[int]) -> list[bool]:
        return [self._sweep_window(connection, now) for now in times]

    def _sweep_window(self, connection: sqlite3.Connection, now: int) -> bool:
        """Look at the next window of tuples; at the end of a round at the few other records, all of them."""
        window = "SELECT max(id) FROM (SELECT id FROM tuple WHERE id > ? ORDER BY id LIMIT ?)"
        (last,) = connection.execute(window, (self._swept, WINDOW)).fetchone()
        if last is None:
            self._swept = 0
            connection.execute("DELETE FROM entry WHERE expires <= ?", (now,))
            return False
        removed = connection.execute(
            "DELETE FROM tuple WHERE id > ? AND id <= ? AND expires <= ?", (self._swept, last, now)
        ).rowcount
        self._tally.tuples -= removed
        self._swept = last
        return True


def _read(connection: sqlite3.Connection, kind: Kind, name: bytes) -> Record | None:
    if kind is not Kind.GREY:
        row = connection.execute(f"SELECT {LIFE} FROM entry WHERE kind=? AND name=?", (kind.value, name)).fetchone()
        return None if row is None else Record(kind, name, Life(*row))
    row = connection.execute(f"SELECT {COLUMNS} FROM tuple WHERE key=?", (name,)).fetchone()
    return None if row is None else _tuple_record(row)


def _tuple_record(row: Sequence[bytes | int | None]) -> Record:
    """A row of `COLUMNS` as a record; the group of a tuple without a pool is the beginning of its name."""
    key, first, passes, expires, blocked, passed, pool, *shown = row
    return Record(
        Kind.GREY,
        key,  # type: ignore[arg-type]  # STRICT tables hold what the schema says
        Life(first, passes, expires, blocked, passed),  # type: ignore[arg-type]  # as above
        Details(key[:GROUP_BYTES] if pool is None else pool, *shown),  # type: ignore[index,arg-type]  # as above
    )


def _get(connection: sqlite3.Connection, names: list[_Name]) -> list[Record | None]:
    return [_read(connection, kind, name) for kind, name in names]


def _pages(connection: sqlite3.Connection, places: list[_Place]) -> list[tuple[list[Record], int | bytes]]:
    return [_page(connection, kind, after) for kind, after in places]


def _page(connection: sqlite3.Connection, kind: Kind, after: int | bytes) -> tuple[list[Record], int | bytes]:
    """The next records behind `after`, and what to ask for next."""
    if kind is Kind.GREY:
        rows = connection.execute(
            f"SELECT id, {COLUMNS} FROM tuple WHERE id > ? ORDER BY id LIMIT {PAGE}", (after,)
        ).fetchall()
        found = [_tuple_record(row[1:]) for row in rows]
    else:
        rows = connection.execute(
            f"SELECT name, {LIFE} FROM entry WHERE kind=? AND name > ? ORDER BY name LIMIT {PAGE}", (kind.value, after)
        ).fetchall()
        found = [Record(kind, row[0], Life(*row[1:])) for row in rows]
    return found, rows[-1][0] if rows else after


def _note(connection: sqlite3.Connection, notes: list[tuple[str, bytes]]) -> list[None]:
    connection.executemany("INSERT OR REPLACE INTO note VALUES (?,?)", notes)
    return [None] * len(notes)


def _noted(connection: sqlite3.Connection, names: list[str]) -> list[bytes | None]:
    found = dict(connection.execute("SELECT name, value FROM note"))
    return [found.get(name) for name in names]
