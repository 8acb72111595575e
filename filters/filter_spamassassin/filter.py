"""filter-spamassassin(8): have spamd(8) look at mail, mark what is spam, refuse what is very much so.

A message is scanned when it is whole, never while a client is still sending. With -E the filter also has a say at
RCPT TO.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from filter_api import trust
from filter_api.authenticated import Authentications
from filter_api.bases.scanning import ScanningFilter
from filter_api.decision import Decision, Edit, Failure, Proceed, Reject, Verdict
from filter_api.errors import CannotCheck
from filter_api.message.message import Message
from filter_api.message.spool import SpoolError
from filter_api.session import PerTransaction, Session
from filter_api.text.addresses import domain_of, strip_source_route
from filter_api.text.idn import a_labels
from filter_api.wanted import Wanted
from filter_spamassassin import headers, policy, spamd
from filter_spamassassin.options import Options, parse
from filter_spamassassin.policy import Judgement
from filter_spamassassin.text import Copy
from filter_spamassassin.users import MOST_USERS

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver

SPF_SECONDS = 5.0
"""Seconds at most for the SPF of a sender whose points need proof."""


class SpamAssassin(ScanningFilter):
    """Marks, and with -r refuses, what spamd holds to be spam."""

    name: ClassVar[str] = "filter-spamassassin"
    default_failure: ClassVar[Failure] = Failure.ACCEPT
    tempfail: ClassVar[Reject] = Reject(451, "4.7.1", "message cannot be checked for spam now, try again later")
    permfail: ClassVar[Reject] = Reject(550, "5.7.1", "message cannot be checked for spam")
    reasons: ClassVar[tuple[str, ...]] = ("ham", "spam", "toolarge", "exempt", "ours", "other-user")

    #: Points that -s gives the sender, where SPF could not be asked whether they count.
    unproven = PerTransaction(float)

    def __init__(self, own: Options, resolver: Resolver | None = None) -> None:
        super().__init__(own.scan, resolver)
        self.own = own

    def wanted(self) -> Wanted:
        """Recipients are of interest with -E only."""
        return super().wanted() if self.own.one_user else super().wanted().without("on_rcpt_to")

    def asks_dns(self) -> bool:
        """To spare a sender that -W lists, and to give one the points of -s."""
        return super().asks_dns() or self.own.scores is not None

    def unchecked(self) -> Sequence[Edit]:
        """Option -F accept, the default: it goes on, and says that nobody looked."""
        return headers.unchecked("spamd not available")

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        """Judge a message, unless nobody wants to know."""
        if self.ours(session) and not self.own.scan_ours:
            return Verdict(facts={"result": "skipped", "reason": "ours"})
        if await self.is_exempt(session, deadline):
            return Verdict(edits=headers.unchecked("exempt"), facts={"result": "skipped", "reason": "exempt"})
        if await self.is_too_large(message):
            edits = headers.unchecked(f"larger than {self.settings.size_limit} bytes")
            return Verdict(edits=edits, facts={"result": "toolarge"})
        return await self.judged(session, message, deadline)

    async def judged(self, session: Session, message: Message, deadline: float) -> Verdict:
        """Scan for the users it is for, and decide."""
        voices, shown = self.voices_of(session)
        copy = Copy(message, session.sender)
        points = await self.points(session, deadline)
        scans = await self.scan(copy, list(dict.fromkeys([shown, *(user for user, _ in voices)])), deadline)
        judgements = {user: policy.judge(scan, points) for user, scan in scans.items()}
        chief = judgements[shown]
        facts = {
            "result": "spam" if chief.spam else "ham",
            "score": policy.number(chief.score),
            "required": policy.number(chief.required),
            **({"user": shown} if shown else {}),
            "tests": ",".join(chief.tests) or "none",
        }
        if policy.refused([(judgements[user], threshold) for user, threshold in voices]):
            self._note_doubt(session, [(scans[user], threshold) for user, threshold in voices])
            return await self.refuse(session, message, policy.REFUSAL, facts, deadline)
        return Verdict(edits=self.edits(message, chief, scans[shown]), facts=facts)

    def voices_of(self, session: Session) -> tuple[list[tuple[str, float]], str]:
        """Who must agree to a refusal, each a user and the score of -r for it; and whose scan the header shows.

        Only recipients smtpd accepted count; if they are not all known for certain it is the default user's.
        """
        rule, refuse, transaction = self.own.users, self.own.refuse, session.transaction
        if transaction is None or not transaction.recipients_complete:
            return [(rule.default, refuse.highest())], rule.default
        users = rule.of_all(transaction.recipients)
        if len(users) > 1 and self.own.each_user and len(users) <= MOST_USERS:
            found = [(rule.of(each), refuse.of(each)) for each in transaction.recipients]
            return list(dict.fromkeys(found)), rule.default
        user = users[0] if len(users) == 1 else rule.default
        scores = dict.fromkeys(map(refuse.of, transaction.recipients)) or [refuse.default]
        return [(user, score) for score in scores], user

    async def scan(self, copy: Copy, users: Sequence[str], deadline: float) -> dict[str, spamd.Scan]:
        """One scan for each user, side by side; one that fails fails them all."""
        header_size = copy.header_size if self.own.keep else None
        questions = [spamd.check(copy.blocks, copy.size, user=user, header_size=header_size) for user in users]
        backends = self.settings.backends
        if len(questions) == 1:
            return {users[0]: await backends.ask(questions[0], deadline)}
        try:
            async with asyncio.TaskGroup() as scans:
                tasks = [scans.create_task(backends.ask(question, deadline)) for question in questions]
        except ExceptionGroup as group:
            unreadable, _ = group.split(SpoolError)
            if unreadable is not None:
                raise SpoolError(str(unreadable.exceptions[0])) from None
            failed, others = group.split(CannotCheck)
            if failed is None or others is not None:
                raise
            raise CannotCheck(str(failed.exceptions[0])) from None
        return {user: task.result() for user, task in zip(users, tasks, strict=True)}

    async def points(self, session: Session, deadline: float) -> float | None:
        """What -s says of the sender, if it may be believed."""
        sender = session.sender
        if self.own.scores is None or not sender:
            return None
        found = self.own.scores.find_address(sender)
        if found is None:
            return None
        if found.value.needs_proof and not (trust.login_vouches(session, sender) or self.signed(session, sender)):
            until = min(deadline, asyncio.get_running_loop().time() + SPF_SECONDS)
            vouched = await self.vouched(session, sender, until)
            if vouched.doubt:
                self.unproven[session] = found.value.points
            if not vouched:
                self.log.debug(session, "sender-score", entry=found.entry, reason=vouched.doubt or "sender not proven")
                return None
        return found.value.points

    def signed(self, session: Session, sender: bytes) -> bool:
        """Whether filter-auth, earlier in this process, found a signature of the sender's own domain that holds."""
        known = self.context.shared(Authentications).found[session]
        return known is not None and known.signed_by(a_labels(domain_of(strip_source_route(sender))))

    def _note_doubt(self, session: Session, scans: Sequence[tuple[spamd.Scan, float]]) -> None:
        """Whether points of which nobody knows if they count would have kept a message from being refused."""
        if session in self.unproven:
            spared = [(policy.judge(scan, self.unproven[session]), threshold) for scan, threshold in scans]
            if not policy.refused(spared):
                self.doubts[session].append("points of the sender")

    def edits(self, message: Message, judgement: Judgement, scan: spamd.Scan) -> list[Edit]:
        """The header fields of a message that goes on."""
        edits = headers.checked(judgement, self.host)
        if self.own.keep:
            edits += headers.taken_over(scan.fields, message.header)
        if judgement.spam and self.own.tag:
            edits += headers.tag_subject(message.header, self.own.tag)
        elif self.own.keep:
            edits += headers.spamds_subject(message.header, scan.fields)
        return edits

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        """-E: recipients with settings of their own get copies of their own.

        A recipient whose user, or score of -r, is not that of the first accepted one is put off; never for our own
        clients.
        """
        transaction = session.transaction
        if transaction is None or not transaction.recipients or self.ours(session) or self.exempt(session, recipient):
            return Proceed()
        mine, first = (self._settings_of(each) for each in (recipient, transaction.recipients[0]))
        return Proceed() if mine == first else policy.COME_ALONE

    def _settings_of(self, recipient: bytes) -> tuple[str, float]:
        return self.own.users.of(recipient), self.own.refuse.of(recipient)


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> SpamAssassin:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = SpamAssassin(own, resolver)
    built.options = common
    return built
