"""filter-auth(8): who wrote this? SPF, DKIM, ARC and DMARC of mail that comes in.

It writes one Authentication-Results field, takes out those that claim to be ours, marks what its author's domain wants
quarantined or refused, and with -p refuses. A message is looked at when it is whole. Mail of ours is not judged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final

from filter_api import trust
from filter_api.authenticated import Authentications
from filter_api.bases.trusting import TrustingFilter
from filter_api.confinement.needs import Needs
from filter_api.decision import AddHeader, Edit, Failure, Reject, RemoveHeader, Verdict
from filter_api.message.message import Message
from filter_api.message.results import FIELD_NAME
from filter_api.session import Session
from filter_api.text.addresses import is_role_address
from filter_api.trust import Origin
from filter_auth import policy
from filter_auth.options import Options, parse
from filter_auth.policy import Action, Facts, Ruling

if TYPE_CHECKING:
    from filter_api.dmarc.walk import Records
    from filter_api.net.dns import Resolver
    from filter_api.net.spf.result import SpfResult
    from filter_auth.checks import Checked, Mail
    from filter_auth.reports.writer import Writer

MARGIN: Final = 1.0
"""Seconds between the last answer of the DNS that is used and the deadline."""

LONG: Final = 4_096
"""Bytes of fields of results that take more than a millisecond to read."""

FIELD: Final = 64
"""Bytes of a field that take as long as what each field costs, however short it is."""

MARK: Final = ("X-Spam", "yes")
"""What ``maildir junk`` of smtpd.conf(5) looks for; filter-spamassassin(8) leaves it alone."""


class Authenticate(TrustingFilter):
    """Judges mail of strangers."""

    name: ClassVar[str] = "filter-auth"
    default_failure: ClassVar[Failure] = Failure.ACCEPT
    tempfail: ClassVar[Reject] = policy.NO_DNS_NOW
    permfail: ClassVar[Reject] = policy.NO_DNS
    reasons: ClassVar[tuple[str, ...]] = policy.REASONS
    later: ClassVar[tuple[str, ...]] = (
        "filter_auth.checks",  # with cryptography, which takes longer to load than all else
        "cryptography.hazmat.backends.openssl.backend",  # what it loads at the first key
        "filter_auth.field",
        "filter_auth.trusting",
        "encodings.punycode",
        *TrustingFilter.later,
    )

    def __init__(self, own: Options | None = None, resolver: Resolver | None = None) -> None:
        """`resolver` is for tests; by default the name servers of resolv.conf(5) are asked."""
        super().__init__(resolver)
        self.own = own or Options()
        self._writer: Writer | None = None

    def needs(self) -> Needs:
        """Name servers, and the directory of the store of -f."""
        kept = frozenset({os.path.dirname(os.path.abspath(self.own.store))}) if self.own.store else frozenset[str]()
        return super().needs() | Needs(keeps=kept)

    def preload(self) -> None:
        """What the store of -f needs, too."""
        super().preload()
        if self.own.store:
            import_module("filter_auth.reports.writer")

    async def started(self) -> None:
        """Open the store of -f, in a thread: mail does not wait for it."""
        self.context.shared(Authentications).asked = True
        if not self.own.store:
            return
        from filter_auth.reports.writer import Writer

        loop = asyncio.get_running_loop()

        def complain(why: str) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(partial(self.log.warning, None, "store", why=why))

        self._writer = Writer(self.own.store, complain, self.monotonic)
        self._writer.start()

    async def stopping(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop)

    @property
    def own_id(self) -> str:
        """The authserv-id: -a, or what smtpd calls itself."""
        return self.own.own_id or self.server.name

    def unchecked(self) -> Sequence[Edit]:
        """A message that goes on without a look takes no results along: any of them might be forged."""
        return (RemoveHeader(FIELD_NAME), *super().unchecked())

    async def on_message(self, session: Session, message: Message) -> Verdict:
        """Judge a message; what claims to be our field goes, whoever sent it, except from a host of our own."""
        if message.wire_size == 0:  # an earlier filter refused it: smtpd's own Received is in all others
            return Verdict()
        from filter_auth.checks import mail_of
        from filter_auth.field import field_value

        origin = trust.origin_of(session, self.options.ours)
        if origin in {Origin.LOOPBACK, Origin.NETWORK}:
            return Verdict()
        removed = await self._removals(message)
        if origin.is_ours:
            return Verdict(edits=removed, facts={"result": "none", "reason": "ours"} if removed else {})
        deadline = self._deadline(message)
        mail = mail_of(message)
        checked = await self.look(session, mail, deadline)
        self.context.shared(Authentications).found[session] = checked.known()
        ruling = policy.rule(await self.facts(session, mail, checked, deadline), self.own, self.failure)
        edits: list[Edit] = [*removed, AddHeader(FIELD_NAME, field_value(self.own_id, checked, ruling))]
        self._report(session, mail, checked, ruling)
        if ruling.action is Action.MARK:
            edits.append(AddHeader(*MARK))
        return Verdict(ruling.decision, edits, facts=_log(checked, ruling, len(removed)))

    async def _removals(self, message: Message) -> list[RemoveHeader]:
        """Edits that take out what claims to be ours; others have their turn now and then."""
        from filter_auth.field import forged

        must_go = forged([self.own_id, *self.own.other_ids])
        found = []
        read = 0
        for value in message.header.all(FIELD_NAME):
            found.append(must_go(value))
            read += len(value) + FIELD
            if read > LONG:
                read = 0
                await asyncio.sleep(0)
        answers = iter(found)
        return message.header.removals(FIELD_NAME, lambda _: next(answers))

    def _report(self, session: Session, mail: Mail, checked: Checked, ruling: Ruling) -> None:
        """Note the message for the report to its author's domain; not what arrives where our reports come from."""
        if self._writer is None or self.options.observe:
            return
        from filter_auth.reports.row import row_of

        recipients = session.transaction.recipients if session.transaction is not None else ()
        if recipients and all(each.lower() == self._writer.address for each in recipients):
            return
        row = row_of(checked, ruling, mail)
        if row is not None:
            self._writer.note(self.wall(), row)

    def _deadline(self, message: Message) -> float:
        now = asyncio.get_running_loop().time()
        until = min(message.deadline, now + (self.options.timeout or self.message_deadline))
        return max(until - MARGIN, now + (until - now) / 2)

    async def look(self, session: Session, mail: Mail, deadline: float, records: Records | None = None) -> Checked:
        """Ask all that is to be asked. records: those of DMARC, for who wants to see what was asked."""

        from filter_api.dmarc.walk import Records
        from filter_auth.checks import check

        async def ask_spf() -> SpfResult | None:
            return await self._spf(session, deadline)

        return await check(
            session,
            mail,
            ask_spf,
            self.resolver,
            records=records or Records(self.resolver, deadline),
            now=self.wall(),
            bits=self.own.bits,
            deadline=deadline,
        )

    async def _spf(self, session: Session, deadline: float) -> SpfResult | None:
        """Of the sender, or of HELO for the null one. Filters before have asked it already, so it is remembered."""
        if session.address is None or session.sender is None:
            return None
        return (await self.vouching.sender(session.address, session.sender, session.identity or b"", deadline)).found

    async def facts(self, session: Session, mail: Mail, checked: Checked, deadline: float) -> Facts:
        """What the policy wants to know."""
        from filter_auth.trusting import trusted

        strong = checked.spf == "pass" and checked.strong
        recipients = session.transaction.recipients if session.transaction is not None else ()
        return Facts(
            checked.found,
            checked.spf,
            checked.spf_domain,
            vouched=bool(strong or checked.signers or checked.chain.result == "pass" or mail.listed),
            trusted=trusted(session, checked, self.own.forwarders, self.own.sealers),
            exempt=bool(await self.is_message_exempt(session, deadline)),
            role=any(map(is_role_address, recipients)),
        )


def _log(checked: Checked, ruling: Ruling, removed: int) -> dict[str, object]:
    """The facts of the log line."""
    found = checked.found
    signatures = [f"{each.result.value}:{each.name or '?'}" for each in checked.outcomes]
    facts: dict[str, object] = {
        "result": "permerror" if found is None else found.result.value,
        "spf": f"{checked.spf}:{checked.spf_domain}" if checked.spf_domain else checked.spf,
        "dkim": ",".join(signatures) or "none",
        "arc": checked.chain.result,
        "author": checked.no_author if found is None else found.author,
    }
    if found is not None and found.record_at:
        facts |= {"policy": found.policy, "record": found.record_at}
    facts |= {"reason": ruling.reason} if ruling.reason else {}
    facts |= {"override": ruling.override} if ruling.override else {}
    facts |= {"why": found.reason} if found is not None and found.reason else {}
    facts |= {"forged": removed} if removed else {}
    facts |= {"unjudged": checked.left_out} if checked.left_out else {}
    facts |= {"action": ruling.action.value} if ruling.action is Action.MARK else {}
    return facts


def build(arguments: Sequence[str], resolver: Resolver | None = None) -> Authenticate:
    """Make the filter a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    built = Authenticate(own, resolver)
    built.options = common
    return built
