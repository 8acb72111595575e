"""The clock of Redis: followed forwards at once, backwards after a day, told of once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from filter_greylist.rules.records import FOREVER, Kind, Life, Record, Timers
from filter_greylist.store.base import Question
from filter_greylist.store.redis.clock import PATIENCE, TOLERANCE, ServerClock
from filter_greylist.store.redis.lua_tuples import GRACE
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.redis.values import moved
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

pytestmark = pytest.mark.timed

TIMERS = Timers()


class OurClock:
    """A clock set by hand; `ahead` of the host's wall clock."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self.passed = 0.0

    @property
    def source(self) -> tuple[object, float]:
        return self, 0.0

    def time(self) -> float:
        return time.time() + self.ahead + self.passed

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


def heard(server: ServerClock, ours: OurClock, ahead: float = 0.0) -> int:
    """The server tells its time, which is ahead of the host's; the shift then."""
    server.heard(time.time() + ours.passed + ahead, ours, tell=True)
    return server.shift(ours)


def test_small_differences_are_none() -> None:
    said: list[str] = []
    server, ours = ServerClock(said.append), OurClock()
    assert not server.known(ours)
    assert heard(server, ours, TOLERANCE - 1) == 0
    assert server.known(ours)
    assert said == []


@pytest.mark.parametrize("ahead", [90, 5.5 * 3600, -8 * 3600, 40 * 86400, -50 * 86400])
def test_a_difference_is_made_up_for_and_told_once(ahead: float) -> None:
    said: list[str] = []
    server, ours = ServerClock(said.append), OurClock()
    for _ in range(5):
        assert abs(heard(server, ours, ahead) - ahead) <= 1
        ours.passed += 600
    assert len(said) == 1
    assert ("ahead of" if ahead > 0 else "behind") in said[0]


def test_a_difference_that_changes_is_told_again_and_its_end_too() -> None:
    said: list[str] = []
    server, ours = ServerClock(said.append), OurClock(-8 * 3600)
    assert abs(heard(server, ours) - 8 * 3600) <= 1
    ours.ahead = -2 * 3600
    assert abs(heard(server, ours) - 2 * 3600) <= 1, "our clock was set: the server's time goes on"
    ours.ahead = 0
    assert heard(server, ours) == 0
    assert len(said) == 3
    assert "agree again" in said[2]


def test_a_server_that_gains_is_followed_at_once_and_one_that_falls_behind_after_a_day() -> None:
    server, ours = ServerClock(lambda _: None), OurClock()
    heard(server, ours)
    assert abs(heard(server, ours, 7200) - 7200) <= 1, "this host may have been asleep"
    for _ in range(23):
        assert abs(heard(server, ours, 0) - 7200) <= 1
        ours.passed += PATIENCE / 24
    ours.passed += PATIENCE / 12
    assert heard(server, ours, 0) == 0


def test_a_server_that_does_not_tell_its_time_has_ours() -> None:
    said: list[str] = []
    server, ours = ServerClock(said.append), OurClock()
    server.silent()
    server.silent()
    assert server.known(ours)
    assert server.shift(ours) == 0
    assert len(said) == 1


def test_what_never_ends_goes_on_for_ever_in_every_time() -> None:
    assert moved(Life(10, 20, FOREVER, 1, 2), -15) == Life(0, 5, FOREVER, 1, 2)
    assert moved(moved(Life(1000, 1060, 2000, 1, 2), 500), -500) == Life(1000, 1060, 2000, 1, 2)


def store_of(server: RedisServer, prefix: str, clock: OurClock) -> RedisStore:
    url = f"redis://127.0.0.1:{server.port}/0?prefix={prefix}:"
    store = RedisStore(parse_target(parse_spec(url)), print)
    store.clock = clock
    return store


AHEAD = [0, -5.5 * 3600, -8 * 3600, -40 * 86400, 8 * 3600, 90 * 86400, -time.time() + 1000]
AHEAD_IDS = ["right", "5.5 h behind", "8 h behind", "40 days behind", "8 h ahead", "90 days ahead", "in 1970"]


