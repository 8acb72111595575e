"""The SQLite store when the world breaks: kill -9, a full disk, a damaged file, many processes, foreign files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist.rules.key import group_of, tuple_for
from filter_greylist.rules.records import Details, Kind, Life, Record, Timers, Tuple
from filter_greylist.store.base import Bounds, Question, StoreError
from filter_greylist.store.sqlite.store import SqliteStore
from tests.filter_greylist.servers import used

Result = TypeVar("Result")
NOW = 1_800_000_000
TIMERS = Timers()


def a_tuple(number: int) -> Tuple:
    network = b"10.%d.%d.0/24" % (number >> 8 & 255, number & 255)
    details = Details(group_of(network), b"10.0.0.1", b"helo", b"%d@example.net" % number, b"us@example.org")
    return tuple_for(network, details.sender, details.recipient, details)


def with_store(
    path: Path | str,
    what: Callable[[SqliteStore], Awaitable[Result]],
    *,
    log: Callable[[str], None] = print,
    bounds: Bounds | None = None,
) -> Result:
    return used(lambda: SqliteStore(str(path), log, bounds or Bounds()), what)


async def keys_of(store: SqliteStore) -> set[bytes]:
    return {record.name async for record in store.scan(Kind.GREY)}


_WRITER = """
import asyncio, sys
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.rules.records import Timers
from tests.filter_greylist.store.sqlite.test_sqlite_faults import NOW, a_tuple

async def serve():
    store = SqliteStore(sys.argv[1], print)
    await store.open()
    numbers = iter(range(int(sys.argv[2]), 10**9))

    async def session():
        for number in numbers:
            if await store.attempt(a_tuple(number), NOW, Timers()) is not None:
                sys.stdout.write(f"{number}\\n")
                sys.stdout.flush()

    await asyncio.gather(*(session() for _ in range(20)))

