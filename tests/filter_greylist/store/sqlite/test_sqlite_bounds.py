"""A full file: who crowds it gives way, and what honest strangers need stays free."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from filter_greylist.rules.key import Prefixes, details_of, group_of, network_name, tuple_for
from filter_greylist.rules.records import TRAP_SECONDS, Kind, Life, Record, Timers, Tuple, address_name
from filter_greylist.store.base import Bounds
from filter_greylist.store.sqlite.learned import OLDEST
from filter_greylist.store.sqlite.store import SqliteStore
from tests.filter_greylist.store.learned import LIMIT, check_who_gives_way, learned, names
from tests.filter_greylist.store.sqlite.test_sqlite_faults import NOW, keys_of, with_store

TIMERS = Timers()
Address = IPv4Address | IPv6Address


def offer(address: Address, number: int = 0) -> Tuple:
    """A tuple of a client, as the filter makes it."""
    network = network_name(address, Prefixes())
    details = details_of(group_of(network), address, b"mx", b"%d@example.net" % number, b"us@example.org")
    return tuple_for(network, details.sender, details.recipient, details)


async def flood(store: SqliteStore, tuples: list[Tuple]) -> int:
    """Offer all of them, many at a time; how many were remembered."""
    kept = 0
    for start in range(0, len(tuples), 100):
        batch = tuples[start : start + 100]
        lives = await asyncio.gather(*(store.attempt(one, NOW, TIMERS) for one in batch))
        kept += sum(life is not None for life in lives)
    return kept


def of_prefix(prefix: int, count: int, step: int = 1 << 64) -> list[Tuple]:
    """Tuples of many /64 in a network of IPv6."""
    return [offer(IPv6Address(prefix + number * step), number) for number in range(count)]


HONEST = [offer(IPv4Address(0x0A000001 + (number << 16)), number) for number in range(50)]
"""Strangers each from a /16 of its own."""

FLOODS = {
    "one /48": of_prefix(0x20010DB8_0001 << 80, 2000),
    "one /32, a tuple from each /48": of_prefix(0x20010DB8 << 96, 2000, 1 << 80),
    "one /64": of_prefix(0x20010DB8_0001 << 80, 2000, 1),
    "a /16 of IPv4": [offer(IPv4Address(0xC6120000 + number * 30), number) for number in range(2000)],
    "four /32 at once": [one for n in range(4) for one in of_prefix((0x20020DB8 + n) << 96, 500, 1 << 80)],
}


@pytest.mark.parametrize("name", FLOODS)
def test_nobody_can_fill_what_honest_strangers_need(tmp_path: Path, name: str) -> None:
    said: list[str] = []

    async def use(store: SqliteStore) -> None:
        early, late = HONEST[:25], HONEST[25:]
        assert await flood(store, early) == 25
        await flood(store, FLOODS[name])
        assert await flood(store, late) == 25, "those who come when it is full are remembered"
        await flood(store, FLOODS[name][::-1])
        passed = [await store.attempt(one, NOW + TIMERS.passes, TIMERS) for one in HONEST]
        assert all(life is not None and life.passed == 1 for life in passed), "and all of them pass"
        assert len(await keys_of(store)) <= 300

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(network=1000, total=300), log=said.append)
    assert len(said) == 1, "it is logged once"
    assert "the greylist is full, it holds 300 tuples: those of " in said[0]


def test_a_store_too_large_to_be_looked_at_whole_is_sampled(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        await flood(store, HONEST[:25])
        await flood(store, of_prefix(0x20010DB8_0001 << 80, 6000))
        assert await flood(store, HONEST[25:]) == 25
        await flood(store, of_prefix(0x20010DB8_0002 << 80, 6000))
        assert {one.key for one in HONEST} <= await keys_of(store)

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(network=1000, total=4000))


def test_a_neighbour_in_a_flooded_network_is_remembered(tmp_path: Path) -> None:
    """One host fills the 1,000 tuples of its /24; its neighbours, and its /64's none."""

    async def use(store: SqliteStore) -> None:
        assert await flood(store, [offer(IPv4Address("192.0.2.1"), number) for number in range(60)]) == 40
        neighbours = [offer(IPv4Address(f"192.0.2.{number}"), number) for number in range(2, 12)]
        assert await flood(store, neighbours) == 10
        assert {one.key for one in neighbours} <= await keys_of(store)
        assert len(await keys_of(store)) == 40

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(network=40, total=1000))


def test_the_first_messages_of_a_large_sender_are_not_pushed_out_by_its_later_ones(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        mine = [offer(IPv4Address("192.0.2.1"), number) for number in range(60)]
        assert await flood(store, mine) == 40
        lives = [await store.attempt(one, NOW + TIMERS.passes, TIMERS) for one in mine]
        assert sum(life is not None and life.passed == 1 for life in lives) == 40

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(network=40, total=1000))


