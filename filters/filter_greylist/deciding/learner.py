"""What a greylist learns: who has shown that it comes back, and, with option -o, from the mail that our users send.

Nobody waits for it: it is written in the background.
"""

from __future__ import annotations

import asyncio
from typing import Final

from filter_api.session import Session, Transaction
from filter_api.text.addresses import Address
from filter_greylist.deciding.owner import Owner
from filter_greylist.rules.learn import Lesson, OurMessages, Quota, lesson, records_of
from filter_greylist.rules.records import Kind, Life, Record, address_name, merged

GATHERED: Final = 0.05
"""Seconds in which hosts that have become known are gathered where each write costs a commit. Servers that share a
store learn them at once."""


class Learner:
    """What one filter learns. `now` is in seconds since 1970, of the filter's clock."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._quota = Quota()
        self._our_messages = OurMessages()
        self._white: dict[bytes, Life] = {}
        self._being_written: dict[bytes, Life] = {}

    def white(self, name: bytes) -> Life | None:
        """What is known of a host, by its name in the store, that is not written yet."""
        return self._white.get(name) or self._being_written.get(name)

    def whiten(self, address: Address, first: int, now: int, *, passed: int) -> None:
        """This host is known from now on. first: when it was seen first; passed: messages that came from it."""
        name, life = address_name(address), Life(first, now, now + self._owner.own.timers.white, 0, passed)
        known = self._white.get(name)
        if not self._white and not self._owner.background.begin(self._write()):
            return
        self._white[name] = life if known is None else merged(known, life)

    def sent(self, session: Session, transaction: Transaction, now: int) -> None:
        """A user of ours sent a message: whom to, may write back (-o)."""
        if not self._owner.own.learn:
            return
        taught = lesson(session.user, transaction.sender, transaction.recipients)
        if taught is None:
            return
        if transaction.id is not None:
            self._our_messages.add(transaction.id, now)
        if taught.pairs:
            self._owner.background.begin(self._learn(taught))

    def taken(self, session: Session, transaction: Transaction, now: int) -> None:
        """A host took a message of ours, and may send some: spamlogd(8) learns the same (-o)."""
        owner, address = self._owner, session.destination_address
        if address is None or not transaction.sender or address in owner.options.ours:
            return
        if transaction.id in self._our_messages:
            self.whiten(address, now, now, passed=0)

    async def _write(self) -> None:
        """What has been gathered by then."""
        try:
            await asyncio.sleep(GATHERED if self._owner.store.commits else 0)
        finally:
            self._being_written, self._white = self._white, {}
        white = self._being_written
        try:
            await self._owner.store.merge([Record(Kind.WHITE, name, life) for name, life in white.items()])
        finally:
            if self._being_written is white:
                self._being_written = {}

    async def _learn(self, taught: Lesson) -> None:
        """Remember the pairs of a message of ours: the known ones are renewed, new ones as far as the quota goes."""
        owner, now = self._owner, self._owner.clock.now()
        known = [await owner.store.get(Kind.PAIR, name) for name in taught.pairs]
        new = [name for name, record in zip(taught.pairs, known, strict=True) if record is None]
        granted = set(new[: self._quota.take(taught.user, len(new), now)])
        if len(granted) < len(new):
            owner.log.info(None, "learned", user=taught.user, pairs=len(granted), refused=len(new) - len(granted))
        pairs = [
            name for name, record in zip(taught.pairs, known, strict=True) if record is not None or name in granted
        ]
        domains = [name for name in taught.domains if any(_of_domain(pair, name) for pair in pairs)]
        await owner.store.merge(records_of(pairs, domains, now, owner.own.timers))


def _of_domain(pair: bytes, domain: bytes) -> bool:
    return pair.partition(b"\0")[0].endswith(b"@" + domain)
