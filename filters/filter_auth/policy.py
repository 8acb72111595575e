"""What filter-auth does with a message: facts in, a ruling out. Nothing here asks anybody anything.

RFC 9989 §7.4 forbids to refuse mail for p=reject alone, as lists and forwarders break what they pass on. So failing
mail is marked; `-p reject` refuses it only where nothing at all speaks for it, and `-p strict` does as the domain asks.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from filter_api.decision import Failure, Proceed, Reject
from filter_api.dmarc.evaluate import Dmarc, Found
from filter_auth.options import Failing, Options, Unauthored

NO_AUTHOR: Final = Reject(550, "5.7.1", "mail without exactly one usable From field is not accepted")
NO_SPF_NOW: Final = Reject(451, "4.7.24", "SPF of the sender cannot be checked now, try again later")
NO_DNS_NOW: Final = Reject(451, "4.7.1", "the author's domain cannot be checked now, try again later")
NO_DNS: Final = Reject(550, "5.7.1", "the author's domain cannot be checked")


REASONS: Final = ("dmarc", "spf", "author", "dns", "ours", *(result.value for result in Dmarc))
"""Of rulings, and results of DMARC."""


class Action(enum.Enum):
    """What becomes of a message, as the log has it."""

    ACCEPT = "accept"
    MARK = "mark"
    REJECT = "reject"
    TEMPFAIL = "tempfail"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message. found: None where it has no usable author. spf: a result of RFC 7208 as a word.

    vouched: whether anything speaks for it: strong SPF, a signature, a chain, a list's field. trusted: who is believed
    though DMARC fails: ``forwarder``, ``list``, ``arc`` or nobody. exempt: -W. role: a recipient is a role address.
    """

    found: Found | None
    spf: str = "none"
    spf_domain: str = ""
    vouched: bool = False
    trusted: str = ""
    exempt: bool = False
    role: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """An action, why, and what kept it from being worse (``override`` of the log)."""

    action: Action = Action.ACCEPT
    reply: Reject | None = None
    reason: str = ""
    override: str = ""

    @property
    def decision(self) -> Proceed | Reject:
        """The answer for smtpd."""
        return self.reply or Proceed()


def rule(facts: Facts, own: Options, failure: Failure = Failure.ACCEPT) -> Ruling:
    """Decide."""
    ruling = _rule(facts, own, failure)
    if ruling.action is Action.ACCEPT:
        return ruling
    if facts.exempt or facts.trusted:
        return Ruling(reason=ruling.reason, override="exempt" if facts.exempt else facts.trusted)
    if ruling.action is Action.REJECT and facts.role:
        return Ruling(Action.MARK, None, ruling.reason, "postmaster")
    return ruling


def _rule(facts: Facts, own: Options, failure: Failure) -> Ruling:
    """The same without a look at who is believed."""
    found = facts.found
    if found is None:
        return _without_author(own)
    if found.result is Dmarc.FAIL:
        return _failing(facts, found, own)
    if found.result is Dmarc.TEMPERROR and found.policy != "none" and own.failing is not Failing.NONE:
        return _unknown(failure, NO_SPF_NOW if found.missing == {"spf"} else NO_DNS_NOW)
    if own.refuse_spf_fail and found.result is Dmarc.NONE and facts.spf == "fail":
        reply = Reject(550, "5.7.23", f"SPF of {facts.spf_domain} says that this host may not send its mail")
        return Ruling(Action.REJECT, reply, "spf")
    if own.refuse_spf_fail and found.result is Dmarc.NONE and facts.spf == "temperror":
        return _unknown(failure, NO_SPF_NOW)
    return Ruling()


def _without_author(own: Options) -> Ruling:
    if own.unauthored is Unauthored.REJECT:
        return Ruling(Action.REJECT, NO_AUTHOR, "author")
    return Ruling(Action.MARK if own.unauthored is Unauthored.MARK else Action.ACCEPT, None, "author")


def _failing(facts: Facts, found: Found, own: Options) -> Ruling:
    if found.policy == "none" or own.failing is Failing.NONE:
        return Ruling(reason="dmarc", override="test" if found.testing else "")
    wants = own.failing in {Failing.REJECT, Failing.STRICT}
    if found.policy == "reject" and wants:
        if own.failing is Failing.REJECT and facts.vouched:
            return Ruling(Action.MARK, None, "dmarc", "vouched")
        reply = Reject(550, "5.7.26", f"mail of {found.author} that fails DMARC is not accepted")
        return Ruling(Action.REJECT, reply, "dmarc")
    return Ruling(Action.MARK, None, "dmarc", "test" if found.testing else "")


def _unknown(failure: Failure, later: Reject) -> Ruling:
    """What -F says where the DNS does not."""
    if failure is Failure.ACCEPT:
        return Ruling(reason="dns")
    if failure is Failure.TEMPFAIL:
        return Ruling(Action.TEMPFAIL, later, "dns")
    return Ruling(Action.REJECT, NO_DNS, "dns")
