"""The operations on the SQLite file that are not hot: records merged, written, removed, and swept when they expired."""

# ruff: noqa: S608 - statements are put together from constants of this package; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from filter_api.figures import Figure, counter
from filter_greylist.rules.crowding import OLDEST_GO
from filter_greylist.rules.records import NO_DETAILS, Kind, Life, Record, merged
from filter_greylist.store.base import Bounds, Log, entries
from filter_greylist.store.sqlite.bulk import LIFE, tuples_of, write_tuples
from filter_greylist.store.sqlite.learned import Learned
from filter_greylist.store.sqlite.room import Census, Room, Tally
from filter_greylist.store.sqlite.rows import Name, read

WINDOW = 100
"""Tuples looked at in one step of a sweep: a millisecond or two, if all of them are removed from a large file."""

ENTRIES = 400
"""Other records looked at in one step."""

_START = ("", b"")


class Ledger:
    """Carries them out, each for a list of arguments. copies: see `mirror`."""

    def __init__(self, tally: Tally, room: Room, bounds: Bounds, log: Log, *, copies: bool) -> None:
        self._tally = tally
        self._room = room
        self._copies = copies
        self._census: dict[Kind, Census | Learned] = {
            **{kind: Census(kind.value, bounds.hosts, log) for kind in (Kind.WHITE, Kind.TRAPPED)},
            **{kind: Learned(kind, bounds.learned, log) for kind in OLDEST_GO},
        }
        self._swept = 0
        self._expired = 0
        self._entry: tuple[str, bytes] | None = None

    def figures(self) -> list[Figure]:
        """Of the records that are counted, and of those that expired."""
        found = [counter("greylist_expired", "Records removed as their time was over.", self._expired)]
        for kind, census in self._census.items():
            if census.count is not None:
                found += entries(kind, census.count, census.limit)
        return found

    def put(self, connection: sqlite3.Connection, batches: list[Sequence[Record]]) -> list[None]:
        """Write records."""
        for records in batches:
            for record in records:
                self._write(connection, record, known=read(connection, record.kind.value, record.name) is not None)
        return [None] * len(batches)

    def merge(self, connection: sqlite3.Connection, batches: list[Sequence[Record]]) -> list[list[Life]]:
        """Add records to what is there."""
        return [[self._merge(connection, record) for record in records] for records in batches]

    def _merge(self, connection: sqlite3.Connection, record: Record) -> Life:
        old = read(connection, record.kind.value, record.name)
        if old is not None:
            record = old._replace(life=merged(old.life, record.life))
        elif (census := self._census.get(record.kind)) is not None:

            def give_way(name: bytes) -> None:
                self._remove(connection, (record.kind.value, name))

            if not census.has_room(connection, record.name, give_way):
                return record.life
        self._write(connection, record, known=old is not None)
        return record.life

    def _write(self, connection: sqlite3.Connection, record: Record, *, known: bool) -> None:
        kind, name, life, details = record
        if kind is Kind.GREY:
            if not tuples_of(connection, (name,)):
                self._tally.tuples += 1
            write_tuples(connection, ((name, life, details or NO_DETAILS),))
            return
        statement = f"INSERT OR REPLACE INTO entry (kind, name, {LIFE}) VALUES (?,?,?,?,?,?,?)"
        connection.execute(statement, (kind.value, name, *life))
        if not known and kind in self._census:
            self._census[kind].added(name)

    def get(self, connection: sqlite3.Connection, names: list[Name]) -> list[Record | None]:
        """One record for each name."""
        return [self._get(connection, letter, name) for letter, name in names]

    def _get(self, connection: sqlite3.Connection, letter: str, name: bytes) -> Record | None:
        record = read(connection, letter, name)
        if not self._copies or letter == Kind.GREY.value:
            return record
        copy = read(connection, letter.upper(), name)
        if record is None or copy is None:
            return record or copy
        return record._replace(life=merged(record.life, copy.life))

    def own(self, connection: sqlite3.Connection, names: list[Name]) -> list[Record | None]:
        """The same, without copies."""
        return [read(connection, letter, name) for letter, name in names]

    def disown(self, connection: sqlite3.Connection, names: list[Name]) -> list[bool]:
        """Remove records, not their copies."""
        return [self._remove(connection, name) for name in names]

    def delete(self, connection: sqlite3.Connection, names: list[Name]) -> list[bool]:
        """Remove records, and their copies."""
        found = []
        for letter, name in names:
            removed = self._remove(connection, (letter, name))
            if self._copies and letter != Kind.GREY.value:
                removed = self._remove(connection, (letter.upper(), name)) or removed
            found.append(removed)
        return found

    def _remove(self, connection: sqlite3.Connection, name: Name) -> bool:
        if name[0] == Kind.GREY.value:
            removed = connection.execute("DELETE FROM tuple WHERE key=?", name[1:]).rowcount
            self._tally.tuples -= removed
        else:
            removed = connection.execute("DELETE FROM entry WHERE kind=? AND name=?", name).rowcount
            for kind, census in self._census.items():
                if removed and kind.value == name[0]:
                    census.added(name[1], -1)
        return bool(removed)

    def sweep(self, connection: sqlite3.Connection, times: list[int]) -> list[bool]:
        """Look at the next records and remove what has expired; False at the end of a round."""
        return [self._sweep(connection, now) for now in times]

    def _sweep(self, connection: sqlite3.Connection, now: int) -> bool:
        if self._entry is not None:
            return self._sweep_entries(connection, now, self._entry)
        window = "SELECT max(id) FROM (SELECT id FROM tuple WHERE id > ? ORDER BY id LIMIT ?)"
        (last,) = connection.execute(window, (self._swept, WINDOW)).fetchone()
        if last is None:
            self._swept, self._entry = 0, _START
            return True
        statement = "DELETE FROM tuple WHERE id > ? AND id <= ? AND expires <= ?"
        removed = connection.execute(statement, (self._swept, last, now)).rowcount
        self._tally.tuples -= removed
        self._expired += removed
        self._swept = last
        return True

    def _sweep_entries(self, connection: sqlite3.Connection, now: int, after: tuple[str, bytes]) -> bool:
        """The next of the other records; those that stay are counted."""
        query = "SELECT kind, name, expires FROM entry WHERE (kind, name) > (?, ?) ORDER BY kind, name LIMIT ?"
        rows = connection.execute(query, (*after, ENTRIES)).fetchall()
        dead = [row[:2] for row in rows if row[2] <= now]
        connection.executemany("DELETE FROM entry WHERE kind=? AND name=?", dead)
        self._expired += len(dead)
        for kind, census in self._census.items():
            for letter, name, expires in rows:
                if letter == kind.value and expires > now:
                    census.saw(name)
        if len(rows) == ENTRIES:
            self._entry = rows[-1][:2]
            return True
        self._entry = None
        self._room.counted()
        for census in self._census.values():
            census.finish()
        return False


def note(connection: sqlite3.Connection, notes: list[tuple[str, bytes]]) -> list[None]:
    """Keep notes."""
    connection.executemany("INSERT OR REPLACE INTO note VALUES (?,?)", notes)
    return [None] * len(notes)


def noted(connection: sqlite3.Connection, names: list[str]) -> list[bytes | None]:
    """Read notes."""
    found = dict(connection.execute("SELECT name, value FROM note"))
    return [found.get(name) for name in names]
