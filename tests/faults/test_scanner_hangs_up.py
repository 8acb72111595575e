"""The daemon resets the connection, at once or in the middle: asked once, never twice, the policy answers."""

from __future__ import annotations

import asyncio
import socket

import pytest

from filter_api.testing.servers import reset, served_tcp
from tests.support.scanners import MAIL, Scanner, each_scanner, policy_options

LARGE = MAIL + b"a line of thirty bytes or so..\r\n" * 12_000


@each_scanner
@pytest.mark.parametrize(("after", "policy"), [(0, ""), (1000, "accept"), (200_000, "tempfail"), (200_000, "reject")])
def test_reset(scanner: Scanner, after: int, policy: str) -> None:
    scans = 0
    handler = reset(after)

    def count(connection: socket.socket) -> None:
        nonlocal scans
        scans += b"PING" not in connection.recv(8, socket.MSG_PEEK)  # whether the daemon lives is asked afterwards
        handler(connection)

    async def main() -> None:
        options = policy_options(policy)
        async with served_tcp(count) as endpoint, scanner.running("-a", endpoint, *options) as smtpd:
            scanner.check(await smtpd.send(LARGE), policy, LARGE)
            assert scans == 1

    asyncio.run(main())
