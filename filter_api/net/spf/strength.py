"""How many addresses a domain lets pass, and from where on that means nothing. Pure.

A domain that anybody passes for vouches for nobody. It need not say ``+all``: two halves of the address space do it,
or eight includes with five hundred networks each. So what a domain lets pass is added up over all records that were
read on the way to a match. Networks that are too wide by themselves are left out: they vouch for nobody in any case,
and what stands beside them (``ip4:10.0.0.0/8``, by mistake) shall not spoil the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from filter_api.bounds import MAX_VOUCHED_ADDRESSES, VOUCHING_PREFIX
from filter_api.net.spf.result import Weakness
from filter_api.text.addresses import Address

BITS: Final = {4: 32, 6: 128}


class Network(NamedTuple):
    """A network in a twentieth of the memory of `ipaddress.ip_network`.

    An address of the same IP version is in it if its number, `shift` bits to the right, is `bits`.
    """

    version: int
    bits: int
    shift: int

    @property
    def prefixlen(self) -> int:
        """The length of the prefix in bits."""
        return BITS[self.version] - self.shift


def network_of(address: Address, prefixlen: int) -> Network:
    """The network of that length an address is in. Raises ValueError where there is no such length."""
    shift = address.max_prefixlen - prefixlen
    if not 0 <= shift <= address.max_prefixlen:
        raise ValueError(prefixlen)
    return Network(address.version, int(address) >> shift, shift)


def addresses_in(networks: Iterable[Network]) -> dict[int, int]:
    """The number of addresses, by IP version, in all networks that are narrow enough to vouch."""
    found = {4: 0, 6: 0}
    for network in set(networks):
        found[network.version] += _size(network.version, network.prefixlen)
    return found


class Reach:
    """What the records of one check let pass so far, in addresses."""

    def __init__(self) -> None:
        self._addresses = {4: 0, 6: 0}
        self._counted: set[str] = set()

    def add_record(self, domain: str, addresses: dict[int, int]) -> None:
        """Count what a record names, once a domain."""
        if domain not in self._counted:
            self._counted.add(domain)
            for version, count in addresses.items():
                self._addresses[version] += count

    def add_networks(self, version: int, prefix: int, count: int) -> None:
        """Count so many different networks, which were looked up."""
        self._addresses[version] += count * _size(version, prefix)

    def weakness(self, version: int, prefix: int) -> Weakness:
        """What is wrong with a match by a network of that prefix length."""
        wide = prefix < VOUCHING_PREFIX[version] or self._addresses[version] > MAX_VOUCHED_ADDRESSES[version]
        return Weakness.WIDE if wide else Weakness.NONE


def _size(version: int, prefix: int) -> int:
    return 1 << (BITS[version] - prefix) if prefix >= VOUCHING_PREFIX[version] else 0
