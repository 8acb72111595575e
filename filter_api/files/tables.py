"""Tables in files: domains, addresses, networks and what they stand for, reloaded when the file changes.

One entry a line, ``#`` comments, upper and lower case alike:

- ``example.org`` is this domain, ``.example.org`` this domain and every one below it;
- ``user@example.org`` is one address, ``user@`` this local part at any domain (or none), ``@example.org`` any address
  of exactly this domain, as is ``example.org``; ``.`` is everything;
- in a key-value table the value follows the key after blanks: ``.example.org 2.5``;
- behind any of them, ``until 2026-12-31``: the entry counts up to the end of that day (UTC).

The most specific entry wins, as in amavisd's maps: address, local part, domain, the nearest ``.domain`` above. Every
table is read when it is made (`ConfigError` with ``file:line:``) and follows the file from then on, see
`filter_api.files.reloading`. Looking up costs a few dictionary probes, however long the table is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from filter_api.errors import ConfigError
from filter_api.files.exempt import ExemptTable
from filter_api.files.networks import Networks, NetworkSet, parse_network
from filter_api.files.reloading import Clock, ReloadingFile
from filter_api.files.rules import Match, Rules
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

__all__ = [
    "AddressTable",
    "ConfigError",
    "DomainTable",
    "ExemptTable",
    "KeyValueTable",
    "Line",
    "LineError",
    "Match",
    "NetworkSet",
    "Networks",
    "ReloadingFile",
    "Rules",
    "parse_network",
]

Value = TypeVar("Value")


class AddressTable:
    """A file of addresses and domains, with nothing behind them."""

    def __init__(self, path: str, *, clock: Clock = time.monotonic) -> None:
        """Raises ConfigError."""
        self._file = ReloadingFile(path, _parse_patterns, clock=clock, expiring=True)

    def find(self, address: bytes) -> Match[None] | None:
        """The entry that covers this mail address."""
        return self._file.current().find_address(address)

    def __contains__(self, address: bytes) -> bool:
        return self.find(address) is not None

    def __iter__(self) -> Iterator[Match[None]]:
        return iter(self._file.current())


class DomainTable:
    """A file of domains: ``example.org`` and ``.example.org``. needed: what is wrong with a file that has none."""

    def __init__(self, path: str, *, clock: Clock = time.monotonic, needed: str = "") -> None:
        """Raises ConfigError."""

        def parse(lines: Sequence[Line]) -> Rules[None]:
            if needed and not lines:
                raise LineError(1, needed)
            return _parse_domains(lines)

        self._file = ReloadingFile(path, parse, clock=clock, expiring=True)
        self._clock = clock

    def changed_within(self, seconds: float) -> bool:
        """Whether a new version of the file was taken so lately."""
        changed = self._file.changed
        return changed is not None and self._clock() - changed < seconds

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

        self._file = ReloadingFile(path, parse, clock=clock, expiring=True)
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
