"""By which names a delivery is looked up, written out part by part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.files.tables import DomainTable
from filter_api.net.dns import Resolver
from filter_api.net.vouching import Vouching
from filter_api.testing.dns import FakeZone
from filter_greylist.deciding.judge import Case, Judge, question_of, seen_tuple, tuple_of
from filter_greylist.rules.key import Prefixes, group_of, tuple_for
from filter_greylist.rules.policy import Delay, Facts, Pass, Trap
from filter_greylist.rules.records import Details, Kind, Life, Timers, address_name, pair_name
from filter_greylist.store.base import Question
from filter_greylist.store.sqlite.store import SqliteStore

NETWORK = b"192.0.2.0/24"


def case(sender: bytes | None, recipient: bytes = b"@relay.example:Bob@Example.NET.") -> Case:
    return Case(ip_address("192.0.2.7"), sender, recipient, b"HELO.example", False, 1_700_000_000, 0.0)


def details(origin: bytes, sender: bytes) -> Details:
    """What a listing shows: as it was sent."""
    recipient = b"@relay.example:Bob@Example.NET."
    return Details(group_of(origin), b"192.0.2.7", b"HELO.example", sender, recipient)


@pytest.mark.parametrize(
    ("sender", "key"),
    [
        (b"List-bounces+bob=x@Example.ORG.", b"list-bounces@example.org"),
        (b"", b"<>helo.example"),
        (None, b"?"),
    ],
)
def test_a_delivery_is_network_sender_and_recipient_in_their_common_forms(sender: bytes | None, key: bytes) -> None:
    found = tuple_of(case(sender), Prefixes())
    assert found == tuple_for(NETWORK, key, b"bob@example.net", details(NETWORK, sender or b""))
    wide = tuple_of(case(sender), Prefixes(16, 64))
    assert wide.key == tuple_for(b"192.0.0.0/16", key, b"bob@example.net", wide.details).key


@pytest.mark.parametrize(
    ("sender", "origin", "key"),
    [
        (b"a@Example.ORG.", b"@example.org", b"a@example.org"),
        (b"", b"@helo.example", b"<>helo.example"),
    ],
)
def test_where_spf_vouches_the_domain_it_was_asked_for_takes_the_place_of_the_network(
    sender: bytes, origin: bytes, key: bytes
) -> None:
    found = tuple_of(case(sender), Prefixes(), vouched=True)
    assert found == tuple_for(origin, key, b"bob@example.net", details(NETWORK, sender))
    assert found.key != tuple_of(case(sender), Prefixes()).key


def test_a_client_that_was_at_the_primary_stands_for_its_network() -> None:
    shown = Details(group_of(NETWORK), b"192.0.2.7", b"", b"", b"")
    assert seen_tuple(ip_address("192.0.2.7"), Prefixes()) == tuple_for(NETWORK, b"seen", b"", shown)


def test_the_store_is_asked_for_the_client_the_recipient_the_pair_and_the_domain() -> None:
    name = address_name(ip_address("192.0.2.7"))
    known = question_of(case(b"prvs=3456a0b1c2=a+x@Example.ORG."))
    assert known == Question(name, b"bob@example.net", pair_name(b"a@example.org", b"bob@example.net"), b"example.org")
    for nobody in (b"", None):
        assert question_of(case(nobody)) == Question(name, b"bob@example.net", b"", b"")


@asynccontextmanager
async def greylist(directory: Path) -> AsyncIterator[SqliteStore]:
    """A real store."""
    store = SqliteStore(str(directory / "greylist.db"), lambda _text: None)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def test_what_is_put_around_the_one_who_asks_spf_is_asked_in_its_place(tmp_path: Path) -> None:
    mute = Vouching(Resolver(backend=FakeZone({})), lambda: 0.0)
    record = {("example.org", "TXT"): ["v=spf1 ip4:192.0.2.7 -all"]}
    vouches = Vouching(Resolver(backend=FakeZone(record)), lambda: 0.0)
    told: list[Vouching] = []

    def around(vouching: Vouching) -> Vouching:
        told.append(vouching)
        return vouches

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            judge = Judge(store, mute, Timers(), Prefixes())
            deadline = asyncio.get_running_loop().time() + 5
            exempt = replace(case(b"a@example.org"), listed=True, deadline=deadline)
            assert await judge.judge(exempt, Facts()) == Delay("new", 1500)
            judge.tell_spf(around)
            assert told == [mute]
            assert await judge.judge(exempt, Facts()) == Pass("exempt")

    asyncio.run(inside())


@pytest.mark.parametrize(("sender", "helo"), [(b"a@example.org", b""), (b"a@example.org", b"mx.example"), (None, b"h")])
def test_a_delivery_for_which_spf_vouched_at_the_primary_is_known_at_the_second_mx(
    tmp_path: Path, sender: bytes | None, helo: bytes
) -> None:
    mute = Vouching(Resolver(backend=FakeZone({})), lambda: 0.0)

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            delivery = replace(case(sender), helo=helo)
            await store.attempt(tuple_of(delivery, Prefixes(), vouched=True), delivery.now, Timers())
            judge = Judge(store, mute, Timers(), Prefixes())
            assert await judge.judge(delivery, Facts(low_mx=True)) == Delay("new", 1500)
            other = replace(delivery, recipient=b"other@example.net")
            assert await judge.judge(other, Facts(low_mx=True)) == Trap("low-priority-mx", fresh=True)

    asyncio.run(inside())


def test_who_has_waited_before_spf_vouched_is_let_in(tmp_path: Path) -> None:
    """SPF had no answer at the first attempt, so that it was the network that waited."""
    mute = Vouching(Resolver(backend=FakeZone({})), lambda: 0.0)
    record = {("example.org", "TXT"): ["v=spf1 ip4:192.0.2.7 -all"]}
    vouches = Vouching(Resolver(backend=FakeZone(record)), lambda: 0.0)

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            deadline = asyncio.get_running_loop().time() + 5
            delivery = replace(case(b"a@example.org"), deadline=deadline)
            judge = Judge(store, mute, Timers(), Prefixes())
            assert await judge.judge(delivery, Facts()) == Delay("new", 1500)
            judge.tell_spf(lambda _: vouches)
            again = replace(delivery, now=delivery.now + 1500)
            assert await judge.judge(again, Facts()) == Pass("retried", 1500)

    asyncio.run(inside())


def test_who_falls_into_a_trap_is_remembered_for_a_day_and_who_will_be_white_is_white(tmp_path: Path) -> None:
    mute = Vouching(Resolver(backend=FakeZone({})), lambda: 0.0)
    delivery = case(b"a@example.org")
    name = address_name(delivery.address)
    now = delivery.now

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            judge = Judge(store, mute, Timers(), Prefixes())
            assert await judge.judge(delivery, Facts(trap="trap-file")) == Trap("trap-file", fresh=True)
            trapped = await store.get(Kind.TRAPPED, name)
            assert trapped is not None
            assert trapped.life == Life(now, now, now + 86_400, 1, 0)
            soon = {name: Life(now, now, now + 10)}
            knowing = Judge(store, mute, Timers(), Prefixes(), soon.get)
            assert await knowing.judge(delivery, Facts()) == Pass("white")

    asyncio.run(inside())


def test_who_sends_for_a_common_domain_passes_and_spf_is_not_asked_for_the_sender(tmp_path: Path) -> None:
    record = {("common.example", "TXT"): ["v=spf1 ip4:192.0.2.7 -all"]}
    zone = FakeZone(record)
    (tmp_path / "common").write_text("common.example\n")

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            table = DomainTable(str(tmp_path / "common"))
            judge = Judge(store, Vouching(Resolver(backend=zone), lambda: 0.0, table), Timers(), Prefixes())
            deadline = asyncio.get_running_loop().time() + 5
            delivery = replace(case(b"a@example.org"), deadline=deadline)
            assert await judge.judge(delivery, Facts()) == Pass("common")
            stranger = replace(delivery, address=ip_address("198.51.100.7"))
            assert await judge.judge(stranger, Facts()) == Delay("new", 1500)

    asyncio.run(inside())


def test_where_the_store_is_full_the_client_is_told_to_wait_as_long_as_it_would_have_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    timers = Timers(passes=300)

    async def full(*arguments: object) -> None:
        asked.append(arguments)

    async def inside() -> None:
        async with greylist(tmp_path) as store:
            monkeypatch.setattr(store, "attempt", full)
            judge = Judge(store, Vouching(Resolver(backend=FakeZone({})), lambda: 0.0), timers, Prefixes())
            delivery = case(None)
            assert await judge.judge(delivery, Facts()) == Delay("full", 300)
            assert asked == [(tuple_of(delivery, Prefixes()), delivery.now, timers)]

    asyncio.run(inside())
