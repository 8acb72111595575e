"""SPF records (RFC 7208 §4.5, §5, §6 and §12) as values: which TXT record it is, and what it says.

`select_record` picks the one SPF record of a domain out of its TXT records, `parse_record` turns it into directives
and modifiers. Every error of syntax anywhere in the record is found here, before anything is evaluated (§4.6), and
raises SpfSyntaxError. So does a record that is larger than `filter_api.bounds` says.

A record is parsed once, not once for every sender: what came of it, an error too, is kept by its content.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from filter_api.bounds import MAX_SPF_KNOWN, MAX_SPF_RECORD, MAX_SPF_TERMS
from filter_api.net.spf.macro import MacroString, SpfSyntaxError, parse_domain_spec, parse_macro_string, shown
from filter_api.net.spf.strength import Network, addresses_in, network_of

_VERSION = re.compile(rb"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*)=(?P<value>.*)")
_DIRECTIVE = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>(?:[:/].*)?)")
_DUAL_CIDR = re.compile(r"(?P<domain>.*?)(?:/(?P<v4>0|[1-9][0-9]?))?(?://(?P<v6>0|[1-9][0-9]{0,2}))?")
_NETWORK = re.compile(r":(?P<address>[0-9A-Fa-f.:]+)(?:/(?P<prefix>0|[1-9][0-9]{0,2}))?")

# Bytes of memory, about: of what is kept of any record, of a term, and of a piece of a domain.
_BASE: Final = 600
_TERM: Final = 300
_PIECE: Final = 180


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism with its qualifier.

    `text` is the mechanism as the record has it, without the qualifier. `domain` is its domain-spec, None for the
    current domain. `network` is what ip4 and ip6 name; `prefix4` and `prefix6` are the cidr-lengths of a and mx.
    """

    qualifier: str
    name: str
    text: str
    domain: MacroString | None = None
    network: Network | None = None
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """The directives in order, and where to go on if none of them matches.

    `addresses`: how many the networks that pass have in all, by IP version (see `filter_api.net.spf.strength`).
    """

    directives: tuple[Directive, ...]
    redirect: MacroString | None
    addresses: dict[int, int]


def select_record(texts: Sequence[bytes]) -> bytes | None:
    """Return the SPF record among TXT records, None if there is none; SpfSyntaxError if there are several (§4.5)."""
    records = [text for text in texts if _VERSION.match(text)]
    if len(records) > 1:
        raise SpfSyntaxError("more than one SPF record")
    return records[0] if records else None


class KnownRecords:
    """Records by their content, in at most `most` bytes of memory; the one that was not used for longest goes first."""

    def __init__(self, most: int = MAX_SPF_KNOWN) -> None:
        self._most = most
        self._used = 0
        self._kept: OrderedDict[bytes, tuple[Record | str, int]] = OrderedDict()

    def parse(self, raw: bytes) -> Record:
        """The record, or SpfSyntaxError with what is wrong with it; parsed if it is not known."""
        entry = self._kept.get(raw)
        if entry is None:
            entry = self._add(raw)
        else:
            self._kept.move_to_end(raw)
        record, _ = entry
        if isinstance(record, str):
            raise SpfSyntaxError(record)
        return record

    @property
    def used(self) -> int:
        """Bytes of memory that are in use, as they are counted."""
        return self._used

    def _add(self, raw: bytes) -> tuple[Record | str, int]:
        record: Record | str
        try:
            record = _parse(raw)
        except SpfSyntaxError as error:
            record = str(error)
        entry = record, _weight(raw, record)
        self._kept[raw] = entry
        self._used += entry[1]
        while self._used > self._most:
            self._used -= self._kept.popitem(last=False)[1][1]
        return entry


_known = KnownRecords()


def parse_record(raw: bytes) -> Record:
    """Parse the record that `select_record` returned."""
    if len(raw) > MAX_SPF_RECORD:
        raise SpfSyntaxError(f"a record of {len(raw)} bytes; {MAX_SPF_RECORD} are read")
    return _known.parse(raw)


def _parse(raw: bytes) -> Record:
    if any(not 0x20 <= byte <= 0x7E for byte in raw):
        raise SpfSyntaxError("the record has bytes other than visible ASCII and blanks")
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    terms = [term for term in raw.decode("ascii").split(" ")[1:] if term]
    if len(terms) > MAX_SPF_TERMS:
        raise SpfSyntaxError(f"a record of {len(terms)} terms; {MAX_SPF_TERMS} are read")
    for term in terms:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is not None:
            _add_modifier(modifiers, modifier["name"].lower(), modifier["value"])
        else:
            directives.append(_parse_directive(term))
    passing = (each.network for each in directives if each.network is not None and each.qualifier == "+")
    return Record(tuple(directives), modifiers.get("redirect"), addresses_in(passing))


def _weight(raw: bytes, record: Record | str) -> int:
    """Bytes that a record takes in memory, about."""
    if isinstance(record, str):
        return _BASE + len(raw) + len(record)
    specs = [each.domain for each in record.directives if each.domain is not None]
    specs += [record.redirect] if record.redirect is not None else []
    pieces = sum(len(spec.pieces) for spec in specs)
    return _BASE + 3 * len(raw) + _TERM * len(record.directives) + _PIECE * pieces


def _add_modifier(modifiers: dict[str, MacroString], name: str, value: str) -> None:
    """Check a modifier; only redirect and exp have a meaning and may not be repeated (§6)."""
    if name not in ("redirect", "exp"):
        parse_macro_string(value)
        return
    if name in modifiers:
        raise SpfSyntaxError(f"{name}= is there twice")
    modifiers[name] = parse_domain_spec(value)


def _parse_directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfSyntaxError(f"neither a mechanism nor a modifier: {shown(term)}")
    qualifier, name, rest = found["qualifier"] or "+", found["name"].lower(), found["rest"]
    text = name + rest
    match name:
        case "all" if not rest:
            return Directive(qualifier, name, text)
        case "ip4" | "ip6":
            return Directive(qualifier, name, text, network=_network(name, rest))
        case "a" | "mx":
            return _with_cidr(qualifier, name, text, rest)
        case "include" | "exists" | "ptr" if rest or name == "ptr":
            return Directive(qualifier, name, text, domain=_domain(rest))
    raise SpfSyntaxError(f"no such mechanism: {shown(term)}")


def _with_cidr(qualifier: str, name: str, text: str, rest: str) -> Directive:
    found = _DUAL_CIDR.fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"bad argument: {shown(text)}")
    prefix4, prefix6 = int(found["v4"] or 32), int(found["v6"] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise SpfSyntaxError(f"no such prefix length: {shown(text)}")
    return Directive(qualifier, name, text, _domain(found["domain"]), None, prefix4, prefix6)


def _domain(rest: str) -> MacroString | None:
    """The domain-spec behind the colon, None if there is nothing at all."""
    if not rest:
        return None
    if not rest.startswith(":"):
        raise SpfSyntaxError(f"bad argument: {shown(rest)}")
    return parse_domain_spec(rest[1:])


def _network(name: str, rest: str) -> Network:
    found = _NETWORK.fullmatch(rest)
    try:
        if found is not None:
            address = (ipaddress.IPv4Address if name == "ip4" else ipaddress.IPv6Address)(found["address"])
            return network_of(address, int(found["prefix"] or address.max_prefixlen))
    except ValueError:
        pass
    raise SpfSyntaxError(f"bad network: {shown(name + rest)}")
