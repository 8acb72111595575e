"""All that is looked at for one message: SPF, DKIM, ARC and DMARC, side by side, until a deadline.

What the DNS has not said by then is a temperror; what is known by then is used.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api.authenticated import Authenticated
from filter_api.bounds import SIGNED_AHEAD
from filter_api.dkim.arc import ArcChain
from filter_api.dkim.results import Outcome, Terms
from filter_api.dkim.results import Result as Dkim
from filter_api.dkim.signature import RawField
from filter_api.dkim.verify import Verified, judge
from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.evaluate import Found, Identifier, Standing, evaluate, look_up
from filter_api.dmarc.record import Record
from filter_api.dmarc.walk import Records
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.net.spf.result import SpfResult
from filter_api.session import Session
from filter_api.text.addresses import domain_of, strip_source_route
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels

_IPREV: Final = {"pass": "pass", "fail": "fail", "error": "temperror"}
_HIDDEN: Final = re.compile(rb"\r(?!\n)(?:from|authentication-results)[ \t]*:", re.IGNORECASE)
_LIST_FIELDS: Final = frozenset((b"list-id", b"list-post"))

AskSpf = Callable[[], Awaitable[SpfResult | None]]


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it is looked at: its header, `(name in lower case, raw bytes with CRLF)`, and its body in blocks."""

    fields: Sequence[RawField]
    body: Iterable[bytes]

    @property
    def authors(self) -> list[bytes]:
        """The values of its From fields."""
        return [raw.partition(b":")[2] for name, raw in self.fields if name == b"from"]

    @property
    def hides(self) -> bool:
        """Whether there is a field behind a bare CR, which is the end of a line to some readers, that must not be."""
        return any(_HIDDEN.search(raw) for _, raw in self.fields)

    @property
    def listed(self) -> bool:
        """Whether a mailing list says that it sent it."""
        return any(name in _LIST_FIELDS for name, _ in self.fields)


@dataclass(slots=True)
class Checked:
    """What was found. spf is a word of RFC 7208, strong whether a pass means anything; spf_property mailfrom or helo.

    found: None where there is no usable author, and no_author says why. record: the one the policy is from.
    """

    client: str
    iprev: str
    spf_property: str
    spf_domain: str
    chain: ArcChain
    spf: str = "none"
    strong: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    left_out: int = 0
    authors: list[str] = field(default_factory=list)
    found: Found | None = None
    no_author: str = ""
    record: Record | None = None

    @property
    def signers(self) -> frozenset[str]:
        """The domains of the signatures that hold."""
        return frozenset(each.name for each in self.outcomes if each.result is Dkim.PASS and each.name)

    @property
    def identifiers(self) -> list[Identifier]:
        """What SPF and DKIM give to DMARC."""
        standing = {"pass": Standing.PASS, "temperror": Standing.UNKNOWN}
        given = [("spf", self.spf, self.spf_domain)]
        given += [("dkim", each.result.value, each.name) for each in self.outcomes]
        return [Identifier(way, name, standing[word]) for way, word, name in given if name and word in standing]

    def known(self) -> Authenticated:
        """For other filters of the process."""
        found = self.found
        if found is None:
            return Authenticated(self.spf, self.spf_domain, self.signers, "permerror")
        dmarc = found.result.value
        return Authenticated(self.spf, self.spf_domain, self.signers, dmarc, found.author, found.policy)


def mail_of(message: Message) -> Mail:
    """A message that smtpd has given, read once."""
    header = message.header
    return Mail([(each.key, each.raw) for each in header.fields], _body(message.text(), header.size + 2))


def _body(blocks: Iterable[bytes], skip: int) -> Iterable[bytes]:
    """The blocks without the first `skip` bytes: the header and its empty line."""
    for block in blocks:
        if skip < len(block):
            yield block[skip:] if skip else block
        skip = max(0, skip - len(block))


async def check(
    session: Session,
    mail: Mail,
    ask_spf: AskSpf,
    resolver: Resolver,
    *,
    records: Records,
    now: float,
    bits: int,
    deadline: float | None,
) -> Checked:
    """Look at a message. now: seconds since 1970; bits: of the shortest RSA key; deadline: the event loop's time."""
    checked = _begin(session, ArcChain(mail.fields, bits))
    try:
        checked.authors = _authors_of(mail)
    except Unusable as problem:
        checked.no_author = str(problem)
    terms = Terms(bits=bits, ahead=SIGNED_AHEAD, partial=False)
    also = [checked.chain]
    spf, verified, _ = await asyncio.gather(
        ask_spf(),
        judge(
            mail.fields,
            mail.body,
            resolver,
            now=now,
            terms=terms,
            deadline=deadline,
            also=also,
            authors=checked.authors,
        ),
        _fetch(records, checked.authors),
    )
    _take_spf(checked, spf, session)
    _take_signatures(checked, verified)
    if checked.authors:
        checked.found = await evaluate(records, checked.authors, checked.identifiers)
        known = records.asked.get(checked.found.record_at)
        checked.record = known if isinstance(known, Record) else None
    return checked


def _authors_of(mail: Mail) -> list[str]:
    """Raises Unusable."""
    if mail.hides:
        raise Unusable("a From or Authentication-Results field behind a bare CR")
    return author_domains(mail.authors)


def _begin(session: Session, chain: ArcChain) -> Checked:
    sender = strip_source_route(session.sender or b"")
    name = domain_of(sender) if sender else (session.identity or b"").removesuffix(b".")
    client = "" if session.address is None else str(session.address)
    iprev = _IPREV.get(session.fcrdns, "") if client else ""
    return Checked(client, iprev, "mailfrom" if sender else "helo", printable(a_labels(name), 253), chain)


def _take_spf(checked: Checked, spf: SpfResult | None, session: Session) -> None:
    if spf is not None:
        checked.spf, checked.strong = spf.result.value, spf.vouches()
    elif session.address is None and checked.spf_domain:
        checked.spf = "temperror"  # smtpd cannot tell the client's address


def _take_signatures(checked: Checked, verified: Verified) -> None:
    checked.outcomes, checked.left_out = verified.outcomes, verified.left_out


async def _fetch(records: Records, authors: Sequence[str]) -> None:
    """Ask about the authors while SPF and DKIM are checked; what comes of it is known to `records`.

    All of it, needed or not: when a stranger's silent name servers have used up the time, or a stranger's deep names
    the questions, nobody could ask any more, and a forgery would be a temperror. For the same reason no author waits
    for another.
    """
    await asyncio.gather(*(look_up(records, author) for author in authors))
