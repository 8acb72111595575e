"""The whole filter with clocks that are wrong: behind, ahead, wrong at start and then set, and two of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from filter_greylist.rules.records import Kind
from tests.filter_greylist.servers import RedisServer, redis_missing
from tests.filter_greylist.smtp import Hands, Smtpd

STORE = 1_800_000_000
DAY = 86_400
STRANGER = "198.51.100.1"


def waits(reply: str) -> bool:
    return reply.startswith("451 4.7.1 greylisted")


def beat(smtpd: Smtpd) -> None:
    """What the filter does every fifteen seconds."""
    smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())


def lived(directory: Path, *options: str) -> None:
    """A filter that ran until `STORE` + 1560 seconds, and knows a client that is white and one that waits."""
    with Smtpd(directory, *options) as smtpd:
        smtpd.deliver()
        smtpd.hands.advance(1500)
        assert smtpd.deliver()
        smtpd.hands.advance(60)
        assert waits(smtpd.offer("203.0.113.5"))
        beat(smtpd)


def booted(wall: float) -> Hands:
    hands = Hands()
    hands.wall = wall
    return hands


WRONG = {"1970": 100.0, "2000": 946_684_800.0, "8 h behind": STORE - 8 * 3600.0, "50 days behind": STORE - 50.0 * DAY}
WRONG |= {"the first second": 0.0, "2012": 1_330_500_000.0, "before Python was": 1_600_000_000.0}
WRONG |= {"an hour and a second behind": STORE - 3601.0, "five years behind": STORE - 5 * 365.0 * DAY}


@pytest.mark.parametrize("wall", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("down", [90, 3600, 9 * 3600])
def test_a_clock_that_is_set_after_the_start_forgets_nobody_and_lets_nobody_in_early(
    tmp_path: Path, wall: float, down: int
) -> None:
    lived(tmp_path)
    hands = booted(wall)
    with Smtpd(tmp_path, hands=hands) as smtpd:
        assert smtpd.offer(recipient="n1@example.org") == "", "who was white is"
        assert waits(smtpd.offer(STRANGER))
        smtpd.hands.advance(60)
        hands.wall = STORE + 1560.0 + down + 60
        beat(smtpd)
        assert smtpd.offer(recipient="n2@example.org") == ""
        assert waits(smtpd.offer(STRANGER)), "a minute is not 25"
        smtpd.hands.advance(1440)
        assert smtpd.deliver(STRANGER), "nobody waits longer either"
        for _ in range(30):
            smtpd.hands.advance(3600)
            beat(smtpd)
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
        assert smtpd.offer(STRANGER, recipient="n3@example.org") == "", "what was learned is known a day later"
        assert smtpd.offer(recipient="n3@example.org") == ""
        clock = [line for line in smtpd.log if line.startswith("clock")]
    assert len(clock) == 2
    assert "behind=" in clock[0]
    assert "jump=0" not in clock[1]
    assert "followed" in clock[1]


def test_without_a_store_a_clock_of_1970_forgets_nobody_when_it_is_set(tmp_path: Path) -> None:
    hands = booted(100.0)
    with Smtpd(tmp_path, hands=hands) as smtpd:
        smtpd.deliver(STRANGER)
        hands.advance(1500)
        assert smtpd.deliver(STRANGER)
        assert waits(smtpd.offer())
        hands.wall = float(STORE)
        assert waits(smtpd.offer()), "nobody is let in early"
        assert smtpd.offer(STRANGER, recipient="n@example.org") == "", "nobody is forgotten"
        hands.advance(1500)
        assert smtpd.offer() == ""
        white = smtpd.records(Kind.WHITE)
        assert [STORE < record.life.expires < STORE + 865 * 3600 for record in white] == [True]


def test_a_jump_that_lasts_is_followed_after_a_day_and_forgets_nobody(tmp_path: Path) -> None:
    for jump in (50 * DAY, -3 * DAY):
        directory = tmp_path / str(jump)
        directory.mkdir()
        with Smtpd(directory) as smtpd:
            smtpd.deliver(STRANGER)
            smtpd.hands.advance(1500)
            assert smtpd.deliver(STRANGER)
            smtpd.hands.jump(jump)
            beat(smtpd)
            smtpd.hands.advance(DAY - 60)
            assert waits(smtpd.offer())
            smtpd.hands.advance(120)
            beat(smtpd)
            assert smtpd.filter.clock.now() == int(smtpd.hands.wall)
            assert waits(smtpd.offer())
            assert smtpd.offer(STRANGER, recipient="n@example.org") == ""
            smtpd.hands.advance(1440)
            assert smtpd.offer() == ""
            told = [line for line in smtpd.log if line.startswith("clock")]
            assert len(told) == 2
            assert f"jump={jump}" in told[0]
            assert f"jump={jump}" in told[1]


def test_two_filters_of_a_host_move_their_store_once(tmp_path: Path) -> None:
    lived(tmp_path)
    one, two = booted(946_684_800.0), booted(946_684_801.0)
    with Smtpd(tmp_path, hands=one) as first, Smtpd(tmp_path, hands=two) as second:
        assert waits(first.offer(STRANGER))
        assert waits(second.offer("203.0.114.77"))
        for hands in (one, two):
            hands.advance(60)
            hands.wall = STORE + 3 * 3600.0
        assert waits(first.offer(STRANGER))
        assert waits(second.offer("203.0.114.77"))
        for hands in (one, two):
            hands.advance(1440)
        assert first.offer(STRANGER) == ""
        assert second.offer("203.0.114.77") == ""


def test_a_good_clock_is_never_told_of(tmp_path: Path) -> None:
    lived(tmp_path)
    hands = booted(STORE + 1600.0)
    with Smtpd(tmp_path, hands=hands) as smtpd:
        for _ in range(5):
            smtpd.offer()
            beat(smtpd)
            hands.advance(900)
            hands.jump(-30)
        assert [line for line in smtpd.log if line.startswith("clock")] == []


needs_redis = pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")


AHEAD = [0, -5.5 * 3600, -8 * 3600, -40 * DAY, 8 * 3600, 3 * DAY]


@needs_redis
@pytest.mark.daemon
@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("then", ["stays", "is set right"])
def test_with_redis_whoever_comes_back_is_let_in_whatever_the_clock(
    server: RedisServer, tmp_path: Path, ahead: float, then: str
) -> None:
    hands = booted(time.time() + ahead)
    with Smtpd(tmp_path, "-f", server.url("mx", tmp_path / "fallback.db"), hands=hands) as smtpd:
        assert waits(smtpd.offer(STRANGER))
        hands.advance(300)
        if then == "is set right":
            hands.jump(-ahead)
        assert waits(smtpd.offer(STRANGER)), "nobody is let in early"
        hands.advance(1200)
        assert smtpd.offer(STRANGER) == ""
        assert smtpd.deliver(STRANGER)
        assert smtpd.offer(STRANGER, recipient="n@example.org") == ""
        for _ in range(26):
            hands.advance(3600)
            assert smtpd.offer(STRANGER, recipient="n@example.org") == ""
        told = [line for line in smtpd.log if "clock of Redis" in line]
    assert len(told) == (ahead != 0)


@needs_redis
@pytest.mark.daemon
@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("then", ["stays", "is set right"])
def test_two_servers_with_different_clocks_let_in_whoever_comes_back(
    server: RedisServer, tmp_path: Path, ahead: float, then: str
) -> None:
    one, two = booted(time.time()), booted(time.time() + ahead)
    urls = [server.url("mx", tmp_path / f"{name}.db") for name in ("one", "two")]
    with Smtpd(tmp_path, "-f", urls[0], hands=one) as first, Smtpd(tmp_path, "-f", urls[1], hands=two) as second:
        assert waits(first.offer(STRANGER))
        for hands in (one, two):
            hands.advance(600)
        assert waits(second.offer(STRANGER))
        if then == "is set right":
            two.jump(-ahead)
        for hands in (one, two):
            hands.advance(960)
        assert second.offer(STRANGER) == ""
        assert first.offer(STRANGER) == ""
        assert second.deliver(STRANGER)
        assert first.offer(STRANGER, recipient="n@example.org") == "", "white at both"


@needs_redis
@pytest.mark.daemon
def test_a_sign_of_life_means_the_same_by_every_clock(server: RedisServer, tmp_path: Path) -> None:
    primary, secondary = booted(time.time()), booted(time.time() - 8 * 3600)
    urls = [server.url("mx", tmp_path / f"{name}.db") for name in ("one", "two")]
    with (
        Smtpd(tmp_path, "-f", urls[0], hands=primary) as first,
        Smtpd(tmp_path, "-f", urls[1], hands=secondary) as second,
    ):

        async def mark() -> None:
            await first.filter.store.mark("sign", first.filter.clock.now())

        async def age() -> int:
            marked = await second.filter.store.marked("sign")
            assert marked is not None
            return second.filter.clock.now() - marked

        first.loop.run_until_complete(mark())
        assert abs(second.loop.run_until_complete(age())) <= 2
        secondary.advance(30)
        assert abs(second.loop.run_until_complete(asyncio.wait_for(age(), 5)) - 30) <= 2
