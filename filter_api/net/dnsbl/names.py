"""What stands in front of a list's domain in a question (RFC 5782, 2.1, 2.4 and 3)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from filter_api.net.dns.answer import canonical_name
from filter_api.net.rdns import looks_like_address
from filter_api.text.addresses import Address, plain_address

IPV4: Final = "4"
IPV6: Final = "6"
DOMAIN: Final = "d"


class Subject(NamedTuple):
    """Whom a question is about.

    where: as in a list's ``/where``. kind: IPV4, IPV6 or DOMAIN. label: what is put in front of the list's domain.
    proven: whether a welcome list may welcome it; None where that is not known yet.
    """

    where: str
    kind: str
    label: str
    proven: bool | None = True


def subject_of_address(address: Address) -> Subject:
    """The client: its numbers backwards, IPv6 by nibbles. A mapped IPv4 address is an IPv4 address."""
    plain = plain_address(address)
    if plain.version == 4:
        return Subject("c", IPV4, ".".join(str(number) for number in reversed(plain.packed)))
    return Subject("c", IPV6, ".".join(reversed(plain.packed.hex())))


def subject_of_domain(where: str, name: bytes | None, *, proven: bool | None = False) -> Subject | None:
    """A domain; None for what lists cannot know: no name, an address, a name without a dot, an impossible one."""
    canonical = canonical_name(name) if name else None
    if canonical is None or "." not in canonical or looks_like_address(canonical):
        return None
    if re.fullmatch(r"[a-z0-9_.-]+", canonical) is None:
        return None
    return Subject(where, DOMAIN, canonical, proven)
