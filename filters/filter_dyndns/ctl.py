"""``filter-dyndns -x`` and ``filterctl explain dyndns``: what a name is worth, sign by sign.

    filterctl explain dyndns [options of filter-dyndns] name [address]
    filterctl explain dyndns [options of filter-dyndns] address

The options are those of the filter, so that its line of smtpd.conf can be pasted; -e, -f, -j, -m, -s, -N and -W count.
A name is taken as it is given. Without its address it can only be guessed whether figures in it are the client's. Of an
address alone the names are looked up. Exit status 1 means refused, or that the DNS did not answer.
"""

from __future__ import annotations

import asyncio
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from filter_api import trust
from filter_api.decision import Disconnect, Reject
from filter_api.errors import ConfigError, UsageError
from filter_api.names.dynamic import Evidence, split_name
from filter_api.net.rdns import Finding, look_up, looks_like_address
from filter_api.options import COMMON_OPTIONS, CommonOptions, VersionWanted, options_of
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filter_api.version import VERSION
from filter_dyndns import policy
from filter_dyndns.options import OPTIONS, USAGE, Options, parse
from filter_dyndns.policy import Action

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver


def explain(arguments: list[str], resolver: Resolver | None = None) -> int:
    """The verb. Raises UsageError and ConfigError; `resolver` is for tests."""
    _, rest = options_of(arguments, OPTIONS + COMMON_OPTIONS)
    own, common = parse(arguments[: len(arguments) - len(rest)])
    if not 1 <= len(rest) <= 2:
        raise UsageError("a name is wanted, and after it the client's address if it is known")
    literal = _literal(rest[0])
    if literal is not None and len(rest) == 1:
        return _of_address(literal, own, common, resolver)
    if literal is not None or looks_like_address(rest[0]):
        raise UsageError(f"{printable(rest[0])} is no name but an address; alone, it is looked up")
    name = rest[0].encode("utf-8", "surrogateescape").lower()
    return _of_name(name, _address(rest[1]) if len(rest) == 2 else None, own, common)


def _of_address(address: Address, own: Options, common: CommonOptions, resolver: Resolver | None) -> int:
    """Look the names of a client up and judge each, as smtpd may see any of them first."""
    from filter_api.net.dns import Resolver

    found = asyncio.run(look_up(resolver or Resolver(), address))
    if found.finding is Finding.DOUBT:
        print(f"{address}\n        the names cannot be looked up: {printable(found.why)}")
        return 1
    if found.finding in (Finding.NO_NAME, Finding.LITERAL):
        why = "it has no name" if found.finding is Finding.NO_NAME else "its name is an address"
        print(f"{address}\n        accepted: {why}, which is the business of filter-rdns(8)")
        return 0
    names = [name.encode("latin-1", "replace") for name in found.names]
    return max([_of_name(name, address, own, common) for name in names])


def _of_name(name: bytes, address: Address | None, own: Options, common: CommonOptions) -> int:
    print(printable(name) + (f" ({address})" if address else ""))
    reason = _exempt(name, address, own, common)
    if reason:
        print(f"       accepted: {reason}")
        return 0
    _, evidence = policy.judge([name], address, own)
    return _show(name, evidence, own)


def run(arguments: list[str]) -> int:
    """``filter-dyndns -x``: the verb as a program of its own, with its messages and exit status."""
    try:
        return explain(arguments)
    except VersionWanted:
        print(f"filter-dyndns {VERSION}")
        return 0
    except UsageError as error:
        print(f"filter-dyndns: {error}\nusage: {USAGE}", file=sys.stderr)
    except ConfigError as error:
        print(f"filter-dyndns: {error}", file=sys.stderr)
    return 1


def _show(name: bytes, evidence: Evidence, own: Options) -> int:
    for item in evidence.items:
        print(f"  {item.weight:+4d}  {item.kind:<12} {item.detail}")
    domain = split_name(name).domain
    print(f"        left out     {printable(domain)}")
    action = policy.action(evidence.total, own)
    limits = f"-s {own.refuse}" + ("" if own.junk is None else f", -j {own.junk}") + (", -m" if own.mark else "")
    print(f"  {evidence.total:4d}  {action.value} ({limits})")
    decision = policy.decide(name, evidence, own, own.phase)
    if isinstance(decision, Reject | Disconnect):
        print(f"        {decision.reply}")
    return int(action is Action.REFUSE)


def _exempt(name: bytes, address: Address | None, own: Options, common: CommonOptions) -> str:
    """Why this client is never refused, or nothing."""
    if own.exceptions is not None and own.exceptions.current().hold(name, address):
        return "it is among the exceptions (-e)"
    if address is None:
        return ""
    session = trust.client_at(address, name)
    if trust.is_ours(session, common.ours):
        return "it is one of ours (-N)"
    if common.exempt is not None and trust.client_is_exempt(common.exempt, session):
        return "it is exempt, if the name is confirmed (-W)"
    return ""


def _address(text: str) -> Address:
    found = _literal(text)
    if found is None:
        raise UsageError(f"not an address: {printable(text)}")
    return found


def _literal(text: str) -> Address | None:
    """The address that is written here, in brackets (RFC 5321 §4.1.3) or not; None if it is none."""
    text = text.removesuffix(".").removeprefix("[").removesuffix("]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    try:
        return plain_address(ip_address(text))
    except ValueError:
        return None
