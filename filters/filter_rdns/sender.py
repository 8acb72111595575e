"""Can the domain of a sender receive mail? The lookups behind option -S (RFC 5321 §5.1, RFC 7505)."""

from __future__ import annotations

import asyncio

from filter_api.net.dns import Resolver, Status
from filter_api.text.addresses import domain_of, strip_source_route
from filter_rdns.policy import Mailbox


async def look_up_mailbox(resolver: Resolver, sender: bytes, deadline: float | None = None) -> tuple[Mailbox, str]:
    """Ask for the MX, then for the addresses, of the sender's domain; with doubt comes the reason.

    The null sender and address literals are able. A sender without a domain is not: nobody outside can answer it.
    `deadline` is a time of the event loop. Nothing is raised.
    """
    domain = domain_of(strip_source_route(sender))
    if not sender or domain.startswith(b"["):
        return Mailbox.ABLE, ""
    if not domain:
        return Mailbox.NO_DOMAIN, ""
    answer = await resolver.resolve(domain, "MX", deadline=deadline)
    match answer.status:
        case Status.OK:
            null = all(exchange == "" for _, exchange in answer.exchanges())
            return (Mailbox.NULL_MX if null else Mailbox.ABLE), ""
        case Status.NXDOMAIN:
            return Mailbox.NO_DOMAIN, ""
        case Status.TEMPFAIL:
            return Mailbox.DOUBT, f"MX: {answer.why}"
    return await _look_up_addresses(resolver, domain, deadline)


async def _look_up_addresses(resolver: Resolver, domain: bytes, deadline: float | None) -> tuple[Mailbox, str]:
    """Without an MX the addresses of the domain take its mail."""
    answers = await asyncio.gather(*(resolver.resolve(domain, kind, deadline=deadline) for kind in ("A", "AAAA")))
    if any(answer.records for answer in answers):
        return Mailbox.ABLE, ""
    for answer in answers:
        if answer.status is Status.TEMPFAIL:
            return Mailbox.DOUBT, f"address: {answer.why}"
    return Mailbox.NO_MAIL, ""
