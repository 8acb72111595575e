"""Trouble with the server, with a connection, and with one key are three things."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers
from filter_greylist.store.base import Bounds, Question, StoreError
from filter_greylist.store.fallback import FallbackStore
from filter_greylist.store.opening import open_spec
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer, fallback_store, redis_missing, used
from tests.filter_greylist.store.redis.test_server_clock import raw
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]

Result = TypeVar("Result")
TIMERS = Timers()
NOW = int(time.time())
WHITE = Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, NOW + 9000, 0, 1))
TRAPPED = Record(Kind.TRAPPED, b"192.0.2.2", Life(NOW, NOW, NOW + 9000, 1, 0))
QUESTION = Question(b"192.0.2.1", b"t@example.org", b"a@b\0c@d", b"example.org")


def with_fallback(
    server: RedisServer, path: Path, what: Callable[[FallbackStore], Awaitable[Result]], said: list[str]
) -> Result:
    return used(lambda: fallback_store(server, path, said), what)


TYPES = {
    "list": (b"LPUSH", b"x"),
    "hash": (b"HSET", b"f", b"v"),
    "set": (b"SADD", b"x"),
    "sorted set": (b"ZADD", b"1", b"x"),
    "stream": (b"XADD", b"*", b"f", b"v"),
    "string": (b"SET", b"nonsense"),
}
KEYS = [b"g:" + a_tuple(1).key, b"n:" + a_tuple(1).details.group, b"c:%d" % ((NOW + TIMERS.grey) // 300)]
KEYS += [b"w:192.0.2.1", b"t:192.0.2.2", b"x:w", b"x:t", b"log", b"id", b"z:w:192.0.2.1", b"note:primary", b"note:ping"]


@pytest.mark.parametrize("kind", TYPES)
def test_keys_of_a_wrong_type_hurt_nobody_for_long(server: RedisServer, tmp_path: Path, kind: str) -> None:
    said: list[str] = []
    command, *rest = TYPES[kind]
    for key in KEYS:
        raw(server, command, b"mx:" + key, *rest)

    async def use(store: FallbackStore) -> None:
        assert await store.consult(QUESTION) == Known()
        assert await store.attempt(a_tuple(1), NOW, TIMERS) == Life(NOW, NOW + 1500, NOW + 14400, 1, 0)
        assert await store.attempt(a_tuple(2), NOW, TIMERS) == Life(NOW, NOW + 1500, NOW + 14400, 1, 0)
        assert await store.attempt(a_tuple(1), NOW + 1500, TIMERS) == Life(NOW, NOW + 1500, NOW + 15900, 1, 1)
        assert await store.merge([WHITE, TRAPPED]) == [WHITE.life, TRAPPED.life]
        assert (await store.consult(QUESTION)).white == WHITE.life
        assert await store.get(Kind.TRAPPED, TRAPPED.name) == TRAPPED
        await store.mark("primary", NOW)
        assert await store.marked("primary") == NOW
        assert await store.delete(Kind.WHITE, WHITE.name)
        assert {record.name async for record in store.scan(Kind.TRAPPED)} == {TRAPPED.name}
        await asyncio.sleep(1.2)
        assert not store.falling_back

    with_fallback(server, tmp_path, use, said)
    assert [line for line in said if "away" in line] == []
    assert len([line for line in said if "not of their kind" in line]) <= 1
    assert len(said) <= 1


def test_reading_keys_of_a_wrong_type_finds_nothing(server: RedisServer, tmp_path: Path) -> None:
    said: list[str] = []
    for key in KEYS:
        raw(server, b"SADD", b"mx:" + key, b"x")

    async def use(store: FallbackStore) -> None:
        assert await store.get(Kind.WHITE, b"192.0.2.1") is None
        assert await store.get(Kind.GREY, a_tuple(1).key) is None
        assert await store.noted("primary") is None
        assert await store.marked("primary") is None
        assert [record for kind in Kind async for record in store.scan(kind)] == []
        assert not await store.delete(Kind.WHITE, b"192.0.2.1")
        assert not store.falling_back

    with_fallback(server, tmp_path, use, said)


CLOSED = [
    "idle",
    "idle again",
    "kill",
    "kill again and again",
    "kill by address",
    "forget",
    "flush the script",
    "restart",
]


@pytest.mark.timed
@pytest.mark.parametrize("how", CLOSED)
def test_a_closed_connection_is_made_anew_within_the_decision(server: RedisServer, tmp_path: Path, how: str) -> None:
    said: list[str] = []

    async def close() -> None:
        if how == "idle":
            await asyncio.sleep(2.5)
        elif how == "kill by address":
            for address in re.findall(rb" addr=(\S+)", server.talk("CLIENT", "LIST")):
                with contextlib.suppress(ConnectionError):
                    server.ask("CLIENT", "KILL", address.decode())
        elif how == "forget":  # the script, and then the connection
            server.ask("SCRIPT", "FLUSH")
            server.ask("CLIENT", "KILL", "TYPE", "normal")
        elif how.startswith("kill"):
            server.ask("CLIENT", "KILL", "TYPE", "normal")
        elif how == "restart":
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        else:
            server.ask("SCRIPT", "FLUSH")

    async def use(store: FallbackStore) -> None:
        for number in range(8 if "again" in how else 2):
            assert await store.attempt(a_tuple(number), NOW, TIMERS) is not None
            await store.merge([WHITE])
            await close()
            begun = time.monotonic()
            assert await store.attempt(a_tuple(100 + number), NOW, TIMERS) is not None
            assert (await store.consult(QUESTION)).white is not None
            assert await store.get(Kind.GREY, a_tuple(100 + number).key) is not None
            assert time.monotonic() - begun < 1.0
            assert not store.falling_back

    if how == "idle":
        server.ask("CONFIG", "SET", "timeout", "1")
    with_fallback(server, tmp_path, use, said)
    assert [line for line in said if "away" in line] == []


class LosingReplies:
    """A port before the server. The replies to the next `left` scripts are lost, and their connections with them."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.port = 0
        self.left = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[LosingReplies]:
        async with await asyncio.start_server(self._handle, "127.0.0.1", 0) as listener:
            self.port = listener.sockets[0].getsockname()[1]
            yield self

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            while asked := await reader.read(1 << 20):
                on.write(asked)
                reply = await back.read(1 << 20)
                if b"EVAL" in asked and self.left:
                    self.left -= 1
                    return
                writer.write(reply)
        finally:
            on.close()
            writer.close()


