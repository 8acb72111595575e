"""A zone in memory, in place of name servers, for tests of filters that ask DNS.

    zone = FakeZone({
        ("example.org", "MX"): [(10, "mx.example.org")],
        ("192.0.2.1", "PTR"): ["mx.example.org"],          # an address stands for its reverse name
        ("mx.example.org", "A"): ["192.0.2.1"],
        ("broken.example", "TXT"): Status.TEMPFAIL,
        ("slow.example", "A"): Slow(3.0, ["192.0.2.2"]),
        ("www.example.org", "CNAME"): ["mx.example.org"],
    })
    resolver = Resolver(backend=zone)

A name that is not there is NXDOMAIN; one that is there with other kinds, or has names below it, is NODATA. CNAMEs are
followed as a name server would. `zone.asked` lists the questions that were really asked; the dict may be changed
between questions (mind the resolver's cache, or give `ttl=0`).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from filter_api.net.dns.answer import Answer, Record, Status, reverse_name

Content: TypeAlias = "Sequence[Record] | Status"

MAX_CHAIN = 16  # as dnspython


@dataclass(frozen=True, slots=True)
class Slow:
    """Answers after so many seconds."""

    seconds: float
    content: Content = Status.TEMPFAIL


class FakeZone:
    """A backend for `filter_api.net.dns.Resolver` that knows everything it will ever know."""

    def __init__(self, content: Mapping[tuple[str, str], Content | Slow], *, ttl: int = 300) -> None:
        self.content: MutableMapping[tuple[str, str], Content | Slow] = {
            (_owner(name), kind): value for (name, kind), value in content.items()
        }
        self.ttl = ttl
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        """Answer as a recursive name server would."""
        self.asked.append((name, kind))
        for _ in range(MAX_CHAIN):
            content = self.content.get((name, kind))
            if isinstance(content, Slow):
                await asyncio.sleep(content.seconds)
                content = content.content
            if content is not None:
                return self._answer(kind, content)
            alias = self.content.get((name, "CNAME"))
            if not isinstance(alias, Sequence):
                return self._absent(name)
            name = str(alias[0]).lower().removesuffix(".")
        return Answer(Status.TEMPFAIL, why="CNAME loop")

    def _answer(self, kind: str, content: Content) -> Answer:
        if isinstance(content, Status):
            return Answer(content, ttl=self.ttl, why="as the test says" if content is Status.TEMPFAIL else "")
        if not content:
            return Answer(Status.NODATA, ttl=self.ttl)
        return Answer(Status.OK, tuple(_typed(kind, record) for record in content), ttl=self.ttl)

    def _absent(self, name: str) -> Answer:
        below = "." + name
        exists = any(owner == name or owner.endswith(below) for owner, _ in self.content)
        return Answer(Status.NODATA if exists else Status.NXDOMAIN, ttl=self.ttl)


def _owner(name: str) -> str:
    """The name as it will be asked for."""
    try:
        return reverse_name(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().removesuffix(".")


def _typed(kind: str, record: Record) -> Record:
    """Let tests write addresses as text, TXT as str and names in any case."""
    match kind, record:
        case (("A" | "AAAA"), str()):
            return ipaddress.ip_address(record)
        case "TXT", str():
            return record.encode()
        case _, str():
            return record.lower().removesuffix(".")
        case "MX", (int() as preference, str() as exchange):
            return preference, exchange.lower().removesuffix(".")
    return record
