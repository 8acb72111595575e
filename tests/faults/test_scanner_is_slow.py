"""A message that takes too long is at fault itself; a daemon that answers no PING is down. Fake and real ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.testing.servers import Handler, hang
from tests.support.clamd import running_clamd
from tests.support.directories import open_directory
from tests.support.process import Smtpd
from tests.support.scanners import CLAMAV, MAIL, SPAMASSASSIN, Scanner, each_scanner, with_server
from tests.support.spamd import running_spamd

pytestmark = pytest.mark.timed

SLOW = MAIL + b"this text takes a scanner for ever\r\n"


def slow_with(scanner: Scanner, *, answers_pings: bool) -> Handler:
    """A daemon that hangs on one text, is quick with all others, and answers PING or does not."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(65536)
        while not asked.startswith((b"PING", b"zPING")) and not is_whole(asked):
            more = await reader.read(65536)
            if not more:
                break
            asked += more
        if b"takes a scanner for ever" in asked or (b"PING" in asked[:5] and not answers_pings):
            await hang(reader, writer)
        elif asked.startswith(b"zPING"):
            writer.write(b"PONG\0")
        elif asked.startswith(b"PING"):
            writer.write(b"SPAMD/1.5 0 PONG\r\n")
        else:
            writer.write(scanner.good)
        await writer.drain()

    return handle


def is_whole(asked: bytes) -> bool:
    return asked.startswith(b"zINSTREAM") and asked.endswith(struct.pack("!I", 0))


@each_scanner
def test_messages_that_take_too_long_cost_no_other(scanner: Scanner, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for outcome in await asyncio.gather(*(smtpd.send(SLOW) for _ in range(12))):
            scanner.check(outcome, mail=SLOW)
        honest = await smtpd.send(MAIL)
        assert honest.reply is None
        assert scanner.unknown not in honest.text
        assert honest.seconds < 1
        assert "is down" not in smtpd.log

    with_server(scanner, slow_with(scanner, answers_pings=True), tmp_path, scenario, "-T", "1", "-P", "20")


@each_scanner
def test_a_daemon_that_answers_no_ping_either_is_left_alone(scanner: Scanner, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for outcome in await asyncio.gather(*(smtpd.send(SLOW) for _ in range(6))):
            scanner.check(outcome, mail=SLOW)
        assert "is down" not in smtpd.log, "it has ten seconds to answer the PING"
        for _ in range(200):  # ten seconds, and as many more as it takes to say so
            await asyncio.sleep(0.1)
            if "is down" in smtpd.log:
                break
        assert smtpd.log.count("is down: no answer to a ping") == 1
        outcome = await smtpd.send(SLOW)
        scanner.check(outcome, mail=SLOW)
        assert "held to be down" in smtpd.messages()[-1]["reason"]

    with_server(scanner, slow_with(scanner, answers_pings=False), tmp_path, scenario, "-T", "0.5", "-P", "20")


@pytest.fixture(params=[CLAMAV, SPAMASSASSIN], ids=["clamav", "spamassassin"])
def real(request: pytest.FixtureRequest) -> Iterator[tuple[Scanner, Path]]:
    """A filter and the socket of its real daemon."""
    with open_directory() as directory:
        running = running_clamd if request.param is CLAMAV else running_spamd
        with running(directory) as path:
            yield request.param, path


def test_a_real_daemon_with_too_little_time_stays_up(real: tuple[Scanner, Path]) -> None:
    """Every question ends at its deadline, and every PING is answered."""
    scanner, path = real

    async def main() -> None:
        async with scanner.running("-a", path, "-T", "0.0001") as smtpd:
            for _ in range(10):
                await smtpd.send(MAIL)
                await asyncio.sleep(0.1)
            results = [line["result"] for line in smtpd.messages()]
            assert len(results) == 10
            assert "failed" in results, "an answer may be there before anybody looks at the clock, but not each time"
            assert "is down" not in smtpd.log

    asyncio.run(main())


def test_a_real_daemon_that_was_stopped_is_down_and_comes_back(real: tuple[Scanner, Path]) -> None:
    scanner, path = real
    processes = users_of(path.parent)
    assert processes

    async def main() -> None:
        async with scanner.running("-a", path, "-T", "1") as smtpd:
            send(processes, signal.SIGSTOP)
            try:
                for outcome in await asyncio.gather(*(smtpd.send(MAIL) for _ in range(6))):
                    scanner.check(outcome)
                await asyncio.sleep(10.5)
                assert smtpd.log.count("is down: no answer to a ping") == 1
            finally:
                send(processes, signal.SIGCONT)
            await asyncio.sleep(10.2)
            outcome = await smtpd.send(MAIL)
            assert outcome.reply is None
            assert scanner.unknown not in outcome.text
            assert "is back after" in smtpd.log

    asyncio.run(main())


def send(processes: list[int], number: signal.Signals) -> None:
    """A signal to those that are still there: spamd ends workers it does not need."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def users_of(directory: Path) -> list[int]:
    """The processes with this directory on their command line, and their children: a daemon and its workers."""
    found: dict[int, int] = {}
    ours: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if str(directory) in (entry / "cmdline").read_text().replace("\0", " "):
                    ours.add(int(entry.name))
            except OSError:
                continue
    ours.discard(os.getpid())
    return sorted(ours | {child for child, parent in found.items() if parent in ours})
