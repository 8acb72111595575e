"""A shared store that goes away and comes back: the local file carries on, and what it learned is merged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers
from filter_greylist.store.base import Question, Store, StoreError
from filter_greylist.store.fallback import FallbackStore, State
from filter_greylist.store.opening import open_spec
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer, fallback_store, redis_missing, used
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]

Result = TypeVar("Result")
NOW = int(time.time())
TIMERS = Timers(60, 600, 6000)
WHITE = Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, NOW + 900, 0, 1))
QUESTION = Question(b"192.0.2.1", b"", b"", b"")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, to be killed. What it held is on its disk."""
    made = RedisServer(tmp_path, None, "--appendonly", "yes", "--appendfsync", "always")
    made.start()
    yield made
    made.kill()


def with_fallback(
    server: RedisServer, path: Path, what: Callable[[FallbackStore, list[str]], Awaitable[Result]]
) -> Result:
    told: list[str] = []
    return used(lambda: fallback_store(server, path, told), lambda store: what(store, told))


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        await asyncio.sleep(0.02)


async def records(store: Store, kind: Kind = Kind.GREY) -> dict[bytes, Life]:
    return {record.name: record.life async for record in store.scan(kind)}


def test_what_was_learned_alone_is_merged(server: RedisServer, tmp_path: Path) -> None:
    async def use(store: FallbackStore, told: list[str]) -> None:
        await store.attempt(a_tuple(1), NOW, TIMERS)
        await store.attempt(a_tuple(2), NOW, TIMERS)
        server.kill()
        again = await store.attempt(a_tuple(1), NOW + 30, TIMERS)
        assert again == Life(NOW + 30, NOW + 90, NOW + 630, 1, 0), "never seen here: it waits anew, and is not let in"
        assert store.falling_back
        await store.attempt(a_tuple(3), NOW + 30, TIMERS)
        await store.merge([WHITE])
        assert (await store.consult(QUESTION)).white == WHITE.life
        server.start()
        await until(lambda: not store.falling_back and len(told) == 2)
        assert await records(store) == {
            a_tuple(1).key: Life(NOW, NOW + 60, NOW + 630, 2, 0),
            a_tuple(2).key: Life(NOW, NOW + 60, NOW + 600, 1, 0),
            a_tuple(3).key: Life(NOW + 30, NOW + 90, NOW + 630, 1, 0),
        }
        assert (await store.consult(QUESTION)).white == WHITE.life
        assert await records(store._local) == {}
        assert "the local one carries on" in told[0]
        assert "3 records merged" in told[1]

    with_fallback(server, tmp_path, use)


