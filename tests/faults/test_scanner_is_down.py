"""Nobody listens where the daemon should: the failure policy at once, and one line in the log, not one a message."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filter_api.testing.servers import say, served
from tests.support.ports import free_port
from tests.support.scanners import CLAMAV, MAIL, SPAMASSASSIN, Scanner, each_policy, each_scanner, policy_options

pytestmark = pytest.mark.timed


@each_scanner
@each_policy
def test_the_policy_answers_at_once(scanner: Scanner, policy: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with scanner.running("-a", tmp_path / "none", *policy_options(policy)) as smtpd:
            for _ in range(10):
                outcome = await smtpd.send(MAIL)
                scanner.check(outcome, policy)
                assert outcome.seconds < 0.1
            assert smtpd.log.count("is down: No such file or directory") == 1
            assert [line["result"] for line in smtpd.messages()] == ["failed"] * 10

    asyncio.run(main())


@each_scanner
def test_a_closed_port(scanner: Scanner) -> None:
    port = free_port()

    async def main() -> None:
        async with scanner.running("-a", f"127.0.0.1:{port}") as smtpd:
            outcome = await smtpd.send(MAIL)
            scanner.check(outcome)
            assert outcome.seconds < 0.1
            assert "Connection refused" in smtpd.messages()[0]["reason"]

    asyncio.run(main())


@each_scanner
def test_it_comes_back(scanner: Scanner, tmp_path: Path) -> None:
    """Before the breaker opens every message asks; what is answered then is answered well."""

    async def main() -> None:
        path = tmp_path / "socket"
        async with scanner.running("-a", path) as smtpd:
            for _ in range(4):
                scanner.check(await smtpd.send(MAIL))
            async with served(say(scanner.good), path):
                for _ in range(3):
                    outcome = await smtpd.send(MAIL)
                    assert outcome.reply is None
                    assert scanner.unknown not in outcome.text
            assert "is down" not in smtpd.log

    asyncio.run(main())


def test_a_probe_finds_it_again(tmp_path: Path) -> None:
    """Ten seconds after the breaker opened one message is let through, and closes it; both filters side by side."""

    async def scenario(scanner: Scanner, path: Path) -> None:
        async with scanner.running("-a", path) as smtpd:
            for _ in range(5):
                scanner.check(await smtpd.send(MAIL))
            async with served(say(scanner.good), path):
                await asyncio.sleep(9)
                scanner.check(await smtpd.send(MAIL))
                await asyncio.sleep(1.2)
                outcome = await smtpd.send(MAIL)
                assert outcome.reply is None
                assert scanner.unknown not in outcome.text
                assert smtpd.log.count("is back after 10 seconds") == 1

    async def main() -> None:
        await asyncio.gather(scenario(CLAMAV, tmp_path / "clamd"), scenario(SPAMASSASSIN, tmp_path / "spamd"))

    asyncio.run(main())
