"""``filterctl dnsbl``: what lists say, whether they work, and whether they list us.

    filterctl dnsbl explain [options of filter-dnsbl] address [name]
    filterctl dnsbl test [options of filter-dnsbl]
    filterctl dnsbl own [options of filter-dnsbl] [address ...]

The options are those of the filter, so that its line of smtpd.conf can be pasted. The same engine and the same policy
decide as in the filter. A name is asked of every list of domains, as if it were proven. Without an address ``own`` asks
about those that the DNS has for this host's name. Exit status 1: refused; a list does not work; one of us is listed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Sequence

from filter_api import trust
from filter_api.commands import Command, choose
from filter_api.errors import UsageError
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import (
    Entry,
    Inquiry,
    Lists,
    SelfTests,
    Standing,
    Subject,
    Zone,
    subject_of_address,
    subject_of_domain,
)
from filter_api.net.dnsbl.answers import Reading, is_dead
from filter_api.options import COMMON_OPTIONS, CommonOptions, options_of
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filter_dnsbl import policy
from filter_dnsbl.options import OPTIONS, Options, parse
from filter_dnsbl.policy import Action

SECONDS = 10.0
"""For all questions of one address; nobody waits at the other end."""

_KINDS = {"4": "IPv4", "6": "IPv6", "d": "domains"}


def run(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The verb. Raises UsageError and ConfigError; `resolver` is for tests."""
    given = "[options of filter-dnsbl]"
    return choose(
        arguments,
        {
            "explain": Command(
                lambda rest: explain(rest, resolver), f"{given} address [name]", "what lists say of a client"
            ),
            "test": Command(lambda rest: check_lists(rest, resolver), given, "whether lists work"),
            "own": Command(lambda rest: own(rest, resolver), f"{given} [address ...]", "whether lists list us"),
        },
    )


def explain(arguments: list[str], resolver: Resolver | None = None) -> int:
    """What the filter would do with a client, list by list."""
    options, common, rest = _split(arguments)
    if not 1 <= len(rest) <= 2:
        raise UsageError("an address is wanted, and after it the domain of a sender or a host name")
    address = _address(rest[0])
    subjects: list[Subject | None] = [subject_of_address(address)]
    if len(rest) == 2:
        domains = [subject_of_domain(where, rest[1].encode(), proven=True) for where in "phsa"]
        if None in domains:
            raise UsageError(f"no domain that a list could know: {printable(rest[1], 80)}")
        subjects += domains
    left_alone = _left_alone(common, address)
    if left_alone:
        print(f"{address} {left_alone}: no list is asked")
        return 0
    return asyncio.run(_explain(options, subjects, address, resolver or Resolver()))


def _left_alone(common: CommonOptions, address: Address) -> str:
    """Why nothing is asked about a client; empty if it is."""
    session = trust.client_at(address)
    if trust.is_ours(session, common.ours):
        return "is one of ours (-N)"
    if common.exempt is not None and trust.client_is_exempt(common.exempt, session):
        return "is exempt (-W)"
    return ""


async def _explain(options: Options, subjects: Sequence[Subject | None], address: Address, resolver: Resolver) -> int:
    inquiry = await _ask(options, subjects, resolver)
    for entry, _, reading in inquiry.readings():
        print(_line(entry, reading))
    tally = inquiry.tally()
    action = policy.level(tally.points, options.thresholds)
    doubtful = policy.is_doubtful(tally, options.thresholds)
    words = {Action.PASS: "accepted", Action.GREY: "accepted, grey", Action.MARK: "marked", Action.REFUSE: "refused"}
    if tally.all_failed and not policy.is_settled(tally, options.thresholds):
        print("   ?  no list answers: -F decides")
    else:
        print(f"{tally.points:>4}  {'told to try again' if doubtful else words[action]}")
    if action is Action.REFUSE:
        text = policy.IN_DOUBT if doubtful else policy.reply_text(options.text, address, tally)
        print(f"      {'451 4.7.1' if doubtful else '550 5.7.1'} {text}")
    return int(action is Action.REFUSE)


def _line(entry: Entry, reading: Reading | None) -> str:
    codes = [] if reading is None else [code for code in reading.addresses if entry.counts(code)]
    points = f"{entry.weight:+d}" if codes else ""
    if reading is None or reading.trouble:
        said = f"does not count: {reading.trouble if reading else 'no answer in time'}"
    elif codes:
        said = " ".join(map(str, codes))
    else:
        said = f"not these: {' '.join(map(str, reading.addresses))}" if reading.addresses else "not listed"
    return f"{points:>4}  {entry.zone.shown:<32} {printable(said, 300)}"


def check_lists(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The self tests of all lists (RFC 5782, section 5)."""
    options, _, rest = _split(arguments)
    if rest:
        raise UsageError(f"unexpected argument: {rest[0]}")
    return asyncio.run(_test(options, resolver or Resolver()))


async def _test(options: Options, resolver: Resolver) -> int:
    tests = SelfTests(resolver, time.monotonic)
    wanted = dict.fromkeys(
        (entry.zone, kind) for entry in options.entries() for kind in ("46" if entry.where == "c" else "d")
    )
    found = await asyncio.gather(*(tests.settled(zone, kind) for zone, kind in wanted))
    bad = 0
    for (zone, kind), standing in zip(wanted, found, strict=True):
        bad |= is_dead(zone.shown) or (standing is not Standing.PASSED and kind != "6")
        print(f"{zone.shown:<32} {_KINDS[kind]:<8} {_standing(zone, kind, standing, tests)}")
    return int(bad)


def _standing(zone: Zone, kind: str, standing: Standing, tests: SelfTests) -> str:
    if is_dead(zone.shown):
        return "has ended: ask it no more"
    if standing is Standing.PASSED:
        return "works"
    if kind == "6" and standing is Standing.OFF:
        return "not asked"
    return printable(f"{'off' if standing is Standing.OFF else 'unknown'}: {tests.why(zone, kind)}", 300)


def own(arguments: list[str], resolver: Resolver | None = None) -> int:
    """Whether lists speak against our own addresses."""
    options, _, rest = _split(arguments)
    return asyncio.run(_own(options, [_address(word) for word in rest], resolver or Resolver()))


async def _own(options: Options, addresses: list[Address], resolver: Resolver) -> int:
    if not addresses:
        name = socket.getfqdn()
        answers = await asyncio.gather(resolver.resolve(name, "A"), resolver.resolve(name, "AAAA"))
        addresses = [address for answer in answers for address in answer.addresses() if address.is_global]
        if not addresses:
            raise UsageError(f"the DNS has no public address for {printable(name, 80)}: name our addresses")
    listed = 0
    for address in addresses:
        inquiry = await _ask(options, [subject_of_address(address)], resolver)
        against = policy.listing(inquiry.tally())
        print(f"{address!s:<40} {'listed by ' + ', '.join(against) if against else 'not listed'}")
        listed |= bool(against)
    return int(listed)


async def _ask(options: Options, subjects: Sequence[Subject | None], resolver: Resolver) -> Inquiry:
    tests = None if options.untested else SelfTests(resolver, time.monotonic)
    inquiry = Lists(resolver, tests).inquiry()
    inquiry.ask(options.entries(), [subject for subject in subjects if subject is not None])
    await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + SECONDS)
    return inquiry


def _split(arguments: list[str]) -> tuple[Options, CommonOptions, list[str]]:
    _, rest = options_of(arguments, OPTIONS + COMMON_OPTIONS)
    return *parse(arguments[: len(arguments) - len(rest)]), rest


def _address(text: str) -> Address:
    try:
        return plain_address(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"not an address: {printable(text, 80)}") from None
