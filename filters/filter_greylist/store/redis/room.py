"""Room in a full Redis: who gives way is said by `crowding`, here is what it is told and how they go.

Tuples are looked at where a scan that goes on and on has come to; their names are digests, so those are tuples chosen
by chance. Of a client network, and of white and trapped addresses, Redis chooses some by chance itself.
Of learned pairs and domains it knows the least recently renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from filter_greylist.rules.crowding import OLDEST_GO, SAMPLE, SMALL, Crowd, Member, full_of
from filter_greylist.rules.records import Details, Kind, Record
from filter_greylist.store.base import Bounds, Log
from filter_greylist.store.redis.link import Link
from filter_greylist.store.redis.pump import Pump
from filter_greylist.store.redis.reading import PAGE
from filter_greylist.store.redis.values import literal, pack_group, read_record

OF_NETWORK = 64
"""Tuples of one client network that are looked at."""

STEPS = 40
"""Steps of a scan for one sample, at most: other programs' keys may be in the way."""


class Room:
    """Makes room. That there is none is logged once, until there are well fewer again."""

    def __init__(self, link: Link, pump: Pump, prefix: bytes, bounds: Bounds, log: Log) -> None:
        self._link = link
        self._pump = pump
        self._prefix = prefix
        self._bounds = bounds
        self._log = log
        self._cursor = 0
        self._crowds: dict[Kind, Crowd] = {}
        self._said: set[Kind] = set()
        self._alone = asyncio.Lock()

    async def make(self, why: bytes, details: Details, tuples: int) -> bool:
        """Whether there is room for a tuple now. why: ``#n``, its network has too many; ``#t``, all together have."""
        if why == b"#n":
            return await self._in_network(details)
        async with self._alone:
            crowd = self._crowds.get(Kind.GREY)
            if crowd is None or crowd.worn:
                crowd = self._crowds[Kind.GREY] = Crowd(await self._tuples(whole=tuples <= SMALL))
            room = await self._evict(Kind.GREY, crowd.give_way(details.address))
        self._say(Kind.GREY, f"the greylist is full, it holds {tuples} tuples", crowd)
        return room

    async def make_for(self, why: bytes, record: Record, tuples: int) -> bool:
        """The same for a record of any kind. why: ``#h`` for what is no tuple, else as above."""
        if why != b"#h":
            return record.details is not None and await self.make(why, record.details, tuples)
        kind = record.kind
        if kind in OLDEST_GO:
            return await self._in_learned(kind)
        async with self._alone:
            crowd = self._crowds.get(kind)
            if crowd is None or crowd.worn:
                names = await self._link.command("ZRANDMEMBER", self._key(b"x", kind.value.encode()), SAMPLE)
                crowd = self._crowds[kind] = Crowd([Member(name, name) for name in names])
            room = await self._evict(kind, crowd.give_way(record.name))
        what = "white" if kind is Kind.WHITE else "trapped"
        self._say(kind, f"there are {self._bounds.hosts} {what} addresses, as many as may be", crowd)
        return room

    async def _in_learned(self, kind: Kind) -> bool:
        """One goes for each that comes: those who wait for room together each take their own."""
        async with self._alone:
            oldest: list[bytes] = await self._link.command("ZRANGE", self._key(b"x", kind.value.encode()), 0, 0)
            await asyncio.gather(*(self._pump.submit("e", kind.value, name) for name in oldest))
        if kind not in self._said:
            self._said.add(kind)
            self._log(full_of(kind, self._bounds.learned))
        return bool(oldest)

    def counted(self, tuples: int) -> None:
        """There are so many now."""
        if tuples < 0.9 * self._bounds.total:
            self._said.discard(Kind.GREY)

    def _say(self, kind: Kind, what: str, crowd: Crowd) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._log(f"{what}: {crowd.who}")

    def _key(self, letter: bytes, name: bytes) -> bytes:
        return self._prefix + letter + b":" + name

    async def _in_network(self, details: Details) -> bool:
        group = self._key(b"n", pack_group(details.group))
        names: list[bytes] = await self._link.command("ZRANDMEMBER", group, OF_NETWORK)
        members = await self._members(names)
        if stale := set(names) - {member.name for member in members}:
            await self._link.command("ZREM", group, *stale)
            return True
        return await self._evict(Kind.GREY, Crowd(members).give_way(details.address))

    async def _members(self, names: Sequence[bytes]) -> list[Member]:
        """What is known of tuples; those that are not there are left out."""
        if not names:
            return []
        values: Sequence[Any] = await self._link.command("MGET", *(self._key(b"g", name) for name in names))
        records = [read_record(Kind.GREY, name, value, 0) for name, value in zip(names, values, strict=True)]
        return [
            Member(record.name, record.details.address, record.life.passed, record.life.first)
            for record in records
            if record is not None and record.details is not None
        ]

    async def _tuples(self, *, whole: bool) -> list[Member]:
        """The next tuples of the scan; all of them where there are few."""
        found: dict[bytes, Member] = {}
        start = self._key(b"g", b"")
        cursor = 0 if whole else self._cursor
        for _ in range(STEPS):
            pattern = literal(start) + b"*"
            cursor, keys = await self._link.command("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)
            cursor = int(cursor)
            for member in await self._members([key[len(start) :] for key in keys]):
                found[member.name] = member
            if (cursor == 0 and whole) or (len(found) >= SAMPLE and not whole):
                break
        self._cursor = cursor
        return list(found.values())

    async def _evict(self, kind: Kind, members: Sequence[Member]) -> bool:
        """Remove them; whether any of them was there."""
        return any(await asyncio.gather(*(self._pump.submit("e", kind.value, member.name) for member in members)))
