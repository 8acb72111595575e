"""filter-dyndns(8): turn away residential and dynamic clients by the shape of their reverse DNS.

A client is judged once a session, mostly without asking anybody: only a name that smtpd may have cut is looked up
whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

from filter_api.bases.judging import JudgingFilter
from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Proceed, Reject
from filter_api.errors import CannotCheck
from filter_api.names.dynamic import Evidence
from filter_api.session import PerSession, Session
from filter_api.text.addresses import Address
from filter_dyndns import policy
from filter_dyndns.options import Options, parse

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver


class Judgement:
    """What was found, so that a client is judged once."""

    __slots__ = ("evidence", "known", "name")

    def __init__(self) -> None:
        self.known = False
        self.name = b""
        self.evidence = Evidence()


class DynamicNames(JudgingFilter):
    """The filter."""

    name: ClassVar[str] = "filter-dyndns"
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "the DNS does not answer, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.1", "the DNS does not answer")
    reasons: ClassVar[tuple[str, ...]] = ("dynamic",)

    judgements = PerSession(Judgement)

    def __init__(self, own: Options | None = None, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        super().__init__(resolver)
        self.own = own or Options()

    def decides_at(self) -> Collection[Phase]:
        """At the phase of -p; marks (-m, -j) are made at mail-from."""
        return {self.own.phase} if self.own.junk is None else {self.own.phase, Phase.MAIL_FROM}

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where nothing is asked. One without a name is left to filter-rdns."""
        name, address = session.rdns, session.address
        if not name or address is None or self.left_alone(session):
            return Proceed()
        if not self.judgements[session].known:
            if policy.needs_whole_name(name):
                return self.look_up(session, address, name, phase, sender)
            self.remember(session, [name])
        decision = self.decide(session, phase)
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            return self.unless_vouched(session, sender, decision, phase, self.deadline())
        return decision

    async def look_up(
        self, session: Session, address: Address, cut: bytes, phase: Phase, sender: bytes | None
    ) -> Decision:
        """Ask the DNS for the whole name, and decide. Raises CannotCheck if it does not answer."""
        from filter_api.net.dns import Status, reverse_name

        deadline = self.deadline()
        answer = await self.resolver.resolve(reverse_name(address), "PTR", deadline=deadline)
        if answer.status is Status.TEMPFAIL:
            raise CannotCheck(f"whole name of {address}: {answer.why}")
        names = policy.whole_name(cut, answer.names())
        if not names:
            return Proceed()
        self.remember(session, names)
        decision = self.decide(session, phase)
        if answer.cut and not isinstance(decision, Proceed):
            self.judgements.pop(session)  # one of the names that were left out may be milder
            raise CannotCheck(f"whole name of {address}: more than {len(answer.records)} PTR records")
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            decision = await self.unless_vouched(session, sender, decision, phase, deadline)
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


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> DynamicNames:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = DynamicNames(own, resolver)
    built.options = common
    return built
