"""Room in a full file: who gives way is said by `crowding`, here is what it is told and how they go.

Tuples are looked at by their row numbers, a few in a row at places chosen by chance. White and trapped addresses are in
the order of their names, where such places would be unfair; `Census` keeps a sample of them that the sweep renews.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Container

from filter_greylist.rules.crowding import SAMPLE, SMALL, Crowd, Member
from filter_greylist.rules.records import Details, Kind
from filter_greylist.store.base import Bounds, Log

IN_A_ROW = 8
"""Rows read at one place."""

OF_NETWORK = 64
"""Tuples of one client network that are looked at."""

_COLUMNS = "key, address, passed, first"
_LAST_KEY = b"\xff"


class Tally:
    """How many tuples there are: exact, as it is read when a transaction begins and written before it commits."""

    def __init__(self) -> None:
        self.tuples = 0
        self._read = 0

    def begin(self, connection: sqlite3.Connection) -> None:
        """Read the count that other processes may have changed."""
        (self.tuples,) = connection.execute("SELECT tuples FROM tally").fetchone()
        self._read = self.tuples

    def commit(self, connection: sqlite3.Connection) -> None:
        """Write it, if it changed."""
        if self.tuples != self._read:
            connection.execute("UPDATE tally SET tuples = ?", (self.tuples,))


class Room:
    """Makes room for tuples. That the file is full is logged once, until it is well below its bound again."""

    def __init__(self, tally: Tally, bounds: Bounds, log: Log) -> None:
        self._tally = tally
        self._bounds = bounds
        self._log = log
        self._crowd: Crowd | None = None
        self._said = False

    def make(
        self, connection: sqlite3.Connection, details: Details, counts: dict[bytes, int], spared: Container[bytes]
    ) -> bool:
        """Whether there is room for a tuple, if need be in place of others, which are removed now.

        counts: how many tuples networks have; brought up to date. spared: names of tuples that are not to go.
        """
        group, address = details.group, details.address
        if counts[group] >= self._bounds.network:
            crowd = Crowd(_of_network(connection, group))
            gone = self._remove(connection, crowd.give_way(address, spared))
            counts[group] -= gone
            if not gone:
                return False
        return self._tally.tuples < self._bounds.total or self._in_all(connection, address, spared)

    def _in_all(self, connection: sqlite3.Connection, address: bytes, spared: Container[bytes]) -> bool:
        tuples = self._tally.tuples
        if self._crowd is None or self._crowd.worn:
            self._crowd = Crowd(_tuples(connection, tuples))
        gone = self._remove(connection, self._crowd.give_way(address, spared))
        if not self._said:
            self._said = True
            self._log(f"the greylist is full, it holds {tuples} tuples: {self._crowd.who}")
        return bool(gone)

    def _remove(self, connection: sqlite3.Connection, members: list[Member]) -> int:
        """Remove tuples; how many there were."""
        removed = 0
        for member in members:
            removed += connection.execute("DELETE FROM tuple WHERE key = ?", (member.name,)).rowcount
        self._tally.tuples -= removed
        return removed

    def counted(self) -> None:
        """A sweep is over: when there was room for a while, the next time is told again."""
        if self._tally.tuples < 0.9 * self._bounds.total:
            self._said = False


def _tuples(connection: sqlite3.Connection, tuples: int) -> list[Member]:
    if tuples <= SMALL:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM tuple LIMIT {2 * SMALL}").fetchall()  # noqa: S608 - constants
        return [Member(*row) for row in rows]
    low, high = connection.execute("SELECT min(id), max(id) FROM tuple").fetchone()
    found: dict[bytes, Member] = {}
    query = f"SELECT {_COLUMNS} FROM tuple WHERE id >= ? ORDER BY id LIMIT {IN_A_ROW}"  # noqa: S608 - constants
    for _ in range(SAMPLE // IN_A_ROW):
        place = random.randint(low, high)
        for row in connection.execute(query, (place,)):
            found[row[0]] = Member(*row)
    return list(found.values())


def _of_network(connection: sqlite3.Connection, group: bytes) -> list[Member]:
    """Some tuples of a network: what follows its digest in their names is as good as chance."""
    place = group + random.randbytes(4)
    where = f"SELECT {_COLUMNS} FROM tuple WHERE"  # noqa: S608 - constants
    between = f"{where} key BETWEEN ? AND ? AND pool IS NULL ORDER BY key LIMIT {OF_NETWORK}"
    rows = connection.execute(between, (place, group + _LAST_KEY * 16)).fetchall()
    if len(rows) < OF_NETWORK:
        rows += connection.execute(between, (group, place)).fetchall()
    rows += connection.execute(f"{where} pool = ? LIMIT {OF_NETWORK}", (group,)).fetchall()
    return [Member(*row) for row in rows]


class Census:
    """How many white or trapped addresses there are, and a sample of their names.

    The count is exact when it is taken and kept up to date with what this process writes; each sweep takes it anew.
    """

    def __init__(self, kind: str, limit: int, log: Log) -> None:
        self.kind = kind
        self.limit = limit
        self._log = log
        #: None before it is counted.
        self.count: int | None = None
        self._seen = 0
        self._sample: list[bytes] = []
        self._next: list[bytes] = []
        self._fair = False  # whether the sample is one of all names
        self._crowd: Crowd | None = None
        self._said = False

    def saw(self, name: bytes) -> None:
        """The sweep came by this name: each name is in the sample with the same chance."""
        self._seen += 1
        _draw(self._next, name, self._seen)

    def finish(self) -> None:
        """The sweep has seen all of them."""
        self.count, self._sample, self._crowd, self._fair = self._seen, self._next, None, True
        self._seen, self._next = 0, []
        if self.count < 0.9 * self.limit:
            self._said = False

    def added(self, name: bytes, more: int = 1) -> None:
        """This process wrote one, or removed one."""
        if self.count is None:
            return
        self.count += more
        if more > 0 and self._fair:
            _draw(self._sample, name, self.count)

    def has_room(self, connection: sqlite3.Connection, name: bytes, delete: Callable[[bytes], None]) -> bool:
        """Whether one more may be written, if need be in place of others, which are removed by `delete`."""
        if self.count is None:
            query = "SELECT count(*) FROM (SELECT 1 FROM entry WHERE kind = ? LIMIT ?)"
            (self.count,) = connection.execute(query, (self.kind, self.limit)).fetchone()
        if self.count is None or self.count < self.limit:
            return True
        if not self._fair:
            self._see_all(connection)
        if self._crowd is None or self._crowd.worn:
            self._crowd = Crowd(Member(each, each) for each in self._sample)
        gone = self._crowd.give_way(name)
        for member in gone:
            delete(member.name)
        self._sample = [each for each in self._sample if each not in {member.name for member in gone}]
        self._say()
        return bool(gone)

    def _say(self) -> None:
        if not self._said and self._crowd is not None:
            self._said = True
            what = "white" if self.kind == Kind.WHITE.value else "trapped"
            self._log(f"there are {self.limit} {what} addresses, as many as may be: {self._crowd.who}")

    def _see_all(self, connection: sqlite3.Connection) -> None:
        """The sample, where it is needed before the first sweep."""
        self._seen, self._next = 0, []
        for (name,) in connection.execute("SELECT name FROM entry WHERE kind = ?", (self.kind,)):
            self.saw(name)
        self.finish()


def _draw(sample: list[bytes], name: bytes, seen: int) -> None:
    """Take the last of `seen` names into the sample with the same chance as all of them."""
    if len(sample) < SMALL:
        sample.append(name)
    elif (place := random.randrange(seen)) < SMALL:
        sample[place] = name
