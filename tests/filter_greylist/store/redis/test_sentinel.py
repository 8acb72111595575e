"""Redis Sentinel: the master is killed under load, and mail flows on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_greylist.rules.records import Kind, Life, Record, Timers
from filter_greylist.store.base import Store
from filter_greylist.store.fallback import FallbackStore
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from tests.filter_greylist.load import Session, Wire
from tests.filter_greylist.servers import RedisServer, SentinelServer, redis_missing
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple
from tests.support.filter_process import FilterProcess

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]

SESSIONS = 40
SECONDS = 10.0
KILL_AT = 3.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[RedisServer, RedisServer, list[SentinelServer]]]:
    """A master, a replica of it and three Sentinels that agree on the master."""
    with contextlib.ExitStack() as ends:
        master = RedisServer(tmp_path)
        replica = RedisServer(tmp_path, None, "--replicaof", "127.0.0.1", str(master.port))
        for server in (master, replica):
            server.start()
            ends.callback(server.kill)
        sentinels = [SentinelServer(tmp_path, master.port) for _ in range(3)]
        for sentinel in sentinels:
            sentinel.start()
            ends.callback(sentinel.kill)
        _wait(lambda: all(_knows(sentinel) for sentinel in sentinels))
        yield master, replica, sentinels


def _knows(sentinel: SentinelServer) -> bool:
    """Whether it has found the replica and the two others."""
    info = sentinel.talk("INFO", "sentinel")
    return b"slaves=1,sentinels=3" in info


def _wait(condition: object, seconds: float = 20.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the Sentinels do not agree"
        time.sleep(0.1)


class Tally:
    """What the senders met with."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.wrong: list[bytes] = []
        self.taken: list[float] = []
        self.offered = 0

    def took(self) -> None:
        self.taken.append(time.monotonic() - self.begun)


async def _sender(wire: Wire, number: int, tally: Tally) -> None:
    """An honest server: every message is new, and it comes back until it is taken."""
    session = Session(wire, f"10.{number}.0.1")
    await session.connect()
    count = 0
    while time.monotonic() - tally.begun < SECONDS:
        count += 1
        sender = b"%d-x%d" % (number, count)  # without a domain the DNS is not asked
        recipient = b"r%d@example.org" % count
        answer = await session.offer(sender, recipient)
        tally.offered += 1
        if answer == b"proceed":
            tally.wrong.append(sender)
        await session.reset()
        while answer != b"proceed":
            await asyncio.sleep(0.05)
            answer = await session.offer(sender, recipient)
            assert answer == b"proceed" or answer.startswith(b"reject|451 4.7.1 greylisted"), answer
            await session.reset()
        tally.took()
    await session.quit()


@pytest.mark.slow
def test_the_master_dies_and_mail_flows_on(
    cluster: tuple[RedisServer, RedisServer, list[SentinelServer]], tmp_path: Path
) -> None:
    master, replica, sentinels = cluster
    hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
    url = f"redis+sentinel://{hosts}/mx?fallback={tmp_path / 'fallback.db'}"
    log = (tmp_path / "stderr").open("wb")
    options = ["-m", "filter_greylist", "-G", "0:4:864", "-N", "127.0.0.1", "-f", url]
    with log, FilterProcess(options, stderr=log.fileno()) as smtpd:
        smtpd.handshake()
        tally, wire = asyncio.run(_load(smtpd, master))
        smtpd.hang_up()
    told = (tmp_path / "stderr").read_text()
    assert wire.asked == wire.answered, "no session is lost"
    assert tally.wrong == [], "nobody who was never seen is let in"
    gaps = [later - earlier for earlier, later in zip(tally.taken, tally.taken[1:], strict=False)]
    assert max(gaps) < 3.0, "mail is taken throughout"
    assert any(KILL_AT < when < KILL_AT + 2.0 for when in tally.taken), "while there is no master, too"
    assert tally.taken[-1] > SECONDS - 1
    assert len(tally.taken) == tally.offered
    assert "the local one carries on" in told
    assert "the shared store is back after" in told, "the replica has been made the master"
    assert replica.talk("ROLE").startswith(b"*3\r\n$6\r\nmaster")


async def _load(smtpd: FilterProcess, master: RedisServer) -> tuple[Tally, Wire]:
    tally = Tally()
    async with Wire(smtpd) as wire:
        senders = [asyncio.create_task(_sender(wire, number, tally)) for number in range(SESSIONS)]
        await asyncio.sleep(KILL_AT)
        await asyncio.to_thread(master.kill)
        await asyncio.gather(*senders)
    return tally, wire


def nothing_else(sentinels: list[SentinelServer]) -> None:
    """A failover, and no more."""


def subscriptions_closed(sentinels: list[SentinelServer]) -> None:
    """Who listens for the switch has to come again."""
    for sentinel in sentinels:
        sentinel.ask("CLIENT", "KILL", "TYPE", "pubsub")


def first_gone(sentinels: list[SentinelServer]) -> None:
    """The Sentinel that is asked first is not there; two others are."""
    sentinels[1].kill()


def one_is_silent(sentinels: list[SentinelServer]) -> None:
    """It takes connections, and says nothing."""
    sentinels[2].freeze()


