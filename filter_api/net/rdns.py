"""Reverse DNS of a client, looked up by ourselves: has it a name, and does the name lead back?

    reverse = await look_up(resolver, session.address, forward=True)
    if reverse.finding is Finding.NO_NAME: ...

smtpd reports what it found, but it cannot tell a missing PTR record from a name server in trouble, and it cuts names at
64 bytes on Linux. So who wants to refuse a client asks here first. A `Finding` is certain, except DOUBT: then some
question was not answered, and the answer could have changed the finding.

No more than ten names of a client are looked up, however many its owner put in the zone (as RFC 7208 §4.6.4 does):
first those that the caller has heard of, as smtpd's own finding or in HELO. Where names were left out, none of the ten
leading back is doubt. Nothing is raised.
"""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from filter_api.bounds import CUT_NAME, MAX_CLIENT_NAMES
from filter_api.net.dns import Answer, Resolver, Status, reverse_name
from filter_api.text.addresses import Address, plain_address

_NUMBERS = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}", re.IGNORECASE)


class Finding(enum.Enum):
    """What reverse DNS says of a client."""

    NO_NAME = "no-ptr"  # certain: there is no PTR record
    LITERAL = "ptr-is-address"  # certain: every name is the shape of an IP address
    NAMED = "named"  # there is a name; whether it leads back was not asked
    CONFIRMED = "confirmed"  # a name leads back to the address
    MISMATCH = "mismatch"  # certain: no name leads back
    DOUBT = "doubt"  # the DNS did not answer


@dataclass(frozen=True, slots=True)
class Reverse:
    """A finding, with the names it is about (the confirmed one alone, if there is one) and why there is doubt."""

    finding: Finding
    names: tuple[str, ...] = ()
    why: str = ""


async def look_up(
    resolver: Resolver,
    address: Address,
    *,
    forward: bool = False,
    heard: Iterable[bytes | None] = (),
    deadline: float | None = None,
) -> Reverse:
    """Ask for the PTR records of `address` and, if `forward`, for the A or AAAA records of its names.

    `heard` are names that others gave for the client; those among its PTR records are looked up first. `deadline` is a
    time of the event loop; what is not known by then is doubt.
    """
    address = plain_address(address)
    answer = await resolver.resolve(reverse_name(address), "PTR", deadline=deadline)
    if answer.status is Status.TEMPFAIL:
        return Reverse(Finding.DOUBT, why=f"PTR: {answer.why}")
    given = tuple(dict.fromkeys(name for name in answer.names() if name))  # the root is no name
    names = tuple(name for name in given if not looks_like_address(name))
    if not names and answer.cut:
        return Reverse(Finding.DOUBT, given[:MAX_CLIENT_NAMES], f"more than {len(answer.records)} PTR records")
    if not given:
        return Reverse(Finding.NO_NAME)
    if not names:
        return Reverse(Finding.LITERAL, given[:MAX_CLIENT_NAMES])
    if not forward:
        return Reverse(Finding.NAMED, names[:MAX_CLIENT_NAMES])
    chosen = _heard_first(names, heard)[:MAX_CLIENT_NAMES]
    found = await _confirm(resolver, address, chosen, deadline)
    if found.finding is Finding.MISMATCH and (answer.cut or len(chosen) < len(names)):
        return Reverse(Finding.DOUBT, chosen, f"more than {MAX_CLIENT_NAMES} names")
    return found


def _heard_first(names: tuple[str, ...], heard: Iterable[bytes | None]) -> tuple[str, ...]:
    """The names in order, those that somebody gave, whole or cut, in front."""
    texts = [name.decode("latin-1").lower() for name in heard if name]
    whole = {text.removesuffix(".") for text in texts}
    heads = tuple(text for text in texts if len(text) >= CUT_NAME)
    return tuple(sorted(names, key=lambda name: name not in whole and not name.startswith(heads)))


async def _confirm(resolver: Resolver, address: Address, names: tuple[str, ...], deadline: float | None) -> Reverse:
    """Ask for all names at once: the slowest of ten counts, not their sum."""
    kind = "A" if address.version == 4 else "AAAA"
    answers = await asyncio.gather(*(resolver.resolve(name, kind, deadline=deadline) for name in names))
    for name, answer in zip(names, answers, strict=True):
        if address in answer.addresses():
            return Reverse(Finding.CONFIRMED, (name,))
    for name, answer in zip(names, answers, strict=True):
        why = _doubt(answer)
        if why:
            return Reverse(Finding.DOUBT, names, f"{kind} of {name}: {why}")
    return Reverse(Finding.MISMATCH, names)


def _doubt(answer: Answer) -> str:
    """Why an address that is not in an answer may still be one of the name's, or nothing."""
    if answer.status is Status.TEMPFAIL:
        return answer.why
    return f"more than {len(answer.records)} addresses" if answer.cut else ""


def looks_like_address(name: str) -> bool:
    """Is this name the shape of an IP address, this client's or another's?

    Resolvers take such a "name" for the address itself, so it confirms itself: 192.0.2.1, but also 192.0.513,
    0xc0.0.2.1 and 3221225985 (inet_aton(3)), and IPv6 with or without brackets.
    """
    name = name.removesuffix(".")
    if _NUMBERS.fullmatch(name):
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
