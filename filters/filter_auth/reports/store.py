"""The store of rows for aggregate reports (option ``-f``): one SQLite file, for several filters and the reporting tool.

    with closing(open_store(path)) as store:        # StoreError names the file
        store.add(day, row, count)
        store.commit()

A day is the number of days since 1970 in UTC. Beyond `bounds.MAX_REPORT_ROWS` of a domain, or the rows of a day,
messages are counted without being told apart. What is older than `bounds.REPORT_DAYS` is forgotten, by a clock
that has not stepped.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from filter_api import bounds
from filter_api.errors import reason
from filter_auth.reports.believed import is_domain, is_record
from filter_auth.reports.row import Row

SECONDS_A_DAY: Final = 86_400
OTHER: Final = ""
"""The key of the row of messages that are counted only."""

_PATIENCE: Final = 5.0  # seconds that one waits for another who writes
_PAUSE: Final = 0.02  # seconds between two tries
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, domain TEXT NOT NULL, text TEXT NOT NULL,
    UNIQUE (domain, text));
CREATE TABLE IF NOT EXISTS row (day INTEGER NOT NULL, record INTEGER NOT NULL, key TEXT NOT NULL,
    plain INTEGER NOT NULL, count INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (day, record, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (day INTEGER NOT NULL, record INTEGER NOT NULL, uri TEXT NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (day, record, uri)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_DAYS: Final = """\
SELECT day, record, domain, text, sum(count), sum(count * (plain != 0)), sum(key != '') FROM row
    JOIN record ON record.id = row.record
    WHERE typeof(day) = 'integer' AND day BETWEEN 0 AND 99999 AND count > 0 AND count < 1 << 40
    GROUP BY day, record ORDER BY day, domain, record
"""
_ROWS: Final = """\
SELECT facts, count FROM row
    WHERE day = ? AND record = ? AND key != '' AND count > 0 AND count < 1 << 40 ORDER BY key
