"""Sets of very many addresses: sorted ranges that are bisected. In memory, or compiled into a file.

    builder = RangeBuilder()
    builder.add_text("192.0.2.0/24")
    builder.build(UNROUTABLE).ranges      # without what no list may hold
    address in ranges                     # 1 us in a million addresses, 4 bytes each

A `NetworkSet` costs 233 bytes an address and is for files kept by hand; this is for what others publish.
`filter_api.files.compiled` keeps it in files.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, ip_network
from socket import AF_INET, inet_pton
from typing import Final, Literal, NamedTuple

from filter_api.files.networks import parse_network, parse_range
from filter_api.text.addresses import Address, Network, plain_address

Pair = tuple[int, int]
"""First and last address of a range, as numbers."""

WIDTHS: Final[tuple[Literal["Q", "I"], ...]] = ("Q", "Q", "Q", "Q", "I", "I", "I")
"""The columns of a set, as `array` calls their types: the upper and the lower halves of the first IPv6 addresses, those
of the last ones, the first and the last addresses of IPv4 ranges, and single IPv4 addresses."""

_LOW: Final = (1 << 64) - 1
_ALL: Final = (1 << 128) - 1

_UNROUTABLE = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/3"
    " ::/8 fc00::/7 fe80::/10 ff00::/8"
)
UNROUTABLE: Final[tuple[Network, ...]] = tuple(ip_network(text) for text in _UNROUTABLE.split())
"""What no stranger has: loopback, private (RFC 1918, 4193, 6598), link-local, multicast, unassigned addresses."""


class Ranges:
    """An immutable set of addresses: ``address in ranges``. The columns are sorted and apart, as `WIDTHS` says."""

    __slots__ = ("_firsts", "_lasts", "_singles", "_v6", "columns")

    def __init__(self, columns: Sequence[memoryview | array[int]] = ()) -> None:
        self.columns = tuple(columns) or tuple(array(width) for width in WIDTHS)
        self._v6 = self.columns[:4]
        self._firsts, self._lasts, self._singles = self.columns[4:]

    def __contains__(self, address: Address | None) -> bool:
        """Whether a range of the set holds `address`; None (a unix socket) is in none."""
        if address is None:
            return False
        address = plain_address(address)
        number = int(address)
        if isinstance(address, IPv4Address):
            at = bisect_left(self._singles, number)
            if at < len(self._singles) and self._singles[at] == number:
                return True
            at = bisect_right(self._firsts, number)
            return at > 0 and number <= self._lasts[at - 1]
        return self._holds_v6(number >> 64, number & _LOW)

    def _holds_v6(self, high: int, low: int) -> bool:
        first_high, first_low, last_high, last_low = self._v6
        after = bisect_right(first_high, high)
        at = bisect_right(first_low, low, bisect_left(first_high, high, 0, after), after)
        return at > 0 and (high, low) <= (last_high[at - 1], last_low[at - 1])

    def __len__(self) -> int:
        """How many ranges there are; neighbours are one."""
        return len(self._v6[0]) + len(self._firsts) + len(self._singles)

    def addresses(self, version: int) -> int:
        """How many addresses of one IP version it holds."""
        if version == 4:
            return len(self._singles) + sum(self._lasts) - sum(self._firsts) + len(self._firsts)
        first_high, first_low, last_high, last_low = map(sum, self._v6)
        return (last_high - first_high << 64) + last_low - first_low + len(self._v6[0])


class Built(NamedTuple):
    """A set, and how many ranges lost something to what no list may hold."""

    ranges: Ranges
    cut: int


class RangeBuilder:
    """Takes ranges in any order. Eight bytes for each of IPv4, sorted in parts: a million costs 10 MB and a second."""

    def __init__(self) -> None:
        self._v4 = [array("Q") for _ in range(256)]  # by first octet: first << 32 | last
        self._v6: list[int] = []  # first << 128 | last
        self._holes: dict[int, list[Pair]] = {4: [], 6: []}
        self.entries = self.excluded = 0

    def add(self, version: int, first: int, last: int) -> None:
        """A range of addresses of one IP version, by its ends."""
        if version == 4:
            self._v4[first >> 24].append(first << 32 | last)
        else:
            self._v6.append(first << 128 | last)
        self.entries += 1

    def add_text(self, text: str, *, loose: bool = False) -> None:
        """An address, a network or a range, as `read_range` says."""
        self.add(*read_range(text, loose=loose))

    def exclude(self, version: int, first: int, last: int) -> None:
        """A range that the set shall not hold, whoever adds it."""
        self._holes[version].append((first, last))
        self.excluded += 1

    def build(self, without: Iterable[Network] = ()) -> Built:
        """The set of what was added, without what was excluded and without these networks."""
        columns = [array(width) for width in WIDTHS]
        first_high, first_low, last_high, last_low, firsts, lasts, singles = columns
        unwanted = [(network.version, *ends_of(network)) for network in without]
        holes = {
            version: list(merged(sorted([*own, *((low, high) for family, low, high in unwanted if family == version)])))
            for version, own in self._holes.items()
        }
        v4, v6 = Difference(merged(self._sorted_v4()), holes[4]), Difference(merged(self._sorted_v6()), holes[6])
        for first, last in v4:
            if first == last:
                singles.append(first)
            else:
                firsts.append(first)
                lasts.append(last)
        for first, last in v6:
            first_high.append(first >> 64)
            first_low.append(first & _LOW)
            last_high.append(last >> 64)
            last_low.append(last & _LOW)
        return Built(Ranges(columns), v4.cut + v6.cut)

    def _sorted_v4(self) -> Iterator[Pair]:
        for part in self._v4:
            for both in sorted(part):
                yield both >> 32, both & 0xFFFFFFFF

    def _sorted_v6(self) -> Iterator[Pair]:
        for both in sorted(self._v6):
            yield both >> 128, both & _ALL


def read_range(text: str, *, loose: bool = False) -> tuple[int, int, int]:
    """(IP version, first, last) of an address, a network or a range; ValueError says what is wrong.

    loose: bits behind the prefix length are cut off. `filter_api.files.networks` says what may be written.
    """
    try:  # what most lines of most lists are, in a tenth of the time
        number = int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        pass
    else:
        return 4, number, number
    if "-" in text:
        first, last = parse_range(text)
        return first.version, int(first), int(last)
    network = parse_network(text, loose=loose)
    return network.version, *ends_of(network)


def ends_of(network: Network) -> Pair:
    """The first and the last address of a network, as numbers."""
    return int(network.network_address), int(network.broadcast_address)


def merged(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Sorted pairs with those that overlap or touch made one."""
    first = last = -2
    for low, high in pairs:
        if low <= last + 1:
            last = max(last, high)
            continue
        if last >= 0:
            yield first, last
        first, last = low, high
    if last >= 0:
        yield first, last


class Difference:
    """Sorted, disjoint pairs without what sorted, disjoint holes cover. cut: how many of them lost something."""

    def __init__(self, pairs: Iterable[Pair], holes: Sequence[Pair]) -> None:
        self.cut = 0
        self._pairs = pairs
        self._holes = holes

    def __iter__(self) -> Iterator[Pair]:
        holes, at = self._holes, 0
        for low, last in self._pairs:
            while at < len(holes) and holes[at][1] < low:
                at += 1
            first, here = low, at
            while here < len(holes) and holes[here][0] <= last:
                if first < holes[here][0]:
                    yield first, holes[here][0] - 1
                first = holes[here][1] + 1
                here += 1
            if first <= last:
                yield first, last
            self.cut += here > at
