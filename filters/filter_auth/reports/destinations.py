"""Where a report goes: the mailto: addresses of rua=, those outside the domain only if they say so (RFC 9990 §4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

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
    """An address as rua= has it, and where to send to; why is empty unless it must not get any now, or ever."""

    uri: str
    address: str
    why: str = ""


def address_of(uri: str) -> str:
    """The mail address of a mailto: URI; empty for another URI, and for an address that is not safe to use."""
    scheme, _, rest = uri.partition(":")
    address = unquote(_SIZE.sub("", rest).partition("?")[0])
    return address if scheme.lower() == "mailto" and _ADDRESS.match(address) else ""


async def destinations(resolver: Resolver, domain: str, record: Record) -> list[Destination]:
    """Every address of a record, in its order. domain: where the record was found."""
    return [await _confirmed(resolver, domain, uri, address) for uri in record.reports if (address := address_of(uri))]


async def _confirmed(resolver: Resolver, domain: str, uri: str, address: str) -> Destination:
    host = _host(address)
    try:
        records = Records(resolver)
        inside = (
            host == domain or (await walk(records, host)).organization == (await walk(records, domain)).organization
        )
    except Doubt as doubt:
        return Destination(uri, address, str(doubt))
    if inside:
        return Destination(uri, address)
    answer = await resolver.resolve(f"{domain}._report._dmarc.{host}", "TXT")
    if answer.status is Status.TEMPFAIL:
        return Destination(uri, address, f"DNS does not answer for {domain}._report._dmarc.{host}")
    found = [record for record in map(parse_record, answer.texts()) if record is not None]
    if not found:
        return Destination(uri, address, f"{host} has not said that it wants reports for {domain}")
    others = [other for each in found for one in each.reports if (other := address_of(one))]
    if not others:
        return Destination(uri, address)
    if all(_host(other) == host for other in others):
        return Destination(uri, others[0])
    return Destination(uri, address, f"{host} names an address of another host")


def _host(address: str) -> str:
    return a_labels(address.rpartition("@")[2].encode("ascii")).decode("ascii").removesuffix(".")
