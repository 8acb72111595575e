"""What the greylist remembers, as values.

A `Record` is one entry of a store: its kind, its name (bytes, unique within the kind), its `Life` (times and counters)
and, for a tuple, the `Details` that are shown to people. Both stores and the listing speak of nothing else.

Times are whole seconds of the wall clock. Nothing here reads a clock: `now` is always an argument.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from filter_api.text.addresses import client_network, plain_address

TRAP_SECONDS = 24 * 3600
"""How long a client stays trapped: as in spamd(8)."""

SLACK = 3600
"""A time further ahead than its kind of record can reach, by more than this many seconds, is of a wrong clock."""

DOMAIN_MESSAGES = 2
"""Messages of our own users to a domain after which the whole domain is learned."""

FOREVER = 2**53 - 1
"""The end of what never expires; the largest whole number that Lua's doubles hold exactly."""


class Kind(enum.Enum):
    """The kinds of records; the value is the letter both stores use for them."""

    GREY = "g"
    WHITE = "w"
    TRAPPED = "t"
    SPAMTRAP = "s"
    DOMAIN = "d"
    PAIR = "p"


class Life(NamedTuple):
    """When a record was first seen, from when and until when it holds (seconds), how often it blocked and passed."""

    first: int
    passes: int
    expires: int
    blocked: int = 0
    passed: int = 0


GROUP_BYTES = 6
"""Length of the digest of a client network, and of the first part of a tuple's name."""


class Details(NamedTuple):
    """What a tuple was made of, as sent: for the listing, as the name is only a digest.

    group: the digest of the client's network, under which tuples are counted. It is also the beginning of the name, but
    for a tuple that belongs to the senders of a domain, wherever they come from: that one begins with the domain's.
    """

    group: bytes
    address: bytes
    helo: bytes
    sender: bytes
    recipient: bytes


NO_DETAILS = Details(b"", b"", b"", b"", b"")


class Tuple(NamedTuple):
    """A tuple to be looked up: its digest and what it was made of."""

    key: bytes
    details: Details


class Record(NamedTuple):
    """One entry of a store."""

    kind: Kind
    name: bytes
    life: Life
    details: Details | None = None


class Move(NamedTuple):
    """The clock was set: what was written from `since` to `until` (in the old time) is to be `by` seconds later."""

    since: int
    until: int
    by: int


class Timers(NamedTuple):
    """Option -G in seconds: passtime, greyexp, whiteexp."""

    passes: int = 25 * 60
    grey: int = 4 * 3600
    white: int = 864 * 3600


@lru_cache(256)
def address_name(address: IPv4Address | IPv6Address) -> bytes:
    """The name white and trapped records have: the exact IPv4 address, or the /64 of an IPv6 one (``2001:db8::/64``).

    A host that may choose any address of its /64 must neither escape a trap nor lose its place by choosing another.
    """
    address = plain_address(address)
    name = address if isinstance(address, IPv4Address) else client_network(address)
    return str(name).encode("ascii")


def pair_name(theirs: bytes, ours: bytes) -> bytes:
    """The name of a learned pair: their address and our user, which `split_pair` takes apart again."""
    return theirs.replace(b"\0", b"") + b"\0" + ours.replace(b"\0", b"")


def split_pair(name: bytes) -> tuple[bytes, bytes]:
    """Their address and our user."""
    theirs, _, ours = name.partition(b"\0")
    return theirs, ours


def merged(one: Life, two: Life) -> Life:
    """Two accounts of the same record made one: the earliest beginning, the latest end, the sum of the counters."""
    return Life(
        min(one.first, two.first),
        min(one.passes, two.passes),
        max(one.expires, two.expires),
        one.blocked + two.blocked,
        one.passed + two.passed,
    )


def widest(one: Life, two: Life) -> Life:
    """Two states of the same record, of which either may be the later one: the longest time, the higher counters."""
    return Life(
        min(one.first, two.first),
        min(one.passes, two.passes),
        max(one.expires, two.expires),
        max(one.blocked, two.blocked),
        max(one.passed, two.passed),
    )
