"""What filters have in common that ask a daemon about whole messages: options, deadline, exemption, quarantine.

    class Scanner(ScanningFilter):
        async def examine(self, session, message, deadline):
            result = await self.settings.backends.ask(question, deadline)              # CannotCheck: -F answers
            if bad:
                return await self.refuse(session, message, Reject(...), facts, deadline)   # and kept, with -q
            return Verdict(edits=..., facts=...)

Options: ``-a`` address of a daemon, ``-b`` bytes, ``-P`` scans at once, ``-q`` quarantine directory, ``-Q bytes:days``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from filter_api.authenticated import Authentications
from filter_api.bases.trusting import TrustingFilter
from filter_api.bounds import SPOOL_ABOVE
from filter_api.confinement.needs import Needs
from filter_api.decision import Facts, Proceed, Reject, Verdict
from filter_api.errors import CannotCheck, UsageError
from filter_api.message.message import Message
from filter_api.message.spool import SpoolError
from filter_api.net.backend import Backend, Backends
from filter_api.net.conversation import Question
from filter_api.net.endpoint import endpoint_needs, parse_endpoint
from filter_api.quarantine.directory import QuarantineDirectory, as_text
from filter_api.quarantine.keeper import Keeper, Limits, NotKept, parse_limits
from filter_api.session import PerTransaction, Session, client_of
from filter_api.text.addresses import client_network
from filter_api.text.sizes import parse_bytes

if TYPE_CHECKING:
    from filter_api.figures import Figure
    from filter_api.net.dns import Resolver

MARGIN: Final = 0.2
"""Seconds before the filter's own deadline at which a scan is given up: what follows needs a moment, too."""

_MOST_SCANS: Final = 1000

