"""What the world sees of our own names: for ``filterctl doctor``.

Of each domain: an SPF record that no receiver has to give up on, and a DMARC record. Of this host: its address leads
back to the name it says in HELO, and its certificates are for the names its listeners greet with. Filter-dkimsign's own
diagnosis asks for the selectors of keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final

from cryptography import x509

from filter_api.dmarc.walk import Doubt, Records, walk
from filter_api.net.dns import Resolver, Status
from filter_api.net.rdns import Finding, look_up
from filter_api.net.spf.budget import budget
from filter_api.net.spf.check import MAX_TERMS, TempError
from filter_api.net.spf.macro import SpfSyntaxError
from filter_api.text.addresses import Address
from filterctl.conf.ownnames import Certificate, OwnNames

Remark = tuple[str, str]
Told = tuple[str, str, str]
"""Whom it is about, severity and text."""

AT_ONCE: Final = 8
SECONDS: Final = 60.0
MOST: Final = 200
"""Domains that are asked about; who has more would wait for minutes, and knows how to ask for one."""


def remarks(own: OwnNames, signed: Iterable[str], resolver: Resolver) -> Iterator[Told]:
    """All that is found. signed: the domains of filter-dkimsign, beside those of smtpd.conf."""
    domains = list(dict.fromkeys([*own.domains, *signed]))
    yield from asyncio.run(_asked(domains[:MOST], list(own.helos), resolver))
    if len(domains) > MOST:
        yield "domains", "note", f"{len(domains) - MOST} more are not looked at: filterctl auth domain looks at one"
    for certificate in own.certificates:
        for severity, text in certified(certificate):
            yield f"name {certificate.greeting}", severity, text


async def _asked(domains: Sequence[str], helos: Sequence[str], resolver: Resolver) -> list[Told]:
    """Of every domain and HELO name, some at a time."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(what: str, name: str, look: Callable[[str, Resolver, float], Awaitable[list[Remark]]]) -> list[Told]:
        async with turn:
            return [(f"{what} {name}", *remark) for remark in await look(name, resolver, deadline)]

    questions = [ask("domain", name, domain_remarks) for name in domains]
    questions += [ask("name", name, host_remarks) for name in helos]
    return [told for each in await asyncio.gather(*questions) for told in each]


async def domain_remarks(domain: str, resolver: Resolver, deadline: float) -> list[Remark]:
    """Its SPF and its DMARC record. deadline: a time of the event loop."""
    return [await _spf(domain, resolver, deadline), await _dmarc(domain, resolver, deadline)]


async def _spf(domain: str, resolver: Resolver, deadline: float) -> Remark:
    try:
        found = await budget(resolver, domain, deadline)
    except SpfSyntaxError as error:
        return "error", f"its SPF record is a permanent error to every receiver: {error}"
    except TempError as error:
        return "warning", f"its SPF record is not known: {error}"
    if found is None:
        return "warning", "it has no SPF record: publish v=spf1 mx -all, or v=spf1 -all where it sends nothing"
    if found.questions > MAX_TERMS:
        text = f"its SPF record costs more than {MAX_TERMS} questions: a permanent error, include fewer"
        return "error", text
    if found.open_:
        return "error", "its SPF record lets everybody send (+all): end it with -all or ~all"
    return "ok", f"its SPF record costs {found.questions} of {MAX_TERMS} questions"


async def _dmarc(domain: str, resolver: Resolver, deadline: float) -> Remark:
    try:
        found = await walk(Records(resolver, deadline), domain)
    except Doubt as doubt:
        return "warning", f"its DMARC record is not known: {doubt}"
    place = domain if domain in found.records else found.above
    if not place:
        return "warning", f"it has no DMARC record: publish v=DMARC1; p=none at _dmarc.{domain} to begin with"
    record = found.records[place]
    if not record.usable:
        return "error", f"the DMARC record at _dmarc.{place} has no valid policy: p= is none, quarantine or reject"
    return "ok", f"its DMARC policy is {record.policy(own=place == domain, exists=True)} (_dmarc.{place})"


async def host_remarks(name: str, resolver: Resolver, deadline: float) -> list[Remark]:
    """Whether the addresses of a HELO name lead back to it. deadline: a time of the event loop."""
    addresses: list[Address] = []
    for kind in ("A", "AAAA"):
        answer = await resolver.resolve(name, kind, deadline=deadline)
        if answer.status is Status.TEMPFAIL:
            return [("warning", f"its addresses are not known: {answer.why}")]
        addresses += answer.addresses()
    if not addresses:
        return [("error", "the DNS has no address for the name that smtpd says in HELO")]
    found = []
    for address in addresses:
        reverse = await look_up(resolver, address, forward=True, heard=[name.encode()], deadline=deadline)
        if reverse.finding is Finding.DOUBT:
            found.append(("warning", f"the reverse DNS of {address} is not known: {reverse.why}"))
        elif reverse.finding is Finding.CONFIRMED and reverse.names[0] == name.lower():
            found.append(("ok", f"{address} leads back to it"))
        else:
            said = ", ".join(reverse.names) or "nothing"
            found.append(("error", f"the reverse DNS of {address} says {said}, and smtpd says {name} in HELO"))
    return found


def certified(certificate: Certificate) -> Iterator[Remark]:
    """Whether one of a listener's certificates is for the name it greets with."""
    known: list[str] = []
    for path in certificate.files:
        try:
            with open(path, "rb") as file:
                known += names_of(x509.load_pem_x509_certificate(file.read()))
        except (OSError, ValueError) as error:
            yield "warning", f"certificate {path} cannot be read: {error}"
            return
    if any(covers(each, certificate.greeting) for each in known):
        yield "ok", "its certificate is for this name"
    elif certificate.files:
        yield "error", f"its certificate is for {', '.join(known[:5]) or 'no name'}, and not for this name"


def names_of(certificate: x509.Certificate) -> list[str]:
    """The names in the DNS it is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return [str(each.value) for each in common]


def covers(pattern: str, name: str) -> bool:
    """Whether a name of a certificate, which may begin with ``*.``, stands for this one (RFC 9525 §6.3)."""
    if pattern.startswith("*."):
        return name.partition(".")[2].lower() == pattern[2:].lower()
    return pattern.lower() == name.lower()
