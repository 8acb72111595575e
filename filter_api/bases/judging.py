"""The parent of filters that judge clients: by their reverse DNS, by the name in it, by what lists say of them.

    class NoHosts(JudgingFilter):
        def judge(self, session, phase, sender=None):
            ...                     # a decision, or an awaitable of one

    class NoHostsAtConnect(NoHosts, AtConnect):
        ...

Such a filter asks the DNS, within a deadline; decides at the phase of ``-p`` (`filter_api.bases.phase`); leaves alone
who is ours or exempt, and who sends mail to postmaster or abuse; and spares a sender that ``-W`` lists if SPF vouches
for it. What stands here is the same in all of them. What is overridden is what smtpd asks, so each phase is a class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Proceed
from filter_api.errors import CannotCheck
from filter_api.filter import Filter
from filter_api.session import Session
from filter_api.text.addresses import is_role_address

if TYPE_CHECKING:
    from filter_api.net.dns import Resolver

DNS_SECONDS = 5.0
"""For all lookups of one decision; less if -T leaves less."""


class JudgingFilter(Filter):
    """What all phases share."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        self._resolver = resolver

    @property
    def resolver(self) -> Resolver:
        """Made at the first question: some filters ask seldom."""
        if self._resolver is None:
            from filter_api.net.dns import Resolver

            self._resolver = Resolver()
        return self._resolver

    def reload(self) -> None:
        """SIGHUP: a zone may have been corrected."""
        if self._resolver is not None:
            self._resolver.forget()

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where nothing has to be looked up. `sender` is None where none is known yet."""
        raise NotImplementedError

    def left_alone(self, session: Session) -> bool:
        """Whether this client is not judged at all: it has no address, is one of ours, or is in -W."""
        return session.address is None or self.ours(session) or self.exempt(session)

    def deadline(self) -> float:
        """When to give up asking, on the event loop's clock."""
        seconds = min(DNS_SECONDS, 0.9 * (self.options.timeout or self.command_deadline))
        return asyncio.get_running_loop().time() + seconds

    async def unless_vouched(
        self, session: Session, sender: bytes, decision: Decision, phase: Phase, deadline: float
    ) -> Decision:
        """The decision, unless SPF vouches for `sender`, which is in -W, or cannot be asked."""
        if session.address is None:
            return decision
        from filter_api.net.spf import Result, check_sender  # most installations never need it

        helo = session.identity or b""
        spf = await check_sender(self.resolver, session.address, sender, helo, deadline=deadline)
        if spf.vouches():
            return Proceed()
        if spf.passed or spf.result is Result.PERMERROR:  # somebody who lists a sender would wonder
            why = f"weak: {spf.weakness.value}" if spf.passed else spf.why
            self.log.info(session, "not-vouched", sender=sender, spf=spf.result.value, why=why)
        return self.in_doubt(spf.why, phase) if spf.result is Result.TEMPERROR else decision

    def in_doubt(self, why: str, phase: Phase) -> Decision:
        """What to do if SPF of a sender in -W cannot be asked; by default the failure policy (-F) says."""
        raise CannotCheck(f"SPF of a sender in -W: {why}")


class AtMailFrom(JudgingFilter):
    """-p mail-from, and marks."""

    def on_mail_from(self, session: Session, sender: bytes) -> Decision | Awaitable[Decision]:
        """Authentication is known by now, and the log can name the sender."""
        return self.judge(session, Phase.MAIL_FROM, sender)


class AtConnect(JudgingFilter):
    """-p connect."""

    def on_connect(self, session: Session) -> Decision | Awaitable[Decision]:
        """Nothing is known but the address and its name."""
        return self.judge(session, Phase.CONNECT)


class AtRcptTo(JudgingFilter):
    """-p rcpt-to."""

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision | Awaitable[Decision]:
        """Postmaster and abuse hear everybody (RFC 5321 §4.5.1, RFC 2142)."""
        if is_role_address(recipient) or self.exempt(session, recipient):
            return Proceed()
        return self.judge(session, Phase.RCPT_TO, session.sender)