IN_DOUBT: Final = Reject(451, "4.7.1", "sender cannot be verified now, try again later")
"""Instead of a refusal from which SPF might spare a message, if the DNS did not answer."""


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What the common options of scanners say. size_limit: bytes, 0 for none."""

    backends: Backends
    size_limit: int
    keeper: Keeper | None


def scan_settings(
    options: Sequence[tuple[str, str]],
    *,
    address: str,
    port: int,
    size_limit: int,
    parallel: int,
    ping: Question[object] | None = None,
) -> tuple[ScanSettings, list[tuple[str, str]]]:
    """Read the scanners' options; the settings and the options left. The arguments are the defaults.

    ping: how to find out whether a daemon lives after a question went wrong.

    Raises UsageError, and ConfigError for a quarantine directory that cannot be one.
    """
    addresses: list[str] = []
    directory: str | None = None
    limits: Limits | None = None
    rest: list[tuple[str, str]] = []
    for option, value in options:
        if option == "-a":
            addresses.append(value)
        elif option == "-b":
            size_limit = _bytes(option, value)
        elif option == "-P":
            parallel = _count(option, value)
        elif option == "-q":
            directory = value
        elif option == "-Q":
            limits = parse_limits(value)
        else:
            rest.append((option, value))
    if limits is not None and directory is None:
        raise UsageError("-Q needs -q")
    backends = Backends([_backend(text, port, ping) for text in addresses or [address]], parallel)
    keeper = None if directory is None else Keeper(QuarantineDirectory(directory), limits or Limits())
    return ScanSettings(backends, size_limit, keeper), rest


def _backend(text: str, port: int, ping: Question[object] | None) -> Backend:
    try:
        return Backend(parse_endpoint(text, port), ping=ping)
    except ValueError as error:
        raise UsageError(f"-a: {error}") from None


def _bytes(option: str, value: str) -> int:
    try:
        return parse_bytes(value)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _count(option: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= _MOST_SCANS):
        raise UsageError(f"{option} takes a number between 1 and {_MOST_SCANS}, not {value!r}")
    return int(value)


class ScanningFilter(TrustingFilter):
    """Base of a filter that decides by what a daemon says of a whole message."""

    beside: ClassVar[bool] = True

    #: What could not be asked about a message and might have spared it.
    doubts = PerTransaction(list[str])

    def __init__(self, settings: ScanSettings, resolver: Resolver | None = None) -> None:
        super().__init__(resolver)
        self.settings = settings

    def asks_dns(self) -> bool:
        """Only to spare a sender that -W lists."""
        return self.options.exempt is not None

    async def started(self) -> None:
        """Say so where -W has entries that nobody can prove; count what the quarantine holds."""
        table = self.options.exempt
        if table is not None and table.has_authors and not self.context.shared(Authentications).asked:
            note = "dkim: entries of -W match nothing: filter-auth must be before this filter in one filter-chain(8)"
            self.log.warning(None, "start", note=note)
        if self.settings.keeper is not None:
            await self.settings.keeper.look()

    def needs(self) -> Needs:
        """The daemons, and the quarantine."""
        keeper = self.settings.keeper
        kept = frozenset[str]() if keeper is None else frozenset({keeper.directory.path})
        daemons = endpoint_needs(each.endpoint for each in self.settings.backends.backends)
        return super().needs() | daemons | Needs(keeps=kept)

    def figures(self) -> Sequence[Figure]:
        """Those of the quarantine."""
        keeper = self.settings.keeper
        return [*super().figures(), *(() if keeper is None else keeper.figures())]

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        """Judge a message until `deadline` (the event loop's clock). May raise CannotCheck, which -F answers."""
        raise NotImplementedError

    def on_message(self, session: Session, message: Message) -> Awaitable[Verdict]:
        """Examine a message until its deadline, which is read now: members beside this one have others."""
        return self._examined(session, message, message.deadline)

    async def _examined(self, session: Session, message: Message, due: float) -> Verdict:
        """Without any lines an earlier filter refused it: smtpd's own Received is in all others."""
        if message.wire_size == 0:
            return Verdict()
        now = asyncio.get_running_loop().time()
        seconds = min(self.options.timeout or self.message_deadline, due - now)
        deadline = now + max(seconds - MARGIN, seconds / 2)
        try:
            return await self.examine(session, message, deadline)
        except CannotCheck as error:
            return self._unchecked_verdict(str(error))

    def _unchecked_verdict(self, reason: str) -> Verdict:
        """What -F says."""
        decision = self.failed()
        edits = tuple(self.unchecked()) if isinstance(decision, Proceed) else ()
        return Verdict(decision, edits, facts={"result": "failed", "reason": reason})

    @property
    def host(self) -> str:
        """Our name, for headers."""
        return self.server.name

    async def is_too_large(self, message: Message) -> bool:
        """Whether option -b passes the message unscanned. One that is surely over or under the limit is not read.

        Each byte on the wire is at most two of the text: a line end becomes CRLF.
        """
        limit = self.settings.size_limit
        if limit == 0 or 2 * message.wire_size <= limit:
            return False
        return message.wire_size > limit or await size_of(message) > limit

    async def is_exempt(self, session: Session, deadline: float) -> bool:
        """Whether -W exempts this message: its client, each of its recipients, or its sender if SPF vouches for it.

        If SPF could not be asked it is not exempt, and `refuse` will refuse it for now only.
        """
        found = await self.is_message_exempt(session, deadline)
        if found.doubt:
            self.doubts[session].append(found.doubt)
        return found.vouched

    async def refuse(
        self, session: Session, message: Message, refusal: Reject, facts: Facts, deadline: float
    ) -> Verdict:
        """Refuse a message and keep it, if there is a quarantine; its id is in the reply and in the log.

        deadline: the scan's. A message that cannot be kept is refused all the same. While it is in doubt whether its
        sender would spare it, it is refused for now, and not kept: it will come again.
        """
        if session in self.doubts:
            return Verdict(IN_DOUBT, facts={**facts, "doubt": self.doubts[session][0]})
        keeper = self.settings.keeper
        if keeper is None or self.options.observe:
            return Verdict(refusal, facts=facts)
        network = client_of(session) if session.address is None else str(client_network(session.address))
        try:
            about = {"time": int(self.wall()), "program": self.name, **facts, **_facts_of(session, message)}
            async with asyncio.timeout_at(deadline + MARGIN / 2):
                size = await size_of(message)
                name = await keeper.keep(message.text(), size, about, network=network)
        except (NotKept, SpoolError, TimeoutError) as error:
            self.log.warning(session, "quarantine", kept=False, reason=str(error) or "no time left")
            return Verdict(refusal, facts=facts)
        text = f"{refusal.text}; id {name}"
        return Verdict(Reject(refusal.code, refusal.enhanced, text), facts={**facts, "id": name})


async def size_of(message: Message) -> int:
    """Bytes of the text. A large message is read for that, with turns for others in between. Raises SpoolError."""
    if message.wire_size <= SPOOL_ABOVE:
        return message.size
    size = 0
    for block in message.text():
        size += len(block)
        await asyncio.sleep(0)
    return size


def _facts_of(session: Session, message: Message) -> Mapping[str, object]:
    """What an operator wants to know of a message, and what is needed to give it back to its recipients.

    from: None if it is not known. complete: whether sender and recipients are certainly all there is of the envelope.
    """
    transaction = session.transaction
    recipients = [] if transaction is None else transaction.recipients
    sender = session.sender
    header = message.header
    return {
        "session": as_text(session.id),
        "client": client_of(session),
        "rdns": as_text(session.rdns or b""),
        "helo": as_text(session.identity or b""),
        "from": None if sender is None else as_text(sender),
        "to": [as_text(recipient) for recipient in recipients],
        "recipients": 0 if transaction is None else transaction.recipient_count,
        "complete": sender is not None and transaction is not None and transaction.recipients_complete,
        "subject": as_text((header.get("Subject") or b"")[:1000]),
        "msgid": as_text((header.get("Message-ID") or b"")[:1000]),
    }
