"""Redis Sentinel: the master is killed under load, and mail flows on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_greylist.load import Session, Wire
from tests.filter_greylist.servers import RedisServer, SentinelServer, redis_missing
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
