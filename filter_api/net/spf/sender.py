"""Is this client allowed to send mail for that domain? RFC 7208, evaluated over filter_api.net.dns.

    result = await check_sender(resolver, session.address, b"joe@example.org", helo=b"mx.example.org")
    if result.passed and result.strong: ...

All mechanisms, macros and limits of the RFC are here (10 terms that look something up, 2 void lookups, 10 MX and PTR
names each); explanations (exp=) are checked for their syntax and never fetched. Nothing is raised, whatever the
records say and the DNS does: trouble is a result.

A domain that anybody passes for vouches for nobody: `strong` tells a statement from a shrug. A pass is strong if what
matched is ip4 with a prefix of /12 or longer, ip6 with /28 or longer, or a or mx within the same bounds; through
include and redirect it is the mechanism at the end that counts. It is weak (`weakness` says why)

- by `+all`, ptr, exists or a wider network;
- if the networks of the records that were read add up to more than two of the widest;
- if a target on the way is made of the client's address or of what the client says (macros s, l, h, i, p): another
  client would have come to another record. Hosted SPF (``include:%{ir}.%{v}.%{d}.spf.example``) is weak by this, as
  nobody can tell it from a zone that says yes to everybody.

What the records and the DNS may cost is bounded in `filter_api.bounds`; what lies beyond is a permanent error. The loop
gets its turn every ten milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from filter_api.net.dns import Resolver
from filter_api.net.spf.check import Check, Found, TempError
from filter_api.net.spf.macro import SpfSyntaxError
from filter_api.net.spf.result import Result, SpfResult, Weakness
from filter_api.text.addresses import Address, plain_address, split_address
from filter_api.text.idn import a_labels

__all__ = ["Result", "SpfResult", "Weakness", "check_host", "check_sender"]

MAX_SECONDS: Final = 20.0  # RFC 7208 §4.6.4: at least 20 seconds should be allowed
MAX_TTL: Final = 86_400  # seconds; also of what needed no lookup at all


async def check_sender(
    resolver: Resolver, address: Address, sender: bytes, helo: bytes, *, deadline: float | None = None
) -> SpfResult:
    """Check a MAIL FROM, or for the null sender the HELO name (§2.4)."""
    domain = split_address(sender)[1] if sender else helo
    return await check_host(resolver, address, domain, sender, helo, deadline=deadline)


async def check_host(
    resolver: Resolver,
    address: Address,
    sender_domain: bytes | str,
    sender: bytes,
    helo: bytes,
    *,
    receiver: bytes = b"unknown",
    deadline: float | None = None,
    wall: Callable[[], float] = time.time,
) -> SpfResult:
    """The check_host() of RFC 7208 §4: may `address` send mail of `sender_domain`?

    `sender` is the MAIL FROM address, whose local part is postmaster if it has none; empty, it is postmaster at
    `sender_domain`. `receiver` is our own name. `deadline` is a time of the event loop; without one it is 20 seconds.
    """
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + MAX_SECONDS
    domain = _name(sender_domain) if isinstance(sender_domain, bytes) else sender_domain
    local, of = split_address(sender) if b"@" in sender else (b"", b"")
    facts = {"l": _text(local) or "postmaster", "o": _name(of) or domain.removesuffix(".")}
    facts |= {"h": _name(helo), "r": _text(receiver)}
    facts["s"] = f"{facts['l']}@{facts['o']}"
    facts["t"] = str(int(wall()))
    check = Check(resolver, plain_address(address), facts, deadline)
    try:
        found = await check.sender(domain)
    except TempError as error:
        found = Found(Result.TEMPERROR, why=str(error))
    except SpfSyntaxError as error:
        found = Found(Result.PERMERROR, why=str(error))
    strong = found.weakness is Weakness.NONE and found.result is Result.PASS
    ttl = 0 if found.result is Result.TEMPERROR else min(check.ttl, MAX_TTL)
    return SpfResult(found.result, found.mechanism, found.domain, strong, ttl, found.why, found.weakness)


def _name(value: bytes) -> str:
    """A name whose U-labels are the A-labels that stand for them (RFC 8616 §4)."""
    return _text(value if value.isascii() else a_labels(value))


def _text(value: bytes) -> str:
    return value.decode("latin-1")
