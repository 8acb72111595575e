"""``filterctl explain rdns``: what filter-rdns would do with a client, check by check.

    filterctl explain rdns [options of filter-rdns] address [helo [sender]]

The options are those of the filter, so that its line of smtpd.conf can be pasted. Without -f, -H and -S all checks are
made, and each line shows the option it belongs to. The same lookups and the same policy decide as in the filter; what
smtpd itself would report of the client is not known here and counts as no name. Exit status 1 means refused.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from typing import NamedTuple

from filter_api import trust
from filter_api.decision import Disconnect, Failure, Proceed, Reject
from filter_api.errors import UsageError
from filter_api.net.dns import Resolver
from filter_api.net.rdns import Finding, look_up
from filter_api.options import COMMON_OPTIONS, CommonOptions, options_of
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filter_rdns import policy
from filter_rdns.options import OPTIONS, Options, parse
from filter_rdns.policy import Objection
from filter_rdns.sender import look_up_mailbox


class Client(NamedTuple):
    """Who is asked about; empty where nothing was given."""

    address: Address
    helo: bytes
    sender: bytes


class Report:
    """Prints one line a check and remembers whether one of them refuses."""

    def __init__(self, own: Options, common: CommonOptions) -> None:
        self.refused = False
        self._own = own
        self._failure = common.failure or Failure.TEMPFAIL

    def show(self, check: str, objection: Objection | None, fine: str) -> None:
        """`fine` is what is said where there is no objection."""
        answer = fine
        if objection is not None:
            own = self._own
            decision = policy.decide(objection, own.phase, failure=self._failure, mark=own.mark, text=own.text)
            self.refused = self.refused or not isinstance(decision, Proceed)
            answer = decision.reply if isinstance(decision, Reject | Disconnect) else decision.word
            details = [objection.reason, *(f"{key}={value}" for key, value in objection.facts.items())]
            answer += f" ({', '.join(details)})"
        print(f"{check:<22}{printable(answer, 900)}")


def explain(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The verb. Raises UsageError and ConfigError; `resolver` is for tests."""
    _, rest = options_of(arguments, OPTIONS + COMMON_OPTIONS)
    if not 1 <= len(rest) <= 3:
        raise UsageError("rdns takes an address, and after it a HELO name and a sender")
    own, common = parse(arguments[: len(arguments) - len(rest)])
    if not (own.forward or own.helo or own.sender):
        own = replace(own, forward=True, helo=True, sender=True)
    helo, sender, *_ = (*(word.encode() for word in rest[1:]), b"", b"")
    client = Client(_address(rest[0]), helo, sender)
    return asyncio.run(_explain(own, common, client, resolver or Resolver()))


def _address(text: str) -> Address:
    try:
        return plain_address(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"not an address: {text}") from None


async def _explain(own: Options, common: CommonOptions, client: Client, resolver: Resolver) -> int:
    exempt = _exempt(common, client.address)
    if exempt:
        print(f"{client.address} {exempt}: never refused")
        return 0
    report = Report(own, common)
    await _reverse(own, client, resolver, report)
    if own.helo and client.helo:
        objection = policy.object_to_helo(client.helo, client.address, b"")
        report.show("HELO (-H)", objection, "acceptable, unless it is our own name")
    if own.sender and client.sender:
        mailbox, why = await look_up_mailbox(resolver, client.sender)
        report.show("sender (-S)", policy.object_to_sender(mailbox, why), "can receive mail")
    return int(report.refused)


async def _reverse(own: Options, client: Client, resolver: Resolver, report: Report) -> None:
    address = client.address
    found = await look_up(resolver, address)
    report.show("reverse DNS", policy.object_to_reverse(found, address), f"has a name: {', '.join(found.names)}")
    if own.forward and found.finding is Finding.NAMED:
        found = await look_up(resolver, address, forward=True, heard=[client.helo])
        report.show("confirmed name (-f)", policy.object_to_reverse(found, address), ", ".join(found.names))


def _exempt(common: CommonOptions, address: Address) -> str:
    """Why this address is never refused, or nothing."""
    session = trust.client_at(address)
    if trust.is_ours(session, common.ours):
        return "is one of ours (-N)"
    if common.exempt is not None and trust.client_is_exempt(common.exempt, session):
        return "is exempt (-W)"
    return ""