@pytest.mark.parametrize("kind", [Kind.WHITE, Kind.TRAPPED])
def test_white_and_trapped_addresses_are_bounded(tmp_path: Path, kind: Kind) -> None:
    said: list[str] = []
    life = Life(NOW, NOW, NOW + TRAP_SECONDS, 1, 0)

    def record(address: Address) -> Record:
        return Record(kind, address_name(address), life)

    honest = [record(IPv4Address(0x0A000001 + (number << 16))) for number in range(40)]
    crowd = [record(IPv6Address((0x20010DB8_0001 << 80) + (number << 64))) for number in range(1000)]

    async def names(store: SqliteStore) -> set[bytes]:
        return {each.name async for each in store.scan(kind)}

    async def use(store: SqliteStore) -> None:
        await store.merge(honest[:20])
        await store.merge(crowd)
        await store.merge(honest[20:])
        await store.merge(crowd[::-1])
        there = await names(store)
        assert len(there) <= 100
        assert {each.name for each in honest} <= there
        while await store.sweep(NOW):
            pass
        await store.merge(crowd[500:])
        assert {each.name for each in honest} <= await names(store), "nor after a sweep has counted them"
        await store.put(crowd[:150])
        assert len(await names(store)) > 150, "what an operator writes is not bounded"

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(hosts=100), log=said.append)
    assert len([line for line in said if "as many as may be" in line]) == 1


def test_a_process_that_starts_with_a_full_file_knows_the_crowd(tmp_path: Path) -> None:
    life = Life(NOW, NOW, NOW + TRAP_SECONDS, 1, 0)
    crowd = [Record(Kind.TRAPPED, b"2001:db8:1:%x::/64" % number, life) for number in range(1, 700)]
    honest = [Record(Kind.TRAPPED, b"10.%d.0.1" % number, life) for number in range(200)]

    async def fill(store: SqliteStore) -> None:
        await store.merge(crowd[:500] + honest[:100] + crowd[500:])

    async def use(store: SqliteStore) -> None:
        await store.merge(honest[100:])
        there = {record.name async for record in store.scan(Kind.TRAPPED)}
        assert {record.name for record in honest} <= there
        assert len(there) <= 800

    with_store(tmp_path / "greylist.db", fill, bounds=Bounds(hosts=800))
    with_store(tmp_path / "greylist.db", use, bounds=Bounds(hosts=800))


def test_the_tally_is_right_after_evictions(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        await flood(store, of_prefix(0x20010DB8 << 96, 500, 1 << 80))
        await flood(store, HONEST)

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(total=200))
    with contextlib.closing(sqlite3.connect(tmp_path / "greylist.db")) as connection:
        (tuples,) = connection.execute("SELECT tuples FROM tally").fetchone()
        assert tuples == connection.execute("SELECT count(*) FROM tuple").fetchone()[0]


def test_a_bound_that_was_lowered_lets_no_more_in_and_keeps_the_honest(tmp_path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        await flood(store, [*HONEST[:25], *of_prefix(0x20010DB8 << 96, 900, 1 << 80)])

    async def use(store: SqliteStore) -> None:
        assert await flood(store, HONEST) == 50
        assert len(await keys_of(store)) <= 925

    with_store(tmp_path / "greylist.db", fill)
    with_store(tmp_path / "greylist.db", use, bounds=Bounds(total=100))


@pytest.mark.timed
def test_a_full_store_costs_the_crowd_more_than_the_others(tmp_path: Path) -> None:
    """Ten times the newcomers cost at most thirteen times the time, and a refusal is cheap."""

    async def use(store: SqliteStore) -> float:
        await flood(store, of_prefix(0x20010DB8_0001 << 80, 4000))
        begun = time.process_time()
        await flood(store, of_prefix(0x20010DB8_0002 << 80, 300))
        few = time.process_time() - begun
        begun = time.process_time()
        await flood(store, of_prefix(0x20010DB8_0003 << 80, 3000))
        many = time.process_time() - begun
        assert many / 3000 < 0.001
        return many / few

    growth = min(with_store(tmp_path / f"{number}.db", use, bounds=Bounds(total=3000)) for number in range(3))
    assert growth < 13


@pytest.mark.parametrize("kind", [Kind.PAIR, Kind.DOMAIN])
def test_of_pairs_and_domains_the_least_recently_renewed_give_way(tmp_path: Path, kind: Kind) -> None:
    said: list[str] = []

    async def use(store: SqliteStore) -> None:
        await check_who_gives_way(store, kind, NOW)
        while await store.sweep(NOW):
            pass
        await store.merge(learned(kind, b"last", range(30), NOW + 200))
        there = await names(store, kind)
        assert {record.name for record in learned(kind, b"last", range(30), NOW)} <= there
        assert len(there) == LIMIT, "the sweep counted what an operator had added"

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(hosts=5, learned=LIMIT), log=said.append)
    assert len([line for line in said if "60 learned" in line and "the least recently renewed give way" in line]) == 1


def test_a_file_of_an_earlier_release_with_more_pairs_than_may_be_comes_down_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "greylist.db"

    async def fill(store: SqliteStore) -> None:
        await store.merge(learned(Kind.PAIR, b"old", range(200), NOW))

    async def use(store: SqliteStore) -> None:
        await store.merge(learned(Kind.PAIR, b"new", range(30), NOW + 1))
        there = await names(store, Kind.PAIR)
        assert len(there) == LIMIT
        assert {record.name for record in learned(Kind.PAIR, b"new", range(30), NOW)} <= there

    with_store(path, fill)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX entry_learned")
    with_store(path, use, bounds=Bounds(learned=LIMIT))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        plans = connection.execute(f"EXPLAIN QUERY PLAN {OLDEST}", ("p", 1)).fetchall()
    assert ["entry_learned" in plan for *_, plan in plans] == [True], (
        "who gives way is found without going through all of them"
    )
