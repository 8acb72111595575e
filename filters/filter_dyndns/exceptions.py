"""Option ``-e file``: clients that are accepted whatever their name looks like.

One entry a line: an address or a network (``192.0.2.0/24``), or a name of reverse DNS, which is compared whole
(``host7.example.net``) or with everything below it (``.dsl.example.net``). Unlike ``host:`` in ``-W`` the name need not
be confirmed: whoever may write any name for an address would write one that this filter likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from filter_api.files.networks import NetworkSet, networks_of
from filter_api.files.rules import Rules
from filter_api.text.addresses import Network
from filter_api.text.lines import Line, LineError


class Exceptions(NamedTuple):
    """The entries of a file."""

    networks: NetworkSet
    names: Rules[None]

    def hold(self, name: bytes, address: IPv4Address | IPv6Address | None) -> bool:
        """Whether a client is among them."""
        return address in self.networks or self.names.find_domain(name) is not None


def parse_exceptions(lines: Sequence[Line]) -> Exceptions:
    """The entries of a file; LineError for a line that is neither a network nor a name."""
    networks: list[Network] = []
    names = []
    for line in lines:
        try:
            networks.extend(networks_of(line.text.decode("latin-1")))
        except ValueError as error:
            if not line.text.strip(b"0123456789.:/- "):  # meant as a network, and wrong
                raise LineError(line.number, str(error)) from None
            if b"@" in line.text:
                raise LineError(line.number, "an address of mail; a network or a host name is wanted") from None
            names.append((line, None))
    return Exceptions(NetworkSet(networks), Rules(names))