asyncio.run(serve())
"""

ROOT = Path(__file__).parents[4]


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing_that_was_answered(tmp_path: Path) -> None:
    """SIGKILL at any moment: the file is sound each time, and every tuple that was answered for is in it."""
    path, count, seed = tmp_path / "greylist.db", 0, random.Random(7)
    with _zygote() as zygote:
        for round_ in range(200):
            answered = _write_and_kill(zygote, path, count, seed.uniform(0.0, 0.03))
            with contextlib.closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], round_
                stored = {key for (key,) in connection.execute("SELECT key FROM tuple")}
                assert connection.execute("SELECT tuples FROM tally").fetchall() == [(len(stored),)]
            assert {a_tuple(number).key for number in answered} <= stored
            count = max(answered, default=count) + 1000
    assert count > 5000
    assert [file for file in os.listdir(tmp_path) if "corrupt" in file] == []


_ZYGOTE = """
import os, sys
import asyncio
import filter_greylist.store.sqlite.store, tests.filter_greylist.store.sqlite.test_sqlite_faults as module
for line in sys.stdin:
    path, start, out = line.split()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        sys.argv = ["writer", path, start]
        exec(module._WRITER)
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def _zygote() -> subprocess.Popen[str]:
    """A process with everything imported, which forks the writers that are killed."""
    return subprocess.Popen(
        [sys.executable, "-c", _ZYGOTE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def _write_and_kill(zygote: subprocess.Popen[str], path: Path, start: int, delay: float) -> list[int]:
    """Let a writer answer something, and kill it a moment later."""
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    out = path.with_name("answered")
    out.write_text("")
    print(path, start, out, file=zygote.stdin, flush=True)
    child = int(zygote.stdout.readline())
    deadline = time.monotonic() + 10
    while not out.stat().st_size and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    assert zygote.stdout.readline() == "dead\n"
    return [int(line) for line in out.read_text().split("\n")[:-1]]


def test_a_full_disk_refuses_and_is_overcome_without_a_restart(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for the disk: every write beyond it fails as on a full one."""
    path = tmp_path / "greylist.db"
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def fill(store: SqliteStore) -> None:
        await store.attempt(a_tuple(0), NOW, TIMERS)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
        failed = await _failures(store, range(1, 3000))
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert failed > 0
        assert await _failures(store, range(3000, 3100)) == 0

    try:
        with_store(path, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _sound(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_small_file_system_runs_full_and_is_emptied(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this system does not let root mount a tmpfs")
    ballast = disk / "ballast"

    async def fill(store: SqliteStore) -> None:
        await store.attempt(a_tuple(0), NOW, TIMERS)
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * 262144)
        assert await _failures(store, range(1, 500)) > 0
        ballast.unlink()
        assert await _failures(store, range(500, 600)) == 0
        assert a_tuple(0).key in await keys_of(store)

    try:
        with_store(disk / "greylist.db", fill)
    finally:
        subprocess.run(["umount", disk], check=True)


async def _failures(store: SqliteStore, numbers: range) -> int:
    """How many of these attempts were refused by the store, in batches."""
    failed = 0
    for start in range(numbers.start, numbers.stop, 100):
        batch = (a_tuple(number) for number in range(start, min(start + 100, numbers.stop)))
        results = await asyncio.gather(*(store.attempt(one, NOW, TIMERS) for one in batch), return_exceptions=True)
        for result in results:
            assert isinstance(result, Life | StoreError)
            failed += isinstance(result, StoreError)
    return failed


def _sound(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2 - 100],
    "zeroed": lambda data: bytes(4096) + data[4096:],
    "header": lambda data: b"not a database!!" + data[16:],
    "pages": lambda data: data[:4096] + bytes(255 - byte for byte in data[4096:]),
    "text": lambda _: b"WHITE|192.0.2.1|||1|2|3|4|5\n" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_put_aside_and_told(tmp_path: Path, damage: str) -> None:
    path, told = tmp_path / "greylist.db", list[str]()

    async def fill(store: SqliteStore) -> None:
        await asyncio.gather(*(store.attempt(a_tuple(number), NOW, TIMERS) for number in range(2000)))

    with_store(path, fill)
    assert not path.with_name("greylist.db-wal").exists(), "closed: all is in the file"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    async def use(store: SqliteStore) -> None:
        assert await _failures(store, range(2000)) == 0
        assert len(await keys_of(store)) == 2000
        await asyncio.sleep(0)

    with_store(path, use, log=told.append)
    (line,) = told
    assert "put aside" in line
    assert len([name for name in os.listdir(tmp_path) if ".corrupt-" in name]) == 1
    assert _sound(path)


def test_damage_under_a_running_store_is_met_the_same_way(tmp_path: Path) -> None:
    path, told = tmp_path / "greylist.db", list[str]()

    async def fill(store: SqliteStore) -> None:
        assert await _failures(store, range(3000)) == 0

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(1), NOW, TIMERS)
        with path.open("r+b") as file:
            file.seek(2 * 4096)
            file.write(os.urandom(60 * 4096))
        assert await _failures(store, range(2000, 4000)) == 0

    async def use_again(store: SqliteStore) -> None:
        assert await _failures(store, range(4000)) == 0
        assert len(await keys_of(store)) == 4000

    with_store(path, fill)
    with_store(path, use, log=told.append)
    with_store(path, use_again, log=told.append)  # what the first had in its memory, this one reads
    assert len(told) == 1
    assert _sound(path)


def test_a_file_that_vanishes_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "greylist.db"

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(0), NOW, TIMERS)
        for file in tmp_path.iterdir():
            file.unlink()
        results = [await _failures(store, range(number, number + 1)) for number in range(1, 20)]
        assert results[-1] == 0

    with_store(path, use)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "greylist.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=7")
        connection.execute("CREATE TABLE precious (x)")
    before = path.read_bytes()

    async def use(store: SqliteStore) -> None:
        with pytest.raises(StoreError, match="not one of this greylist"):
            await store.attempt(a_tuple(0), NOW, TIMERS)

    with_store(path, use)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    assert len(before) > 0


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    path = tmp_path / "greylist.db"
    path.symlink_to(tmp_path / "target")

    async def use(store: SqliteStore) -> None:
        with pytest.raises(StoreError, match="not a regular file"):
            await store.attempt(a_tuple(0), NOW, TIMERS)

    with_store(path, use)
    assert (tmp_path / "target").read_bytes() == b""


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "greylist.db"

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(0), NOW, TIMERS)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}

    old = os.umask(0)
    try:
        with_store(path, use)
    finally:
        os.umask(old)


@pytest.mark.timed
def test_a_disk_that_hangs_delays_nobody_for_ever(tmp_path: Path) -> None:
    """Somebody else holds the file: the store gives up after its busy time, and is well again when it is let go."""
    path = tmp_path / "greylist.db"

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(0), NOW, TIMERS)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begun = time.monotonic()
            with pytest.raises(StoreError, match="locked"):
                await store.attempt(a_tuple(1), NOW, TIMERS)
            assert 1.5 < time.monotonic() - begun < 4
            assert await store.consult(Question(b"a", b"b", b"c", b"d")) is not None, "readers do not wait"
            other.execute("ROLLBACK")
        assert await store.attempt(a_tuple(1), NOW, TIMERS) is not None

    with_store(path, use)


_MANY = """
import asyncio, sys
from tests.filter_greylist.store.sqlite.test_sqlite_faults import NOW, TIMERS, a_tuple, with_store

async def use(store):
    offset = int(sys.argv[2])
    sessions = [store.attempt(a_tuple(number % 2000 + offset), NOW, TIMERS) for number in range(3000)]
    await asyncio.gather(*sessions)

with_store(sys.argv[1], use)
"""


def test_four_processes_share_a_file(tmp_path: Path) -> None:
    """Each counts 3,000 attempts on 2,000 tuples, half of them shared with the next process: none is lost."""
    path = tmp_path / "greylist.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", _MANY, path, str(offset)], cwd=ROOT, stderr=subprocess.PIPE)
        for offset in (0, 1000, 2000, 3000)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()

    async def count(store: SqliteStore) -> tuple[int, int]:
        lives = [record.life async for record in store.scan(Kind.GREY)]
        return len(lives), sum(life.blocked for life in lives)

    assert with_store(path, count) == (5000, 12_000)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT tuples FROM tally").fetchone() == (5000,)
    assert _sound(path)


def test_bounds_are_for_a_network_and_for_all(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        one = a_tuple(0)
        same = [tuple_for(b"10.0.0.0/24", b"%d" % number, b"r", one.details) for number in range(5)]
        lives = [await store.attempt(each, NOW, TIMERS) for each in same]
        assert [life is not None for life in lives] == [True, True, True, False, False]
        assert await store.attempt(same[0], NOW, TIMERS) is not None, "those that are there go on"
        others = [await store.attempt(a_tuple(number), NOW, TIMERS) for number in range(1, 10)]
        assert [life is not None for life in others] == [True] * 4 + [False] * 5
        while await store.sweep(NOW + 14401):
            pass
        assert await store.attempt(a_tuple(9), NOW, TIMERS) is not None

    with_store(tmp_path / "greylist.db", use, bounds=Bounds(network=3, total=7))


def test_a_sweep_takes_small_steps_and_leaves_the_living(tmp_path: Path) -> None:
    async def use(store: SqliteStore) -> None:
        dead = (store.attempt(a_tuple(number), NOW - 20_000, TIMERS) for number in range(2000))
        await asyncio.gather(*dead)
        await asyncio.gather(*(store.attempt(a_tuple(number), NOW, TIMERS) for number in range(1990, 2500)))
        await store.merge([Record(Kind.WHITE, b"192.0.2.1", Life(1, 1, NOW))])
        await store.merge([Record(Kind.WHITE, b"192.0.2.2", Life(1, 1, NOW + 1))])
        steps = 0
        while await store.sweep(NOW):
            steps += 1
        assert steps >= 20
        assert await keys_of(store) == {a_tuple(number).key for number in range(1990, 2500)}
        assert [record.name async for record in store.scan(Kind.WHITE)] == [b"192.0.2.2"]

    with_store(tmp_path / "greylist.db", use)
