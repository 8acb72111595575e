"""Learned pairs and domains beyond their bound, for both stores: the same must come out."""

from __future__ import annotations

from filter_greylist.rules.records import Kind, Life, Record
from filter_greylist.store.base import Store

LIMIT = 60
WHITE = 36 * 86_400


def learned(kind: Kind, user: bytes, numbers: range, when: int) -> list[Record]:
    """What a user taught at a time, as `rules.learn` has it."""
    life = Life(when, when, when + WHITE, 0, 1)
    if kind is Kind.DOMAIN:
        return [Record(kind, b"%s-%d.example" % (user, number), life) for number in numbers]
    return [Record(kind, b"them-%d@example.net\0%s@example.org" % (number, user), life) for number in numbers]


async def names(store: Store, kind: Kind) -> set[bytes]:
    return {record.name async for record in store.scan(kind)}


async def check_who_gives_way(store: Store, kind: Kind, now: int) -> None:
    """Fill a store with bounds of `LIMIT`, and more."""
    idle = learned(kind, b"idle", range(20), now - 5_000)
    busy = learned(kind, b"busy", range(20), now - 4_000)
    stolen = learned(kind, b"stolen", range(100), now)
    await store.merge(idle)
    await store.merge(busy)
    assert await names(store, kind) == {record.name for record in (*idle, *busy)}, "below the bound everything stays"
    await store.merge(learned(kind, b"busy", range(20), now))  # in use: renewed
    for start in range(20):
        await store.merge(stolen[start : start + 1])
    there = await names(store, kind)
    assert there == {record.name for record in (*idle, *busy, *stolen[:20])}, "at the bound everything stays"
    await store.merge(stolen[20:40])
    there = await names(store, kind)
    assert there == {record.name for record in (*busy, *stolen[:40])}, "what was not renewed gives way, and no other"
    later = learned(kind, b"later", range(20), now + 100)
    await store.merge(later)
    there = await names(store, kind)
    assert len(there) == LIMIT
    assert {record.name for record in later} <= there, "a newcomer always finds room"
    await store.put(learned(kind, b"operator", range(20), now))
    assert len(await names(store, kind)) == LIMIT + 20, "what an operator writes is not bounded"
