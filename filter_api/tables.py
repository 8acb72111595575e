"""Tables in files: domains, addresses, networks and what they stand for, reloaded when the file changes.

One entry a line, ``#`` comments, upper and lower case alike:

- ``example.org`` is this domain, ``.example.org`` this domain and every one below it;
- ``user@example.org`` is one address, ``user@`` this local part at any domain (or none), ``@example.org`` any address
  of exactly this domain, as is ``example.org``; ``.`` is everything;
- in a key-value table the value follows the key after blanks: ``.example.org 2.5``.

The most specific entry wins, as in amavisd's maps: address, local part, domain, the nearest ``.domain`` above. Every
table is read when it is made (`ConfigError` with ``file:line:``) and follows the file from then on, see
`filter_api.reloading`. Looking up costs a few dictionary probes, however long the table is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from filter_api.addresses import split_address
from filter_api.errors import ConfigError
from filter_api.escape import printable
from filter_api.networks import Networks, NetworkSet, parse_network
from filter_api.reloading import Clock, Line, LineError, ReloadingFile

__all__ = [
    "AddressTable",
    "ConfigError",
    "DomainTable",
    "KeyValueTable",
    "Line",
    "LineError",
    "Match",
    "NetworkSet",
    "Networks",
    "ReloadingFile",
    "Rules",
    "TableError",
    "parse_network",
]

TableError = ConfigError

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
    """The key of a pattern: lower case, ``@domain`` as ``domain``, no final dot; LineError if it is no pattern."""
    text = line.text.lower()
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


class AddressTable:
    """A file of addresses and domains, with nothing behind them."""

    def __init__(self, path: str, *, clock: Clock = time.monotonic) -> None:
        """Raises ConfigError."""
        self._file = ReloadingFile(path, _parse_patterns, clock=clock)

    def find(self, address: bytes) -> Match[None] | None:
        """The entry that covers this mail address."""
        return self._file.current().find_address(address)

    def __contains__(self, address: bytes) -> bool:
        return self.find(address) is not None

    def __iter__(self) -> Iterator[Match[None]]:
        return iter(self._file.current())


class DomainTable:
    """A file of domains: ``example.org`` and ``.example.org``."""

    def __init__(self, path: str, *, clock: Clock = time.monotonic) -> None:
        """Raises ConfigError."""
        self._file = ReloadingFile(path, _parse_domains, clock=clock)

    def find(self, domain: bytes) -> Match[None] | None:
        """The entry that covers this domain or host name."""
        return self._file.current().find_domain(domain)

    def __contains__(self, domain: bytes) -> bool:
        return self.find(domain) is not None

    def __iter__(self) -> Iterator[Match[None]]:
        return iter(self._file.current())


class KeyValueTable(Generic[Value]):
    """A file of ``pattern value`` lines; `convert` turns the bytes of a value into it, or raises ValueError."""

    def __init__(self, path: str, convert: Callable[[bytes], Value], *, clock: Clock = time.monotonic) -> None:
        """Raises ConfigError."""

        def parse(lines: Sequence[Line]) -> Rules[Value]:
            return Rules(_pairs(lines, convert))

        self._file = ReloadingFile(path, parse, clock=clock)
        self.path = path

    def find_address(self, address: bytes) -> Match[Value] | None:
        """The entry for a mail address, the most specific one."""
        return self._file.current().find_address(address)

    def find_domain(self, domain: bytes) -> Match[Value] | None:
        """The entry for a domain or host name, the most specific one."""
        return self._file.current().find_domain(domain)

    def __iter__(self) -> Iterator[Match[Value]]:
        return iter(self._file.current())


def _parse_patterns(lines: Sequence[Line]) -> Rules[None]:
    return Rules((line, None) for line in lines)


def _parse_domains(lines: Sequence[Line]) -> Rules[None]:
    for line in lines:
        if b"@" in line.text:
            raise LineError(line.number, f'"{printable(line.text)}" is an address, a domain is wanted')
    return _parse_patterns(lines)


def _pairs(lines: Sequence[Line], convert: Callable[[bytes], Value]) -> Iterator[tuple[Line, Value]]:
    for number, text in lines:
        key, *rest = text.split(None, 1)
        if not rest:
            raise LineError(number, f'"{printable(key)}" has no value')
        try:
            yield Line(number, key), convert(rest[0])
        except LineError:
            raise
        except ValueError as error:
            raise LineError(number, str(error) or f'bad value "{printable(rest[0])}"') from None
