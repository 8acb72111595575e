"""The filter: signs mail of ours as it leaves.

Everything it decides is in `policy`, everything it changes in `prepare`; here they are put in a row for each message.
The body is hashed once, whatever the number of signatures. Small messages are signed at once; for large ones hashing
lets other sessions have their turn every quarter of a MiB.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Iterator, Sequence
from typing import ClassVar, Final

from cryptography.exceptions import InvalidSignature

from filter_api.decision import AddHeader, Verdict
from filter_api.dkim.canonical import SimpleBody, body_canonicalizer
from filter_api.dkim.signature import FIELD_NAME, Layout, cover, sign
from filter_api.errors import CannotCheck
from filter_api.files.reloading import ReloadingFile
from filter_api.filter import Filter
from filter_api.message.message import Message
from filter_api.options import parse_options
from filter_api.session import Session
from filter_api.trust import Origin, origin_of
from filter_dkimsign.in_use import InUse, in_use
from filter_dkimsign.keytable import SHOWN, Entries, Entry, KeyStore, KeyTable, SharedKey
from filter_dkimsign.options import OWN_LETTERS, Settings
from filter_dkimsign.policy import Rules, Unsigned, parse_users
from filter_dkimsign.prepare import Outgoing, open_message

AT_ONCE: Final = 256 * 1024  # bytes of a message that is hashed without a pause
BLOCKS_A_TURN: Final = 4  # blocks of 64 KiB hashed before others have their turn
CLIENTS_REMEMBERED: Final = 1024


class DkimSign(Filter):
    """Adds DKIM signatures (RFC 6376, RFC 8463) to the mail of our own domains."""

    name: ClassVar[str] = "filter-dkimsign"

    def __init__(self, rules: Rules, layout: Layout, notes: Sequence[str] = (), news: deque[str] | None = None) -> None:
        """`notes` are warnings for the log, known before there is one; `news` gets what changes about the keys."""
        self.rules = rules
        self.layout = layout
        self._notes = notes
        self._news: deque[str] = deque() if news is None else news
        self._foreign: dict[str, None] = {}

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
        if not origin.is_ours:
            if origin is Origin.FOREIGN:
                self._mention(session)
            return Verdict()
        try:
            header, blocks = open_message(message)
            outgoing = Outgoing(header, session.hostname, self.server.version)
            domain, entries = self.rules.choose(session, origin, outgoing.values(b"from"), outgoing.values(b"received"))
            if self._news:
                self._tell_news()
            body = body_canonicalizer(self.layout.body_form, hashlib.sha256())
            if message.wire_size > AT_ONCE:
                return self._in_turns(blocks, body, outgoing, domain, entries)
            for block in blocks:
                body.update(block)
            return self._signed(body, outgoing, domain, entries)
        except Unsigned as reason:
            return _unsigned(reason)

    async def _in_turns(
        self, blocks: Iterator[bytes], body: SimpleBody, outgoing: Outgoing, domain: bytes, entries: tuple[Entry, ...]
    ) -> Verdict:
        """Hash a large body a few blocks at a time."""
        for number, block in enumerate(blocks, 1):
            body.update(block)
            if not number % BLOCKS_A_TURN:
                await asyncio.sleep(0)
        return self._signed(body, outgoing, domain, entries)

    def _signed(self, body: SimpleBody, outgoing: Outgoing, domain: bytes, entries: tuple[Entry, ...]) -> Verdict:
        """The edits that make the message a signed one."""
        now = self.wall()
        outgoing.complete(now, entries[0].domain)
        covered = cover(self.layout, outgoing.fields)
        body_hash = body.digest()
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

    def _mention(self, session: Session) -> None:
        """Say once for a client why its mail passes unsigned, and how that is changed."""
        client = str(session.address)
        if client in self._foreign:
            return
        if len(self._foreign) >= CLIENTS_REMEMBERED:
            del self._foreign[next(iter(self._foreign))]
        self._foreign[client] = None
        self.log.info(session, "unsigned", reason="not-ours", client=client, hint=f"-N {client} would sign it")


def _cut(notes: Sequence[str]) -> list[str]:
    """The first notes, and how many more there are."""
    more = len(notes) - SHOWN
    return [*notes] if more <= 0 else [*notes[:SHOWN], f"and {more} more"]


def _unsigned(reason: Unsigned) -> Verdict:
    return Verdict(facts={"result": "unsigned", "reason": str(reason)})


def build(arguments: Sequence[str]) -> DkimSign:
    """The filter for a command line. Raises UsageError and ConfigError."""
    own, common = parse_options(OWN_LETTERS, arguments)
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
    filter_ = DkimSign(rules, settings.layout, [*settings.notes, *_weak_keys(entries())], store.news)
    filter_.options = common
    return filter_


def _weak_keys(sources: Sequence[Entries]) -> list[str]:
    """A note for each weak key that signs, whatever option it came by."""
    keys = dict.fromkeys(entry.key for source in sources for entry in source)
    return [f"{key.path}: {key.current().warning}" for key in keys if key.current().warning]