@pytest.mark.parametrize("passtime", [0, 1500])
def test_what_was_carried_out_without_a_reply_is_not_counted_twice(server: RedisServer, passtime: int) -> None:
    """An attempt that is its own retry would let a stranger in, where -G lets him come back at once."""
    timers = Timers(passtime, 14_400, 36_000)
    domain = Record(Kind.DOMAIN, b"example.net", Life(NOW, NOW, NOW + 9000, 0, 1))

    async def main() -> None:
        async with LosingReplies(server).running() as way:
            url = f"redis://127.0.0.1:{way.port}/0?prefix=lost{time.monotonic_ns()}:"
            store = RedisStore(parse_target(parse_spec(url)), print, Bounds())
            await store.open()
            await store.attempt(a_tuple(2), NOW, timers)
            way.left = 1
            first = await store.attempt(a_tuple(1), NOW, timers)
            assert way.left == 0
            way.left = 1
            assert (await store.merge([domain]))[0].passed == 1, "one message teaches no domain"
            assert way.left == 0
            assert first == Life(NOW, NOW + passtime, NOW + 14_400, 1, 0)
            again = await store.attempt(a_tuple(1), NOW + 1, timers)
            assert again is not None
            assert (again.blocked, again.passed) == ((1, 1) if passtime == 0 else (2, 0))
            assert (await store.merge([domain]))[0].passed == 2
            await store.close()

    asyncio.run(main())


