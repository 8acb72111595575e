"""From one delivery to its outcome: ask the store, SPF where it matters, and the policy in between.

What is cheap comes first: a client that is white or trapped costs one question to the store and none to the DNS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from filter_api.net.vouching import Vouching
from filter_api.text.addresses import Address, domain_of
from filter_greylist.rules import policy
from filter_greylist.rules.key import (
    Prefixes,
    details_of,
    group_of,
    mailbox,
    network_name,
    normal_recipient,
    normal_sender,
    tuple_for,
)
from filter_greylist.rules.policy import Delay, Facts, Known, Outcome, Pass, Trap
from filter_greylist.rules.records import (
    TRAP_SECONDS,
    Kind,
    Life,
    Record,
    Timers,
    Tuple,
    address_name,
    pair_name,
)
from filter_greylist.store.base import Question, Store


@dataclass(frozen=True, slots=True)
class Case:
    """One delivery to one recipient, as it was offered.

    sender: ``b""`` for the null sender, None if smtpd did not tell. listed: -W exempts the sender if SPF vouches.
    now: wall clock seconds. deadline: time of the event loop by which the DNS must have answered.
    """

    address: Address
    sender: bytes | None
    recipient: bytes
    helo: bytes
    listed: bool
    now: int
    deadline: float


class Judge:
    """Judges cases with a store."""

    def __init__(
        self,
        store: Store,
        vouching: Vouching,
        timers: Timers,
        prefixes: Prefixes,
        soon_white: Callable[[bytes], Life | None] = lambda _: None,
    ) -> None:
        """soon_white: what is known of a host, by its name, that the store will have in a moment."""
        self._store = store
        self._soon_white = soon_white
        self._vouching = vouching
        self._timers = timers
        self._prefixes = prefixes

    def tell_spf(self, wrapped: Callable[[Vouching], Vouching]) -> None:
        """Put something around the one who asks SPF, which tells what it found."""
        self._vouching = wrapped(self._vouching)

    async def judge(self, case: Case, facts: Facts) -> Outcome:
        """The outcome, stored as far as it has to be. Raises StoreError."""
        question = question_of(case)
        known = await self._store.consult(question)
        if (white := self._soon_white(question.address)) is not None:
            known = known._replace(white=white)
        outcome = policy.of_client(known, facts, case.now)
        if outcome is None:
            outcome = await self._stranger(case, known, facts)
        if isinstance(outcome, Trap) and outcome.fresh:
            life = Life(case.now, case.now, case.now + TRAP_SECONDS, 1, 0)
            await self._store.merge([Record(Kind.TRAPPED, address_name(case.address), life)])
        return outcome

    async def _stranger(self, case: Case, known: Known, facts: Facts) -> Outcome:
        """The part that costs DNS questions and a write."""
        if await self._vouching.listed(case.address, case.helo, case.deadline):
            facts = facts._replace(common=True)
        elif await self._strong(case):
            if case.listed:
                return Pass("exempt")
            facts = facts._replace(spf_strong=True)
        outcome = policy.before_tuple(known, facts, case.now)
        return await self._by_tuple(case, facts) if outcome is None else outcome

    async def _strong(self, case: Case) -> bool:
        """Whether SPF vouches for the sender, or for the HELO name of a null sender."""
        if case.sender is None:
            return False
        return bool(await self._vouching.sender(case.address, case.sender, case.helo, case.deadline))

    async def _by_tuple(self, case: Case, facts: Facts) -> Outcome:
        """The tuple of the client's network, or of its sender's domain where SPF vouches for that.

        If the domain tuple is new, use the network's if that has waited: SPF may have failed at the first attempt.
        """
        by_network = tuple_of(case, self._prefixes)
        attempt = tuple_of(case, self._prefixes, vouched=True) if facts.spf_strong else by_network
        if facts.low_mx and await self._was_at_primary(case, attempt):
            facts = facts._replace(low_mx=False)
        outcome = await self._attempt(attempt, facts, case.now)
        if not facts.spf_strong:
            return outcome
        if isinstance(outcome, Delay) and outcome.reason == "new" and await self._waited(by_network, case.now):
            outcome = await self._attempt(by_network, facts, case.now)
        return outcome

    async def _was_at_primary(self, case: Case, attempt: Tuple) -> bool:
        """Whether the client, or this delivery under its other name, was seen before: SPF may have failed there."""
        names = [seen_tuple(case.address, self._prefixes).key, tuple_of(case, self._prefixes).key]
        if case.sender or case.helo:
            names.append(tuple_of(case, self._prefixes, vouched=True).key)
        records = [await self._store.get(Kind.GREY, name) for name in names if name != attempt.key]
        return any(record is not None and policy.alive(record.life, case.now) for record in records)

    async def note(self, address: Address, now: int) -> None:
        """Note that a client was at the primary MX. Raises StoreError."""
        await self._store.attempt(seen_tuple(address, self._prefixes), now, self._timers)

    async def _attempt(self, attempt: Tuple, facts: Facts, now: int) -> Outcome:
        return policy.on_tuple(await self._store.attempt(attempt, now, self._timers), facts, now, self._timers)

    async def _waited(self, by_network: Tuple, now: int) -> bool:
        record = await self._store.get(Kind.GREY, by_network.key)
        return record is not None and record.life.passes <= now < record.life.expires


def tuple_of(case: Case, prefixes: Prefixes, *, vouched: bool = False) -> Tuple:
    """The tuple of the client's network, or of the sender's domain if SPF vouches for that."""
    network = network_name(case.address, prefixes)
    details = details_of(group_of(network), case.address, case.helo, case.sender or b"", case.recipient)
    origin = b"@" + _vouched_domain(case) if vouched else network
    return tuple_for(origin, _sender_key(case), normal_recipient(case.recipient), details)


def seen_tuple(address: Address, prefixes: Prefixes) -> Tuple:
    """What stands for a client that was there, whatever it offered. No sender has its form."""
    network = network_name(address, prefixes)
    return tuple_for(network, b"seen", b"", details_of(group_of(network), address, b"", b"", b""))


def question_of(case: Case) -> Question:
    """What to ask the store for a case."""
    recipient = normal_recipient(case.recipient)
    if not case.sender:
        return Question(address_name(case.address), recipient, b"", b"")
    pair = pair_name(mailbox(case.sender), mailbox(case.recipient))
    return Question(address_name(case.address), recipient, pair, domain_of(case.sender))


def _sender_key(case: Case) -> bytes:
    """The sender as it is compared; a null sender stands for its HELO name, an unknown one for nothing else."""
    if case.sender is None:
        return b"?"
    return normal_sender(case.sender) if case.sender else b"<>" + case.helo.lower()


def _vouched_domain(case: Case) -> bytes:
    """The domain SPF was asked for."""
    return domain_of(case.sender) if case.sender else case.helo.lower()