"""


class StoreError(Exception):
    """The store cannot be used; the text names the file."""


class Day(NamedTuple):
    """What there is for one record on one day. plain: messages that are a reason for a report; rows: without OTHER."""

    day: int
    record: int
    domain: str
    text: str
    messages: int
    plain: int
    rows: int


class Store:
    """An open store. What SQLite raises is raised."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._counts: dict[tuple[int, int], int] = {}

    def close(self) -> None:
        """Close the file; what was not committed is not kept."""
        self._database.close()

    def commit(self) -> None:
        """Write what was added."""
        self._database.commit()

    def add(self, day: int, row: Row, count: int) -> None:
        """Count messages of a day that are alike; nothing, where the day is full and the domain new to it."""
        if not self._database.in_transaction:  # what is looked up here another must not add before it is written
            self._database.execute("BEGIN IMMEDIATE")
        record = self._record(day, row)
        if record is None:
            return
        key, facts, plain = hashlib.sha256(row.facts.encode()).hexdigest(), row.facts, row.plain
        if not self._has(day, record, key) and not self._takes_room(day, record):
            key, facts, plain = OTHER, "", False
        self._database.execute(
            "INSERT INTO row (day, record, key, plain, count, facts) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (day, record, key, int(plain), count, facts),
        )

    def _record(self, day: int, row: Row) -> int | None:
        """The number of a record, a new one where the day has room."""
        find = "SELECT id FROM record WHERE domain = ? AND text = ?"
        found = self._database.execute(find, (row.domain, row.record)).fetchone()
        if found is None and self._count(day) < bounds.MAX_REPORT_ROWS_A_DAY:
            self._database.execute("INSERT INTO record (domain, text) VALUES (?, ?)", (row.domain, row.record))
            found = self._database.execute(find, (row.domain, row.record)).fetchone()
        return None if found is None else int(found[0])

    def _has(self, day: int, record: int, key: str) -> bool:
        found = self._database.execute("SELECT 1 FROM row WHERE day = ? AND record = ? AND key = ?", (day, record, key))
        return found.fetchone() is not None

    def _takes_room(self, day: int, record: int) -> bool:
        """Whether one more row fits; it is taken then."""
        all_day, own = self._count(day), self._count(day, record)
        if all_day >= bounds.MAX_REPORT_ROWS_A_DAY or own >= bounds.MAX_REPORT_ROWS:
            return False
        self._counts[day, 0] = all_day + 1
        self._counts[day, record] = own + 1
        return True

    def _count(self, day: int, record: int = 0) -> int:
        """Rows of a day, of one record or (0) of all; they are counted once for as long as the store is open."""
        if (day, record) not in self._counts:
            all_day = "SELECT count(*) FROM row WHERE day = ?"
            own = "SELECT count(*) FROM row WHERE day = ? AND record = ?"  # by the key of the table, not by a scan
            found = self._database.execute(own, (day, record)) if record else self._database.execute(all_day, (day,))
            [(self._counts[day, record],)] = found
        return self._counts[day, record]

    def forget(self, today: int, *, proven: bool) -> None:
        """Remove the rows of days long over and of days to come, what was sent for them, and records without a row.

        A clock that has stepped knows no day. So a day that does not follow the last one is believed only if the clock
        is `proven`, or has been through the whole day before; till then nothing is removed.
        """
        known = self._setting("today")
        last = int(known) if known.isdecimal() and len(known) < 6 else self._first_day(today)
        if abs(today - last) > 1 and not proven and self._count_days(today - 2, today - 1) < 2:
            return
        self._set("today", str(today))
        kept = (today - bounds.REPORT_DAYS, today + 1)
        self._database.execute("DELETE FROM row WHERE day NOT BETWEEN ? AND ?", kept)
        self._database.execute("DELETE FROM sent WHERE day NOT BETWEEN ? AND ?", kept)
        self._database.execute("DELETE FROM record WHERE id NOT IN (SELECT record FROM row)")

    def _first_day(self, default: int) -> int:
        found = self._database.execute("SELECT min(day) FROM row WHERE typeof(day) = 'integer'").fetchone()
        return default if found[0] is None else int(found[0])

    def _count_days(self, first: int, last: int) -> int:
        found = self._database.execute("SELECT count(DISTINCT day) FROM row WHERE day BETWEEN ? AND ?", (first, last))
        return int(found.fetchone()[0])

    def days(self) -> list[Day]:
        """What there is, the oldest day first; without what none of our filters can have written."""
        return [Day(*each) for each in self._database.execute(_DAYS) if is_domain(each[2]) and is_record(each[3])]

    def rows(self, day: int, record: int) -> Iterator[tuple[str, int]]:
        """Facts and number of messages of each row of a report."""
        yield from self._database.execute(_ROWS, (day, record))

    def state(self, day: int, record: int, uri: str) -> str:
        """What became of a report on its way to one address: ``sent``, ``refused``, or nothing yet."""
        found = self._database.execute(
            "SELECT state FROM sent WHERE day = ? AND record = ? AND uri = ?", (day, record, uri)
        ).fetchone()
        return "" if found is None else str(found[0])

    def set_state(self, day: int, record: int, uri: str, state: str) -> None:
        """Note what became of it, for good."""
        self._database.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", (day, record, uri, state))
        self._database.commit()

    @property
    def address(self) -> str:
        """The address that reports are sent from; what arrives there is in no report."""
        return self._setting("address")

    @address.setter
    def address(self, value: str) -> None:
        self._set("address", value)
        self._database.commit()

    def _setting(self, name: str) -> str:
        found = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return "" if found is None else str(found[0])

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def open_store(path: str, *, create: bool = True) -> Store:
    """Open the file, made with mode 0600 if need be. Raises StoreError."""
    try:
        os.close(os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(path, timeout=_PATIENCE)
        try:
            _prepare(database)
        except sqlite3.Error:
            database.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {in_words(error)}") from None
    return Store(database)


def _prepare(database: sqlite3.Connection) -> None:
    """Make a new file a store. SQLite lets nobody wait for another who does the same, so that is done here."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(_PAUSE)


def in_words(error: Exception) -> str:
    """What is wrong, and what helps where the file is damaged: nothing in it can be had any more."""
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return f"{reason(error)}{', move the file away: the filter makes a new one' if damaged else ''}"
