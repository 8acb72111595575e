"""What a greylist learns: who has shown that it comes back, and, with option -o, from the mail that our users send.

Nobody waits for it: it is written in the background.
"""

from __future__ import annotations

from collections.abc import Sequence

from filter_api.session import Session, Transaction
from filter_api.text.addresses import Address
from filter_greylist.deciding.owner import Owner
from filter_greylist.rules.learn import Lesson, OurMessages, Quota, lesson, records_of
from filter_greylist.rules.records import Kind, Life, Record, address_name


class Learner:
    """What one filter learns. `now` is in seconds since 1970, of the filter's clock."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._quota = Quota()
        self._our_messages = OurMessages()

    def whiten(self, address: Address, first: int, now: int, *, passed: int) -> None:
        """This host is known from now on. first: when it was seen first; passed: messages that came from it."""
        life = Life(first, now, now + self._owner.own.timers.white, 0, passed)
        self._begin([Record(Kind.WHITE, address_name(address), life)])

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

    def _begin(self, records: Sequence[Record]) -> None:
        self._owner.background.begin(self._merge(records))

    async def _merge(self, records: Sequence[Record]) -> None:
        await self._owner.store.merge(records)

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
