"""The tree walk (RFC 9989 §4.10): the records above a domain, and which name is its organisation.

    names_above("a.mail.example.org")                       -> ["a.mail.example.org", "mail.example.org", …, "org"]
    records = Records(resolver, deadline)
    found = await walk(records, "mail.example.org")
    found.organization, found.records                       # "example.org", {"example.org": Record(…)}

At most eight names are asked for one domain. Every name is asked once a message, and `Records` stops at
`bounds.MAX_DMARC_QUESTIONS`. What the DNS does not answer is `Doubt`, never absence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

from filter_api import bounds
from filter_api.dmarc.record import Record, parse_record
from filter_api.net.dns import Resolver, Status
from filter_api.text.escape import printable

MOST_QUESTIONS: Final = 8  # of one walk (RFC 9989 §4.10)

Found = TypeVar("Found")


class Doubt(Exception):
    """The DNS did not answer a question that matters. The text names it, as printable ASCII."""


def names_above(domain: str) -> list[str]:
    """The names a walk asks, from the domain itself to the top: of a long name the middle is left out."""
    labels = domain.split(".")
    first = max(1, len(labels) - MOST_QUESTIONS + 1)
    return [domain, *(".".join(labels[start:]) for start in range(first, len(labels)))]


def is_below(domain: str, other: str) -> bool:
    """Whether a name is `other` or below it."""
    return domain == other or domain.endswith("." + other)


class Records:
    """The DMARC records of names, and whether names exist, each asked for once. asked: the names, in their order."""

    def __init__(self, resolver: Resolver, deadline: float | None = None) -> None:
        """`deadline` is a time of the event loop; what is not known by then is doubt."""
        self._resolver = resolver
        self._deadline = deadline
        self._known: dict[str, Record | Doubt | None] = {}
        self._exist: dict[str, bool | Doubt] = {}

    @property
    def asked(self) -> dict[str, Record | Doubt | None]:
        """What was found at each name that was asked, in the order of the questions."""
        return self._known

    async def at(self, domain: str) -> Record | None:
        """The record of exactly this domain. Raises Doubt."""
        if domain not in self._known:
            self._known[domain] = await self._ask(domain)
        return _certain(self._known[domain])

    async def exists(self, domain: str) -> bool:
        """Whether the name exists, with whatever records (RFC 9989 §4.10.1). Raises Doubt."""
        if domain not in self._exist:
            answer = await self._resolver.resolve(domain, "A", deadline=self._deadline)
            doubt = Doubt(f"DNS does not answer for {printable(domain)}: {answer.why}")
            self._exist[domain] = doubt if answer.status is Status.TEMPFAIL else answer.status is not Status.NXDOMAIN
        return _certain(self._exist[domain])

    async def _ask(self, domain: str) -> Record | Doubt | None:
        if len(self._known) >= bounds.MAX_DMARC_QUESTIONS:
            return Doubt(f"more than {bounds.MAX_DMARC_QUESTIONS} questions for DMARC records")
        name = f"_dmarc.{domain}"
        answer = await self._resolver.resolve(name, "TXT", deadline=self._deadline)
        if answer.status is Status.TEMPFAIL or answer.cut:
            why = "more records than are read" if answer.cut else answer.why
            return Doubt(f"DNS does not answer for {printable(name)}: {why}")
        found = [record for record in map(parse_record, answer.texts()) if record is not None]
        return found[0] if len(found) == 1 else None  # two contradict each other: none counts, and the walk goes on


def _certain(known: Found | Doubt) -> Found:
    """What is known. Raises Doubt anew where that is one: what was raised holds its frames, and they hold all this."""
    if isinstance(known, Doubt):
        raise Doubt(str(known))
    return known


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found from a domain up: its organisation, and the records by their names, the lowest first."""

    domain: str
    organization: str
    records: dict[str, Record] = field(default_factory=dict)

    @property
    def above(self) -> str:
        """Where the policy is for a domain without a record of its own: its organisation, or the PSD; or empty."""
        if self.organization in self.records:
            return self.organization
        psds = [name for name, record in self.records.items() if record.psd == "y"]
        return psds[0] if psds else ""


async def walk(records: Records, domain: str) -> Walk:
    """Go up from a domain until a record says psd=y or psd=n, or the top is reached. Raises Doubt."""
    found: dict[str, Record] = {}
    for name in names_above(domain):
        record = await records.at(name)
        if record is not None:
            found[name] = record
            if record.psd == "n":
                return Walk(domain, name, found)
            if record.psd == "y":
                return Walk(domain, _one_below(domain, name), found)
    organization = list(found)[-1] if found else domain
    return Walk(domain, organization, found)


def _one_below(domain: str, above: str) -> str:
    """The name on the way to `domain` with one label more than `above`; the domain itself if it is that."""
    return ".".join(domain.split(".")[-above.count(".") - 2 :])
