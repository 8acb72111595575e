"""Sets of addresses and networks, asked once per session: ``-N``, ``-W`` and tables of CIDR.

`NetworkSet` is the set itself; `Networks` is the value of an option: ``127.0.0.0/8,::1`` or the path of a file with
one or more per line, reloaded when it changes, with ``until DATE`` behind those that expire. A lookup costs one
dictionary probe for each prefix length that occurs, however many networks there are. What one entry may be,
`networks_of` says, for every file of addresses. IPv4-mapped addresses count as the IPv4 addresses they stand for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)

from filter_api.errors import ConfigError
from filter_api.files.reloading import Clock, ReloadingFile
from filter_api.text.addresses import Address, Network, plain_address
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

_OF_NETWORKS = frozenset("0123456789ABCDEFabcdef.:/%[]<>-")
_DASH = re.compile(r"(?<!\s)\s*-\s*")  # tried once in a run of blanks, not at each of them
_MAPPED = int(IPv6Address("::ffff:0:0")) >> 32


class NetworkSet:
    """An immutable set of networks: ``address in networks``."""

    __slots__ = ("_count", "_tables")

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        tables: dict[tuple[int, int], set[int]] = {}
        for network in map(_plain_network, networks):
            shift = network.max_prefixlen - network.prefixlen
            tables.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        self._count = sum(map(len, tables.values()))
        self._tables = {
            version: tuple((shift, frozenset(tables[family, shift])) for family, shift in tables if family == version)
            for version in (4, 6)
        }

    def __contains__(self, address: Address | None) -> bool:
        """Whether a network of the set holds `address`; None (a unix socket) is in none."""
        if address is None:
            return False
        address = plain_address(address)
        number = int(address)
        return any(number >> shift in prefixes for shift, prefixes in self._tables[address.version])

    def __len__(self) -> int:
        return self._count


def parse_network(text: str, *, loose: bool = False) -> Network:
    """An address or a network in CIDR notation, in brackets or ``<>`` or not; ValueError says what is wrong.

    Bits behind the prefix length are an error, unless `loose`: ``192.0.2.1/24`` is more often a typing mistake than a
    wish.
    """
    inner = text[1:-1] if text[:1] + text[-1:] in {"[]", "<>"} else text
    if not looks_like_network(inner):
        raise ValueError(f'"{printable(text)}" is neither an address nor a network')
    try:
        return _plain_network(ip_network(inner, strict=not loose))
    except ValueError as error:
        why = ": it has host bits set" if "host bits" in str(error) else ""  # the rest repeats the text
        raise ValueError(f'"{printable(text)}" is no network{why}') from None


def parse_range(text: str) -> tuple[Address, Address]:
    """The first and the last address of ``first - last``, blanks around the dash or not; ValueError says what is wrong.

    ``192.0.2.1-9`` is short for ``192.0.2.1-192.0.2.9``, as rbldnsd writes it.
    """
    left, _, right = (part.strip() for part in text.partition("-"))
    if right.isdigit() and "." in left:
        right = left.rpartition(".")[0] + "." + right
    try:
        first, last = plain_address(ip_address(left)), plain_address(ip_address(right))
    except ValueError:
        raise ValueError(f'"{printable(text)}" is no range of addresses') from None
    if first.version != last.version:
        raise ValueError(f'"{printable(text)}" is no range: its ends are of two families')
    if int(last) < int(first):
        raise ValueError(f'"{printable(text)}" is no range: it ends before it begins')
    return first, last


def networks_of(text: str) -> Iterable[Network]:
    """The networks of one entry: of an address or a network, as `parse_network` reads it, or of a range."""
    if "-" not in text or not _OF_NETWORKS.issuperset(_DASH.sub("-", text)):
        return (parse_network(text),)
    first, last = parse_range(text)
    if isinstance(first, IPv4Address) and isinstance(last, IPv4Address):
        return summarize_address_range(first, last)
    return summarize_address_range(IPv6Address(int(first)), IPv6Address(int(last)))


class Networks:
    """The networks an option names: a comma list, or a file (a word that could not be an address)."""

    def __init__(self, value: str, *, clock: Clock = time.monotonic) -> None:
        """Raises ConfigError, with ``file:line:`` if it is a file."""
        self._file: ReloadingFile[NetworkSet] | None = None
        self._fixed = NetworkSet()
        if _is_path(value):
            self._file = ReloadingFile(value, parse_networks, clock=clock, expiring=True)
            return
        try:
            self._fixed = NetworkSet(network for item in items_of(value) for network in networks_of(item))
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def current(self) -> NetworkSet:
        """The set in force now."""
        return self._fixed if self._file is None else self._file.current()

    def __contains__(self, address: Address | None) -> bool:
        return address in self.current()


def parse_networks(lines: Sequence[Line]) -> NetworkSet:
    """The networks of a file, separated by blanks, commas or line ends; LineError for anything else."""
    networks: list[Network] = []
    for number, text in lines:
        for item in items_of(text.decode("ascii", "surrogateescape")):
            try:
                networks.extend(networks_of(item))
            except ValueError as error:
                raise LineError(number, str(error)) from None
    return NetworkSet(networks)


def items_of(text: str) -> list[str]:
    """The entries of a line: blanks and commas part them, but not the two ends of a range."""
    return _DASH.sub("-", text).replace(",", " ").split()


def looks_like_network(text: str) -> bool:
    """Whether these are characters of addresses, networks and ranges only."""
    return text != "" and _OF_NETWORKS.issuperset(text)


def _is_path(value: str) -> bool:
    if value.startswith(("/", "./", "../")):
        return True
    return "," not in value and not looks_like_network(_DASH.sub("-", value)) and value != ""


def _plain_network(network: Network) -> Network:
    """A network inside ::ffff:0:0/96 as the IPv4 network it stands for."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        number = int(network.network_address)
        if number >> 32 == _MAPPED:
            return IPv4Network((number & 0xFFFFFFFF, network.prefixlen - 96))
    return network