@pytest.mark.timed
def test_a_server_that_hangs_up_on_everybody_is_away(server: RedisServer, tmp_path: Path) -> None:
    """One reconnect, not one after the other."""
    said: list[str] = []

    async def use(store: FallbackStore) -> None:
        await store.attempt(a_tuple(1), NOW, TIMERS)
        server.ask("CONFIG", "SET", "maxclients", "1")
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        begun = time.monotonic()
        assert await store.attempt(a_tuple(2), NOW, TIMERS) is not None
        assert time.monotonic() - begun < 3

    with_fallback(server, tmp_path, use, said)


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        await asyncio.sleep(0.02)


def directory_there(file: Path) -> None:
    file.mkdir()


def link_there(file: Path) -> None:
    (file.parent / "real").touch(mode=0o600)
    file.symlink_to(file.parent / "real")


def foreign_database(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (x)")
    file.chmod(0o600)


def open_to_all(file: Path) -> None:
    file.touch()
    file.chmod(0o666)


def pipe_there(file: Path) -> None:
    os.mkfifo(file, 0o600)


def socket_there(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(file))


def link_to_nowhere(file: Path) -> None:
    file.symlink_to(file.parent / "nowhere")


def directory_gone(file: Path) -> None:
    file.parent.rmdir()


@pytest.mark.parametrize("when", ["at start", "later"])
@pytest.mark.parametrize(
    "trouble",
    [
        directory_there,
        link_there,
        link_to_nowhere,
        foreign_database,
        pipe_there,
        socket_there,
        open_to_all,
        directory_gone,
    ],
)
def test_trouble_with_the_local_file_leaves_redis_in_use(
    server: RedisServer, tmp_path: Path, when: str, trouble: Callable[[Path], None]
) -> None:
    said: list[str] = []
    local = tmp_path / "local"
    local.mkdir()

    def spoil() -> None:
        for file in local.iterdir():
            file.unlink()
        trouble(local / "fallback.db")

    async def inside() -> None:
        store = open_spec(parse_spec(server.url("mx", local / "fallback.db")), said.append)
        assert isinstance(store, FallbackStore)
        if when == "at start":
            spoil()
        await store.open()
        await store.attempt(a_tuple(0), NOW, TIMERS)
        if when == "later":
            await asyncio.sleep(0.3)
            spoil()
        await store.merge([WHITE])
        await store.witness(NOW)
        assert await store.witnessed() is None
        await until(lambda: any("local store cannot be used" in line for line in said))
        for number in range(5):
            assert await store.attempt(a_tuple(number), NOW, TIMERS) is not None
            assert (await store.consult(QUESTION)).white == WHITE.life
        assert not store.falling_back
        assert [line for line in said if "away" in line] == []
        server.kill()
        with pytest.raises(StoreError):
            await store.attempt(a_tuple(9), NOW, TIMERS)
        assert store.falling_back
        server.start()
        await until(lambda: not store.falling_back)
        assert await store.attempt(a_tuple(9), NOW, TIMERS) is not None
        await store.close()

    asyncio.run(inside())
    assert len([line for line in said if "local store cannot be used" in line]) == 1, "told once"


def test_a_local_file_that_is_well_again_takes_part_again(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filter_greylist.store import fallback

    monkeypatch.setattr(fallback, "LOCAL_SECONDS", 0.2)
    said: list[str] = []
    local = tmp_path / "local"
    local.mkdir()

    async def inside() -> None:
        store = open_spec(parse_spec(server.url("mx", local / "fallback.db")), said.append)
        (local / "fallback.db").mkdir()
        await store.open()
        await until(lambda: any("cannot be used" in line for line in said))
        (local / "fallback.db").rmdir()
        await until(lambda: any("can be used again" in line for line in said))
        await store.merge([WHITE])
        await asyncio.sleep(1.5)
        server.kill()
        assert (await store.consult(QUESTION)).white == WHITE.life
        await store.close()

    asyncio.run(inside())
