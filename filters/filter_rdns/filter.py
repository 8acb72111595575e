"""filter-rdns(8): turn away mail clients without reverse DNS.

What the DNS says of a client is looked up once a session, what it says of a sender once a transaction; where it says
nothing, that holds for no longer than a transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from filter_api.bases.judging import JudgingFilter
from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Proceed, Reject
from filter_api.net.dns import Resolver
from filter_api.net.rdns import Finding, look_up
from filter_api.session import PerSession, PerTransaction, Session
from filter_rdns import policy
from filter_rdns.options import Options, parse
from filter_rdns.policy import Objection
from filter_rdns.sender import look_up_mailbox


class Known:
    """What was found out, so that nothing is asked twice."""

    __slots__ = ("asked", "objection")

    def __init__(self) -> None:
        self.asked = False
        self.objection: Objection | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What has to be found out for one decision.

    `reverse`: look the client up. `sender`: whose domain must be able to receive mail. `listed`: the sender, if -W
    exempts it once SPF vouches for it.
    """

    phase: Phase
    reverse: bool
    sender: bytes | None
    listed: bytes | None


class ReverseDns(JudgingFilter):
    """The filter."""

    name: ClassVar[str] = "filter-rdns"
    tempfail: ClassVar[Reject] = Reject(451, "4.7.25", "reverse DNS cannot be looked up, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.25", "reverse DNS cannot be looked up")
    reasons: ClassVar[tuple[str, ...]] = policy.REASONS

    reverse = PerSession(Known)
    doubt = PerTransaction(Known)
    helo = PerSession(Known)
    mailbox = PerTransaction(Known)

    def __init__(self, own: Options | None = None, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        super().__init__(resolver)
        self.own = own or Options()

    def decides_at(self) -> Collection[Phase]:
        """At the phase of -p; with -p connect, -H and -S decide at mail-from, where HELO name and sender are known."""
        later = self.own.phase is Phase.CONNECT and (self.own.helo or self.own.sender)
        return {self.own.phase, Phase.MAIL_FROM} if later else {self.own.phase}

    def saw_greeting(self, session: Session, hostname: bytes) -> None:
        """Only here does smtpd say under which name it greeted; `session.hostname` keeps it."""

    def saw_identify(self, session: Session) -> None:
        """The HELO name is judged when it is given, and again if it is given anew."""
        if self.own.helo and session.address is not None and session.identity is not None:
            our_name = session.hostname or self.server.admd
            self.helo[session].objection = policy.object_to_helo(session.identity, session.address, our_name)

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where nothing has to be looked up."""
        if self.left_alone(session):
            return Proceed()
        judged_before = phase is Phase.MAIL_FROM and self.own.phase is Phase.CONNECT
        settled = judged_before or policy.settled(session.rdns, session.fcrdns, forward=self.own.forward)
        case = Case(
            phase,
            reverse=not settled,
            sender=sender if self.own.sender else None,
            listed=sender if sender and self.exempt_if_vouched(sender) else None,
        )
        objection = self.helo[session].objection if session in self.helo and phase is not Phase.CONNECT else None
        if case.listed or (objection is None and (case.reverse or case.sender)):
            return self.look_up(session, case, objection)
        return self.decide(objection, phase)

    async def look_up(self, session: Session, case: Case, objection: Objection | None) -> Decision:
        """Ask the DNS what has to be asked, the client first, and decide."""
        deadline = self.deadline()
        decision = self.decide(objection, case.phase)
        if case.reverse and isinstance(decision, Proceed):
            decision = self.decide(await self.object_to_reverse(session, deadline), case.phase)
        if case.sender and isinstance(decision, Proceed):
            found = await self.object_to_sender(session, case.sender, deadline)
            decision = decision if found is None else self.decide(found, case.phase)
        if case.listed and not isinstance(decision, Proceed):
            decision = await self.unless_vouched(session, case.listed, decision, case.phase, deadline)
        return decision

    def in_doubt(self, why: str, phase: Phase) -> Decision:
        """SPF of a sender in -W cannot be asked."""
        return self.decide(policy.object_to_doubtful_exemption(why), phase)

    async def object_to_reverse(self, session: Session, deadline: float) -> Objection | None:
        """Look the client up, once a session; after a doubt again with its next mail."""
        known, address = self.reverse[session], session.address
        if not known.asked and session.transaction is not None:
            known = self.doubt[session]
        if not known.asked and address is not None:
            heard = (session.rdns, session.identity)
            found = await look_up(self.resolver, address, forward=self.own.forward, heard=heard, deadline=deadline)
            if found.finding is not Finding.DOUBT:
                known = self.reverse[session]
            known.asked, known.objection = True, policy.object_to_reverse(found, address)
            self.log.debug(session, "looked-up", finding=found.finding.value, ptr=",".join(found.names), why=found.why)
        return known.objection

    async def object_to_sender(self, session: Session, sender: bytes, deadline: float) -> Objection | None:
        """Look the sender up, once a transaction."""
        known = self.mailbox[session] if session.transaction is not None else Known()
        if not known.asked:
            mailbox, why = await look_up_mailbox(self.resolver, sender, deadline)
            known.asked, known.objection = True, policy.object_to_sender(mailbox, why)
        return known.objection

    def decide(self, objection: Objection | None, phase: Phase) -> Decision:
        """What the options make of an objection."""
        if objection is None:
            return Proceed()
        return policy.decide(objection, phase, failure=self.failure, mark=self.own.mark, text=self.own.text)


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> ReverseDns:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = ReverseDns(own, resolver)
    built.options = common
    return built
