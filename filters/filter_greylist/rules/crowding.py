"""Who gives way when a greylist is full: the most crowded prefix.

Anybody with a network of IPv6 can be as many clients as there is room for. So what a store can hold is shared out
among prefixes: /16, /24 and the address itself of IPv4, /32, /48 and /64 of IPv6. When there is no room, the widest
prefix with the most entries is found, in it the most crowded longer one, in that again; and one of those gives way,
never one that waits alone. A newcomer that belongs to the most crowded prefix itself is turned away.

    crowd = Crowd(members)                       # a sample of what is there, at random; all of it where it is small
    for member in crowd.give_way(b"192.0.2.1"):
        ...                                      # remove it

Pairs and domains that are learned belong to no prefix. They are written by our own users, of whom each teaches 200 new
pairs a day at most, so that a stolen account is a small part of what comes in a day: of them, the least recently
renewed give way (`OLDEST_GO`). Were it the user with the most, whoever writes to many would be forgotten by a mate who
writes as little; were it chance, so would those who write daily.

A sample is enough: who holds a large part of the store is a large part of the sample, and who holds one entry in a
million is not in it twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from filter_greylist.rules.records import Kind

SAMPLE = 256
"""Members of a sample of a large store."""

SMALL = 512
"""A store with no more entries is looked at as a whole."""

AT_ONCE = 16
"""Members that give way at a time, at most: the next newcomers find room."""

OLDEST_GO = (Kind.PAIR, Kind.DOMAIN)
"""Kinds of which the least recently renewed give way."""

_LEVELS = range(3)
_BYTES = {AF_INET: (2, 3, 4), AF_INET6: (4, 6, 8)}
_Prefixes = tuple[bytes, bytes, bytes]


class Member(NamedTuple):
    """An entry of a store: its name, the client's address as text, how often it passed, when it came."""

    name: bytes
    address: bytes
    passed: int = 0
    first: int = 0


class Crowd:
    """A sample of a store, which may be used several times: `worn` says when it is time for a new one."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._members = [(prefixes_of(member.address), member) for member in members]
        self._uses = max(1, len(self._members) // 8)
        self._name = ""

    @property
    def worn(self) -> bool:
        """Whether it was used often enough to be out of date."""
        return self._uses <= 0

    @property
    def who(self) -> str:
        """For the log: who gives way."""
        return f"those of {self._name} give way" if self._name else "new ones are not remembered"

    def give_way(self, newcomer: bytes, spared: Container[bytes] = ()) -> list[Member]:
        """Who gives way to a client with this address, and leaves the sample; nobody if it belongs to the crowd itself.

        spared: names that are not to go, as they are being looked at right now.
        """
        self._uses -= 1
        crowd = self._crowd(prefixes_of(newcomer))
        crowd = [each for each in crowd if each[1].name not in spared]
        crowd.sort(key=lambda each: (each[1].passed > 0, -each[1].first))  # what waits least goes first
        going = crowd[: max(1, min(AT_ONCE, len(crowd) // 8))]
        if going:
            gone = {member.name for _, member in going}
            self._members = [each for each in self._members if each[1].name not in gone]
        return [member for _, member in going]

    def _crowd(self, own: _Prefixes) -> list[tuple[_Prefixes, Member]]:
        """The members of the most crowded prefix, if the newcomer's own is less crowded by two."""
        inside, among = self._members, True
        for level in _LEVELS:
            counts = Counter(prefixes[level] for prefixes, _ in inside)
            if not counts:
                return []
            top, size = counts.most_common(1)[0]
            if level == 0 and size > 1:
                self._name = shown(top)
            mine = counts[own[level]]
            if among and mine == size:
                top = own[level]
            elif among and size < mine + 2:
                return []
            among = among and top == own[level]
            inside = [each for each in inside if each[0][level] == top]
        return [] if among else inside


def full_of(kind: Kind, limit: int) -> str:
    """For the log: there are as many of a kind of `OLDEST_GO` as may be."""
    what = "pairs" if kind is Kind.PAIR else "domains"
    return f"there are {limit} learned {what}, as many as may be: the least recently renewed give way"


def prefixes_of(address: bytes) -> _Prefixes:
    """The three prefixes of an address, or of a name of `address_name`; whatever else there is belongs together."""
    text = address.partition(b"/")[0].decode("ascii", "replace")
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError):
        return b"", b"", b""
    one, two, three = _BYTES[family]
    return packed[:one], packed[:two], packed[:three]


def shown(prefix: bytes) -> str:
    """The widest prefix of `prefixes_of` as text: ``192.0.0.0/16``, ``2001:db8::/32``."""
    if not prefix:
        return "no address"
    family, length = (AF_INET, 4) if len(prefix) == 2 else (AF_INET6, 16)
    return str(ip_network((inet_ntop(family, prefix.ljust(length, b"\0")), len(prefix) * 8)))
