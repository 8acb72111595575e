"""The evaluation of SPF records for one client: check_host() of RFC 7208 §4.6 to §5, with its limits.

`Check(...).domain(name)` evaluates the record of a domain and of those it leads to. It returns a `Found`; it raises
SpfSyntaxError for what the RFC calls a permanent error and TempError for a temporary one. filter_api.net.spf is what
filters use.

Whatever the records say, the loop is given a turn every `SLICE` seconds: where all answers are known, nothing else
would make this wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from filter_api.bounds import MAX_SPF_RECORDS, MAX_SPF_VALUE
from filter_api.net.dns import Answer, Resolver, Status, canonical_name, reverse_name
from filter_api.net.spf.macro import MacroString, SpfSyntaxError, shorten
from filter_api.net.spf.record import Directive, Record, parse_record, select_record
from filter_api.net.spf.result import Result, Weakness
from filter_api.net.spf.strength import Reach
from filter_api.text.addresses import Address

MAX_TERMS: Final = 10  # RFC 7208 §4.6.4, as the others here
MAX_VOID: Final = 2
MAX_MX: Final = 10
MAX_PTR: Final = 10
SLICE: Final = 0.010  # seconds
CLIENTS_WORDS: Final = frozenset("slhip")  # macro letters: what the client says, and its address

_OF_QUALIFIER: Final = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


class TempError(Exception):
    """A question of the DNS was not answered (§2.6.6)."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result for one domain, and what decided it."""

    result: Result
    mechanism: str = ""
    domain: str = ""
    weakness: Weakness = Weakness.NONE
    why: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How the evaluation came to a record.

    `theirs`: by a name made of what the client is or says; it would have come to another record with another client.
    `passing`: a match there lets the client pass.
    """

    theirs: bool = False
    passing: bool = True


NO_MATCH: Final = Found(Result.NEUTRAL)
DIRECT: Final = Way()


class Check:
    """One evaluation: its facts and what it has used up of the limits."""

    def __init__(self, resolver: Resolver, address: Address, facts: Mapping[str, str], deadline: float) -> None:
        self._resolver = resolver
        self._address = address
        self._kind = "A" if isinstance(address, IPv4Address) else "AAAA"
        self._facts = dict(facts) | _address_facts(address)
        self._deadline = deadline
        self._terms = 0
        self._voids = 0
        self._bytes = 0  # of all records
        self._reach = Reach()
        self._turn = time.perf_counter()
        self._names: list[str] | None = None  # the client's validated names, once they were asked for
        self._clients_words = CLIENTS_WORDS
        self.ttl = 2**31 - 1

    async def sender(self, domain: str) -> Found:
        """Evaluate the record of the domain that is asked about; raises as `domain` does."""
        if self._facts["o"].lower() != domain.removesuffix(".").lower():
            self._clients_words |= {"o"}  # then the sender's domain is another, which the client chose
        return await self.domain(domain, DIRECT)

    async def domain(self, domain: str, way: Way) -> Found:
        """Evaluate the record of one domain; SpfSyntaxError is permerror, TempError is temperror."""
        name = canonical_name(domain, spaces=True)
        if name is None or "." not in name or name.startswith("["):
            return Found(Result.NONE, why="not a domain")
        record = await self._record(name)
        if record is None:
            return Found(Result.NONE, why="no SPF record")
        if way.passing:
            self._reach.add_record(name, record.addresses)
        version, number = self._address.version, int(self._address)
        for directive in record.directives:
            network = directive.network
            if network is not None and (network.version != version or number >> network.shift != network.bits):
                continue  # as nearly all of them
            found = await self._match(directive, name, way)
            if found is not None:
                return found
        if record.redirect is None:
            return NO_MATCH
        return await self._redirect(record.redirect, name, way)

    async def _record(self, name: str) -> Record | None:
        answer = await self._ask(name, "TXT")
        if answer.cut:
            raise SpfSyntaxError(f"{name} has more TXT records than are read")
        text = select_record(answer.texts())
        if text is None:
            return None
        self._bytes += len(text)
        if self._bytes > MAX_SPF_RECORDS:
            raise SpfSyntaxError(f"records of more than {MAX_SPF_RECORDS} bytes in all")
        record = parse_record(text)
        if time.perf_counter() - self._turn > SLICE:
            await self._give_way()
        return record

    async def _redirect(self, spec: MacroString, domain: str, way: Way) -> Found:
        self._count_term()
        target = await self._expand(spec, domain)
        found = await self.domain(target, Way(way.theirs or self._is_theirs(spec), way.passing))
        if found.result is Result.NONE:
            raise SpfSyntaxError(f"redirect={target}: {found.why}")
        return found

    async def _match(self, directive: Directive, domain: str, way: Way) -> Found | None:
        """The result if this directive matches, None if the next one has to be tried."""
        result = _OF_QUALIFIER[directive.qualifier]
        if directive.name == "all":
            return Found(result, "all", domain, Weakness.ALL)
        if directive.network is not None:  # which holds the client
            return Found(result, directive.text, domain, self._weakness(directive.network.prefixlen, way))
        self._count_term()
        target, theirs = domain, way.theirs
        if directive.domain is not None:
            target = await self._expand(directive.domain, domain)
            theirs = theirs or self._is_theirs(directive.domain)
        way = Way(theirs, way.passing and result is Result.PASS)
        found = await self._MATCHERS[directive.name](self, directive, target, way)
        if found is None:
            return None
        if directive.name == "include":
            return Found(result, found.mechanism, found.domain, found.weakness)
        return Found(result, directive.text, domain, found.weakness)

    async def _include(self, _: Directive, target: str, way: Way) -> Found | None:
        found = await self.domain(target, way)
        if found.result is Result.NONE:
            raise SpfSyntaxError(f"include:{target}: {found.why}")
        return found if found.result is Result.PASS else None

    async def _a(self, directive: Directive, target: str, way: Way) -> Found | None:
        networks: set[int] = set()
        answer = await self._ask(target, self._kind, counts=True)
        return self._of_networks(networks, directive, way, matches=self._covers(answer, directive, networks))

    async def _mx(self, directive: Directive, target: str, way: Way) -> Found | None:
        answer = await self._ask(target, "MX", counts=True)
        if len(answer.records) > MAX_MX:
            raise SpfSyntaxError(f"more than {MAX_MX} MX records: {target}")
        networks: set[int] = set()
        matches = False
        for _, exchange in answer.exchanges():
            # The target of a null MX is the root, which has no address.
            if exchange and self._covers(await self._ask(exchange, self._kind), directive, networks):
                matches = True
                break
        return self._of_networks(networks, directive, way, matches=matches)

    async def _exists(self, _: Directive, target: str, way: Way) -> Found | None:
        answer = await self._ask(target, "A", counts=True)  # A for IPv6 clients too (§5.7)
        return Found(Result.PASS, weakness=Weakness.EXISTS) if answer.records else None

    async def _ptr(self, _: Directive, target: str, way: Way) -> Found | None:
        target = target.lower()
        names = await self._validated_names()
        matches = any(_within(name, target) for name in names)
        return Found(Result.PASS, weakness=Weakness.PTR) if matches else None

    # Not of the instance: methods that it keeps of itself would keep it until the next collection.
    _MATCHERS: Final = {"include": _include, "a": _a, "mx": _mx, "ptr": _ptr, "exists": _exists}

    def _covers(self, answer: Answer, directive: Directive, networks: set[int]) -> bool:
        """Add the networks of the addresses in an answer, as far as the cidr-length goes: is the client's there?"""
        shift = self._address.max_prefixlen - self._prefix(directive)
        networks.update(int(address) >> shift for address in answer.addresses())
        if int(self._address) >> shift in networks:
            return True
        if answer.cut:
            raise SpfSyntaxError("a name has more addresses than are read")
        return False

    def _of_networks(self, networks: set[int], directive: Directive, way: Way, *, matches: bool) -> Found | None:
        prefix = self._prefix(directive)
        if way.passing:
            self._reach.add_networks(self._address.version, prefix, len(networks))
        return Found(Result.PASS, weakness=self._weakness(prefix, way)) if matches else None

    def _prefix(self, directive: Directive) -> int:
        return directive.prefix4 if self._address.version == 4 else directive.prefix6

    def _weakness(self, prefix: int, way: Way) -> Weakness:
        """What is wrong with a match by a network of that prefix length."""
        found = self._reach.weakness(self._address.version, prefix)
        return Weakness.MACRO if found is Weakness.NONE and way.theirs else found

    def _is_theirs(self, spec: MacroString) -> bool:
        return bool(spec.letters & self._clients_words)

    async def _expand(self, spec: MacroString, domain: str) -> str:
        letters = spec.letters
        if not letters:
            return shorten(spec.expand({}))
        values = self._facts | {"d": domain}
        if "p" in letters:
            values["p"] = await self._best_name(domain)
        for letter in letters:
            if len(values[letter]) > MAX_SPF_VALUE:
                raise SpfSyntaxError(f"the value of %{{{letter}}} is longer than {MAX_SPF_VALUE}")
        return shorten(spec.expand(values))

    async def _best_name(self, domain: str) -> str:
        """The value of %{p}: the domain itself, a name below it, any validated name, or "unknown" (§7.3)."""
        names = await self._validated_names()
        return next(
            (name for test in (domain.__eq__, lambda n: _within(n, domain), bool) for name in names if test(name)),
            "unknown",
        )

    async def _validated_names(self) -> list[str]:
        """Names of the client that lead back to it; DNS trouble only means fewer of them (§5.5)."""
        if self._names is None:
            answer = await self._resolver.resolve(reverse_name(self._address), "PTR", deadline=self._deadline)
            self.ttl = min(self.ttl, answer.ttl)
            self._names = [name for name in answer.names()[:MAX_PTR] if await self._leads_back(name)]
        return self._names

    async def _leads_back(self, name: str) -> bool:
        answer = await self._resolver.resolve(name, self._kind, deadline=self._deadline)
        return self._address in answer.addresses()

    async def _ask(self, name: str, kind: str, *, counts: bool = False) -> Answer:
        """Ask for a name an SPF record led to; `counts` if an empty answer is a void lookup."""
        if canonical_name(name, spaces=True) is None:
            return Answer(Status.NXDOMAIN)  # as if it did not exist (§4.3, §4.8); nothing was looked up
        answer = await self._resolver.resolve(name, kind, deadline=self._deadline, spaces=True)
        if time.perf_counter() - self._turn > SLICE:
            await self._give_way()
        if answer.status is Status.TEMPFAIL and answer.cut:
            raise SpfSyntaxError(f"{kind} of {name}: {answer.why}")  # it will not be smaller the next time
        if answer.status is Status.TEMPFAIL:
            raise TempError(f"{kind} of {name}: {answer.why}")
        self.ttl = min(self.ttl, answer.ttl)
        if counts and answer.missing:
            self._voids += 1
            if self._voids > MAX_VOID:
                raise SpfSyntaxError(f"more than {MAX_VOID} void lookups")
        return answer

    async def _give_way(self) -> None:
        """Let the loop do something else."""
        await asyncio.sleep(0)
        self._turn = time.perf_counter()

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise SpfSyntaxError(f"more than {MAX_TERMS} terms that need the DNS")


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)


def _address_facts(address: Address) -> dict[str, str]:
    """The macro letters i, c and v (§7.2, §7.3)."""
    if isinstance(address, IPv4Address):
        return {"i": str(address), "c": str(address), "v": "in-addr"}
    nibbles = ".".join(address.exploded.replace(":", ""))
    return {"i": nibbles, "c": str(address), "v": "ip6"}
