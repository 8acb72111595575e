"""What both scanning filters share, under load and in a chain: clients that drip hold nobody up, bytes survive both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.testing.servers import say, served
from tests.support.clamd import EICAR, attachment, running_clamd
from tests.support.directories import open_directory
from tests.support.process import RECEIVED, TOKEN, Outcome, Smtpd, descriptors_of, running_filter
from tests.support.scanners import MAIL, Scanner, each_scanner
from tests.support.shapes import SHAPES, without_fields
from tests.support.spamd import GTUBE, running_spamd

pytestmark = pytest.mark.timed

FIELDS = (
    "X-Virus-Scanned",
    "X-Virus-Status",
    "X-Spam-Flag",
    "X-Spam-Status",
    "X-Spam-Score",
    "X-Spam-Level",
    "X-Spam-Checker-Version",
)


@each_scanner
def test_fifty_dripping_clients_do_not_delay_another(scanner: Scanner, tmp_path: Path) -> None:
    """A scanner is asked at the dot: who sends a line now and then holds none, not even with one scan at a time."""

    async def main() -> None:
        path = tmp_path / "socket"
        async with served(say(scanner.good), path), scanner.running("-a", path, "-P", "1") as smtpd:
            await drip_and_send(smtpd, scanner)

    asyncio.run(main())


async def drip_and_send(smtpd: Smtpd, scanner: Scanner) -> None:
    before = descriptors_of(smtpd.process)
    slow = [smtpd.connect(f"198.51.100.{number}") for number in range(50)]

    async def line(text: str) -> None:
        for session in slow:
            smtpd.write(f"filter|0.7|1.0|smtp-in|data-line|{session}|{TOKEN}|{text}")

    for session in slow:
        await smtpd.envelope(session, "slow@example.org", ["b@example.com"])
    await line("Subject: slow")
    for _ in range(10):
        await line("a line every now and then")
        outcome = await smtpd.send(MAIL)
        assert outcome.reply is None
        assert scanner.unknown not in outcome.text
        assert outcome.seconds < 1
        assert descriptors_of(smtpd.process) <= before + 2, "no connection for those who are still sending"
    assert len(smtpd.messages()) == 10


@pytest.fixture(scope="module")
def chain() -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    """filter-clamav in front of filter-spamassassin, with real daemons."""
    with (
        open_directory() as one,
        open_directory() as two,
        running_clamd(one) as clamd,
        running_spamd(two) as spamd,
    ):
        yield [("filter_clamav", ("-h", "-a", str(clamd))), ("filter_spamassassin", ("-r", "15", "-a", str(spamd)))]


async def through(filters: list[Smtpd], message: bytes) -> Outcome:
    """What smtpd does with a chain: what one filter gives back is what the next one gets."""
    first, second = filters
    outcome = await first.send(message)
    return outcome if outcome.reply else await second.send(outcome.text, received=b"")


@pytest.mark.daemon
def test_both_in_a_chain(chain: list[tuple[str, tuple[str, ...]]]) -> None:
    async def main() -> None:
        (one, first), (two, second) = chain
        async with running_filter(one, *first) as clamav, running_filter(two, *second) as spamassassin:
            filters = [clamav, spamassassin]
            for name, message in SHAPES.items():
                if name in {"long line", "long lines"}:
                    continue  # slow to score, and covered by each filter's own tests
                outcome = await through(filters, message)
                assert outcome.reply is None, name
                assert without_fields(outcome.text, FIELDS) == RECEIVED + message, name
                assert outcome.text.count(b"X-Virus-Status: Clean\r\n") == 1, name
            virus = await through(filters, attachment("x.com", EICAR))
            assert (virus.reply or "").startswith("554 5.7.1 virus found")
            refused = await spamassassin.send(b"", received=b"")
            assert (refused.reply, refused.text) == (None, b""), "what the first filter refused is not looked at"
            spam = await through(filters, MAIL + GTUBE + b"\r\n")
            assert spam.reply == "550 5.7.1 message refused as spam"
            assert len(spamassassin.messages()) == len(clamav.messages()) - 1

    asyncio.run(main())


@pytest.mark.daemon
def test_forty_large_messages_at_once(chain: list[tuple[str, tuple[str, ...]]]) -> None:
    """They are spooled, not held in memory: at most 2 MiB each, and none is mixed up with another."""
    (one, first), _ = chain
    count, lines = 40, 130_000

    async def send(smtpd: Smtpd, number: int) -> None:
        message = b"Subject: %d\r\n\r\n" % number + b"number %05d of forty messages, " % number * 2 + b"\r\n"
        message += (b"%05d " % number * 12 + b"\r\n") * (lines // 10)
        outcome = await smtpd.send(message)
        assert outcome.reply is None
        assert without_fields(outcome.text, FIELDS) == RECEIVED + message

    async def main() -> None:
        async with running_filter(one, *first) as smtpd:
            before = resident(smtpd.process.pid)
            await asyncio.gather(*(send(smtpd, number) for number in range(count)))
            assert peak(smtpd.process.pid) - before < count * 2 * 1024

    asyncio.run(main())


def resident(pid: int) -> int:
    """KiB of memory in use."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """KiB of memory at most so far."""
    return _status(pid, "VmHWM")


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise LookupError(key)