def test_an_answer_from_before_the_records_were_given_back_is_not_believed(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server lost what it had and is asked; then it is whole again, while its answer is on the way."""

    async def use(store: FallbackStore, told: list[str]) -> None:
        await until(lambda: store._state is State.UP)
        await store.merge([WHITE])
        while await store._local.get(Kind.WHITE, WHITE.name) is None:
            await asyncio.sleep(0.02)

        async def emptied(_question: Question) -> Known:
            store._state = State.UP
            return Known()

        monkeypatch.setattr(store._remote, "consult", emptied)
        store._state = State.MERGING
        assert (await store.consult(QUESTION)).white is not None

    with_fallback(server, tmp_path, use)


def test_a_server_that_is_away_at_start_is_no_obstacle(server: RedisServer, tmp_path: Path) -> None:
    server.kill()

    async def use(store: FallbackStore, told: list[str]) -> None:
        assert store.falling_back
        await store.attempt(a_tuple(1), NOW, TIMERS)
        server.start()
        await until(lambda: not store.falling_back and len(told) == 2)
        assert list(await records(store)) == [a_tuple(1).key]

    with_fallback(server, tmp_path, use)


def test_what_an_earlier_process_left_behind_is_merged(server: RedisServer, tmp_path: Path) -> None:
    async def leave_behind() -> None:
        local = SqliteStore(str(tmp_path / "fallback.db"), print)
        await local.open()
        await local.attempt(a_tuple(1), NOW, TIMERS)
        await local.close()

    asyncio.run(leave_behind())

    async def use(store: FallbackStore, told: list[str]) -> None:
        assert await store.attempt(a_tuple(1), NOW + 60, TIMERS) == Life(NOW, NOW + 60, NOW + 660, 1, 1)
        for _ in range(200):
            if not await records(store._local):
                break
            await asyncio.sleep(0.02)
        assert await records(store._local) == {}

    with_fallback(server, tmp_path, use)


@pytest.mark.timed
def test_a_server_that_is_frozen_is_left_alone_after_two_seconds(server: RedisServer, tmp_path: Path) -> None:
    async def use(store: FallbackStore, told: list[str]) -> None:
        await store.attempt(a_tuple(1), NOW, TIMERS)
        server.freeze()
        begun = time.monotonic()
        many = [store.attempt(a_tuple(number), NOW, TIMERS) for number in range(1000)]
        lives = await asyncio.gather(*many)
        assert all(life is not None and not life.passed for life in lives)
        assert time.monotonic() - begun < 5, "inside the deadline of a decision"
        begun = time.monotonic()
        await store.attempt(a_tuple(5000), NOW, TIMERS)
        assert time.monotonic() - begun < 1, "and at once from then on"
        server.thaw()
        await until(lambda: not store.falling_back and len(told) >= 2)
        assert len(await records(store)) == 1001

    with_fallback(server, tmp_path, use)


def test_a_read_only_server_is_as_good_as_none(server: RedisServer, tmp_path: Path) -> None:
    async def use(store: FallbackStore, told: list[str]) -> None:
        server.ask("REPLICAOF", "127.0.0.1", "1")
        assert await store.attempt(a_tuple(1), NOW, TIMERS) is not None
        assert store.falling_back
        server.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: not store.falling_back)

    with_fallback(server, tmp_path, use)


def test_a_full_server_is_as_good_as_none(server: RedisServer, tmp_path: Path) -> None:
    async def use(store: FallbackStore, told: list[str]) -> None:
        server.ask("CONFIG", "SET", "maxmemory", "1")
        assert await store.attempt(a_tuple(1), NOW, TIMERS) is not None
        assert store.falling_back
        server.ask("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: not store.falling_back)

    with_fallback(server, tmp_path, use)


def test_two_servers_see_each_others_tuples_at_once(server: RedisServer, tmp_path: Path) -> None:
    async def inside() -> None:
        url = server.url("shared", tmp_path / "{}.db")
        one, two = (open_spec(parse_spec(url.format(name)), print) for name in ("one", "two"))
        await one.open()
        await two.open()
        await one.attempt(a_tuple(1), NOW, TIMERS)
        assert await two.attempt(a_tuple(1), NOW + 60, TIMERS) == Life(NOW, NOW + 60, NOW + 660, 1, 1)
        await one.note("primary", b"%d" % NOW)
        assert await two.noted("primary") == b"%d" % NOW
        await one.close()
        await two.close()

    asyncio.run(inside())


def test_foreign_values_in_redis_hurt_only_those_who_ask_for_them(server: RedisServer, tmp_path: Path) -> None:
    async def use(store: FallbackStore, told: list[str]) -> None:
        server.ask("LPUSH", "mx:w:192.0.2.66", "not ours")
        server.ask("SET", "mx:t:192.0.2.67", "nonsense")
        server.ask("SET", "mx:g:short", "nor this")
        assert await store.consult(QUESTION) == Known()
        both = store.consult(QUESTION), store.consult(Question(b"192.0.2.66", b"", b"", b""))
        fine, _ = await asyncio.gather(*both, return_exceptions=True)
        assert fine == Known()
        assert await records(store) == {}

    with_fallback(server, tmp_path, use)


@pytest.mark.timed
def test_the_total_is_bounded(server: RedisServer, tmp_path: Path) -> None:
    from filter_greylist.store.base import Bounds

    async def inside() -> None:
        target = parse_target(parse_spec(server.url("total", tmp_path / "x.db")))
        store = RedisStore(target, print, Bounds(network=1000, total=50))
        await store.open()
        lives = await asyncio.gather(*(store.attempt(a_tuple(number), NOW, TIMERS) for number in range(50)))
        assert None not in lives
        store._counted = float("-inf")  # as if the seconds between two counts were over
        assert await store.attempt(a_tuple(50), NOW, TIMERS) is None
        assert await store.attempt(a_tuple(0), NOW, TIMERS) is not None
        for number in range(25):
            assert await store.delete(Kind.GREY, a_tuple(number).key)
        store._counted = float("-inf")
        assert await store.attempt(a_tuple(50), NOW, TIMERS) is not None
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.attempt(a_tuple(0), NOW, TIMERS)

    asyncio.run(inside())


def test_a_password_is_used_and_never_told(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, None, "--requirepass", "s3cret")
    server.start()
    secret = tmp_path / "url"
    secret.touch(0o600)

    def told_with(password: str) -> list[str]:
        secret.write_text(f"redis://:{password}@127.0.0.1:{server.port}/0?fallback={tmp_path / 'fallback.db'}\n")

        async def inside() -> list[str]:
            told: list[str] = []
            store = open_spec(parse_spec(f"file:{secret}"), told.append)
            await store.open()
            await store.attempt(a_tuple(1), NOW, TIMERS)
            await store.close()
            return told

        return asyncio.run(inside())

    try:
        assert told_with("s3cret") == []
        (line,) = told_with("wr0ng")
        assert "wr0ng" not in line
    finally:
        server.stop()
