"""Both stores against a dictionary: whatever is done in whatever order, they answer as the rules say."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from filter_greylist.rules.key import tuple_for
from filter_greylist.rules.policy import Known, advance
from filter_greylist.rules.records import Details, Kind, Life, Record, Timers, Tuple, merged
from filter_greylist.store.base import Bounds, Question, Store
from filter_greylist.store.redis import connect, link, pump
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer

BEGIN = 4_000_000_000
"""When everything begins: long after today, so that the clock of Redis, which goes on meanwhile, ends nothing."""
TIMERS = Timers(60, 600, 6000)
BOUNDS = Bounds(network=3, total=1_000_000)
NETWORKS = [b"192.0.2.0/24", b"198.51.100.0/24", b"2001:db8::/64"]
HOSTS = [b"192.0.2.1", b"192.0.2.2", b"2001:db8::/64"]
NAMES = {
    Kind.WHITE: HOSTS,
    Kind.TRAPPED: HOSTS,
    Kind.SPAMTRAP: [b"trap@example.net", b"odd\xff|' \"x@example.net"],
    Kind.DOMAIN: [b"example.org", b"odd\xff\n|' \"x"],
    Kind.PAIR: [b"them@example.org\0us@example.net", b"odd\xff\n|' \"\0x"],
}

lives = st.builds(
    lambda first, wait, end, blocked, passed: Life(first, first + wait, first + end, blocked, passed),
    st.integers(BEGIN, BEGIN + 3000),
    st.integers(0, 100),
    st.integers(1, 8000),
    st.integers(0, 5),
    st.integers(0, 5),
)
names = st.sampled_from([(kind, name) for kind, known in NAMES.items() for name in known])
numbers = st.integers(0, 5)
networks = st.sampled_from(NETWORKS)
_prefixes = itertools.count()


def a_tuple(network: bytes, number: int, *, pooled: bool = False) -> Tuple:
    """One of a few tuples; a pooled one begins with its domain and counts for the network it came from."""
    from filter_greylist.rules.key import group_of

    details = Details(group_of(network), b"192.0.2.1", b"helo\t\xff", b"s|%d" % number, b"r\n")
    return tuple_for(b"example.org" if pooled else network, b"sender", b"%d" % number, details)


class StoreMachine(RuleBasedStateMachine):
    """Rules common to both stores."""

    store: Store

    def make_store(self) -> Store:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.store = self.make_store()
        self.runner.run(self.store.open())
        self.now = BEGIN
        self.tuples: dict[bytes, tuple[Life, Details]] = {}
        self.entries: dict[tuple[Kind, bytes], Life] = {}
        self.swept = False

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.close())
            self.runner.close()

    @rule(seconds=st.sampled_from([0, 1, 30, 59, 60, 61, 500, 600, 601, 7000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        while self.runner.run(self.store.sweep(self.now)):
            pass
        self.tuples = {key: found for key, found in self.tuples.items() if found[0].expires > self.now}
        self.entries = {key: life for key, life in self.entries.items() if life.expires > self.now}

    @rule(network=networks, number=numbers, pooled=st.booleans())
    def attempt(self, network: bytes, number: int, pooled: bool) -> None:
        self.sweep()
        one = a_tuple(network, number, pooled=pooled)
        before = self.tuples.get(one.key)
        expected: Life | None = advance(before and before[0], self.now, TIMERS)
        if before is None and self.of_group(one.details.group) >= BOUNDS.network:
            expected = None
        assert self.runner.run(self.store.attempt(one, self.now, TIMERS)) == expected
        if expected is not None:
            self.tuples[one.key] = (expected, before[1] if before else one.details)

    @rule(network=networks, burst=st.lists(numbers, min_size=1, max_size=8))
    def attempts_at_once(self, network: bytes, burst: list[int]) -> None:
        """Equal and different tuples in one batch: as if one came after the other."""
        self.sweep()
        ones = [a_tuple(network, number) for number in burst]

        async def together() -> list[Life | None]:
            return await asyncio.gather(*(self.store.attempt(one, self.now, TIMERS) for one in ones))

        for one, life in zip(ones, self.runner.run(together()), strict=True):
            before = self.tuples.get(one.key)
            if before is None and self.of_group(one.details.group) >= BOUNDS.network:
                assert life is None
                continue
            assert life == advance(before and before[0], self.now, TIMERS)
            assert life is not None
            self.tuples[one.key] = (life, before[1] if before else one.details)

    @rule(of=names, life=lives)
    def merge_entry(self, of: tuple[Kind, bytes], life: Life) -> None:
        kind, name = of
        old = self.entries.get((kind, name))
        self.entries[kind, name] = life if old is None else merged(old, life)
        done = self.runner.run(self.store.merge([Record(kind, name, life)]))
        assert done == [self.entries[kind, name]]

    @rule(of=names, life=lives)
    def put_entry(self, of: tuple[Kind, bytes], life: Life) -> None:
        kind, name = of
        self.entries[kind, name] = life
        self.runner.run(self.store.put([Record(kind, name, life)]))

    @rule(network=networks, number=numbers, life=lives, both=st.booleans())
    def store_tuple(self, network: bytes, number: int, life: Life, both: bool) -> None:
        key, details = a_tuple(network, number)
        old = self.tuples.get(key)
        record = Record(Kind.GREY, key, life, details)
        self.runner.run(self.store.merge([record]) if both else self.store.put([record]))
        self.tuples[key] = (merged(old[0], life) if old and both else life, old[1] if old else details)

    @rule(of=names)
    def delete_entry(self, of: tuple[Kind, bytes]) -> None:
        kind, name = of
        assert self.runner.run(self.store.delete(kind, name)) is (self.entries.pop((kind, name), None) is not None)

    @rule(network=networks, number=numbers)
    def delete_tuple(self, network: bytes, number: int) -> None:
        key = a_tuple(network, number).key
        assert self.runner.run(self.store.delete(Kind.GREY, key)) is (self.tuples.pop(key, None) is not None)

    @rule(value=st.binary(max_size=20))
    def note(self, value: bytes) -> None:
        self.runner.run(self.store.note("beat", value))
        assert self.runner.run(self.store.noted("beat")) == value
        assert self.runner.run(self.store.noted("other")) is None

    @rule(
        address=st.sampled_from(HOSTS),
        recipient=st.sampled_from(NAMES[Kind.SPAMTRAP]),
        pair=st.sampled_from(NAMES[Kind.PAIR]),
        domain=st.sampled_from(NAMES[Kind.DOMAIN]),
    )
    def consult(self, address: bytes, recipient: bytes, pair: bytes, domain: bytes) -> None:
        question = Question(address, recipient, pair, domain)
        expected = Known(
            self.entries.get((Kind.WHITE, question.address)),
            self.entries.get((Kind.TRAPPED, question.address)),
            self.entries.get((Kind.SPAMTRAP, question.recipient)),
            self.entries.get((Kind.PAIR, question.pair)),
            self.entries.get((Kind.DOMAIN, question.domain)),
        )
        assert self.runner.run(self.store.consult(question)) == expected

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "runner"):
            return
        found = self.runner.run(self.everything())
        tuples = {record.name: (record.life, record.details) for record in found if record.kind is Kind.GREY}
        entries = {(record.kind, record.name): record.life for record in found if record.kind is not Kind.GREY}
        assert tuples == self.tuples
        assert entries == self.entries

    async def everything(self) -> list[Record]:
        return [record for kind in Kind async for record in self.store.scan(kind)]

    def of_group(self, group: bytes) -> int:
        return sum(details.group == group for _, details in self.tuples.values())


SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_sqlite_is_the_model() -> None:
    with tempfile.TemporaryDirectory() as directory:

        class SqliteMachine(StoreMachine):
            def make_store(self) -> Store:
                return SqliteStore(f"{directory}/{next(_prefixes)}.db", print, BOUNDS)

        run_state_machine_as_test(SqliteMachine, settings=SETTINGS)


@pytest.mark.daemon
def test_redis_is_the_model(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without limits of time: hypothesis is confused by what fails on a busy machine and not when it is tried again."""
    for module, name in ((pump, "REPLY_SECONDS"), (link, "COMMAND_SECONDS"), (connect, "SOCKET_SECONDS")):
        monkeypatch.setattr(module, name, 60.0)
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 60.0)

    class RedisMachine(StoreMachine):
        def make_store(self) -> Store:
            url = redis_server.url(f"model{next(_prefixes)}", tmp_path / "fallback.db")
            url = url.replace("/0?", "/1?")  # each look goes through a whole database: not the one of all other tests
            return RedisStore(parse_target(parse_spec(url)), print, BOUNDS)

        def teardown(self) -> None:
            """Not the next time through what was kept this time."""
            if hasattr(self, "runner"):
                assert isinstance(self.store, RedisStore)
                self.runner.run(self.store._link.command("FLUSHDB"))
            super().teardown()

        @rule()
        def sweep(self) -> None:
            """Redis forgets by its own clock: what the fake one has ended goes by hand."""
            for record in self.runner.run(self.everything()):
                if record.life.expires <= self.now:
                    self.runner.run(self.store.delete(record.kind, record.name))
            super().sweep()

    run_state_machine_as_test(RedisMachine, settings=SETTINGS)
