"""Keeping refused messages within bounds: in all, by network, by age, by free space; and never half a message."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from filter_api.bounds import MAX_FACTS, MAX_RECIPIENTS
from filter_api.errors import UsageError
from filter_api.quarantine.directory import FACTS, MESSAGE, QuarantineDirectory, new_id
from filter_api.quarantine.keeper import Keeper, Limits, NotKept, parse_limits

NOW = 1_795_168_391.5
BLOCK = 4096
SMALL = 2 * BLOCK
"""What a message of up to 4 KB takes on a disk with blocks of that size: one for it, one for its facts."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "quarantine"
    path.mkdir(mode=0o700)
    return path


class Clock:
    """A clock that stands still; `tick` lets both of a process go on."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.steady = 1000.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.steady

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds


def run(directory: Path, limits: Limits, scenario: Callable[[Keeper, Clock], Awaitable[None]]) -> None:
    wall = Clock()
    quarantine = QuarantineDirectory(str(directory))
    try:
        asyncio.run(_run(scenario, Keeper(quarantine, limits, wall=wall, monotonic=wall.monotonic), wall))
    finally:
        quarantine.close()


async def _run(scenario: Callable[[Keeper, Clock], Awaitable[None]], keeper: Keeper, wall: Clock) -> None:
    await scenario(keeper, wall)


async def keep(keeper: Keeper, size: int, network: str = "192.0.2.0/24") -> str:
    return await keeper.keep([b"x" * size], size, {"from": "a@b"}, network=network)


def test_message_and_facts(directory: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        name = await keeper.keep([b"Subject: x\r\n", b"\r\n.\r\n"], 17, {"score": 12.5}, network="192.0.2.0/24")
        assert (directory / (name + MESSAGE)).read_bytes() == b"Subject: x\r\n\r\n.\r\n"
        assert json.loads((directory / (name + FACTS)).read_bytes()) == {
            "id": name,
            "score": 12.5,
            "size": 17,
            "network": "192.0.2.0/24",
        }
        for suffix in (MESSAGE, FACTS):
            assert (directory / (name + suffix)).stat().st_mode & 0o777 == 0o600
        assert len(os.listdir(directory)) == 2

    run(directory, Limits(), scenario)


def test_one_network_gets_a_tenth(directory: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        for _ in range(2):
            await keep(keeper, 500)
        with pytest.raises(NotKept, match="share"):
            await keep(keeper, 1)
        await keep(keeper, 1000, "198.51.100.0/24")

    run(directory, Limits(20 * SMALL), scenario)


def test_all_together_keep_the_limit(directory: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        results = await asyncio.gather(
            *(keep(keeper, 1000, f"192.0.{number}.0/24") for number in range(30)), return_exceptions=True
        )
        kept = [result for result in results if isinstance(result, str)]
        assert len(kept) == 10
        assert all("full" in str(result) for result in results if not isinstance(result, str))

    run(directory, Limits(10 * SMALL), scenario)


async def fill_up(keeper: Keeper, size: int, facts: Mapping[str, object]) -> int:
    """How many more messages are kept, each of a network of its own, before the quarantine is full."""
    kept = 0
    why = ""
    while not why:
        try:
            await keeper.keep([b"x" * size], size, facts, network=f"network {kept}")
        except NotKept as error:
            why = str(error)
        else:
            kept += 1
    assert "full" in why
    return kept


def disk_use(directory: Path) -> int:
    """Bytes as du(1) counts them."""
    return sum(path.lstat().st_blocks * 512 for path in directory.iterdir())


@pytest.mark.parametrize(
    ("size", "recipients", "length"),
    [(1, 1, 10), (100, MAX_RECIPIENTS, 30), (100, MAX_RECIPIENTS, 254), (4097, 3, 10), (70_000, 1, 10)],
    ids=["tiny", "many recipients", "many long recipients", "a byte over a block", "large"],
)
def test_the_disk_never_gives_more_than_the_limit(directory: Path, size: int, recipients: int, length: int) -> None:
    facts = {"to": ["x" * length] * recipients, "subject": "\x00" * 1000}

    async def scenario(keeper: Keeper, wall: Clock) -> None:
        assert await fill_up(keeper, size, facts) > 0
        used = disk_use(directory)
        assert used <= keeper.limits.size
        assert used >= keeper.limits.size * 0.7 - 2 * (size + recipients * length), "it is not refused too early either"
        again = Keeper(keeper.directory, keeper.limits, wall=wall, monotonic=wall.monotonic)
        assert await fill_up(again, size, facts) == 0

    run(directory, Limits(3 << 20), scenario)


def test_facts_too_long_to_be_read_again_keep_no_recipients(directory: Path) -> None:
    """They would be damaged: so the message is kept, and is known to be one whose recipients are not."""

    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        to = ["\xff" * 300] * MAX_RECIPIENTS
        name = await keeper.keep([b"x"], 1, {"to": to, "recipients": 1000, "complete": True}, network="a")
        assert (directory / (name + FACTS)).stat().st_size < MAX_FACTS
        facts = keeper.directory.facts(name)
        assert (facts["to"], facts["recipients"], facts["complete"]) == ([], 1000, False)

    run(directory, Limits(), scenario)


def test_a_file_that_may_not_be_read_counts_all_the_same(directory: Path, tmp_path: Path) -> None:
    async def again(keeper: Keeper, _wall: Clock) -> None:
        assert await fill_up(keeper, 900, {}) == 2

    async def fill_and_link(keeper: Keeper, _wall: Clock) -> None:
        for number in range(8):
            name = await keep(keeper, 3000, str(number))
            os.link(directory / (name + FACTS), tmp_path / name)

    run(directory, Limits(10 * SMALL), fill_and_link)
    run(directory, Limits(10 * SMALL), again)


def test_what_a_crash_left_counts_until_it_is_swept(directory: Path) -> None:
    (directory / f".{new_id(NOW)}{MESSAGE}").write_bytes(b"x" * (9 * SMALL + 1))

    async def scenario(keeper: Keeper, wall: Clock) -> None:
        with pytest.raises(NotKept, match="full"):
            await keep(keeper, 1)
        for path in directory.iterdir():
            path.unlink()
        await keep(keeper, 1)

    run(directory, Limits(10 * SMALL), scenario)


def test_what_others_add_and_remove_counts(directory: Path) -> None:
    """filterctl deletes, another filter keeps in the same directory: both are noticed."""

    async def scenario(keeper: Keeper, wall: Clock) -> None:
        other = Keeper(keeper.directory, keeper.limits, wall=wall, monotonic=wall.monotonic)
        first = await keep(keeper, 900)
        with pytest.raises(NotKept, match="share"):
            await keep(other, 900)
        keeper.directory.delete(first)
        second = await keep(other, 900)
        with pytest.raises(NotKept, match="share"):
            await keep(keeper, 900)
        keeper.directory.delete(second)
        await keep(keeper, 900)

    run(directory, Limits(10 * SMALL), scenario)


def test_restart_knows_what_is_there(directory: Path) -> None:
    async def fill(keeper: Keeper, _wall: Clock) -> None:
        await keep(keeper, 900)

    async def again(keeper: Keeper, _wall: Clock) -> None:
        with pytest.raises(NotKept, match="share"):
            await keep(keeper, 900)

    run(directory, Limits(10 * SMALL), fill)
    run(directory, Limits(10 * SMALL), again)


def test_age_makes_room(directory: Path) -> None:
    async def scenario(keeper: Keeper, wall: Clock) -> None:
        name = await keep(keeper, 900)
        wall.tick(29 * 86400)
        with pytest.raises(NotKept):
            await keep(keeper, 900)
        wall.tick(2 * 86400)
        await keep(keeper, 900)
        assert not (directory / (name + MESSAGE)).exists()

    run(directory, Limits(10 * SMALL, days=30), scenario)


@pytest.mark.parametrize("jump", [365 * 86400, -86400])
def test_a_clock_that_jumps_empties_nothing(directory: Path, jump: int) -> None:
    """A day later it is believed."""

    async def scenario(keeper: Keeper, clock: Clock) -> None:
        name = await keep(keeper, 900)
        clock.now += jump
        clock.tick(7200)
        await keep(keeper, 10)
        assert (directory / (name + MESSAGE)).exists()
        clock.tick(86400)
        await keep(keeper, 10)
        assert (directory / (name + MESSAGE)).exists() is (jump < 0)

    run(directory, Limits(40 * SMALL, days=30), scenario)


def test_a_slow_first_look_lets_nobody_past_the_limits(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a large quarantine takes a while, in which others ask: they wait, too."""

    async def fill(keeper: Keeper, _clock: Clock) -> None:
        await keep(keeper, 900)

    async def scenario(keeper: Keeper, _clock: Clock) -> None:
        groups = QuarantineDirectory.groups

        def slowly(self: QuarantineDirectory) -> dict[str, list[str]]:
            time.sleep(0.2)
            return groups(self)

        monkeypatch.setattr(QuarantineDirectory, "groups", slowly)
        results = await asyncio.gather(*(keep(keeper, 200) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, NotKept) for result in results)

    run(directory, Limits(10 * SMALL), fill)
    run(directory, Limits(10 * SMALL), scenario)


