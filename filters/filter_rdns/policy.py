"""When filter-rdns refuses a client: facts in, an objection or None out. Nothing here asks anybody anything.

An `Objection` is what is wrong, with the reply codes for it; `decide` makes a decision of it, as the options want it.
Doubt is an objection of its own kind, which only the failure policy (-F) turns into an answer.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from filter_api.bases.phase import Phase
from filter_api.decision import Disconnect, Failure, Junk, Proceed, Reject
from filter_api.net.rdns import Finding, Reverse, looks_like_address
from filter_api.text.addresses import Address, plain_address


class Mailbox(enum.Enum):
    """Whether a sender's domain can receive mail (-S)."""

    ABLE = "able"
    NULL_MX = "null-mx"  # it says that it takes no mail (RFC 7505)
    NO_DOMAIN = "no-such-domain"
    NO_MAIL = "no-mx-no-address"
    DOUBT = "doubt"  # the DNS did not answer


REASONS: Final = (
    *("no-ptr", "ptr-is-address", "mismatch", "dns", "helo-address", "helo-bare-word", "helo-ours"),
    *("sender-null-mx", "sender-no-domain", "sender-no-mail", "sender-dns", "spf"),
)
"""Of objections."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Something is wrong with a client.

    `reason` is the word for the log. `status` is the enhanced code without its first digit (RFC 3463): 7.25 becomes
    550 5.7.25, and with doubt 451 4.7.25. `facts` are further pairs for the log.
    """

    reason: str
    status: str
    text: str
    doubt: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)


def believed(rdns: bytes | None, fcrdns: str) -> bool:
    """Is smtpd's word enough to let the client pass? Only good news is believed.

    A name that is an address confirms itself in every resolver, so it is no good news.
    """
    return fcrdns == "pass" and rdns is not None and not looks_like_address(rdns.decode("latin-1"))


def settled(rdns: bytes | None, fcrdns: str, *, forward: bool) -> bool:
    """Is it clear without a lookup of our own that the client may pass?

    Without -f any name will do, and smtpd does not invent names: it only cuts them.
    """
    if believed(rdns, fcrdns):
        return True
    return not forward and rdns is not None and not looks_like_address(rdns.decode("latin-1"))


def object_to_reverse(reverse: Reverse, address: Address) -> Objection | None:
    """Is there anything wrong with the reverse DNS of this address?"""
    facts: dict[str, object] = {"ptr": ",".join(reverse.names)} if reverse.names else {}
    match reverse.finding:
        case Finding.NO_NAME:
            return Objection("no-ptr", "7.25", f"no reverse DNS for {address}", facts=facts)
        case Finding.LITERAL:
            return Objection("ptr-is-address", "7.25", f"reverse DNS of {address} is no name", facts=facts)
        case Finding.MISMATCH:
            text = f"reverse DNS of {address} does not lead back to it"
            return Objection("mismatch", "7.25", text, facts=facts)
        case Finding.DOUBT:
            text = f"reverse DNS of {address} cannot be looked up"
            return Objection("dns", "7.25", text, doubt=True, facts=facts | {"why": reverse.why})
    return None


def object_to_helo(identity: bytes, address: Address, our_name: bytes) -> Objection | None:
    """Is the name of HELO or EHLO none that this client can have (-H)?

    `our_name` is this server's; empty if it is not known. An address is compared with the client's, in brackets
    (RFC 5321 §4.1.3) or not.
    """
    name = identity.decode("latin-1").removesuffix(".").lower()
    if name.startswith("[") or looks_like_address(name):
        if _literal(name) == address:
            return None
        return Objection("helo-address", "7.1", "HELO with an address that is not yours")
    if "." not in name:
        return Objection("helo-bare-word", "7.1", "HELO needs a full host name")
    if our_name and name == our_name.decode("latin-1").removesuffix(".").lower():
        return Objection("helo-ours", "7.1", "HELO with our own name")
    return None


def _literal(name: str) -> Address | None:
    text = name.removeprefix("[").removesuffix("]").removeprefix("ipv6:")
    try:
        return plain_address(ipaddress.ip_address(text))
    except ValueError:
        return None


def object_to_sender(mailbox: Mailbox, why: str = "") -> Objection | None:
    """Can nobody answer this sender (-S)?"""
    match mailbox:
        case Mailbox.NULL_MX:
            return Objection("sender-null-mx", "7.27", "the sender's domain accepts no mail")
        case Mailbox.NO_DOMAIN:
            return Objection("sender-no-domain", "1.8", "the sender's domain does not exist")
        case Mailbox.NO_MAIL:
            return Objection("sender-no-mail", "1.8", "the sender's domain has no mail server")
        case Mailbox.DOUBT:
            text = "the sender's domain cannot be looked up"
            return Objection("sender-dns", "1.8", text, doubt=True, facts={"why": why})
    return None


def object_to_doubtful_exemption(why: str) -> Objection:
    """The sender would be exempt (from: of -W) if SPF passed, and that cannot be found out now."""
    return Objection("spf", "7.24", "SPF of the sender cannot be looked up", doubt=True, facts={"why": why})


def decide(
    objection: Objection, phase: Phase, *, failure: Failure, mark: bool = False, text: str | None = None
) -> Proceed | Junk | Reject | Disconnect:
    """The decision on an objection: refuse, mark (-m), or what the failure policy (-F) makes of doubt.

    `text` (-r) takes the place of the reason in a refusal for good.
    """
    facts = {"reason": objection.reason, **objection.facts}
    if objection.doubt:
        if failure is Failure.ACCEPT:
            return Proceed(facts=facts)
        if failure is Failure.TEMPFAIL:
            return phase.refuse(451, "4." + objection.status, objection.text + ", try again later", facts=facts)
    elif mark:
        return Junk(facts=facts)
    return phase.refuse(550, "5." + objection.status, text or objection.text, facts=facts)