@pytest.mark.daemon
@pytest.mark.parametrize("ahead", AHEAD, ids=AHEAD_IDS)
def test_redis_keeps_a_record_for_its_time_whatever_our_clock_says(redis_server: RedisServer, ahead: float) -> None:
    prefix = f"ttl{ahead}"

    async def inside() -> None:
        ours = OurClock(ahead)
        store = store_of(redis_server, prefix, ours)
        await store.open()
        now = int(ours.time())
        assert await store.attempt(a_tuple(1), now, TIMERS) == Life(now, now + 1500, now + 14400, 1, 0)
        white = Record(Kind.WHITE, b"192.0.2.1", Life(now, now, now + TIMERS.white, 0, 1))
        await store.merge([white, Record(Kind.SPAMTRAP, b"t@example.org", Life(now, now, FOREVER))])
        assert (await store.consult(Question(b"192.0.2.1", b"t@example.org", b"", b""))).white == white.life
        assert await store.attempt(a_tuple(1), now + 1500, TIMERS) == Life(now, now + 1500, now + 15900, 1, 1)
        await store.mark("primary", now)
        assert await store.marked("primary") == now
        await store.close()

    asyncio.run(inside())
    for key, seconds in ((b"g:" + a_tuple(1).key, 15900), (b"w:192.0.2.1", TIMERS.white)):
        (left,) = expiry(redis_server, [prefix.encode() + b":" + key])
        assert seconds <= left - GRACE + 5 <= seconds + 10
    names = keys(redis_server, prefix)
    assert len(names) >= 8
    endless = {name for name, left in zip(names, expiry(redis_server, names), strict=True) if left == -1}
    short = {name.partition(b":")[2] for name in endless}
    assert short == {b"id", b"log", b"s:t@example.org", b"note:primary", b"x:w"}, "all else ends by itself"


def raw(server: RedisServer, *words: bytes) -> bytes:
    import socket

    with socket.create_connection(("127.0.0.1", server.port), 2) as link:
        link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        return link.recv(1 << 20)


def keys(server: RedisServer, prefix: str) -> list[bytes]:
    pieces = raw(server, b"KEYS", prefix.encode() + b":*").split(b"\r\n")
    return pieces[2::2][: int(pieces[0][1:])]


def expiry(server: RedisServer, names: list[bytes]) -> list[int]:
    return [int(raw(server, b"TTL", name)[1:]) for name in names]


@pytest.mark.daemon
@pytest.mark.parametrize("ahead", AHEAD, ids=AHEAD_IDS)
def test_servers_with_different_clocks_share_what_they_learn(
    redis_server: RedisServer, tmp_path: Path, ahead: float
) -> None:
    async def inside() -> None:
        right, wrong = OurClock(), OurClock(ahead)
        one, two = (store_of(redis_server, f"two{ahead}", clock) for clock in (right, wrong))
        for store in (one, two):
            await store.open()
        await one.attempt(a_tuple(1), int(right.time()), TIMERS)
        early = await two.attempt(a_tuple(1), int(wrong.time()) + 60, TIMERS)
        assert early is not None
        assert not early.passed
        assert abs(early.passes - wrong.time() - 1500) <= 2, "it waits as long by either clock"
        for clock in (right, wrong):
            clock.passed += 1800
        life = await two.attempt(a_tuple(1), int(wrong.time()), TIMERS)
        assert life is not None
        assert life.passed == 1
        now = int(wrong.time())
        await two.merge([Record(Kind.TRAPPED, b"192.0.2.1", Life(now, now, now + 86400, 1, 0))])
        trapped = (await one.consult(Question(b"192.0.2.1", b"", b"", b""))).trapped
        assert trapped is not None
        assert abs(trapped.expires - right.time() - 86400) <= 2
        for store in (one, two):
            await store.close()

    asyncio.run(inside())


@pytest.mark.daemon
def test_a_user_who_may_not_ask_for_the_time_has_our_own(redis_server: RedisServer) -> None:
    said: list[str] = []
    redis_server.ask("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-time")

    async def inside() -> None:
        url = f"redis://127.0.0.1:{redis_server.port}/0?prefix=acl:"
        target = parse_target(parse_spec(url))._replace(username="limited", password="pw")
        store = RedisStore(target, said.append)
        await store.open()
        now = int(time.time())
        assert await store.attempt(a_tuple(1), now, TIMERS) == Life(now, now + 1500, now + 14400, 1, 0)
        assert await store.attempt(a_tuple(1), now + 1500, TIMERS) is not None
        await store.close()

    asyncio.run(inside())
    assert len([line for line in said if "does not tell its time" in line]) == 1


@pytest.mark.daemon
def test_many_first_questions_at_once_need_one_connection(redis_server: RedisServer) -> None:
    async def inside() -> None:
        store = store_of(redis_server, "many", OurClock())
        await store.open()
        now = int(time.time())
        lives = await asyncio.gather(*(store.attempt(a_tuple(number), now, TIMERS) for number in range(500)))
        assert None not in lives
        await store.close()

    asyncio.run(inside())
