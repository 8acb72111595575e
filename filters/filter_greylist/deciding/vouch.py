"""Does SPF vouch for a client? For the domain of its sender, or for one of the common domains of option -c.

Only a strong pass counts (see `filter_api.net.spf`): by an address or a network that names this client, not by a
catch-all that would vouch for a botnet. For a common domain, which the operator has chosen, names made of the client's
address count, too: hosted SPF works by them. What was found is believed as long as the DNS says, within an hour; where
the DNS does not answer in time, nobody vouches, and the client is judged by its network.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from filter_api.files.tables import DomainTable
from filter_api.net.dns import Resolver
from filter_api.text.addresses import domain_of

LONGEST_TTL = 3600
DOUBT_TTL = 30
CAPACITY = 2048
PARALLEL = 8
"""Common domains that are looked at together."""

Address = IPv4Address | IPv6Address
Subject = tuple[Address | None, bytes]
"""A client and what it claims to be; None: any client."""


class Vouching:
    """Asks SPF and remembers. `clock` is monotonic, in seconds."""

    def __init__(
        self, resolver: Resolver, common: DomainTable | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolver = resolver
        self._table = common
        self._clock = clock
        self._known: dict[Subject, tuple[bool, float]] = {}
        self._listed: list[bytes] = []

    async def sender(self, address: Address, sender: bytes, helo: bytes, deadline: float) -> bool:
        """Whether SPF passes strongly for this sender; `deadline` is a time of the event loop."""
        domain = domain_of(sender) or helo.lower()
        known = self._recall((None, domain))
        if known is None:
            known = self._recall((address, sender or domain))
        if known is None:
            from filter_api.net.spf import Result, check_sender

            spf = await check_sender(self._resolver, address, sender, helo, deadline=deadline)
            ttl = max(DOUBT_TTL, spf.ttl)  # a record of TTL 0 need not be asked for by every recipient of a message
            # Without a record it is the same for every client; anything else may depend on the client and the sender.
            subject: Subject = (None, domain) if spf.result is Result.NONE else (address, sender or domain)
            known = self._remember(subject, ttl, vouched=spf.vouches())
        return known

    async def common(self, address: Address, helo: bytes, deadline: float) -> bool:
        """Whether a common domain names this client in its SPF record."""
        if self._table is None:
            return False
        if (listed := self._domains()) != self._listed:
            self._listed = listed
            self._known.clear()  # the file has changed
        known = self._recall((address, b""))
        if known is None:
            domain, ttl = await self.first_common(address, helo, deadline)
            known = self._remember((address, b""), ttl, vouched=domain is not None)
        return known

    async def first_common(self, address: Address, helo: bytes, deadline: float) -> tuple[bytes | None, int]:
        """The first of the listed domains that vouches, if one does, and for how many seconds that holds.

        They are looked at some at a time, in the order of the file.
        """
        from filter_api.net.spf import Result, check_host

        domains = self._domains()
        shortest = LONGEST_TTL
        for start in range(0, len(domains), PARALLEL):
            found = await asyncio.gather(
                *(
                    check_host(self._resolver, address, domain, b"", helo, deadline=deadline)
                    for domain in domains[start : start + PARALLEL]
                )
            )
            for domain, spf in zip(domains[start:], found, strict=False):
                if spf.vouches(listed=True):
                    return domain, max(spf.ttl, DOUBT_TTL)
                shortest = min(shortest, DOUBT_TTL if spf.result is Result.TEMPERROR else max(spf.ttl, DOUBT_TTL))
        return None, shortest

    def _domains(self) -> list[bytes]:
        return [match.entry.lower().lstrip(b".") for match in self._table or ()]

    def forget(self) -> None:
        """Ask anew: for SIGHUP."""
        self._known.clear()
        self._resolver.forget()

    def _recall(self, subject: Subject) -> bool | None:
        known = self._known.get(subject)
        return known[0] if known is not None and self._clock() < known[1] else None

    def _remember(self, subject: Subject, ttl: int, *, vouched: bool) -> bool:
        if len(self._known) >= CAPACITY:
            self._known.clear()  # it fills again from the DNS cache
        self._known[subject] = (vouched, self._clock() + min(ttl, LONGEST_TTL))
        return vouched
