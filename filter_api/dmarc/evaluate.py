"""Does a message pass DMARC (RFC 9989 §5.3)? For each domain of its author, from what SPF and DKIM said.

    found = await evaluate(records, ["example.org"], [Identifier("spf", "bounce.example.org", Standing.PASS)])
    found.result, found.policy                              # Dmarc.PASS, "reject"

An identifier that passes and is aligned is a pass. One that nobody knows about (the DNS did not answer) makes it a
temperror, but only if it could be aligned and no other one passes: a stranger's broken DNS hides no forgery.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from filter_api.dmarc.record import WEAKER, Record
from filter_api.dmarc.walk import Doubt, Records, Walk, is_below, walk


class Dmarc(enum.Enum):
    """The results of RFC 9989 §9.1."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - the word of the RFC, not a password
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Standing(enum.Enum):
    """What SPF or DKIM know of an identifier; one that fails is of no account and is not given."""

    PASS = "pass"  # noqa: S105 - no password
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM have looked at: `method` is spf or dkim, `domain` has A-labels in lower case."""

    method: str
    domain: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one author domain.

    policy: what its owner asks for, t= included: none, quarantine, reject, or empty where that is not known.
    record_at: the domain whose record has it, or empty. organization: of the author, where it was asked for.
    published: the same without t=. reason: why it is a temperror or permerror. aligned: the identifiers that made it
    pass, as ``dkim:example.org``. missing: of a temperror with a known policy, the methods that might make it pass.
    """

    result: Dmarc
    author: str
    policy: str = ""
    record_at: str = ""
    organization: str = ""
    published: str = ""
    reason: str = ""
    aligned: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()

    @property
    def testing(self) -> bool:
        """Whether t=y made the policy a weaker one."""
        return self.policy != self.published


#: The worst first: of several authors this one is the message's. What may be a failure is worse than one that nobody
#: minds, else a forger would put a domain of their own beside the one whose DNS does not answer.
_WORST: Final = (
    (Dmarc.FAIL, "reject"),
    (Dmarc.FAIL, "quarantine"),
    (Dmarc.TEMPERROR, ""),
    (Dmarc.FAIL, "none"),
    (Dmarc.TEMPERROR, "none"),
    (Dmarc.PERMERROR, ""),
    (Dmarc.NONE, ""),
    (Dmarc.PASS, ""),
)


async def evaluate(records: Records, authors: Sequence[str], identifiers: Sequence[Identifier]) -> Found:
    """Judge each domain of the author; the strictest failing one counts (RFC 9989 §11.5). Never raises for the DNS."""
    found = [await _evaluate_one(records, author, identifiers) for author in authors]
    return min(found, key=_rank)


def _rank(found: Found) -> int:
    told = found.result is Dmarc.FAIL or (found.result is Dmarc.TEMPERROR and found.policy == "none")
    return _WORST.index((found.result, found.policy if told else ""))


async def look_up(records: Records, author: str) -> None:
    """Ask all that `evaluate` may want to know of an author, whatever the identifiers will be. Never raises."""
    await _evaluate_one(records, author, [])
    with suppress(Doubt):
        await walk(records, author)


async def _evaluate_one(records: Records, author: str, identifiers: Sequence[Identifier]) -> Found:
    try:
        own = await records.at(author)
        above = await walk(records, author) if own is None else None
        place = author if above is None else above.above
        record = await records.at(place) if place else None
        organization = above.organization if above is not None else ""
        if record is None:
            return Found(Dmarc.NONE, author, organization=organization)
        if not record.usable:
            reason = "its record has no valid policy"
            return Found(Dmarc.PERMERROR, author, record_at=place, organization=organization, reason=reason)
        published = await _policy(records, record, author, own=own is not None)
    except Doubt as doubt:
        return Found(Dmarc.TEMPERROR, author, reason=str(doubt))
    policy = WEAKER[published] if record.testing else published
    found = Found(Dmarc.FAIL, author, policy, place, organization, published)
    return await _judge(records, found, record, identifiers)


async def _policy(records: Records, record: Record, author: str, *, own: bool) -> str:
    """The policy for an author domain; whether it exists is asked only where that matters. Raises Doubt."""
    exists = own or record.np == record.sp or await records.exists(author)
    return record.policy(own=own, exists=exists)


async def _judge(records: Records, found: Found, record: Record, identifiers: Sequence[Identifier]) -> Found:
    """Look for an identifier that is aligned: the failure that was found so far, or what it becomes."""
    aligned: list[str] = []
    missing: dict[str, str] = {}
    for one in identifiers:
        strict = record.strict_spf if one.method == "spf" else record.strict_dkim
        try:
            fits = await _is_aligned(records, one.domain, found.author, strict=strict)
        except Doubt as doubt:
            missing["dns"] = str(doubt)
            continue
        if fits and one.standing is Standing.PASS:
            aligned.append(f"{one.method}:{one.domain}")
        elif fits:
            missing[one.method] = f"{one.method} of {one.domain} cannot be checked"
    if aligned:
        return replace(found, result=Dmarc.PASS, aligned=tuple(aligned))
    if missing:
        why = next(iter(missing.values()))
        return replace(found, result=Dmarc.TEMPERROR, reason=why, missing=frozenset(missing))
    return found


async def _is_aligned(records: Records, domain: str, author: str, *, strict: bool) -> bool:
    """Whether an identifier is in alignment (RFC 9989 §4.4). Raises Doubt.

    The organisation of a domain is the domain or above it, so one that is not below the author's organisation need not
    be asked about: whatever its DNS says, it is another's.
    """
    if domain == author:
        return True
    if strict or domain.rpartition(".")[2] != author.rpartition(".")[2]:
        return False
    of_author: Walk = await walk(records, author)
    if not is_below(domain, of_author.organization):
        return False
    return (await walk(records, domain)).organization == of_author.organization
