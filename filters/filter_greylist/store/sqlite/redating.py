"""The clock was set: give the records that have times of the old one new times, some rows at a time.

A field is changed if it holds, or follows from, a moment of the time that was wrong: `first` (and `passes` with it) if
the record was made then, `expires` if it was last renewed then, which is its timer's length before.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from filter_greylist.rules.records import FOREVER, TRAP_SECONDS, Kind, Move, Timers

WINDOW = 500
"""Tuples of one step."""

SAME = 120
"""Seconds between two processes that meet the same step of their host's clock."""

_NOTE = "moved"

_CHANGES = """
 first = CASE WHEN first BETWEEN :since AND :until THEN max(0, first + :by) ELSE first END,
 passes = CASE WHEN first BETWEEN :since AND :until THEN max(0, passes + :by) ELSE passes END,
 expires = CASE WHEN expires - :timer BETWEEN :since AND :until THEN max(0, expires + :by) ELSE expires END
"""
_TOUCHED = f"(first BETWEEN :since AND :until OR expires - :timer BETWEEN :since AND :until) AND expires < {FOREVER}"
_ENTRIES = f"UPDATE entry SET {_CHANGES} WHERE kind IN (:kind, upper(:kind)) AND {_TOUCHED}"  # noqa: S608 - constants
_TUPLES = f"UPDATE tuple SET {_CHANGES} WHERE id > :low AND id <= :high AND {_TOUCHED}"  # noqa: S608 - constants


class Redating(NamedTuple):
    """One step: a move, the timers of the records, and behind which tuple to go on; 0: begin with the entries."""

    move: Move
    timers: Timers
    after: int
    last: int


def claim(connection: sqlite3.Connection, moves: list[Move]) -> list[int | None]:
    """Whether it is on us to carry out a move, and the last tuple there is; None where another process has begun."""
    return [_claim(connection, move) for move in moves]


def _claim(connection: sqlite3.Connection, move: Move) -> int | None:
    row = connection.execute("SELECT value FROM note WHERE name = ?", (_NOTE,)).fetchone()
    words = row[0].split() if row is not None and isinstance(row[0], bytes) else []
    if len(words) == 2 and all(word.lstrip(b"-").isdigit() and len(word) < 18 for word in words):
        until, by = map(int, words)
        if abs(until - move.until) < SAME and abs(by - move.by) < SAME:
            return None
    connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (_NOTE, b"%d %d" % (move.until, move.by)))
    (last,) = connection.execute("SELECT ifnull(max(id), 0) FROM tuple").fetchone()
    return int(last)


def redate_entries(connection: sqlite3.Connection, steps: list[Redating]) -> list[None]:
    """All records that are no tuples: there are few of them."""
    for move, timers, _, _ in steps:
        for kind in (Kind.WHITE, Kind.PAIR, Kind.DOMAIN, Kind.TRAPPED):
            timer = TRAP_SECONDS if kind is Kind.TRAPPED else timers.white
            connection.execute(_ENTRIES, {**move._asdict(), "timer": timer, "kind": kind.value})
    return [None] * len(steps)


def redate_tuples(connection: sqlite3.Connection, steps: list[Redating]) -> list[int | None]:
    """The next tuples; behind which to go on, or None at the end."""
    return [_window(connection, step) for step in steps]


def _window(connection: sqlite3.Connection, step: Redating) -> int | None:
    move, timers, after, last = step
    query = "SELECT max(id) FROM (SELECT id FROM tuple WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)"
    (high,) = connection.execute(query, (after, last, WINDOW)).fetchone()
    if high is None:
        return None
    connection.execute(_TUPLES, {**move._asdict(), "timer": timers.grey, "low": after, "high": high})
    return int(high)
