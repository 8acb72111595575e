"""The parent of filters that judge clients: by their reverse DNS, by the name in it, by what lists say of them.

    class NoHosts(JudgingFilter):
        def decides_at(self):
            return (self.own.phase,)

        def judge(self, session, phase, sender=None):
            ...                     # a decision, or an awaitable of one

Such a filter asks the DNS, within a deadline; decides at the phase of ``-p`` (`filter_api.bases.phase`); leaves alone
who is ours or exempt, and who sends mail to postmaster or abuse; and spares a sender that ``-W`` lists if SPF vouches
for it. What stands here is the same in all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import Final

from filter_api import trust
from filter_api.bases.phase import Phase
from filter_api.bases.trusting import TrustingFilter
from filter_api.decision import Decision, Proceed
from filter_api.errors import CannotCheck
from filter_api.session import Session
from filter_api.text.addresses import is_role_address
from filter_api.wanted import Wanted

DNS_SECONDS = 5.0
"""For all lookups of one decision; less if -T leaves less."""


HOOKS: Final = {Phase.CONNECT: "on_connect", Phase.MAIL_FROM: "on_mail_from", Phase.RCPT_TO: "on_rcpt_to"}


class JudgingFilter(TrustingFilter):
    """Override `judge` and `decides_at`."""

    def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Decide on a client; at once, where nothing has to be looked up. `sender` is None where none is known yet."""
        raise NotImplementedError

    def judge_told(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision | Awaitable[Decision]:
        """Judge a client whose address is known. Raises CannotCheck for another: -F answers."""
        if trust.is_untold(session) and not self.ours(session):
            raise CannotCheck(trust.UNTOLD)
        return self.judge(session, phase, sender)

    def left_alone(self, session: Session) -> bool:
        """Whether this client is not judged at all: it is one of ours, or is in -W."""
        return self.ours(session) or self.exempt(session)

    def deadline(self) -> float:
        """When to give up asking, on the event loop's clock."""
        seconds = min(DNS_SECONDS, 0.9 * (self.options.timeout or self.command_deadline))
        return asyncio.get_running_loop().time() + seconds

    async def unless_vouched(
        self, session: Session, sender: bytes, decision: Decision, phase: Phase, deadline: float
    ) -> Decision:
        """The decision, unless SPF vouches for `sender`, which is in -W, or cannot be asked."""
        found = await self.vouched(session, sender, deadline)
        if found:
            return Proceed()
        return self.in_doubt(found.doubt, phase) if found.doubt else decision

    def in_doubt(self, why: str, phase: Phase) -> Decision:
        """What to do if SPF of a sender in -W cannot be asked; by default the failure policy (-F) says."""
        raise CannotCheck(f"SPF of a sender in -W: {why}")

    # --- when ----------------------------------------------------------------------------------------------------

    def decides_at(self) -> Collection[Phase]:
        """The phases at which this filter decides, by its options."""
        return (Phase.MAIL_FROM,)

    def wanted(self) -> Wanted:
        """Asked is only at the phases of `decides_at`."""
        phases = self.decides_at()
        return super().wanted().without(*(hook for phase, hook in HOOKS.items() if phase not in phases))

    def on_connect(self, session: Session) -> Decision | Awaitable[Decision]:
        """Nothing is known but the address and its name."""
        return self.judge_told(session, Phase.CONNECT)

    def on_mail_from(self, session: Session, sender: bytes) -> Decision | Awaitable[Decision]:
        """Authentication is known by now, and the log can name the sender."""
        return self.judge_told(session, Phase.MAIL_FROM, sender)

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision | Awaitable[Decision]:
        """Postmaster and abuse hear everybody (RFC 5321 §4.5.1, RFC 2142)."""
        if is_role_address(recipient) or self.exempt(session, recipient):
            return Proceed()
        return self.judge_told(session, Phase.RCPT_TO, session.sender)
