"""Where a report goes: the mailto: addresses of rua=, those outside the domain only if they say so (RFC 9990 §4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urlsplit

from filter_api.dmarc.record import Record, parse_record
from filter_api.dmarc.walk import Doubt, Records, walk
from filter_api.net.dns import Resolver, Status
from filter_api.text.idn import a_labels

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"(?=[^@]{{1,64}}@[^@]{{1,253}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*\Z"  # RFC 5321 §4.1.2
)
_SIZE: Final = re.compile(r"![0-9]+[kmgtKMGT]?\Z")  # of RFC 7489, history since


@dataclass(frozen=True, slots=True)
class Destination:
    """An address as rua= has it, and where to send to; why is empty unless it must not get any, and again: not now."""

    uri: str
    address: str
    why: str = ""
    again: bool = False


def address_of(uri: str) -> str:
    """The mail address of a mailto: URI; empty for another URI, and for an address that is not safe to use."""
    scheme, _, rest = uri.partition(":")
    local, at, host = unquote(_SIZE.sub("", rest).partition("?")[0]).rpartition("@")
    if rest.isascii() and not host.isascii():  # a U-label is percent-encoded (RFC 6068 §2)
        host = a_labels(host.encode()).decode("latin-1")
    address = f"{local}{at}{host}"
    return address if scheme.lower() == "mailto" and _ADDRESS.match(address) else ""


async def destinations(resolver: Resolver, domain: str, record: Record) -> list[Destination]:
    """Every address of a record, each once, in its order. domain: where the record was found."""
    found: dict[str, Destination] = {}
    for uri in record.reports:
        if address := address_of(uri):
            one = await _confirmed(resolver, domain, uri, address)
            local, _, _ = one.address.rpartition("@")
            found.setdefault(f"{local}@{_host(one.address)}", one)
    return list(found.values())


async def _confirmed(resolver: Resolver, domain: str, uri: str, address: str) -> Destination:
    host = _host(address)
    try:
        records = Records(resolver)
        inside = (
            host == domain or (await walk(records, host)).organization == (await walk(records, domain)).organization
        )
    except Doubt as doubt:
        return Destination(uri, address, str(doubt), again=True)
    if inside:
        return Destination(uri, address)
    answer = await resolver.resolve(f"{domain}._report._dmarc.{host}", "TXT")
    if answer.status is Status.TEMPFAIL:
        return Destination(uri, address, f"DNS does not answer for {domain}._report._dmarc.{host}", again=True)
    found = [record for record in map(parse_record, answer.texts()) if record is not None]
    if not found:
        return Destination(uri, address, f"{host} has not said that it wants reports for {domain}")
    return _overridden(Destination(uri, address), host, found)


def _overridden(asked: Destination, host: str, confirming: Sequence[Record]) -> Destination:
    """The destination that the confirming records want instead, if they name one: at the same host."""
    others = [other for each in confirming for one in each.reports if (other := address_of(one))]
    otherwise = [one for each in confirming for one in each.otherwise]
    if not all(name == host for name in [*map(_host, others), *map(_host_of_uri, otherwise)]):
        return replace(asked, why=f"{host} names an address of another host")
    if otherwise and not others:
        return replace(asked, why=f"{host} wants no reports by mail")
    return replace(asked, address=others[0]) if others else asked


def _host(address: str) -> str:
    return a_labels(address.rpartition("@")[2].encode("ascii")).decode("ascii").removesuffix(".")


def _host_of_uri(uri: str) -> str:
    try:
        return (urlsplit(uri).hostname or "").removesuffix(".")
    except ValueError:
        return ""
