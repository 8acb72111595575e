"""Both filters that ask a daemon, for tests of what they have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from filter_api.testing.servers import Handler, served
from tests.support.process import RECEIVED, Outcome, Smtpd, running_filter
from tests.support.shapes import SHAPES

MAIL = SHAPES["plain"]


@dataclass(frozen=True)
class Scanner:
    """A filter and what it does when its daemon does not. good: an answer of a daemon that finds nothing."""

    package: str
    default: str
    unknown: bytes
    tempfail: str
    permfail: str
    good: bytes

    @asynccontextmanager
    async def running(self, *arguments: object) -> AsyncIterator[Smtpd]:
        async with running_filter(self.package, *map(str, arguments)) as smtpd:
            yield smtpd

    def check(self, outcome: Outcome, policy: str = "", mail: bytes = MAIL) -> None:
        """The message got what the failure policy says."""
        policy = policy or self.default
        if policy == "accept":
            assert outcome.reply is None
            assert outcome.text == self.unknown + RECEIVED + mail
        else:
            assert outcome.reply == (self.tempfail if policy == "tempfail" else self.permfail)
            assert outcome.text == b""


CLAMAV = Scanner(
    "filter_clamav",
    "tempfail",
    b"X-Virus-Status: Unknown, not scanned (scanner not available)\r\n",
    "451 4.7.1 message cannot be scanned for viruses now, try again later",
    "554 5.7.1 message cannot be scanned for viruses",
    b"stream: OK\0",
)
SPAMASSASSIN = Scanner(
    "filter_spamassassin",
    "accept",
    b"X-Spam-Status: Unknown, not checked (spamd not available)\r\n",
    "451 4.7.1 message cannot be checked for spam now, try again later",
    "550 5.7.1 message cannot be checked for spam",
    b"SPAMD/1.1 0 EX_OK\r\nContent-length: 1\r\nSpam: False ; 0.1 / 5.0\r\n\r\nA",
)

each_scanner = pytest.mark.parametrize("scanner", [CLAMAV, SPAMASSASSIN], ids=["clamav", "spamassassin"])
each_policy = pytest.mark.parametrize("policy", ["", "accept", "tempfail", "reject"])


def policy_options(policy: str) -> list[str]:
    """The option for a policy; none for the default."""
    return ["-F", policy] if policy else []


def with_server(
    scanner: Scanner,
    handler: Handler,
    directory: Path,
    scenario: Callable[[Smtpd], Awaitable[None]],
    *arguments: object,
) -> None:
    """Run a scenario with a filter whose daemon is `handler`."""

    async def main() -> None:
        path = directory / "socket"
        async with served(handler, path), scanner.running("-a", path, *arguments) as smtpd:
            await scenario(smtpd)

    asyncio.run(main())
