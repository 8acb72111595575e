"""filter-dnsbl(8): turn away or mark clients by what lists in the DNS say of them.

What is asked about the client starts when it connects, whatever the phase of the decision; what is asked about the
sender starts with the transaction. A listed client is judged for its session, a listed sender for its mail only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from functools import cached_property
from typing import ClassVar

from filter_api.bases.judging import JudgingFilter
from filter_api.bases.phase import Phase
from filter_api.bounds import CUT_NAME
from filter_api.decision import AddHeader, Decision, Failure, Junk, Proceed, Reject, Verdict
from filter_api.errors import CannotCheck
from filter_api.figures import Figure
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import (
    Inquiry,
    Lists,
    SelfTests,
    Subject,
    Tally,
    subject_of_address,
    subject_of_domain,
    tally_of,
    wait_for,
)
from filter_api.session import PerSession, PerTransaction, Session
from filter_api.text.addresses import domain_of, is_role_address, strip_source_route
from filter_api.wanted import Wanted
from filter_dnsbl import policy
from filter_dnsbl.options import Options, parse
from filter_dnsbl.policy import Action


class Asked:
    """What was asked about a client or a mail, about which ``where`` of it, and whether it has been marked."""

    __slots__ = ("inquiry", "marked", "where")

    def __init__(self) -> None:
        self.inquiry: Inquiry | None = None
        self.where = ""
        self.marked = False


class DnsLists(JudgingFilter):
    """The filter."""

    name: ClassVar[str] = "filter-dnsbl"
    default_failure: ClassVar[Failure] = Failure.ACCEPT
    command_deadline: ClassVar[float] = 4.0
    later: ClassVar[tuple[str, ...]] = (*JudgingFilter.later, "filter_api.dkim.mailboxes")
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "no list of senders can be asked, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.1", "no list of senders can be asked")
    reasons: ClassVar[tuple[str, ...]] = ("dnsbl",)

    clients = PerSession(Asked)
    mails = PerTransaction(Asked)

    def __init__(self, own: Options | None = None, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        super().__init__(resolver)
        self.own = own or Options()

    @cached_property
    def lists(self) -> Lists:
        """Who is asked; made at the first question. Filters of one process test each list once."""
        tests = None
        if not self.own.untested:
            made = (self.resolver, self.monotonic)
            tests = SelfTests(*made) if self._own_resolver else self.context.shared(SelfTests, *made)
        return Lists(self.resolver, tests, self._trouble, self.monotonic)

    async def started(self) -> None:
        """A file of lists may be empty for now, as its lists may all be comments; whoever forgot them is told."""
        if not self.own.entries():
            self.log.warning(None, "list", why="no list stands in the file of -f, so nobody is asked about clients")

    def reload(self) -> None:
        """SIGHUP: a list or our resolver may have been mended, so lists that are off are tested again."""
        super().reload()
        self.lists.retest()

    def figures(self) -> Sequence[Figure]:
        """Those of the lists."""
        return [*super().figures(), *self.lists.figures()]

    def _trouble(self, shown: str, why: str) -> None:
        self.log.warning(None, "list", list=shown, why=why)

    def decides_at(self) -> Collection[Phase]:
        """At the phase of -p; HELO name and sender are known, and marks are made, at mail-from."""
        marks = self.own.thresholds.mark is not None
        return {self.own.phase, Phase.MAIL_FROM} if marks or self.own.phase is Phase.CONNECT else {self.own.phase}

    def wanted(self) -> Wanted:
        """Messages are wanted with -a only; DATA, where one mail is marked, where there are marks."""
        unwanted = ([] if self.own.author else ["on_message"]) + ([] if self.own.thresholds.mark else ["on_data"])
        return super().wanted().without(*unwanted)

    # --- what is asked -------------------------------------------------------------------------------------------

    def saw_connect(self, session: Session) -> None:
        """Ask about the client at once: while it greets, the answers come."""
        if not session.outgoing and session.address is not None and not self.left_alone(session):
            self._ask_about_client(session)

    def _ask_about_client(self, session: Session) -> None:
        asked = self.clients[session]
        subjects: list[Subject | None] = []
        if session.address is not None and "c" not in asked.where:
            subjects.append(subject_of_address(session.address))
            if session.rdns is not None and len(session.rdns) < CUT_NAME:
                subjects.append(subject_of_domain("p", session.rdns, proven=session.fcrdns == "pass"))
            asked.where += "cp"
        if session.identity is not None and "h" not in asked.where:
            subjects.append(subject_of_domain("h", session.identity))
            asked.where += "h"
        self._ask(asked, subjects)

    def _ask_about_sender(self, session: Session, sender: bytes | None) -> None:
        if session.transaction is None or not sender or "s" in self.mails[session].where:
            return
        self.mails[session].where += "s"
        domain = domain_of(strip_source_route(sender))
        self._ask(self.mails[session], [subject_of_domain("s", domain, proven=None)])

    def _ask(self, asked: Asked, subjects: Sequence[Subject | None]) -> None:
        known = [subject for subject in subjects if subject is not None]
        if known:
            asked.inquiry = asked.inquiry or self.lists.inquiry()
            asked.inquiry.ask(self.own.entries(), known)

    def saw_reset(self, session: Session) -> None:
        """Nobody waits for what was asked about this mail."""
        _close(self.mails.pop(session))

    def saw_disconnect(self, session: Session) -> None:
        """Nobody waits any more."""
        _close(self.mails.pop(session))
        _close(self.clients.pop(session))

    # --- what is decided -----------------------------------------------------------------------------------------

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where everything that matters is known."""
        if self.left_alone(session):
            return Proceed()
        self._ask_about_client(session)
        self._ask_about_sender(session, sender)
        tally = self._tally(session)
        settled = policy.is_settled(tally, self.own.thresholds)
        if settled and policy.level(tally.points, self.own.thresholds) < Action.MARK:
            return self._decide(session, phase, tally)
        return self._look_up(session, phase, sender)

    def _inquiries(self, session: Session) -> list[Inquiry]:
        asked = [self.clients[session]] + ([self.mails[session]] if session.transaction is not None else [])
        return [each.inquiry for each in asked if each.inquiry is not None]

    def _tally(self, session: Session) -> Tally:
        return tally_of(self._inquiries(session))

    async def _wait(self, session: Session, sender: bytes | None, deadline: float) -> Tally:
        """The tally, when nothing that is still open can change the outcome, or at the deadline."""
        thresholds = self.own.thresholds
        inquiries = self._inquiries(session)
        await wait_for(inquiries, lambda: policy.is_settled(self._tally(session), thresholds), deadline)
        for inquiry in inquiries:
            if inquiry.wants_proof and not policy.is_settled(self._tally(session), thresholds):
                vouched = await self.vouched(session, sender, deadline)
                if not vouched.doubt:
                    inquiry.proven["s"] = bool(vouched)
        return self._tally(session)

    async def _look_up(self, session: Session, phase: Phase, sender: bytes | None) -> Decision:
        deadline = self.deadline()
        tally = await self._wait(session, sender, deadline)
        said = await self._list_text(tally, deadline) if self._refuses(tally) else ""
        decision = self._decide(session, phase, tally, said)
        if sender and not isinstance(decision, Proceed) and self.exempt_if_vouched(sender):
            decision = await self.unless_vouched(session, sender, decision, phase, deadline)
        self.clients[session].marked |= isinstance(decision, Junk)
        return decision

    def _refuses(self, tally: Tally) -> bool:
        return policy.level(tally.points, self.own.thresholds) is Action.REFUSE

    def _decide(self, session: Session, phase: Phase, tally: Tally, said: str = "") -> Decision:
        """What the options make of a tally. Raises CannotCheck where no list has answered."""
        thresholds, action = self.own.thresholds, policy.level(tally.points, self.own.thresholds)
        self._check_answered(tally)
        facts = policy.facts_of(tally, action)
        if action is Action.REFUSE and phase in {self.own.phase, _later(self.own.phase)}:
            if policy.is_doubtful(tally, thresholds):
                return phase.refuse(451, "4.7.1", policy.IN_DOUBT, facts=facts)
            text = policy.reply_text(self.own.text, session.address, tally, said)
            return phase.refuse(550, "5.7.1", text, facts=facts)
        if action is Action.MARK and phase is Phase.MAIL_FROM and self._client_level(session) is Action.MARK:
            return Junk(facts=facts)
        return Proceed(facts=facts) if tally.hits else Proceed()

    def _check_answered(self, tally: Tally) -> None:
        """Raises CannotCheck where no list has answered, and an answer could have mattered."""
        if tally.all_failed and not policy.is_settled(tally, self.own.thresholds):
            raise CannotCheck("no list answers")

    def _client_level(self, session: Session) -> Action:
        """What the client is worth alone: a mark at mail-from holds for all of its mails."""
        inquiry = self.clients[session].inquiry
        return Action.PASS if inquiry is None else policy.level(inquiry.tally().points, self.own.thresholds)

    async def _list_text(self, tally: Tally, deadline: float) -> str:
        """What the first list that speaks against the client says itself, where -r wants it."""
        against = [hit for hit in tally.hits if hit.entry.weight > 0]
        if "%T" not in self.own.text or not against:
            return ""
        zone = against[0].entry.zone
        name = f"{against[0].subject.label}.{zone.name}"
        answer = await self.resolver.resolve(name, "TXT", deadline=deadline)
        return policy.list_text(zone, b" ".join(answer.texts()))

    def on_data(self, session: Session) -> Decision | Awaitable[Decision]:
        """Mark this mail alone, where its client is not marked: its sender is listed, or an answer came late."""
        if self.left_alone(session) or session.transaction is None or self.clients[session].marked:
            return Proceed()
        tally = self._tally(session)
        if policy.level(tally.points, self.own.thresholds) < Action.MARK:
            return Proceed()
        return self._mark_mail(session, Junk(facts=policy.facts_of(tally, Action.MARK)))

    async def _mark_mail(self, session: Session, mark: Junk) -> Decision:
        if await self._is_let_through(session, self.deadline()):
            return Proceed()
        self.mails[session].marked = True
        return mark

    async def _is_let_through(self, session: Session, deadline: float) -> bool:
        """Whether -W has this message, or -p rcpt-to let it pass because it is for postmaster or abuse."""
        mail = session.transaction if self.own.phase is Phase.RCPT_TO else None
        whom = mail.recipients if mail is not None and mail.recipients_complete else []
        return (bool(whom) and all(map(is_role_address, whom))) or bool(await self.is_message_exempt(session, deadline))

    # --- option -a -----------------------------------------------------------------------------------------------

    async def on_message(self, session: Session, message: Message) -> Verdict:
        """Ask about the authors' domains, and decide with them at the end of the message."""
        deadline = self.deadline()
        if self.left_alone(session) or await self._is_let_through(session, deadline):
            return Verdict()
        self._ask(self.mails[session], [subject_of_domain("a", domain) for domain in _author_domains(message)])
        tally = await self._wait(session, session.sender, deadline)
        self._check_answered(tally)
        action = policy.level(tally.points, self.own.thresholds)
        facts = policy.facts_of(tally, action) if tally.hits else {}
        if action is Action.REFUSE:
            if policy.is_doubtful(tally, self.own.thresholds):
                return Verdict(Reject(451, "4.7.1", policy.IN_DOUBT), facts=facts)
            said = await self._list_text(tally, deadline)
            return Verdict(
                Reject(550, "5.7.1", policy.reply_text(self.own.text, session.address, tally, said)), facts=facts
            )
        marked = self.clients[session].marked or self.mails[session].marked  # then smtpd adds the field
        return Verdict(edits=[AddHeader("X-Spam", "Yes")] if action is Action.MARK and not marked else [], facts=facts)


def _later(phase: Phase) -> Phase:
    """Where what is not known at connect is judged."""
    return Phase.MAIL_FROM if phase is Phase.CONNECT else phase


def _close(asked: Asked | None) -> None:
    if asked is not None and asked.inquiry is not None:
        asked.inquiry.close()


def _author_domains(message: Message) -> list[bytes]:
    """The domains of From, which may have several mailboxes; as many as names of a client are looked up.

    There is one such field (RFC 5322, 3.6); of several, programs for mail show the first or the last, so all are asked.
    """
    from filter_api.bounds import MAX_CLIENT_NAMES
    from filter_api.dkim.mailboxes import parse_mailboxes

    fields = message.header.all("From")[:MAX_CLIENT_NAMES]
    mailboxes = [mailbox for field in fields for mailbox in parse_mailboxes(field) or []]
    return list(dict.fromkeys(map(domain_of, mailboxes)))[:MAX_CLIENT_NAMES]


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> DnsLists:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = DnsLists(own, resolver)
    built.options = common
    return built
