"""The judge, with a real store behind it, against what the manual says, written down a second time in plain words.

A hypothesis machine offers mail in any order, lets time pass, delivers and traps; every answer must be the model's. The
model shares no rule with the program: it is a few dictionaries and the text of filter-greylist(8).
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from filter_api.net.dns import Resolver
from filter_api.net.vouching import Vouching
from filter_api.testing import FakeZone
from filter_greylist.deciding.judge import Case, Judge
from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.policy import Delay, Facts, Outcome, Pass, Trap
from filter_greylist.rules.records import Kind, Life, Record, Timers, address_name
from filter_greylist.store.base import Store
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer

PASSTIME, GREYEXP, WHITEEXP, DAY = 300, 3600, 7200, 86400
CLIENTS = ["192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
POOL = ["192.0.2.0/24", "198.51.100.0/24"]
ZONE = {
    ("pool.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"],
    ("open.example", "TXT"): [b"v=spf1 +all"],
}
SENDERS = [b"a@pool.example", b"b@pool.example", b"a@open.example", b"a@none.example", b""]
RECIPIENTS = [b"us@example.org", b"them@example.org", b"trap@example.org"]

clients = st.sampled_from(CLIENTS)
senders = st.sampled_from(SENDERS)
recipients = st.sampled_from(RECIPIENTS)
_numbers = itertools.count()


class JudgeMachine(RuleBasedStateMachine):
    """The machine; a subclass says which store."""

    def make_store(self) -> Store:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.store = self.make_store()
        self.runner.run(self.store.open())
        vouching = Vouching(Resolver(backend=FakeZone(ZONE)), lambda: 0.0)
        self.judge = Judge(self.store, vouching, Timers(PASSTIME, GREYEXP, WHITEEXP), Prefixes())
        self.now = int(time.time())
        self.waiting: dict[tuple[str, bytes, bytes], list[int]] = {}  # since, until, passed
        self.white: dict[str, int] = {}
        self.trapped: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.close())
            self.runner.close()

    @rule(seconds=st.sampled_from([0, 1, 299, 300, 301, 3599, 3600, 7199, 7200, DAY - 1, DAY]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(client=clients, sender=senders, recipient=recipients)
    def offer(self, client: str, sender: bytes, recipient: bytes) -> None:
        assert self.answer(client, sender, recipient) == self.expected(client, sender, recipient)

    @rule(client=clients, sender=senders, recipient=recipients)
    def offer_patiently(self, client: str, sender: bytes, recipient: bytes) -> None:
        """Offer, come back in time, and deliver."""
        self.offer(client, sender, recipient)
        self.now += PASSTIME
        word = self.expected(client, sender, recipient)
        assert self.answer(client, sender, recipient) == word
        if word == "pass":
            self.commit(client)

    def commit(self, client: str) -> None:
        life = Life(self.now, self.now, self.now + WHITEEXP, 0, 1)
        self.runner.run(self.store.merge([Record(Kind.WHITE, address_name(ip_address(client)), life)]))
        self.white[self.host(client)] = self.now + WHITEEXP

    def answer(self, client: str, sender: bytes, recipient: bytes) -> str:
        async def ask() -> Outcome:
            deadline = asyncio.get_running_loop().time() + 5
            case = Case(ip_address(client), sender, recipient, b"mx.none.example", False, self.now, deadline)
            trap = "trap" if recipient.startswith(b"trap") else ""
            return await self.judge.judge(case, Facts(null_sender=not sender, trap=trap))

        outcome = self.runner.run(ask())
        return {Pass: "pass", Delay: "wait", Trap: "trapped"}[type(outcome)]

    def host(self, client: str) -> str:
        address = ip_address(client)
        return str(ip_network((int(address), 64), strict=False)) if isinstance(address, IPv6Address) else client

    def origin(self, client: str, sender: bytes) -> str:
        """What stands in the tuple: the domain, if its SPF record names the client, or the network."""
        address = ip_address(client)
        if sender.endswith(b"@pool.example") and any(address in ip_network(network) for network in POOL):
            return "pool.example"
        return str(ip_network(f"{client}/{64 if ':' in client else 24}", strict=False))

    def expected(self, client: str, sender: bytes, recipient: bytes) -> str:
        host = self.host(client)
        if self.white.get(host, 0) > self.now:
            return "pass"
        if self.trapped.get(host, 0) > self.now:
            return "trapped"
        if recipient.startswith(b"trap") and sender:
            self.trapped[host] = self.now + DAY
            return "trapped"
        return self.expected_of_tuple((self.origin(client, sender), sender, recipient))

    def expected_of_tuple(self, key: tuple[str, bytes, bytes]) -> str:
        known = self.waiting.get(key)
        if known is None or self.now >= known[1]:
            self.waiting[key] = [self.now, self.now + GREYEXP, 0]
            return "wait"
        if not known[2] and self.now < known[0] + PASSTIME:
            return "wait"
        known[1], known[2] = self.now + GREYEXP, 1
        return "pass"


SETTINGS = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_judge_on_sqlite() -> None:
    with tempfile.TemporaryDirectory() as directory:

        class OnSqlite(JudgeMachine):
            def make_store(self) -> Store:
                return SqliteStore(f"{directory}/{next(_numbers)}.db", print)

        run_state_machine_as_test(OnSqlite, settings=SETTINGS)


@pytest.mark.daemon
def test_the_judge_on_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    class OnRedis(JudgeMachine):
        def make_store(self) -> Store:
            url = redis_server.url(f"judge{next(_numbers)}", tmp_path / "fallback.db")
            return RedisStore(parse_target(parse_spec(url)), print)

    run_state_machine_as_test(OnRedis, settings=SETTINGS)
