"""Patterns of domains and mail addresses, and which of them fits best: the pure half of `filter_api.files.tables`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from filter_api.text.addresses import split_address
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

Value = TypeVar("Value")

_BLANK = re.compile(rb"\s")
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rb"\.?" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?\Z|\[(?:ipv6:)?[0-9a-f.:]+\]\Z")


class Match(NamedTuple, Generic[Value]):
    """The entry that matched: as it stands in the table, its line, and what it stands for."""

    entry: bytes
    number: int
    value: Value


class Rules(Generic[Value]):
    """An immutable map from domain and address patterns to values; made by the tables, usable without a file."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[tuple[Line, Value]] = ()) -> None:
        """Raises LineError for a pattern that is none and for one that occurs twice with different values."""
        self._entries: dict[bytes, Match[Value]] = {}
        for line, value in entries:
            key = pattern_key(line)
            known = self._entries.get(key)
            if known is not None and known.value != value:
                raise LineError(
                    line.number, f'"{printable(line.text)}" has another value in line {known.number} already'
                )
            self._entries.setdefault(key, Match(line.text, line.number, value))

    def find_domain(self, domain: bytes) -> Match[Value] | None:
        """The entry for a domain or host name: itself, else the nearest ``.domain`` that holds it."""
        return self._first(_domain_keys(domain.lower().rstrip(b".")))

    def find_address(self, address: bytes) -> Match[Value] | None:
        """The entry for a mail address: the address, else its local part, else what its domain gives."""
        local, domain = split_address(address.lower())
        domain = domain.rstrip(b".")
        found = self._entries.get(local + b"@" + domain) or self._entries.get(local + b"@")
        return found or self._first(_domain_keys(domain))

    def __iter__(self) -> Iterator[Match[Value]]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _first(self, keys: Iterator[bytes]) -> Match[Value] | None:
        for key in keys:
            if (found := self._entries.get(key)) is not None:
                return found
        return None


def pattern_key(line: Line) -> bytes:
    """The key of a pattern: lower case, ``@domain`` as ``domain``, no final dot; LineError if it is no pattern.

    An address may stand in ``<>``, as spamdb(8) and logs print it.
    """
    text = line.text.lower()
    if text.startswith(b"<") and text.endswith(b">"):
        text = text[1:-1]
    if text == b".":
        return text
    local, at, domain = text.rpartition(b"@")
    if _BLANK.search(text) or not _fits(local, domain):
        raise LineError(line.number, f'"{printable(line.text)}" is neither a domain nor an address')
    domain = domain.rstrip(b".")
    return local + at + domain if local else domain


def _fits(local: bytes, domain: bytes) -> bool:
    """``user@`` and ``user@dom.ain`` but not ``user@.dom.ain``; ``dom.ain`` and ``.dom.ain``."""
    if local and (not domain or domain.startswith(b".")):
        return not domain
    return len(domain) <= 255 and _DOMAIN.match(domain) is not None


def _domain_keys(name: bytes) -> Iterator[bytes]:
    """``a.b.c`` → a.b.c, .a.b.c, .b.c, .c, . (a name has at most 255 bytes, so no more than 130 keys)."""
    if len(name) > 255:
        return
    yield name
    rest = b"." + name
    while rest:
        yield rest
        dot = rest.find(b".", 1)
        rest = rest[dot:] if dot > 0 else b""
    yield b"."
