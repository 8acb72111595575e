"""What an answer of a list means: it lists, it does not, or there is trouble, which is never a listing.

Only addresses of 127.0.0.0/8 are answers of a list (RFC 5782, 2.1). Others come from a domain that was sold or a
resolver that redirects; 127.255.255.0/24 tells that the question was refused. Some lists refuse by codes of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from filter_api.net.dns.answer import Answer, Status
from filter_api.net.dnsbl.entries import Zone

_LISTS: Final = IPv4Network("127.0.0.0/8")
_REFUSED: Final = IPv4Network("127.255.255.0/24")

#: Codes by which single lists refuse a question, by the end of their names.
_OWN_REFUSALS: Final = {
    "dnswl.org": IPv4Address("127.0.0.255"),
    "surbl.org": IPv4Address("127.0.0.1"),
    "uribl.com": IPv4Address("127.0.0.1"),
    "dbl.spamhaus.org": IPv4Address("127.0.1.255"),
    "dbl.dq.spamhaus.net": IPv4Address("127.0.1.255"),
}

#: Lists that have ended, by the end of their names: they answer nobody, or list everybody.
DEAD_LISTS: Final = (
    "sorbs.net",
    "nixspam.org",
    "ix.dnsbl.manitu.net",
    "spamcannibal.org",
    "emailbasura.org",
    "virbl.dnsbl.bit.nl",
    "wpbl.info",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says. addresses: the codes of a listing. trouble: why it says nothing; broken: it never will."""

    addresses: tuple[IPv4Address, ...] = ()
    trouble: str = ""
    broken: bool = False


def read_answer(zone: Zone, answer: Answer) -> Reading:
    """Judge the answer to a question for A records. The trouble never names the question, which may hold a key."""
    if answer.status is Status.TEMPFAIL:
        return Reading(trouble="no answer" if zone.key else answer.why or "no answer")
    codes = tuple(address for address in answer.addresses() if isinstance(address, IPv4Address))
    for code in codes:
        if code not in _LISTS:
            return Reading(trouble=f"answers {code}, which is no answer of a list", broken=True)
        if code in _REFUSED or code == _own_refusal(zone):
            return Reading(trouble=f"refuses our questions ({code})")
    return Reading(codes)


def is_dead(name: str) -> bool:
    """Whether a list of this name is known to have ended."""
    return any(_is_below(name, dead) for dead in DEAD_LISTS)


def _own_refusal(zone: Zone) -> IPv4Address | None:
    return next((code for suffix, code in _OWN_REFUSALS.items() if _is_below(zone.shown, suffix)), None)


def _is_below(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith("." + suffix)