def test_damaged_facts_do_not_hide_a_message_from_the_limits(directory: Path) -> None:
    async def fill(keeper: Keeper, _clock: Clock) -> None:
        for network in range(10):
            name = await keep(keeper, 1000, str(network))
            (directory / (name + FACTS)).write_text("{")

    async def again(keeper: Keeper, _clock: Clock) -> None:
        with pytest.raises(NotKept, match="full"):
            await keep(keeper, 900)

    run(directory, Limits(10 * SMALL), fill)
    run(directory, Limits(10 * SMALL), again)


@pytest.fixture(params=["size=64k,mode=0700", "size=1m,nr_inodes=12,mode=0700"], ids=["blocks", "inodes"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with few blocks or few inodes."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", path], check=False).returncode != 0:
        pytest.skip("cannot mount a small file system here")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_tenth_of_the_disk_stays_free(small_disk: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        kept = 0
        why = ""
        while not why:
            try:
                await keep(keeper, 4096, f"192.0.{kept}.0/24")
            except NotKept as error:
                why = str(error)
            else:
                kept += 1
        assert "less than a tenth" in why
        assert kept > 2
        space = os.statvfs(small_disk)
        assert space.f_bavail > 0
        assert space.f_favail > 0
        assert len(os.listdir(small_disk)) == 2 * kept

    run(small_disk, Limits(), scenario)


def test_a_full_disk_leaves_nothing_half(small_disk: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        with pytest.raises(NotKept, match="No space"):
            await keeper.keep([b"x" * (2 << 20)], 4096, {}, network="192.0.2.0/24")
        assert os.listdir(small_disk) == []
        await keep(keeper, 4096)

    run(small_disk, Limits(1 << 30), scenario)


def test_cancelling_leaves_nothing_half(directory: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        def blocks() -> Iterable[bytes]:
            for _ in range(1000):
                yield b"x"

        task = asyncio.create_task(keeper.keep(blocks(), 1000, {}, network="192.0.2.0/24"))
        while not os.listdir(directory):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert os.listdir(directory) == []
        await keep(keeper, 1000)

    run(directory, Limits(10 * SMALL), scenario)


def test_a_directory_that_vanishes_and_comes_back(directory: Path) -> None:
    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        await keep(keeper, 1)
        for name in os.listdir(directory):
            (directory / name).unlink()
        directory.rmdir()
        with pytest.raises(NotKept, match="No such file"):
            await keep(keeper, 1)
        directory.mkdir(mode=0o755)
        with pytest.raises(NotKept, match="others could"):
            await keep(keeper, 1)
        directory.chmod(0o700)
        name = await keep(keeper, 1)
        assert (directory / (name + MESSAGE)).exists()

    run(directory, Limits(), scenario)


@pytest.mark.parametrize(
    ("text", "size", "days"),
    [("1g:30", 1 << 30, 30), ("500M:7", 500 << 20, 7), ("1000000:1", 1_000_000, 1), ("81920:1", 81_920, 1)],
)
def test_limits(text: str, size: int, days: int) -> None:
    assert parse_limits(text) == Limits(size, days)


@pytest.mark.parametrize(
    "text", ["", "1g", ":30", "1g:", "1g:0", "1g:x", "1x:3", "-1:3", "0:3", "81919:3", "1gg:3", "1g:1:1"]
)
def test_what_are_no_limits(text: str) -> None:
    with pytest.raises(UsageError, match="-Q"):
        parse_limits(text)


def test_its_figures_are_what_it_holds_and_follow_what_others_do(directory: Path) -> None:
    def told(keeper: Keeper) -> list[float]:
        return [each.value for each in keeper.figures()]

    async def scenario(keeper: Keeper, _wall: Clock) -> None:
        await keeper.look()
        assert told(keeper) == [0, 0, 1 << 20]
        first = await keep(keeper, 10)
        await keep(keeper, 10)
        assert told(keeper) == [2, 2 * SMALL, 1 << 20]
        await keeper.look()
        for suffix in (MESSAGE, FACTS):
            (directory / f"{first}{suffix}").unlink()
        os.utime(directory, (NOW, NOW))  # two changes within one tick of the system's clock have the same time
        told(keeper)
        await keeper.look()
        assert told(keeper) == [1, SMALL, 1 << 20]
        await keeper.look()

    run(directory, Limits(1 << 20, 30), scenario)


def test_a_look_lets_nothing_expire_and_minds_no_trouble(directory: Path) -> None:
    async def scenario(keeper: Keeper, wall: Clock) -> None:
        await keep(keeper, 10)
        wall.tick(40 * 86_400)
        await keeper.look()
        assert next(each.value for each in keeper.figures()) == 1
        await keeper.look()
        directory.rename(directory.with_name("elsewhere"))
        await keeper.look()

    run(directory, Limits(1 << 20, 30), scenario)
