"""Does SPF vouch for a client? For the domain of its sender, or for one of some domains that the operator has listed.

    vouching = Vouching(resolver, clock)
    found = await vouching.sender(session.address, b"joe@example.org", helo=b"mx.example.org", deadline=deadline)
    if found: ...                   # SPF passes strongly
    elif found.doubt: ...           # it could not be asked: nothing may be refused for good because of that

Only a strong pass counts (see `filter_api.net.spf`): by an address or a network that names this client, not by a
catch-all that would vouch for a botnet. For listed domains names made of the client's address count, too: hosted SPF
works by them.

Trouble of the DNS (TEMPERROR) has one meaning everywhere: *doubt*. Nobody vouches then, so the client is exempt from
nothing; and what the word of SPF would have spared it from is refused for now (4xx), not for good.

What was found is believed as long as the DNS says, at least half a minute and at most an hour; doubt for half a minute,
and not by who has more time to ask than whoever was in doubt: filters of one process share what is remembered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from filter_api.bounds import DOUBT_SECONDS, MAX_REPORTED_ADDRESS, MAX_VOUCHED, VOUCHED_SECONDS
from filter_api.files.tables import DomainTable
from filter_api.net.dns import Resolver
from filter_api.net.spf import Result, check_host, check_sender
from filter_api.net.spf.result import SpfResult
from filter_api.text.addresses import Address, domain_of, strip_source_route

_MORE: Final = 1.0  # seconds that are worth another attempt

PARALLEL: Final = 8
"""Listed domains that are looked at together."""

Subject = tuple[Address | None, bytes]
"""A client and what it claims to be; None: any client."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whether SPF vouches; true in a condition if it does.

    doubt: why it could not be asked; empty if it could. spf, why: its result and what is wrong with it, where somebody
    who trusts this sender would wonder: a pass that is weak, a record that is broken. found: what SPF came to, where it
    was asked for a sender.
    """

    vouched: bool
    doubt: str = ""
    spf: str = ""
    why: str = ""
    found: SpfResult | None = None

    def __bool__(self) -> bool:
        return self.vouched


NOBODY: Final = Vouched(vouched=False)


class _Known(NamedTuple):
    """until: when it is forgotten, by the clock. asked: the seconds there were to find it."""

    found: Vouched
    until: float
    asked: float


class Vouching:
    """Asks SPF and remembers. `clock` is monotonic, in seconds; `listed` are the operator's domains, if any."""

    def __init__(self, resolver: Resolver, clock: Callable[[], float], listed: DomainTable | None = None) -> None:
        self._resolver = resolver
        self._clock = clock
        self._table = listed
        self._known: OrderedDict[Subject, _Known] = OrderedDict()
        self._listed: list[bytes] = []

    async def sender(self, address: Address, sender: bytes, helo: bytes, deadline: float) -> Vouched:
        """Whether SPF vouches for this sender, or for the HELO name of a null sender.

        `deadline` is a time of the event loop; what is not known by then is doubt.
        """
        sender = strip_source_route(sender)
        domain = domain_of(sender) if sender else helo.lower()
        if not domain:
            return NOBODY
        seconds = _left(deadline)
        known = self._recall((None, domain), seconds)
        if known is None:
            known = self._recall((address, sender or domain), seconds)
        if known is not None:
            return known
        spf = await check_sender(self._resolver, address, sender, helo, deadline=deadline)
        found = Vouched(spf.vouches(), _doubt(spf), *_wonder(spf), spf)
        # Without a record it is the same for every client; anything else may depend on the client and the sender.
        subject: Subject = (None, domain) if spf.result is Result.NONE else (address, sender or domain)
        return self._remember(subject, found, _seconds(spf), seconds)

    async def listed(self, address: Address, helo: bytes, deadline: float) -> Vouched:
        """Whether one of the listed domains names this client in its SPF record."""
        if self._table is None:
            return NOBODY
        if (listed := self._domains()) != self._listed:
            self._listed = listed
            self._known.clear()  # the file has changed
        asked = _left(deadline)
        known = self._recall((address, b""), asked)
        if known is None:
            domain, doubt, seconds = await self._first(address, helo, deadline)
            known = self._remember((address, b""), Vouched(domain is not None, doubt), seconds, asked)
        return known

    async def first_listed(self, address: Address, helo: bytes, deadline: float) -> bytes | None:
        """The first of the listed domains that names this client, if one does."""
        return (await self._first(address, helo, deadline))[0]

    async def _first(self, address: Address, helo: bytes, deadline: float) -> tuple[bytes | None, str, float]:
        """The first listed domain that vouches, the doubt if there is none, and for how many seconds that holds.

        They are looked at some at a time, in the order of the file.
        """
        domains = self._domains()
        doubt, shortest = "", float(VOUCHED_SECONDS)
        for start in range(0, len(domains), PARALLEL):
            some = domains[start : start + PARALLEL]
            found = await asyncio.gather(
                *(check_host(self._resolver, address, domain, b"", helo, deadline=deadline) for domain in some)
            )
            for domain, spf in zip(some, found, strict=True):
                if spf.vouches(listed=True):
                    return domain, "", _seconds(spf)
                doubt, shortest = doubt or _doubt(spf), min(shortest, _seconds(spf))
        return None, doubt, shortest

    def _domains(self) -> list[bytes]:
        return [match.entry.lower().lstrip(b".") for match in self._table or ()]

    def forget(self) -> None:
        """Ask anew: for SIGHUP."""
        self._known.clear()
        self._resolver.forget()

    def _recall(self, subject: Subject, seconds: float) -> Vouched | None:
        """What is remembered, for somebody who has so many seconds to ask."""
        known = self._known.get(subject)
        if known is None or self._clock() >= known.until:
            return None
        if known.found.doubt and seconds > known.asked + _MORE:
            return None
        self._known.move_to_end(subject)
        return known.found

    def _remember(self, subject: Subject, found: Vouched, seconds: float, asked: float = inf) -> Vouched:
        if len(subject[1]) <= MAX_REPORTED_ADDRESS:  # longer ones have no place in the memory
            self._known[subject] = _Known(found, self._clock() + seconds, asked)
            self._known.move_to_end(subject)
            if len(self._known) > MAX_VOUCHED:
                self._known.popitem(last=False)
        return found


def _left(deadline: float) -> float:
    """Seconds until a time of the event loop."""
    return deadline - asyncio.get_running_loop().time()


def _doubt(spf: SpfResult) -> str:
    return spf.why or "no answer" if spf.result is Result.TEMPERROR else ""


def _wonder(spf: SpfResult) -> tuple[str, str]:
    if spf.passed and not spf.vouches():
        return spf.result.value, f"weak: {spf.weakness.value}"
    return (spf.result.value, spf.why) if spf.result is Result.PERMERROR else ("", "")


def _seconds(spf: SpfResult) -> float:
    """How long an answer is believed: one of TTL 0 need not be asked for again by every recipient of a message."""
    if spf.result is Result.TEMPERROR:
        return DOUBT_SECONDS
    return min(max(spf.ttl, DOUBT_SECONDS), VOUCHED_SECONDS)
