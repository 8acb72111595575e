"""SPF records (RFC 7208 §4.5, §5, §6 and §12) as values: which TXT record it is, and what it says.

`select_record` picks the one SPF record of a domain out of its TXT records, `parse_record` turns it into directives
and modifiers. Every error of syntax anywhere in the record is found here, before anything is evaluated (§4.6), and
raises SpfSyntaxError.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from filter_api.net.spf.macro import MacroString, SpfSyntaxError, parse_domain_spec, parse_macro_string
from filter_api.text.addresses import Network

_VERSION = re.compile(rb"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*)=(?P<value>.*)")
_DIRECTIVE = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>(?:[:/].*)?)")
_DUAL_CIDR = re.compile(r"(?P<domain>.*?)(?:/(?P<v4>0|[1-9][0-9]?))?(?://(?P<v6>0|[1-9][0-9]{0,2}))?")
_NETWORK = re.compile(r":(?P<address>[0-9A-Fa-f.:]+)(?:/(?P<prefix>0|[1-9][0-9]{0,2}))?")

KNOWN_RECORDS: Final = 512  # parsed records kept, of at most so many bytes each
KNOWN_SIZE: Final = 1024


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
    """The directives in order, and where to go on if none of them matches."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None


def select_record(texts: Sequence[bytes]) -> bytes | None:
    """Return the SPF record among TXT records, None if there is none; SpfSyntaxError if there are several (§4.5)."""
    records = [text for text in texts if _VERSION.match(text)]
    if len(records) > 1:
        raise SpfSyntaxError("more than one SPF record")
    return records[0] if records else None


def parse_record(raw: bytes) -> Record:
    """Parse the record that `select_record` returned. What the large providers publish is parsed once."""
    return _parse_known(raw) if len(raw) <= KNOWN_SIZE else _parse(raw)


def _parse(raw: bytes) -> Record:
    if any(not 0x20 <= byte <= 0x7E for byte in raw):
        raise SpfSyntaxError("the record has bytes other than visible ASCII and blanks")
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in raw.decode("ascii").split(" ")[1:]:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is not None:
            _add_modifier(modifiers, modifier["name"].lower(), modifier["value"])
        elif term:
            directives.append(_parse_directive(term))
    return Record(tuple(directives), modifiers.get("redirect"))


_parse_known = functools.lru_cache(maxsize=KNOWN_RECORDS)(_parse)


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
        raise SpfSyntaxError(f"neither a mechanism nor a modifier: {term!r}")
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
    raise SpfSyntaxError(f"no such mechanism: {term!r}")


def _with_cidr(qualifier: str, name: str, text: str, rest: str) -> Directive:
    found = _DUAL_CIDR.fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"bad argument: {text!r}")
    prefix4, prefix6 = int(found["v4"] or 32), int(found["v6"] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise SpfSyntaxError(f"no such prefix length: {text!r}")
    return Directive(qualifier, name, text, _domain(found["domain"]), None, prefix4, prefix6)


def _domain(rest: str) -> MacroString | None:
    """The domain-spec behind the colon, None if there is nothing at all."""
    if not rest:
        return None
    if not rest.startswith(":"):
        raise SpfSyntaxError(f"bad argument: {rest!r}")
    return parse_domain_spec(rest[1:])


def _network(name: str, rest: str) -> Network:
    found = _NETWORK.fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"bad network: {name + rest!r}")
    try:
        if name == "ip4":
            return ipaddress.IPv4Network((ipaddress.IPv4Address(found["address"]), int(found["prefix"] or 32)), False)
        return ipaddress.IPv6Network((ipaddress.IPv6Address(found["address"]), int(found["prefix"] or 128)), False)
    except ValueError as error:
        raise SpfSyntaxError(f"bad network: {name + rest!r}") from error
