"""Hosts that have become known: those of a moment are written together, none is lost, none counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

from filter_greylist.deciding.learner import GATHERED, Learner
from filter_greylist.rules.records import Kind, Life, Record, Timers
from filter_greylist.store.background import Background
from filter_greylist.store.base import StoreError

NOW = 1_800_000_000
WHITE = Timers().white


class Written:
    """A store that keeps each of its writes by itself."""

    commits = True

    def __init__(self, failure: StoreError | None = None) -> None:
        self.writes: list[list[Record]] = []
        self.failure = failure

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        if self.failure is not None:
            raise self.failure
        self.writes.append(list(records))
        return [record.life for record in records]


def learner(store: Written, failures: list[str], most: int = 10) -> Learner:
    """One with nothing but a store."""
    owner: Any = SimpleNamespace(
        background=Background(most, lambda error: failures.append(str(error))),
        store=store,
        own=SimpleNamespace(timers=Timers()),
    )
    return Learner(owner)


def white(address: str, first: int, passed: int) -> Record:
    return Record(Kind.WHITE, address.encode(), Life(first, NOW, NOW + WHITE, 0, passed))


def test_hosts_of_one_moment_are_one_write() -> None:
    store = Written()

    async def scenario() -> None:
        learning = learner(store, [])
        for address in ("192.0.2.1", "192.0.2.2"):
            learning.whiten(ip_address(address), NOW - 1500, NOW, passed=1)
        assert store.writes == []
        await asyncio.sleep(2 * GATHERED)
        learning.whiten(ip_address("192.0.2.3"), NOW - 9, NOW, passed=1)
        await asyncio.sleep(2 * GATHERED)

    asyncio.run(scenario())
    assert store.writes == [
        [white("192.0.2.1", NOW - 1500, 1), white("192.0.2.2", NOW - 1500, 1)],
        [white("192.0.2.3", NOW - 9, 1)],
    ]


def test_three_messages_of_one_host_are_three_that_it_passed_and_begin_with_the_first() -> None:
    store = Written()

    async def scenario() -> None:
        learning = learner(store, [])
        for first in (NOW - 5, NOW - 1500, NOW):
            learning.whiten(ip_address("192.0.2.1"), first, NOW, passed=1)
        await asyncio.sleep(2 * GATHERED)

    asyncio.run(scenario())
    assert store.writes == [[white("192.0.2.1", NOW - 1500, 3)]]


def test_a_write_that_fails_is_told_and_the_next_goes_on() -> None:
    store = Written(StoreError("the disk is full"))
    failures: list[str] = []

    async def scenario() -> None:
        learning = learner(store, failures)
        learning.whiten(ip_address("192.0.2.1"), NOW, NOW, passed=1)
        await asyncio.sleep(2 * GATHERED)
        store.failure = None
        learning.whiten(ip_address("192.0.2.2"), NOW, NOW, passed=1)
        await asyncio.sleep(2 * GATHERED)

    asyncio.run(scenario())
    assert failures == ["the disk is full"]
    assert store.writes == [[white("192.0.2.2", NOW, 1)]]


def test_where_too_much_is_under_way_it_is_dropped_and_later_ones_are_written() -> None:
    store = Written()

    async def scenario() -> None:
        learning = learner(store, [], most=1)
        busy = learning._owner.background
        busy.begin(asyncio.sleep(0.01))
        learning.whiten(ip_address("192.0.2.1"), NOW, NOW, passed=1)
        await busy.finish()
        await asyncio.sleep(0)
        learning.whiten(ip_address("192.0.2.2"), NOW, NOW, passed=1)
        await busy.finish()

    asyncio.run(scenario())
    assert store.writes == [[white("192.0.2.2", NOW, 1)]]


def test_what_is_not_written_yet_is_known_already() -> None:
    """A host that has just delivered may send its next message at once, in the same connection."""
    store = Written()

    async def scenario() -> None:
        learning = learner(store, [])
        assert learning.white(b"192.0.2.1") is None
        learning.whiten(ip_address("192.0.2.1"), NOW - 1500, NOW, passed=1)
        assert learning.white(b"192.0.2.1") == Life(NOW - 1500, NOW, NOW + WHITE, 0, 1)
        assert learning.white(b"192.0.2.2") is None
        await asyncio.sleep(2 * GATHERED)
        assert store.writes
        assert learning.white(b"192.0.2.1") is None, "the store has it"

    asyncio.run(scenario())


def test_it_is_known_while_it_is_being_written() -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    class Slow(Written):
        async def merge(self, records: Sequence[Record]) -> list[Life]:
            begun.set()
            await told.wait()
            return await super().merge(records)

    store = Slow()

    async def scenario() -> None:
        learning = learner(store, [])
        learning.whiten(ip_address("192.0.2.1"), NOW - 1500, NOW, passed=1)
        await begun.wait()
        assert not store.writes
        assert learning.white(b"192.0.2.1") == Life(NOW - 1500, NOW, NOW + WHITE, 0, 1)
        assert learning.white(b"192.0.2.2") is None
        told.set()
        await learning._owner.background.finish()
        assert store.writes
        assert learning.white(b"192.0.2.1") is None

    asyncio.run(scenario())


def test_servers_that_share_a_store_learn_a_host_at_once() -> None:
    """One of them may be killed in the next moment."""

    class Shared(Written):
        commits = False

    store = Shared()

    async def scenario() -> None:
        learning = learner(store, [])
        for address in ("192.0.2.1", "192.0.2.2"):
            learning.whiten(ip_address(address), NOW, NOW, passed=1)
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert store.writes == [[white("192.0.2.1", NOW, 1), white("192.0.2.2", NOW, 1)]]
