"""The two hot operations on the SQLite file, each for a whole batch in a few statements.

A statement that does its work in one step runs outside the interpreter's lock, beside the event loop; hundreds of
small ones would fight with it for the lock. The rows are parameters, never text. Statements exist for the powers of two
only, so that each is compiled once: lookups are padded with NULL, which equals nothing, and writes are cut into such
pieces.
"""

# ruff: noqa: S608 - statements are put together from constants of this package; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from filter_greylist.rules.checking import life_of
from filter_greylist.rules.key import KEY_BYTES
from filter_greylist.rules.policy import Known, advance
from filter_greylist.rules.records import GROUP_BYTES, Details, Kind, Life, Timers, Tuple, merged
from filter_greylist.store.base import Bounds, Question
from filter_greylist.store.sqlite.room import Room, Tally

LIFE = "first, passes, expires, blocked, passed"
DETAILS = "pool, address, helo, sender, recipient"
COLUMNS = f"key, {LIFE}, {DETAILS}"

_KINDS = tuple(kind.value for kind in (Kind.WHITE, Kind.TRAPPED, Kind.SPAMTRAP, Kind.PAIR, Kind.DOMAIN))
_W, _T, _S, _P, _D = _KINDS
_LAST_KEY = b"\xff" * (KEY_BYTES - GROUP_BYTES)


class Attempt(NamedTuple):
    """One attempt to be carried out."""

    tuple: Tuple
    now: int
    timers: Timers


def consult_all(connection: sqlite3.Connection, questions: Sequence[Question]) -> list[Known]:
    """What there is about each question."""
    names: list[str | bytes | None] = []
    for address, recipient, pair, domain in questions:
        names += (_W, address, _T, address, _S, recipient, _P, pair, _D, domain)
    found = _entries(connection, names)
    if not found:
        return [Known()] * len(questions)
    look = found.get
    return [
        Known(look((_W, address)), look((_T, address)), look((_S, recipient)), look((_P, pair)), look((_D, domain)))
        for address, recipient, pair, domain in questions
    ]


def consult_copies(connection: sqlite3.Connection, questions: Sequence[Question]) -> list[Known]:
    """The same where copies of a shared store are in the file, too: each life is that of both together."""
    names: list[str | bytes | None] = []
    for address, recipient, pair, domain in questions:
        for kind, name in ((_W, address), (_T, address), (_S, recipient), (_P, pair), (_D, domain)):
            names += (kind, name, kind.upper(), name)
    found = _entries(connection, names)

    def look(kind: str, name: bytes) -> Life | None:
        return both(found.get((kind, name)), found.get((kind.upper(), name)))

    return [
        Known(look(_W, address), look(_T, address), look(_S, recipient), look(_P, pair), look(_D, domain))
        for address, recipient, pair, domain in questions
    ]


def both(one: Life | None, other: Life | None) -> Life | None:
    """What two accounts of the same record say together."""
    return (one or other) if one is None or other is None else merged(one, other)


def _entries(connection: sqlite3.Connection, names: list[str | bytes | None]) -> dict[tuple[str, bytes], Life]:
    found = {}
    for size, piece in _padded(names, 2):
        for kind, name, *values in connection.execute(_entries_sql(size), piece):
            if (life := life_of(values)) is not None:
                found[kind, name] = life
    return found


def attempt_all(
    connection: sqlite3.Connection, attempts: Sequence[Attempt], tally: Tally, bounds: Bounds, room: Room
) -> list[Life | None]:
    """Carry out each attempt, in the order given."""
    lives = tuples_of(connection, (attempt.tuple.key for attempt in attempts))
    new = {attempt.tuple.details.group for attempt in attempts if attempt.tuple.key not in lives}
    counts = _count_groups(connection, new, bounds.network)
    written: dict[bytes, Details] = {}
    results: list[Life | None] = []
    for (key, details), now, timers in attempts:
        before = lives.get(key)
        if before is None:
            full = counts[details.group] >= bounds.network or tally.tuples >= bounds.total
            if full and not room.make(connection, details, counts, lives):
                results.append(None)
                continue
            counts[details.group] += 1
            tally.tuples += 1
        life = lives[key] = advance(before, now, timers)
        written.setdefault(key, details)
        results.append(life)
    write_tuples(connection, ((key, lives[key], details) for key, details in written.items()))
    return results


def tuples_of(connection: sqlite3.Connection, keys: Iterable[bytes]) -> dict[bytes, Life]:
    """The tuples there are among `keys`."""
    found = {}
    for size, piece in _padded(list(keys), 1):
        for key, *values in connection.execute(_tuples_sql(size), piece):
            if (life := life_of(values)) is not None:
                found[key] = life
    return found


def write_tuples(connection: sqlite3.Connection, rows: Iterable[tuple[bytes, Life, Details]]) -> None:
    """Insert tuples, or bring those that are there up to date (their details stay)."""
    values: list[Any] = []
    for key, life, (group, *others) in rows:
        values += (key, *life, None if key.startswith(group) else group, *others)
    for size, piece in _pieces(values, 11):
        connection.execute(_write_sql(size), piece)


def _count_groups(connection: sqlite3.Connection, groups: Iterable[bytes], limit: int) -> dict[bytes, int]:
    """How many tuples each client network has, counted up to the limit."""
    counts: dict[bytes, int] = {}
    for size, piece in _padded([bound for group in groups for bound in (group, group + _LAST_KEY)], 2):
        counts.update(connection.execute(_count_sql(size, limit), piece))
    return counts


def _padded(values: list[Any], width: int) -> Iterator[tuple[int, list[Any]]]:
    """The values as parameters of a statement for a power of two of rows, filled up with NULL."""
    rows = len(values) // width
    if rows:
        size = 1 << (rows - 1).bit_length()
        yield size, values + [None] * ((size - rows) * width)


def _pieces(values: list[Any], width: int) -> Iterator[tuple[int, list[Any]]]:
    """The values cut into pieces of a power of two of rows."""
    start = 0
    while rows := (len(values) - start) // width:
        size = 1 << (rows.bit_length() - 1)
        yield size, values[start : start + size * width]
        start += size * width


def _rows(width: int, count: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * count)


@lru_cache
def _entries_sql(size: int) -> str:
    return f"SELECT kind, name, {LIFE} FROM entry WHERE (kind, name) IN (VALUES {_rows(2, size)})"


@lru_cache
def _tuples_sql(size: int) -> str:
    return f"SELECT key, {LIFE} FROM tuple WHERE key IN ({','.join('?' * size)})"


@lru_cache
def _write_sql(size: int) -> str:
    changes = ", ".join(f"{name}=excluded.{name}" for name in LIFE.split(", "))
    return f"INSERT INTO tuple ({COLUMNS}) VALUES {_rows(11, size)} ON CONFLICT (key) DO UPDATE SET {changes}"


@lru_cache
def _count_sql(size: int, limit: int) -> str:
    return (
        f"WITH client(low, high) AS (VALUES {_rows(2, size)}) SELECT low,"
        f" (SELECT count(*) FROM"
        f" (SELECT 1 FROM tuple WHERE key BETWEEN low AND high AND pool IS NULL LIMIT {limit:d}))"
        f" + (SELECT count(*) FROM (SELECT 1 FROM tuple WHERE pool = low LIMIT {limit:d})) FROM client"
        " WHERE low IS NOT NULL"
    )
