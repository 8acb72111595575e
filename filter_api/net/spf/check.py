"""The evaluation of SPF records for one client: check_host() of RFC 7208 §4.6 to §5, with its limits.

`Check(...).domain(name)` evaluates the record of a domain and of those it leads to. It returns a `Found`; it raises
SpfSyntaxError for what the RFC calls a permanent error and TempError for a temporary one. filter_api.net.spf is what
filters use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import Final

from filter_api.net.dns import Answer, Resolver, Status, canonical_name, reverse_name
from filter_api.net.spf.macro import MacroString, SpfSyntaxError, shorten
from filter_api.net.spf.record import Directive, parse_record, select_record
from filter_api.net.spf.result import Result
from filter_api.text.addresses import Address

MAX_TERMS: Final = 10  # RFC 7208 §4.6.4, as the others here
MAX_VOID: Final = 2
MAX_MX: Final = 10
MAX_PTR: Final = 10
STRONG_PREFIX: Final = {4: 12, 6: 28}
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
    strong: bool = False
    why: str = ""


NO_MATCH: Final = Found(Result.NEUTRAL)


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
        self._names: list[str] | None = None  # the client's validated names, once they were asked for
        self._matchers = {
            "include": self._include,
            "a": self._a,
            "mx": self._mx,
            "ptr": self._ptr,
            "exists": self._exists,
        }
        self.ttl = 2**31 - 1

    async def domain(self, domain: str) -> Found:
        """Evaluate the record of one domain; SpfSyntaxError is permerror, TempError is temperror."""
        name = canonical_name(domain, spaces=True)
        if name is None or "." not in name or name.startswith("["):
            return Found(Result.NONE, why="not a domain")
        answer = await self._ask(name, "TXT")
        text = select_record(answer.texts())
        if text is None:
            return Found(Result.NONE, why="no SPF record")
        record = parse_record(text)
        for directive in record.directives:
            found = await self._match(directive, name)
            if found is not None:
                return found
        if record.redirect is None:
            return NO_MATCH
        return await self._redirect(record.redirect, name)

    async def _redirect(self, spec: MacroString, domain: str) -> Found:
        self._count_term()
        target = await self._expand(spec, domain)
        found = await self.domain(target)
        if found.result is Result.NONE:
            raise SpfSyntaxError(f"redirect={target}: {found.why}")
        return found

    async def _match(self, directive: Directive, domain: str) -> Found | None:
        """The result if this directive matches, None if the next one has to be tried."""
        result = _OF_QUALIFIER[directive.qualifier]
        if directive.name == "all":
            return Found(result, "all", domain)
        if directive.network is not None:
            if self._address not in directive.network:
                return None
            return Found(result, directive.text, domain, self._narrow(directive.network.prefixlen))
        self._count_term()
        target = domain if directive.domain is None else await self._expand(directive.domain, domain)
        found = await self._matchers[directive.name](directive, target)
        if found is None:
            return None
        inner = directive.name == "include"
        return Found(
            result,
            found.mechanism if inner else directive.text,
            found.domain if inner else domain,
            found.strong,
        )

    async def _include(self, _: Directive, target: str) -> Found | None:
        found = await self.domain(target)
        if found.result is Result.NONE:
            raise SpfSyntaxError(f"include:{target}: {found.why}")
        return found if found.result is Result.PASS else None

    async def _a(self, directive: Directive, target: str) -> Found | None:
        answer = await self._ask(target, self._kind, counts=True)
        return self._among(answer, directive)

    async def _mx(self, directive: Directive, target: str) -> Found | None:
        exchanges = (await self._ask(target, "MX", counts=True)).exchanges()
        if len(exchanges) > MAX_MX:
            raise SpfSyntaxError(f"more than {MAX_MX} MX records: {target}")
        for _, exchange in exchanges:
            # The target of a null MX is the root, which has no address.
            found = self._among(await self._ask(exchange, self._kind), directive) if exchange else None
            if found is not None:
                return found
        return None

    async def _exists(self, _: Directive, target: str) -> Found | None:
        answer = await self._ask(target, "A", counts=True)  # A for IPv6 clients too (§5.7)
        return NO_MATCH if answer.records else None

    async def _ptr(self, _: Directive, target: str) -> Found | None:
        target = target.lower()
        names = await self._validated_names()
        return NO_MATCH if any(_within(name, target) for name in names) else None

    def _among(self, answer: Answer, directive: Directive) -> Found | None:
        """Does an address of the answer match the client's, as far as the cidr-length goes?"""
        prefix = directive.prefix4 if self._address.version == 4 else directive.prefix6
        network = ip_network((self._address, prefix), strict=False)
        if not any(address in network for address in answer.addresses()):
            return None
        letters = directive.domain.letters if directive.domain is not None else frozenset[str]()
        return Found(Result.PASS, strong=self._narrow(prefix) and not letters & CLIENTS_WORDS)

    def _narrow(self, prefix: int) -> bool:
        return prefix >= STRONG_PREFIX[self._address.version]

    async def _expand(self, spec: MacroString, domain: str) -> str:
        values = self._facts | {"d": domain}
        if "p" in spec.letters:
            values["p"] = await self._best_name(domain)
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
        if answer.status is Status.TEMPFAIL:
            raise TempError(f"{kind} of {name}: {answer.why}")
        self.ttl = min(self.ttl, answer.ttl)
        if counts and answer.missing:
            self._voids += 1
            if self._voids > MAX_VOID:
                raise SpfSyntaxError(f"more than {MAX_VOID} void lookups")
        return answer

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
