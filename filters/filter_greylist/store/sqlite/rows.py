"""Read rows of the SQLite file as records. What is no record of ours is passed over, see `rules.checking`."""

# ruff: noqa: S608 - statements are put together from constants of this package; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from filter_greylist.rules.checking import checked, life_of
from filter_greylist.rules.records import GROUP_BYTES, Details, Kind, Record
from filter_greylist.store.sqlite.bulk import COLUMNS, LIFE

PAGE = 500
"""Rows of one step of a scan."""

Name = tuple[str, bytes]
"""The letter of a kind, and the name."""

Place = tuple[str, int | bytes]
"""The letter of a kind, and behind what to go on."""

_KINDS = {kind.value: kind for kind in Kind}


def kind_of(letter: str) -> Kind:
    """The kind of a letter; a capital one stands for copies, see `mirror`."""
    return _KINDS[letter.lower()]


def read(connection: sqlite3.Connection, letter: str, name: bytes) -> Record | None:
    """One record."""
    if letter != Kind.GREY.value:
        row = connection.execute(f"SELECT {LIFE} FROM entry WHERE kind=? AND name=?", (letter, name)).fetchone()
        return None if row is None else _record(kind_of(letter), name, row)
    row = connection.execute(f"SELECT {COLUMNS} FROM tuple WHERE key=?", (name,)).fetchone()
    return None if row is None else _tuple(row)


def pages(connection: sqlite3.Connection, places: list[Place]) -> list[tuple[list[Record], int | bytes | None]]:
    """For each place the next records behind it, and what to ask for next; None at the end."""
    return [_page(connection, letter, after) for letter, after in places]


def _page(connection: sqlite3.Connection, letter: str, after: int | bytes) -> tuple[list[Record], int | bytes | None]:
    if letter == Kind.GREY.value:
        query = f"SELECT id, {COLUMNS} FROM tuple WHERE id > ? ORDER BY id LIMIT {PAGE}"
        rows = connection.execute(query, (after,)).fetchall()
        found = [_tuple(row[1:]) for row in rows]
    else:
        query = f"SELECT name, {LIFE} FROM entry WHERE kind=? AND name > ? ORDER BY name LIMIT {PAGE}"
        rows = connection.execute(query, (letter, after)).fetchall()
        found = [_record(kind_of(letter), row[0], row[1:]) for row in rows]
    return [record for record in found if record is not None], rows[-1][0] if len(rows) == PAGE else None


def _record(kind: Kind, name: Any, values: Sequence[Any], details: Details | None = None) -> Record | None:  # noqa: ANN401 - what is there
    life = life_of(values)
    return None if life is None else checked(Record(kind, name, life, details))


def _tuple(row: Sequence[Any]) -> Record | None:
    """A row of `COLUMNS`; the group of a tuple without a pool is the beginning of its name."""
    key, first, passes, expires, blocked, passed, pool, *shown = row
    group = key[:GROUP_BYTES] if pool is None else pool
    return _record(Kind.GREY, key, (first, passes, expires, blocked, passed), Details(group, *shown))
