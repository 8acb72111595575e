"""A store that is only looked at, and SPF that tells what it found: for a filter that explains and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from filter_api.net.dns import Resolver
from filter_api.net.spf import check_sender
from filter_api.net.vouching import Vouched, Vouching
from filter_api.text.addresses import Address
from filter_api.text.escape import printable
from filter_greylist.rules import policy
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple
from filter_greylist.store.base import Question, Store


class Looking(Store):
    """Gives what another store has; what would be written is answered as if it were, and told, but not written.

    known and tried are called with what was found about a client, and with the tuple of an attempt (None: never seen).
    """

    def __init__(
        self, store: Store, known: Callable[[Known], None], tried: Callable[[Tuple, Life | None], None]
    ) -> None:
        self._store = store
        self._known = known
        self._tried = tried

    async def open(self) -> None:
        """It is open."""

    async def close(self) -> None:
        """Whoever opened it closes it."""

    async def consult(self, question: Question) -> Known:
        """What there is."""
        known = await self._store.consult(question)
        self._known(known)
        return known

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        """What the tuple would be after this attempt."""
        record = await self._store.get(Kind.GREY, attempt.key)
        life = record.life if record is not None and policy.alive(record.life, now) else None
        self._tried(attempt, life)
        return policy.advance(life, now, timers)

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        """A record."""
        return await self._store.get(kind, name)

    async def marked(self, name: str) -> int | None:
        """When something happened last."""
        return await self._store.marked(name)

    async def noted(self, name: str) -> bytes | None:
        """A note."""
        return await self._store.noted(name)

    def scan(self, kind: Kind) -> AsyncIterator[Record]:
        """Every record of a kind."""
        return self._store.scan(kind)

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        """Nothing is written."""
        return [record.life for record in records]

    async def put(self, records: Sequence[Record]) -> None:
        """Nothing is written."""

    async def delete(self, kind: Kind, name: bytes) -> bool:
        """Nothing is removed."""
        return await self._store.get(kind, name) is not None

    async def sweep(self, now: int) -> bool:
        """Nothing is removed."""
        del now
        return False

    async def note(self, name: str, value: bytes) -> None:
        """Nothing is written."""

    async def mark(self, name: str, now: int) -> None:
        """Nothing is written."""


class TellingVouching(Vouching):
    """Says what SPF says; what it is worth is decided by its parent. `tell` gets a word and a text."""

    def __init__(self, own: Vouching, resolver: Resolver, tell: Callable[[str, str], None]) -> None:
        self._own = own
        self._asked = resolver
        self._tell = tell

    async def sender(self, address: Address, sender: bytes, helo: bytes, deadline: float) -> Vouched:
        """Whether SPF vouches for this sender."""
        found = await self._own.sender(address, sender, helo, deadline)
        spf = await check_sender(self._asked, address, sender, helo, deadline=deadline)  # answered by the cache
        words = [spf.result.value, spf.mechanism and f"by {spf.mechanism} of {spf.domain}", spf.why]
        strength = "which vouches for the client" if found else "which vouches for nobody"
        self._tell("spf", " ".join(word for word in words if word) + (f", {strength}" if spf.passed else ""))
        return found

    async def listed(self, address: Address, helo: bytes, deadline: float) -> Vouched:
        """Whether a common domain names this client."""
        found = await self._own.listed(address, helo, deadline)
        if found:
            domain = await self._own.first_listed(address, helo, deadline)
            self._tell("common", f"the client is in the SPF record of {printable(domain or b'')}")
        return found
