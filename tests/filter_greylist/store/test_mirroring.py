"""What must not be forgotten when Redis is away: copied into the local file, and given back when Redis lost it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist import ctl
from filter_greylist.rules.records import FOREVER, Kind, Life, Record, Timers
from filter_greylist.store.base import Bounds, Question, Store
from filter_greylist.store.fallback import FallbackStore, State
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.mirror import COPIED
from tests.filter_greylist.servers import RedisServer, redis_missing
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]

Result = TypeVar("Result")
NOW = int(time.time())
TIMERS = Timers()
END = NOW + 90_000
RECORDS = [
    Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, END, 0, 3)),
    Record(Kind.TRAPPED, b"2001:db8::/64", Life(NOW, NOW, NOW + 80_000, 1, 0)),
    Record(Kind.SPAMTRAP, b"trap@example.org", Life(NOW, NOW, FOREVER)),
    Record(Kind.PAIR, b"them@example.net\0us@example.org", Life(NOW, NOW, END, 0, 1)),
    Record(Kind.DOMAIN, b"example.net", Life(NOW, NOW, END, 0, 2)),
]
QUESTION = Question(b"192.0.2.1", b"trap@example.org", RECORDS[3].name, b"example.net")
TRAPPED = Question(b"2001:db8::/64", b"", b"", b"")


def whites(start: int, end: int) -> list[Record]:
    """That many white addresses, all of them in 10/8."""
    return [Record(Kind.WHITE, b"10.%d.%d.1" % (n >> 8, n & 255), Life(NOW, NOW, END)) for n in range(start, end)]


class Site:
    """Some mail servers with one Redis."""

    def __init__(self, server: RedisServer, path: Path) -> None:
        self.server = server
        self.path = path
        self.said: list[str] = []

    def spec(self, name: str = "one") -> str:
        return self.server.url("mx", self.path / f"{name}.db")

    async def open(self, name: str = "one", bounds: Bounds | None = None) -> FallbackStore:
        store = open_spec(parse_spec(self.spec(name)), self.said.append, bounds or Bounds())
        assert isinstance(store, FallbackStore)
        await store.open()
        return store

    def filterctl(self, *arguments: str) -> None:
        """As an operator at any of them would."""
        assert ctl.run(["-f", self.spec(), *arguments]) == 0


async def until(condition: Callable[[], Awaitable[bool]], looks: int = 750) -> None:
    """Look every 20 ms; not by a clock, which goes on while a busy machine does something else."""
    for _ in range(looks):
        if await condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it does not happen")


async def all_known(store: Store) -> bool:
    known = await store.consult(QUESTION)
    trapped = (await store.consult(TRAPPED)).trapped
    return None not in (known.white, known.spamtrap, known.pair, known.domain, trapped)


async def copied(store: FallbackStore) -> bool:
    """Whether the local file has all that is in Redis and must not be forgotten, and nothing else."""
    for kind in COPIED:
        there = {record.name: record.life async for record in store._remote.scan(kind)}
        page, following = await store._local.mirror.page(kind, b"")
        assert following is None, "so few that they are one page"
        if there != {record.name: record.life for record in page}:
            return False
    return True


async def down(store: FallbackStore) -> None:
    """Somebody asks, and it is noticed that the server is away."""
    await store.attempt(a_tuple(77), NOW, TIMERS)
    assert store.falling_back


def test_what_this_filter_learned_is_known_when_redis_is_killed(server: RedisServer, tmp_path: Path) -> None:
    async def inside() -> None:
        store = await Site(server, tmp_path).open()
        await store.merge(RECORDS)
        server.kill()
        await down(store)
        known = await store.consult(QUESTION)
        assert known.white == RECORDS[0].life
        assert known.domain == RECORDS[4].life
        assert await all_known(store)
        await store.close()

    asyncio.run(inside())


def test_what_others_and_operators_wrote_is_known_when_redis_is_killed(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)

    async def inside() -> None:
        one, two = await site.open("one"), await site.open("two")
        await until(lambda: _state(one, State.UP))
        await two.merge(RECORDS[1:])
        await asyncio.to_thread(site.filterctl, "-a", "192.0.2.1")
        await until(lambda: copied(one))
        server.kill()
        await down(one)
        assert await all_known(one)
        await one.close()
        await two.close()

    asyncio.run(inside())


def test_a_filter_that_starts_without_redis_has_the_copies_of_the_last_one(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)

    async def fill() -> None:
        store = await site.open()
        await store.put(RECORDS)
        await until(lambda: copied(store))
        await store.close()

    async def use() -> None:
        store = await site.open()
        assert store.falling_back
        assert await all_known(store)
        await store.close()

    asyncio.run(fill())
    server.kill()
    asyncio.run(use())


def test_what_was_there_before_the_filter_is_copied(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)

    async def fill() -> None:
        store = open_spec(parse_spec(site.spec()), print, alone=True)
        await store.open()
        await store.put(RECORDS)
        await store.put(whites(0, 3000))
        await store.close()

    async def use() -> None:
        store = await site.open()
        await until(lambda: _state(store, State.UP))
        server.kill()
        await down(store)
        assert await all_known(store)
        assert (await store.consult(Question(b"10.11.183.1", b"", b"", b""))).white is not None
        await store.close()

    asyncio.run(fill())
    asyncio.run(use())


async def _state(store: FallbackStore, state: State) -> bool:
    return store._state is state


async def compared(store: FallbackStore) -> bool:
    return store._copier._compared is not None


@pytest.mark.parametrize("how", ["comes back empty", "was emptied", "restarts at once"])
def test_what_redis_lost_is_given_back(server: RedisServer, tmp_path: Path, how: str) -> None:
    site = Site(server, tmp_path)

    async def inside() -> None:
        store = await site.open()
        await store.merge(RECORDS)
        await until(lambda: _state(store, State.UP))
        await until(lambda: copied(store))
        if how == "was emptied":
            server.ask("FLUSHALL")
        else:
            server.kill()
            if how == "comes back empty":
                await down(store)
            server.start()
        await store.attempt(a_tuple(5), NOW, TIMERS)
        assert await all_known(store), "known at once"
        assert await all_known(store), "and still"
        other = open_spec(parse_spec(site.spec()), print, alone=True)
        await other.open()
        await until(lambda: all_known(other))
        lives = [(await other.get(record.kind, record.name)) for record in RECORDS]
        assert lives == RECORDS, "with the same times and counters"
        await other.close()
        await store.close()

    asyncio.run(inside())


def test_older_data_are_brought_up_to_date(tmp_path: Path) -> None:
    """Redis comes back with a snapshot from before the last messages."""
    server = RedisServer(tmp_path, None, "--dbfilename", "dump.rdb")
    server.start()
    site = Site(server, tmp_path)

    async def inside() -> None:
        store = await site.open()
        await store.merge([RECORDS[0]._replace(life=Life(NOW, NOW, END - 50_000, 0, 1))])
        assert server.ask("SAVE") == b"+OK"
        await store.merge(RECORDS)
        await until(lambda: copied(store))
        server.kill()
        await down(store)
        server.start()
        await until(lambda: _state(store, State.UP))
        other = open_spec(parse_spec(site.spec()), print, alone=True)
        await other.open()
        white = await other.get(Kind.WHITE, b"192.0.2.1")
        assert white is not None
        assert white.life == Life(NOW, NOW, END, 0, 4)
        assert await all_known(other)
        await other.close()
        await store.close()

    try:
        asyncio.run(inside())
    finally:
        server.kill()


def test_what_an_operator_removed_stays_removed(server: RedisServer, tmp_path: Path) -> None:
    """Even by a server that was not there when it was removed, and even if its copy is all there is of the record."""
    site = Site(server, tmp_path)

    async def fill(name: str) -> None:
        store = await site.open(name)
        await store.merge(RECORDS)
        await until(lambda: copied(store))
        await store.close()

    async def use() -> None:
        one, two = await site.open("one"), await site.open("two")
        await until(lambda: _state(one, State.UP))
        await until(lambda: _state(two, State.UP))
        for store in (one, two):
            assert (await store.consult(QUESTION)).white is None
        server.kill()
        await down(one)
        await down(two)
        for store in (one, two):
            known = await store.consult(QUESTION)
            assert known.white is None
            assert known.spamtrap is None
            assert known.pair is not None, "what was not removed is there"
            await store.close()

    asyncio.run(fill("one"))
    asyncio.run(fill("two"))
    site.filterctl("-d", "192.0.2.1")
    site.filterctl("-d", "-T", "trap@example.org")
    asyncio.run(use())


def test_what_is_removed_while_the_filters_run_is_gone_from_the_copies(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)

    async def inside() -> None:
        store = await site.open()
        await store.merge(RECORDS)
        await until(lambda: copied(store))
        await asyncio.to_thread(site.filterctl, "-d", "192.0.2.1")
        await until(lambda: copied(store))
        server.kill()
        await down(store)
        assert (await store.consult(QUESTION)).white is None
        assert (await store.consult(QUESTION)).domain is not None
        await store.close()

    asyncio.run(inside())


def test_what_was_removed_can_be_added_again(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)

    async def inside() -> None:
        store = await site.open()
        await store.merge(RECORDS)
        await asyncio.to_thread(site.filterctl, "-d", "192.0.2.1")
        await asyncio.to_thread(site.filterctl, "-a", "192.0.2.1")
        await until(lambda: copied(store))
        server.kill()
        await down(store)
        server.start()
        await until(lambda: _state(store, State.UP))
        assert (await store.consult(QUESTION)).white is not None
        await store.close()

    asyncio.run(inside())


def test_what_was_learned_alone_and_the_copies_are_counted_once(server: RedisServer, tmp_path: Path) -> None:
    async def inside() -> None:
        store = await Site(server, tmp_path).open()
        once = RECORDS[4]._replace(life=Life(NOW, NOW, END, 0, 1))
        await store.merge([once])
        await until(lambda: _state(store, State.UP))
        domain = Question(b"", b"", b"", b"example.net")
        for _ in range(3):
            life = (await store.consult(domain)).domain
            assert life is not None
            assert life.passed == 1
        server.kill()
        await down(store)
        life = (await store.consult(domain)).domain
        assert life is not None
        assert life.passed == 1, "the copy"
        await store.merge([once])
        life = (await store.consult(domain)).domain
        assert life is not None
        assert life.passed == 2, "the copy and one more message"
        server.start()
        await until(lambda: _state(store, State.UP))
        life = (await store.consult(domain)).domain
        assert life is not None
        assert life.passed == 2
        await store.close()

    asyncio.run(inside())


def test_a_full_redis_is_not_filled_from_the_copies(server: RedisServer, tmp_path: Path) -> None:
    site = Site(server, tmp_path)
    crowd = [Record(Kind.TRAPPED, b"2001:db8:0:%x::/64" % n, Life(NOW, NOW, NOW + 80_000, 1, 0)) for n in range(1, 101)]

    async def inside() -> None:
        store = await site.open(bounds=Bounds(hosts=50))
        for start in range(0, 100, 10):
            await store.merge(crowd[start : start + 10])
        await until(lambda: _state(store, State.UP))
        for _ in range(2):
            store._copier.doubt()
            await until(lambda: compared(store))
        trapped = [record async for record in store.scan(Kind.TRAPPED)]
        assert len(trapped) <= 50
        await store.close()

    asyncio.run(inside())


@pytest.mark.timed
def test_the_copies_are_compared_in_small_steps(server: RedisServer, tmp_path: Path) -> None:
    """A comparison of 20,000 records keeps nobody waiting."""
    site = Site(server, tmp_path)

    async def inside() -> None:
        store = await site.open()
        await until(lambda: _state(store, State.UP))
        for start in range(0, 20_000, 1000):
            await store.put(whites(start, start + 1000))
        store._copier.doubt()
        waits: list[float] = []
        begun = time.monotonic()
        while time.monotonic() - begun < 3 or store._copier._compared is None:
            asked = time.monotonic()
            await store.attempt(a_tuple(len(waits)), NOW, TIMERS)
            waits.append(time.monotonic() - asked)
            await asyncio.sleep(0.002)
        waits.sort()
        assert waits[int(len(waits) * 0.99)] < 0.1
        await store.close()

    asyncio.run(inside())
