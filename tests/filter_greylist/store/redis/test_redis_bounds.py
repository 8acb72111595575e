"""A full Redis: who crowds it gives way, and what honest strangers need stays free."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

import pytest

from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple, address_name
from filter_greylist.store.base import Bounds, Store, StoreError
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer, used
from tests.filter_greylist.store.learned import LIMIT, check_who_gives_way, learned
from tests.filter_greylist.store.sqlite.test_sqlite_bounds import FLOODS, HONEST, of_prefix, offer

pytestmark = pytest.mark.daemon

TIMERS = Timers()
NOW = int(time.time())
Result = TypeVar("Result")


def with_redis(
    server: RedisServer, bounds: Bounds, what: Callable[[RedisStore], Awaitable[Result]], said: list[str] | None = None
) -> Result:
    url = f"redis://127.0.0.1:{server.port}/0?prefix=bound{time.monotonic_ns()}:"

    async def when_there(store: RedisStore) -> Result:
        """A busy machine may take longer to connect than a filter waits for."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(StoreError):
                    await store.ping()
                    break
        return await what(store)

    said_to = print if said is None else said.append
    return used(lambda: RedisStore(parse_target(parse_spec(url)), said_to, bounds), when_there)


async def flood(store: Store, tuples: list[Tuple], now: int = NOW) -> int:
    kept = 0
    for start in range(0, len(tuples), 100):
        lives = await asyncio.gather(*(store.attempt(one, now, TIMERS) for one in tuples[start : start + 100]))
        kept += sum(life is not None for life in lives)
    return kept


async def names(store: Store, kind: Kind) -> set[bytes]:
    return {record.name async for record in store.scan(kind)}


@pytest.mark.parametrize("name", FLOODS)
def test_nobody_can_fill_what_honest_strangers_need(redis_server: RedisServer, name: str) -> None:
    said: list[str] = []

    async def use(store: RedisStore) -> None:
        assert await flood(store, HONEST[:25]) == 25
        await flood(store, FLOODS[name])
        assert await flood(store, HONEST[25:]) == 25, "those who come when it is full are remembered"
        await flood(store, FLOODS[name][::-1])
        passed = [await store.attempt(one, NOW + TIMERS.passes, TIMERS) for one in HONEST]
        assert all(life is not None and life.passed == 1 for life in passed)
        assert len(await names(store, Kind.GREY)) <= 300

    with_redis(redis_server, Bounds(network=1000, total=300), use, said)
    assert len(said) == 1
    assert "the greylist is full, it holds 300 tuples: those of " in said[0]


def test_a_store_too_large_to_be_looked_at_whole_is_sampled(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        await flood(store, HONEST[:25])
        await flood(store, of_prefix(0x20010DB8_0001 << 80, 4000))
        assert await flood(store, HONEST[25:]) == 25
        await flood(store, of_prefix(0x20010DB8_0002 << 80, 4000))
        assert {one.key for one in HONEST} <= await names(store, Kind.GREY)

    with_redis(redis_server, Bounds(network=1000, total=2500), use)


def test_a_neighbour_in_a_flooded_network_is_remembered(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        assert await flood(store, [offer(IPv4Address("192.0.2.1"), number) for number in range(60)]) == 40
        neighbours = [offer(IPv4Address(f"192.0.2.{number}"), number) for number in range(2, 12)]
        assert await flood(store, neighbours) == 10
        assert {one.key for one in neighbours} <= await names(store, Kind.GREY)
        assert len(await names(store, Kind.GREY)) <= 40

    with_redis(redis_server, Bounds(network=40, total=1000), use)


@pytest.mark.parametrize("kind", [Kind.WHITE, Kind.TRAPPED])
def test_white_and_trapped_addresses_are_bounded(redis_server: RedisServer, kind: Kind) -> None:
    said: list[str] = []
    life = Life(NOW, NOW, NOW + 86_400, 1, 0)
    honest = [Record(kind, address_name(IPv4Address(0x0A000001 + (n << 16))), life) for n in range(40)]
    crowd = [Record(kind, address_name(IPv6Address((0x20010DB8_0001 << 80) + (n << 64))), life) for n in range(600)]

    async def use(store: RedisStore) -> None:
        await store.merge(honest[:20])
        for start in range(0, 600, 50):
            await store.merge(crowd[start : start + 50])
        await store.merge(honest[20:])
        await store.merge(crowd[:100])
        there = await names(store, kind)
        assert {each.name for each in honest} <= there
        assert len(there) <= 100
        await store.put(crowd[:150])
        assert len(await names(store, kind)) > 150, "what an operator writes is not bounded"

    with_redis(redis_server, Bounds(hosts=100), use, said)
    assert len([line for line in said if "as many as may be" in line]) == 1


def test_what_has_expired_makes_room_by_itself(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        old = [Record(Kind.TRAPPED, b"192.0.2.%d" % number, Life(NOW, NOW, NOW + 1, 1, 0)) for number in range(20)]
        await store.merge(old)
        await asyncio.sleep(2.1)
        new = [Record(Kind.TRAPPED, b"198.51.100.%d" % number, Life(NOW, NOW, NOW + 900, 1, 0)) for number in range(20)]
        await store.merge(new)
        assert {record.name for record in new} <= await names(store, Kind.TRAPPED)

    with_redis(redis_server, Bounds(hosts=20), use)


def test_two_filters_with_one_redis_hold_the_bound_together(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        other = RedisStore(store._link._target, print, Bounds(total=200))
        await other.open()
        crowd = of_prefix(0x20010DB8 << 96, 400, 1 << 80)
        await flood(store, crowd[:200])
        assert await flood(other, HONEST) == 50
        assert len(await names(store, Kind.GREY)) <= 200
        await other.close()

    with_redis(redis_server, Bounds(total=200), use)


@pytest.mark.timed
def test_a_refusal_in_a_full_store_is_cheap(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        crowd = of_prefix(0x20010DB8_0001 << 80, 5000)
        assert await flood(store, crowd[:3000]) == 2000
        begun = time.process_time()
        assert await flood(store, crowd[3000:]) == 0
        assert (time.process_time() - begun) / 2000 < 0.001

    with_redis(redis_server, Bounds(total=2000), use)


@pytest.mark.parametrize("kind", [Kind.PAIR, Kind.DOMAIN])
def test_of_pairs_and_domains_the_least_recently_renewed_give_way(redis_server: RedisServer, kind: Kind) -> None:
    said: list[str] = []

    async def use(store: RedisStore) -> None:
        await check_who_gives_way(store, kind, NOW)

    with_redis(redis_server, Bounds(hosts=5, learned=LIMIT), use, said)
    assert len([line for line in said if "60 learned" in line and "the least recently renewed give way" in line]) == 1


def test_pairs_that_expired_or_were_removed_by_somebody_else_make_room(redis_server: RedisServer) -> None:
    async def use(store: RedisStore) -> None:
        old = learned(Kind.PAIR, b"old", range(20), NOW)
        await store.merge([old[0]])
        await store._link.command("DEL", store._prefix + b"p:" + old[0].name)
        await store.merge(old[1:])
        new = learned(Kind.PAIR, b"new", range(20), NOW + 1)
        await store.merge(new)
        assert await names(store, Kind.PAIR) == {record.name for record in new}

    with_redis(redis_server, Bounds(learned=20), use)
