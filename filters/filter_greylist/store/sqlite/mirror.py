"""Copies of what a shared store holds, in the local file: for the time when that store is away.

White and trapped addresses, trap addresses, domains and pairs are kept under the capital letters of their kinds, apart
from what the file learned itself, which has yet to be told to the shared store.
"""

# ruff: noqa: S608 - statements are put together from constants of this package; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from filter_greylist.rules.records import Kind, Record
from filter_greylist.store.sqlite.bulk import LIFE
from filter_greylist.store.sqlite.rows import Name, Place, pages
from filter_greylist.store.sqlite.worker import Worker

COPIED = (Kind.WHITE, Kind.TRAPPED, Kind.SPAMTRAP, Kind.PAIR, Kind.DOMAIN)


class Mirror:
    """The copies in one file. Every method raises StoreError if the file cannot be used."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def copy(self, records: Sequence[Record]) -> None:
        """Write copies in place of older ones."""
        await self._worker.submit(_copy, records)

    async def forget(self, names: Sequence[tuple[Kind, bytes]]) -> None:
        """Remove copies."""
        await self._worker.submit(_forget, [(letter(kind), name) for kind, name in names])

    async def page(self, kind: Kind, after: bytes) -> tuple[list[Record], bytes | None]:
        """The next copies of a kind behind a name, and behind which to go on; None at the end."""
        place: Place = (letter(kind), after)
        records, following = await self._worker.submit(pages, place, writes=False)
        return records, following if isinstance(following, bytes) else None

    async def clear(self) -> None:
        """Remove all of them."""
        await self._worker.submit(_clear, None)


def letter(kind: Kind) -> str:
    """The letter of a copy."""
    return kind.value.upper()


def _copy(connection: sqlite3.Connection, batches: list[Sequence[Record]]) -> list[None]:
    rows = [(letter(kind), name, *life) for records in batches for kind, name, life, _ in records]
    connection.executemany(f"INSERT OR REPLACE INTO entry (kind, name, {LIFE}) VALUES (?,?,?,?,?,?,?)", rows)
    return [None] * len(batches)


def _forget(connection: sqlite3.Connection, batches: list[list[Name]]) -> list[None]:
    names = [name for batch in batches for name in batch]
    connection.executemany("DELETE FROM entry WHERE kind=? AND name=?", names)
    return [None] * len(batches)


def _clear(connection: sqlite3.Connection, jobs: list[None]) -> list[None]:
    marks = ",".join("?" * len(COPIED))
    connection.execute(f"DELETE FROM entry WHERE kind IN ({marks})", [letter(kind) for kind in COPIED])
    return [None] * len(jobs)
