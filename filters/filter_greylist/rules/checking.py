"""What a store hands out is checked: it may be damaged, of another program, or made by somebody who means harm.

A row that cannot be one of ours counts for nothing: it is neither listed nor exported, and nobody is let in or trapped
by it. What a name may be follows from how `records` and `key` make names.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from filter_api.bounds import MAX_DETAIL, MAX_GREYLIST_NAME
from filter_greylist.rules.key import KEY_BYTES
from filter_greylist.rules.records import FOREVER, GROUP_BYTES, Details, Kind, Life, Record, address_name

LATEST = 253_402_300_799
"""The last second of the year 9999: no time is later, except `FOREVER`."""


def life_of(values: Sequence[object]) -> Life | None:
    """Five values of a row as a life; None if they are not whole numbers in their ranges."""
    try:
        first, passes, expires, blocked, passed = values
    except ValueError:
        return None
    if not type(first) is type(passes) is type(expires) is type(blocked) is type(passed) is int:
        return None
    life = Life(first, passes, expires, blocked, passed)
    return life if _in_range(*life) else None


def _in_range(first: int, passes: int, expires: int, blocked: int, passed: int) -> bool:
    return (
        0 <= first <= LATEST
        and 0 <= passes <= LATEST
        and (0 <= expires <= LATEST or expires == FOREVER)
        and 0 <= blocked <= FOREVER
        and 0 <= passed <= FOREVER
    )


def is_host(name: bytes) -> bool:
    """Whether a name is one that `address_name` gives: an IPv4 address, or the /64 of an IPv6 one, in its one form."""
    try:
        return address_name(ip_address(name.partition(b"/")[0].decode("ascii"))) == name
    except ValueError:
        return False


def checked(record: Record) -> Record | None:
    """The record as it can be used; None for one that none of ours can be."""
    kind, name, life, details = record
    if life_of(life) is None or not _is_named(kind, name):
        return None
    if kind is not Kind.GREY or details is None:
        return record
    return record if _are_details(details) else None


def _is_named(kind: Kind, name: object) -> bool:
    if type(name) is not bytes:
        return False
    if kind is Kind.GREY:
        return len(name) == KEY_BYTES
    if kind in {Kind.WHITE, Kind.TRAPPED}:
        return is_host(name)
    if kind is Kind.PAIR:
        return name.count(b"\0") == 1 and len(name) <= 2 * MAX_GREYLIST_NAME + 1
    if kind is Kind.SPAMTRAP and b"@" not in name:
        return False
    return 0 < len(name) <= MAX_GREYLIST_NAME and b"\0" not in name


def _are_details(details: Details) -> bool:
    if any(type(part) is not bytes or len(part) > MAX_DETAIL for part in details):
        return False
    return len(details.group) in {0, GROUP_BYTES} and (not details.address or _is_address(details.address))


def _is_address(text: bytes) -> bool:
    try:
        return str(ip_address(text.decode("ascii"))).encode("ascii") == text
    except ValueError:
        return False