@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.parametrize("beside", [nothing_else, subscriptions_closed, first_gone, one_is_silent])
def test_a_master_that_is_replaced_while_it_is_alive_is_left_and_nothing_is_lost(
    cluster: tuple[RedisServer, RedisServer, list[SentinelServer]],
    tmp_path: Path,
    beside: Callable[[list[SentinelServer]], None],
) -> None:
    """A failover by hand: the old master takes writes for ten more seconds, which the new one never hears of."""
    _, replica, sentinels = cluster
    said: list[str] = []
    now, tuples, whites = int(time.time()), set[bytes](), set[bytes]()

    async def write(store: Store, number: int) -> None:
        assert await store.attempt(a_tuple(number), now, Timers()) is not None
        tuples.add(a_tuple(number).key)
        white = b"10.%d.%d.1" % (number >> 8, number & 255)
        await store.merge([Record(Kind.WHITE, white, Life(now, now, now + 90_000))])
        whites.add(white)

    async def inside() -> None:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in [*sentinels[1:], sentinels[0]])
        spec = parse_spec(f"redis+sentinel://{hosts}/mx?fallback={tmp_path / 'fallback.db'}")
        store = open_spec(spec, said.append)
        assert isinstance(store, FallbackStore)
        await store.open()
        begun = time.monotonic()
        asked = left = 0.0
        number = 0
        while not left or time.monotonic() - left < 3:
            await write(store, number)
            number += 1
            if not asked and time.monotonic() - begun > 1.5:
                asked = time.monotonic()
                beside(sentinels)
                assert sentinels[0].ask("SENTINEL", "FAILOVER", "mx") == b"+OK"
            if not left and any("the master is" in line for line in said):
                left = time.monotonic()
            assert not asked or time.monotonic() - asked < 20
            await asyncio.sleep(0.01)
        assert left - asked < 5, "the old one is left soon"
        await asyncio.sleep(2)
        assert {record.name async for record in store.scan(Kind.GREY)} >= tuples
        assert {record.name async for record in store.scan(Kind.WHITE)} >= whites
        await store.close()

    asyncio.run(inside())
    assert [line for line in said if "away" in line] == []
    assert replica.talk("ROLE").startswith(b"*3\r\n$6\r\nmaster")


@pytest.mark.slow
def test_a_switch_that_never_comes_is_not_told_of(
    cluster: tuple[RedisServer, RedisServer, list[SentinelServer]], tmp_path: Path
) -> None:
    """Sentinels that come and go are no reason to leave a master, nor is one that knows an older configuration."""
    _, _, sentinels = cluster
    said: list[str] = []

    async def inside() -> None:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        store = open_spec(parse_spec(f"redis+sentinel://{hosts}/mx?fallback={tmp_path / 'fallback.db'}"), said.append)
        await store.open()
        for number in range(30):
            if number == 10:
                sentinels[0].kill()
            if number == 20:
                sentinels[0].start()
                sentinels[1].kill()
            assert await store.attempt(a_tuple(number), int(time.time()), Timers()) is not None
            await asyncio.sleep(0.15)
        await store.close()

    asyncio.run(inside())
    assert said == []


def ends_of_this_process() -> set[bytes]:
    """Where its TCP connections begin, as CLIENT LIST tells them: 127.0.0.1:PORT."""
    ends = set()
    for fd in range(3, 1024):
        with contextlib.suppress(OSError):  # not open
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=os.dup(fd)) as end:
                    if end.family == socket.AF_INET:
                        ends.add("{}:{}".format(*end.getsockname()).encode())
    return ends


@pytest.mark.slow
def test_a_store_that_is_closed_leaves_no_connection_behind(
    cluster: tuple[RedisServer, RedisServer, list[SentinelServer]], tmp_path: Path
) -> None:
    """Neither to the master nor to a Sentinel: each client has a port of its own."""
    master, _, sentinels = cluster
    servers: list[RedisServer | SentinelServer] = [master, *sentinels]

    def clients(server: RedisServer | SentinelServer) -> set[bytes]:
        found = server.talk("CLIENT", "LIST", "TYPE", "normal").split(b"\n")
        return {
            line.split(b" addr=")[1].split()[0] for line in found if b" addr=" in line and b"cmd=client" not in line
        }

    def ours(server: RedisServer | SentinelServer) -> set[bytes]:
        """Not all that are new: Sentinels connect to each other and to the master meanwhile."""
        return clients(server) & ends_of_this_process()

    async def inside() -> None:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        store = open_spec(parse_spec(f"redis+sentinel://{hosts}/mx?fallback={tmp_path / 'fallback.db'}"), print)
        await store.open()
        assert await store.attempt(a_tuple(1), int(time.time()), Timers()) is not None
        while not all(ours(server) for server in servers):
            await asyncio.sleep(0.02)
        opened = {server: ours(server) for server in servers}
        await store.close()
        for _ in range(250):
            if not any(clients(server) & opened[server] for server in servers):
                return
            await asyncio.sleep(0.02)
        pytest.fail("a connection is still open")

    asyncio.run(inside())
