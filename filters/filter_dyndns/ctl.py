"""``filter-dyndns -x`` and ``filterctl explain dyndns``: what a name is worth, sign by sign.

    filterctl explain dyndns [options of filter-dyndns] name [address]

The options are those of the filter, so that its line of smtpd.conf can be pasted; -e, -f, -j, -m, -s, -N and -W count.
The name is taken as it is given: nothing is looked up. Without the address it can only be guessed whether figures in
the name are the client's. Exit status 1 means refused.
"""

from __future__ import annotations

import getopt
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address

from filter_api.decision import Disconnect, Reject
from filter_api.errors import ConfigError, UsageError
from filter_api.names.dynamic import Evidence, split_name
from filter_api.options import COMMON_LETTERS, CommonOptions, VersionWanted
from filter_api.session import Session
from filter_api.text.addresses import plain_address
from filter_api.text.escape import printable
from filter_api.version import VERSION
from filter_dyndns import policy
from filter_dyndns.options import LETTERS, USAGE, Options, parse
from filter_dyndns.policy import Action

Address = IPv4Address | IPv6Address


def explain(arguments: list[str]) -> int:
    """The verb. Raises UsageError and ConfigError."""
    try:
        _, rest = getopt.getopt(arguments, LETTERS + COMMON_LETTERS)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    own, common = parse(arguments[: len(arguments) - len(rest)])
    if not 1 <= len(rest) <= 2:
        raise UsageError("a name is wanted, and after it the client's address if it is known")
    name = rest[0].encode("utf-8", "surrogateescape").lower()
    address = _address(rest[1]) if len(rest) == 2 else None
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
        return "is among the exceptions (-e)"
    if address is None:
        return ""
    if address in common.ours:
        return "is one of ours (-N)"
    session = Session(b"")
    session.source = f"[{address}]".encode() if address.version == 6 else str(address).encode()
    session.rdns, session.fcrdns = name, "pass"
    if common.exempt is not None and common.exempt.client(session):
        return "is exempt, if the name is confirmed (-W)"
    return ""


def _address(text: str) -> Address:
    try:
        return plain_address(ip_address(text))
    except ValueError:
        raise UsageError(f"not an address: {text}") from None
