"""Room for pairs and domains that are learned: the least recently renewed give way, see `crowding`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from filter_greylist.rules.crowding import AT_ONCE, full_of
from filter_greylist.rules.records import Kind
from filter_greylist.store.base import Log

OLDEST = "SELECT name FROM entry WHERE kind = ? AND kind IN ('p', 'd') ORDER BY expires LIMIT ?"
"""SQLite takes a partial index only where its condition stands in the query word by word: see `schema`."""


class Learned:
    """How many there are of one kind: exact when it is counted, which each sweep does anew, and kept up to date since.

    Used as `room.Census` is. An index finds who gives way, so that no sample is needed.
    """

    def __init__(self, kind: Kind, limit: int, log: Log) -> None:
        self.kind = kind
        self.limit = limit
        self._log = log
        #: None before it is counted.
        self.count: int | None = None
        self._seen = 0
        self._said = False

    def saw(self, name: bytes) -> None:
        """The sweep came by this name."""
        del name
        self._seen += 1

    def finish(self) -> None:
        """The sweep has seen all of them."""
        self.count, self._seen = self._seen, 0
        if self.count < 0.9 * self.limit:
            self._said = False

    def added(self, name: bytes, more: int = 1) -> None:
        """This process wrote one, or removed one."""
        del name
        if self.count is not None:
            self.count += more

    def has_room(self, connection: sqlite3.Connection, name: bytes, delete: Callable[[bytes], None]) -> bool:
        """Make sure that one more may be written, if need be in place of others, which are removed by `delete`."""
        del name
        count = self.count
        if count is None:
            (count,) = connection.execute("SELECT count(*) FROM entry WHERE kind = ?", (self.kind.value,)).fetchone()
            self.count = count
        over = count - self.limit + 1
        if over <= 0:
            return True
        if not self._said:
            self._said = True
            self._log(full_of(self.kind, self.limit))
        for (each,) in connection.execute(OLDEST, (self.kind.value, min(over, AT_ONCE))).fetchall():
            delete(each)
        return True
