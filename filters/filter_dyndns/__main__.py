"""filter-dyndns(8): turn away residential and dynamic clients by the shape of their reverse DNS.

The class that runs is chosen by the phase of the decision, as what a filter overrides is what smtpd asks it. A client
is judged once a session, mostly without asking anybody: only a name that smtpd may have cut is looked up whole.
"""

from __future__ import annotations

import asyncio
import getopt
import sys
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, ClassVar

from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Proceed, Reject
from filter_api.errors import CannotCheck
from filter_api.filter import Filter
from filter_api.names.dynamic import Evidence
from filter_api.options import COMMON_LETTERS
from filter_api.runtime.main import main
from filter_api.session import Address, PerSession, Session
from filter_api.text.addresses import is_role_address
from filter_dyndns import policy
from filter_dyndns.options import LETTERS, USAGE, Options, parse

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver

DNS_SECONDS = 5.0  # for the lookup of a long name, and for SPF; less if -T leaves less


class Judgement:
    """What was found, so that a client is judged once."""

    __slots__ = ("evidence", "known", "name")

    def __init__(self) -> None:
        self.known = False
        self.name = b""
        self.evidence = Evidence()


class DynamicNames(Filter):
    """What all phases share."""

    name: ClassVar[str] = "filter-dyndns"
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "the DNS does not answer, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.1", "the DNS does not answer")

    judgements = PerSession(Judgement)

    def __init__(self, own: Options | None = None, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        self.own = own or Options()
        self._resolver = resolver

    @property
    def resolver(self) -> Resolver:
        """Made at the first name that has to be looked up: most servers never see one."""
        if self._resolver is None:
            from filter_api.net.dns import Resolver

            self._resolver = Resolver()
        return self._resolver

    def reload(self) -> None:
        """SIGHUP: somebody may have mended a zone."""
        if self._resolver is not None:
            self._resolver.forget()

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where nothing is asked. One without a name is left to filter-rdns."""
        name, address = session.rdns, session.address
        if not name or address is None or self.ours(session) or self.exempt(session):
            return Proceed()
        if not self.judgements[session].known:
            if policy.needs_whole_name(name):
                return self.look_up(session, address, name, phase, sender)
            self.remember(session, [name])
        decision = self.decide(session, phase)
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            return self.unless_vouched(session, address, sender, decision)
        return decision

    async def look_up(
        self, session: Session, address: Address, cut: bytes, phase: Phase, sender: bytes | None
    ) -> Decision:
        """Ask the DNS for the whole name, and decide. Raises CannotCheck if it does not answer."""
        from filter_api.net.dns import Status, reverse_name

        answer = await self.resolver.resolve(reverse_name(address), "PTR", deadline=self.deadline())
        if answer.status is Status.TEMPFAIL:
            raise CannotCheck(f"whole name of {address}: {answer.why}")
        names = policy.whole_name(cut, [str(record) for record in answer.records])
        if not names:
            return Proceed()
        self.remember(session, names)
        decision = self.decide(session, phase)
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            decision = await self.unless_vouched(session, address, sender, decision)
        return decision

    def remember(self, session: Session, names: list[bytes]) -> None:
        """Judge a client by its names, once."""
        judgement = self.judgements[session]
        exceptions = self.own.exceptions.current() if self.own.exceptions else None
        if exceptions is None or not any(exceptions.hold(name, session.address) for name in names):
            judgement.name, judgement.evidence = policy.judge(names, session.address, self.own)
        judgement.known = True
        self.log.debug(session, "judged", score=judgement.evidence.total, signs=judgement.evidence.kinds)

    def decide(self, session: Session, phase: Phase) -> Decision:
        """What the options make of what is remembered."""
        judgement = self.judgements[session]
        return policy.decide(judgement.name, judgement.evidence, self.own, phase)

    async def unless_vouched(self, session: Session, address: Address, sender: bytes, decision: Decision) -> Decision:
        """The decision, unless SPF vouches for a sender that is in -W. Raises CannotCheck if it cannot be asked."""
        from filter_api.net.spf import Result, check_sender

        spf = await check_sender(self.resolver, address, sender, session.identity or b"", deadline=self.deadline())
        if spf.result is Result.TEMPERROR:
            raise CannotCheck(f"SPF of a sender in -W: {spf.why}")
        return Proceed() if spf.passed and spf.strong else decision

    def deadline(self) -> float:
        """When to give up asking, on the event loop's clock."""
        seconds = min(DNS_SECONDS, 0.9 * (self.options.timeout or self.command_deadline))
        return asyncio.get_running_loop().time() + seconds


class AtMailFrom(DynamicNames):
    """-p mail-from, and -m."""

    def on_mail_from(self, session: Session, sender: bytes) -> Decision | Awaitable[Decision]:
        """Authentication is known by now, and the log can name the sender."""
        return self.judge(session, Phase.MAIL_FROM, sender)


class AtConnect(DynamicNames):
    """-p connect."""

    def on_connect(self, session: Session) -> Decision | Awaitable[Decision]:
        """Nothing but the address and its name are known."""
        return self.judge(session, Phase.CONNECT)


class AtConnectAndMailFrom(AtConnect, AtMailFrom):
    """-p connect with -j: marks are made at mail-from."""


class AtRcptTo(DynamicNames):
    """-p rcpt-to."""

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision | Awaitable[Decision]:
        """Postmaster and abuse hear everybody (RFC 5321 §4.5.1, RFC 2142)."""
        if is_role_address(recipient) or self.exempt(session, recipient):
            return Proceed()
        return self.judge(session, Phase.RCPT_TO, session.sender)


class AtRcptToAndMailFrom(AtRcptTo, AtMailFrom):
    """-p rcpt-to with -j."""


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> DynamicNames:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    marks = own.junk is not None
    kind: type[DynamicNames] = AtMailFrom
    if own.phase is Phase.RCPT_TO:
        kind = AtRcptToAndMailFrom if marks else AtRcptTo
    elif own.phase is Phase.CONNECT:
        kind = AtConnectAndMailFrom if marks else AtConnect
    built = kind(own, resolver)
    built.options = common
    return built


def run() -> None:
    """The console script."""
    if wants_explanation(sys.argv[1:]):
        from filter_dyndns.ctl import run as explain

        sys.exit(explain(sys.argv[1:]))
    main(build, usage=USAGE)


def wants_explanation(arguments: Sequence[str]) -> bool:
    """Whether -x is among the options; bad ones are for `main` to complain of."""
    try:
        options, _ = getopt.getopt(list(arguments), LETTERS + COMMON_LETTERS)
    except getopt.GetoptError:
        return False
    return ("-x", "") in options


if __name__ == "__main__":
    run()
