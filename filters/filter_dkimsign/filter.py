"""The filter: signs mail of ours as it leaves.

Everything it decides is in `policy`, everything it changes in `prepare`; here they are put in a row for each message.
The body is hashed once, whatever the number of signatures. Small messages are signed at once; for large ones hashing
lets other sessions have their turn every quarter of a MiB.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography.exceptions import InvalidSignature

from filter_api.confinement.needs import Needs
from filter_api.decision import AddHeader, Verdict
from filter_api.dkim.canonical import SimpleBody, body_canonicalizer
from filter_api.dkim.signature import FIELD_NAME, Layout, cover, sign
from filter_api.errors import CannotCheck
from filter_api.files.reloading import ReloadingFile
from filter_api.files.tables import AddressTable
from filter_api.filter import Filter
from filter_api.message.message import Message
from filter_api.options import parse_options
from filter_api.session import Session
from filter_api.trust import Origin, origin_of
from filter_api.wanted import Wanted
from filter_dkimsign.in_use import InUse, in_use
from filter_dkimsign.keytable import SHOWN, Entries, Entry, KeyStore, KeyTable, SharedKey
from filter_dkimsign.options import LETTERS, Settings
from filter_dkimsign.policy import UNSIGNED, Rules, Unsigned, parse_users
from filter_dkimsign.prepare import Outgoing, open_message

if TYPE_CHECKING:
    from filter_dkimsign.sealing import Seal

AT_ONCE: Final = 256 * 1024  # bytes of a message that is hashed without a pause
BLOCKS_A_TURN: Final = 4  # blocks of 64 KiB hashed before others have their turn
CLIENTS_REMEMBERED: Final = 1024


class DkimSign(Filter):
    """Adds DKIM signatures (RFC 6376, RFC 8463) to the mail of our own domains."""

    name: ClassVar[str] = "filter-dkimsign"
    later: ClassVar[tuple[str, ...]] = ("encodings.punycode",)
    reasons: ClassVar[tuple[str, ...]] = ("signed", "sealed", *UNSIGNED)

    def __init__(
        self,
        rules: Rules,
        layout: Layout,
        notes: Sequence[str] = (),
        news: deque[str] | None = None,
        sealed: AddressTable | None = None,
    ) -> None:
        """`notes` are warnings for the log, known before there is one; `news` gets what changes about the keys.

        sealed: the recipients of -A, whose mail is sealed as it is forwarded.
        """
        self.rules = rules
        self.layout = layout
        self._sealed = sealed
        self._notes = notes
        self._news: deque[str] = deque() if news is None else news
        self._foreign: dict[str, None] = {}

    def wanted(self) -> Wanted:
        """The envelope as it is reported, but for -A, whose recipients must be known whatever their length."""
        wanted = super().wanted()
        return wanted.as_reported() if self._sealed is None else wanted

    def preload(self) -> None:
        """What -A needs, too."""
        super().preload()
        if self._sealed is not None:
            import_module("filter_dkimsign.sealing")

    def needs(self) -> Needs:
        """Keys and tables, which are followed, and nothing else."""
        return Needs()

    async def started(self) -> None:
        """Log which keys sign, and what the start found worth a warning."""
        for note in _cut(self._notes):
            self.log.warning(None, "start", note=note)
        used = list(self.in_use())
        for key in used[:SHOWN]:
            self.log.info(
                None,
                "key",
                domain=key.domain,
                selector=key.selector,
                algorithm=key.algorithm,
                bits=key.bits,
                file=key.path,
            )
        if len(used) > SHOWN:
            self.log.info(None, "key", note=f"and {len(used) - SHOWN} more")

    def in_use(self) -> Iterator[InUse]:
        """What signs now, and what keeps a newer key from being used."""
        return in_use(self.rules.sources())

    def _tell_news(self) -> None:
        """Log what has changed about the keys since the last message."""
        while self._news:
            self.log.info(None, "key", note=self._news.popleft())

    def saw_greeting(self, session: Session, hostname: bytes) -> None:
        """Wanted for `session.hostname`, which completes addresses."""

    def on_message(self, session: Session, message: Message) -> Verdict | Awaitable[Verdict]:
        """Sign the message if it is ours. Raises CannotCheck when a key fails."""
        if self.exempt(session):
            return Verdict()
        origin = origin_of(session, self.options.ours)
        try:
            if origin.is_ours:
                return self._sign(session, origin, message)
            return self._pass_on(session, origin, message)
        except Unsigned as reason:
            return Verdict(facts={"result": "unsigned" if origin.is_ours else "unsealed", "reason": str(reason)})

    def _sign(self, session: Session, origin: Origin, message: Message) -> Verdict | Awaitable[Verdict]:
        """Mail of ours. Raises Unsigned and CannotCheck."""
        header, blocks = open_message(message)
        outgoing = Outgoing(header, session.hostname, self.server.version)
        domain, entries = self.rules.choose(session, origin, outgoing.values(b"from"), outgoing.values(b"received"))
        self._tell_news()
        body = body_canonicalizer(self.layout.body_form, hashlib.sha256())
        return _hashed(message, blocks, body, partial(self._signed, outgoing, domain, entries))

    def _pass_on(self, session: Session, origin: Origin, message: Message) -> Verdict | Awaitable[Verdict]:
        """Mail of strangers: sealed for the recipients of -A, else left alone. Raises Unsigned and CannotCheck."""
        if self._sealed is None:
            if origin is Origin.FOREIGN:
                self._mention(session)
            return Verdict()
        from filter_dkimsign import sealing

        recipients = sealing.forwarded(session, self._sealed)
        if not recipients or message.wire_size == 0:  # an earlier filter refused it: there is nothing to seal
            return Verdict()
        header, blocks = open_message(message)
        outgoing = Outgoing(header, session.hostname, self.server.version)
        seal = sealing.prepare(session, outgoing.fields, recipients, self.rules.sources())
        self._tell_news()
        body = body_canonicalizer("relaxed", hashlib.sha256())
        return _hashed(message, blocks, body, partial(self._seal, outgoing, seal))

    def _signed(self, outgoing: Outgoing, domain: bytes, entries: tuple[Entry, ...], body_hash: bytes) -> Verdict:
        """The edits that make the message a signed one."""
        now = self.wall()
        outgoing.complete(now, entries[0].domain)
        covered = cover(self.layout, outgoing.fields)
        edits = outgoing.edits
        for entry in entries:
            try:
                value = sign(self.layout, entry, covered, body_hash, int(now))
            except (InvalidSignature, ValueError) as error:
                raise CannotCheck(f"{entry.key.path}: {type(error).__name__}: {error}") from error
            edits.append(AddHeader(FIELD_NAME, value))
        facts = {
            "result": "signed",
            "domain": entries[0].domain,
            "selector": b",".join([entry.selector for entry in entries]),
            "author": domain,
            "subject": outgoing.first(b"subject"),
            "msgid": outgoing.first(b"message-id"),
        }
        return Verdict(edits=edits, facts=facts)

    def _seal(self, outgoing: Outgoing, seal: Seal, body_hash: bytes) -> Verdict:
        """The edits that put one more ARC set on top."""
        edits = outgoing.edits + seal.edits(outgoing.fields, body_hash, int(self.wall()))
        facts = {
            "result": "sealed",
            "domain": seal.entry.domain,
            "selector": seal.entry.selector,
            "instance": seal.link.instance,
            "chain": seal.link.verdict,
            "msgid": outgoing.first(b"message-id"),
        }
        return Verdict(edits=edits, facts=facts)

    def _mention(self, session: Session) -> None:
        """Say once for a client why its mail passes unsigned, and how that is changed."""
        client = str(session.address)
        if client in self._foreign:
            return
        if len(self._foreign) >= CLIENTS_REMEMBERED:
            del self._foreign[next(iter(self._foreign))]
        self._foreign[client] = None
        self.log.info(session, "unsigned", reason="not-ours", client=client, hint=f"-N {client} would sign it")


def _hashed(
    message: Message, blocks: Iterator[bytes], body: SimpleBody, done: Callable[[bytes], Verdict]
) -> Verdict | Awaitable[Verdict]:
    """What `done` makes of the body hash; a large body is hashed a few blocks at a time."""
    if message.wire_size > AT_ONCE:
        return _hashed_in_turns(blocks, body, done)
    for block in blocks:
        body.update(block)
    return done(body.digest())


async def _hashed_in_turns(blocks: Iterator[bytes], body: SimpleBody, done: Callable[[bytes], Verdict]) -> Verdict:
    for number, block in enumerate(blocks, 1):
        body.update(block)
        if not number % BLOCKS_A_TURN:
            await asyncio.sleep(0)
    return done(body.digest())


def _cut(notes: Sequence[str]) -> list[str]:
    """The first notes, and how many more there are."""
    more = len(notes) - SHOWN
    return [*notes] if more <= 0 else [*notes[:SHOWN], f"and {more} more"]


def build(arguments: Sequence[str]) -> DkimSign:
    """The filter for a command line. Raises UsageError and ConfigError."""
    own, common = parse_options(LETTERS, arguments)
    settings = Settings(own)
    given = settings.domain_list
    store = KeyStore()
    sources: list[KeyTable | SharedKey] = []
    if given is not None:
        sources.append(SharedKey(given, store))
    if "-K" in settings.files:
        sources.append(KeyTable(settings.files["-K"], store))
    users = ReloadingFile(settings.files["-m"], parse_users) if "-m" in settings.files else None

    def entries() -> list[Entries]:
        return [source.current() for source in sources]

    rules = Rules(entries, users.current if users else lambda: None, settings.sign_unknown, settings.reinjectors)
    sealed = AddressTable(settings.files["-A"]) if "-A" in settings.files else None
    filter_ = DkimSign(rules, settings.layout, [*settings.notes, *_weak_keys(entries())], store.news, sealed)
    filter_.options = common
    return filter_


def _weak_keys(sources: Sequence[Entries]) -> list[str]:
    """A note for each weak key that signs, whatever option it came by."""
    keys = dict.fromkeys(entry.key for source in sources for entry in source)
    return [f"{key.path}: {key.current().warning}" for key in keys if key.current().warning]
