"""filter-dnsbl: what a session costs when all of its lists are in the cache, as mostly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from ipaddress import ip_address
from statistics import median
from typing import Any, Final

from bench.figures import Figure
from filter_api import trust
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_dnsbl.filter import DnsLists, build

LISTS: Final = 6
_ROUNDS: Final = 5
_SESSIONS: Final = 2_000


def figures() -> list[Figure]:
    """Six lists, of which one lists the client; in milliseconds of the processor for each session."""
    zone: dict[tuple[str, str], Any] = {("5.2.0.192.l0.test", "A"): ["127.0.0.2"]}
    for number in range(LISTS):
        zone[f"2.0.0.127.l{number}.test", "A"] = ["127.0.0.2"]
    arguments = [word for number in range(LISTS) for word in ("-b", f"l{number}.test=127.0.0.[2..11]*2")]
    found = asyncio.run(_measure(build([*arguments, "-s", "-:-:3"], Resolver(backend=FakeZone(zone)))))
    return [Figure("a session, six lists cached", found, "ms", 0.3)]


async def _measure(filter_: DnsLists) -> float:
    await _session(filter_)  # now all is in the cache
    times = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(_SESSIONS):
            await _session(filter_)
        times.append((time.process_time() - begun) / _SESSIONS * 1e3)
    return median(times)


async def _session(filter_: DnsLists) -> None:
    session = trust.client_at(ip_address("192.0.2.5"), b"mx.example.net")
    filter_.saw_connect(session)
    session.identity = b"mx.example.net"
    decision = filter_.on_mail_from(session, b"joe@example.net")
    if isinstance(decision, Awaitable):
        await decision
    filter_.saw_disconnect(session)
