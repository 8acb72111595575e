"""The Resolver itself, over zones in memory: names, cache, coalescing, deadlines, bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.net.dns import Answer, Record, Resolver, Status, canonical_name, reverse_name
from filter_api.testing.dns import FakeZone, Slow

MX = ip_address("192.0.2.1")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Backend:
    """Answers by a function and counts how many questions are with it at a time."""

    def __init__(self, answer: Callable[[str, str], Awaitable[Answer]]) -> None:
        self.answer = answer
        self.asked = 0
        self.busy = 0
        self.busiest = 0

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        self.asked += 1
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            return await self.answer(name, kind)
        finally:
            self.busy -= 1


async def after(seconds: float, answer: Answer) -> Answer:
    await asyncio.sleep(seconds)
    return answer


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("Mail.Example.ORG.", "mail.example.org"),
        (b"mx.example.org", "mx.example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("foo:bar/baz.example.com", "foo:bar/baz.example.com"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("a" * 64 + ".example", None),
        (".".join(["a" * 49] * 5) + ".abc", ".".join(["a" * 49] * 5) + ".abc"),
        (".".join(["a" * 49] * 5) + ".abcd", None),
        ("", None),
        (".", None),
        ("a..b", None),
        (".a.b", None),
        ("a.b..", None),
        ("a b.example", None),
        ("a\tb.example", None),
        ("a\\032b.example", None),
        (b"caf\xe9.example", None),
        ("café.example", None),
        ("a\n.example", None),
    ],
)
def test_names(name: str | bytes, canonical: str | None) -> None:
    assert canonical_name(name) == canonical


def test_only_who_asks_for_it_may_have_blanks() -> None:
    assert canonical_name("a b.example", spaces=True) == "a b.example"
    assert canonical_name("a\tb.example", spaces=True) is None


@given(st.one_of(st.text(), st.binary()))
def test_any_name_gets_an_answer(name: str | bytes) -> None:
    zone = FakeZone({})
    answer = asyncio.run(Resolver(backend=zone).resolve(name, "A"))
    assert answer.status is Status.NXDOMAIN
    assert bool(zone.asked) == (canonical_name(name) is not None)


def test_a_kind_nobody_knows_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="SRV"):
        asyncio.run(Resolver(backend=FakeZone({})).resolve("example.org", "SRV"))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("fe80::1%em0", "1." + "0." * 28 + "8.e.f.ip6.arpa"),
    ],
)
def test_reverse_names(address: str, name: str) -> None:
    assert reverse_name(ip_address(address)) == name


def test_answers_live_as_long_as_their_ttl() -> None:
    async def run() -> None:
        clock, zone = Clock(), FakeZone({("a.example", "A"): ["192.0.2.1"]}, ttl=60)
        resolver = Resolver(backend=zone, clock=clock)
        assert (await resolver.resolve("a.example", "A")).ttl == 60
        clock.now += 59
        assert (await resolver.resolve("A.EXAMPLE.", "A")).ttl == 1
        assert len(zone.asked) == 1
        clock.now += 1
        await resolver.resolve("a.example", "A")
        await resolver.resolve("a.example", "AAAA")
        assert len(zone.asked) == 3
        resolver.forget()
        await resolver.resolve("a.example", "A")
        assert len(zone.asked) == 4

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "make", "used"),
    [
        ("A", lambda n: ip_address(0x0A000000 + n), 1000),
        ("AAAA", lambda n: ip_address((0x20010DB8 << 96) + n), 500),
        ("TXT", lambda n: b"%d" % n, 250),
        ("MX", lambda n: (n, "mx.example"), 100),
        ("PTR", lambda n: f"host{n}.example", 100),
        ("NS", lambda n: f"ns{n}.example", 100),
    ],
)
def test_no_more_records_are_used_than_a_kind_is_good_for(kind: str, make: Callable[[int], Record], used: int) -> None:
    async def run() -> None:
        for count in (used, used + 1, 4000):
            zone = FakeZone({("a.example", kind): [make(n) for n in range(count)]})
            resolver = Resolver(backend=zone)
            for _ in range(2):  # from the zone, and from the cache where it is kept
                answer = await resolver.resolve("a.example", kind)
                assert answer.status is Status.OK
                assert answer.records == tuple(make(n) for n in range(used))
                assert answer.cut is (count > used)

    asyncio.run(run())


def test_equal_questions_in_flight_are_asked_once() -> None:
    async def run() -> None:
        backend = Backend(lambda *_: after(0.05, Answer(Status.OK, (MX,))))  # a TTL of 0: nothing is cached
        resolver = Resolver(backend=backend)
        answers = await asyncio.gather(*(resolver.resolve("a.example", "A") for _ in range(50)))
        assert {answer.records for answer in answers} == {(MX,)}
        assert backend.asked == 1
        await resolver.resolve("a.example", "A")
        assert backend.asked == 2

    asyncio.run(run())


def test_one_who_waits_no_longer_does_not_spoil_it_for_the_others() -> None:
    async def run() -> None:
        backend = Backend(lambda *_: after(0.1, Answer(Status.OK, (MX,), ttl=60)))
        resolver = Resolver(backend=backend)
        patient = asyncio.create_task(resolver.resolve("a.example", "A"))
        cancelled = asyncio.create_task(resolver.resolve("a.example", "A"))
        loop = asyncio.get_running_loop()
        late = await resolver.resolve("a.example", "A", deadline=loop.time() + 0.02)
        cancelled.cancel()
        assert late.status is Status.TEMPFAIL
        assert late.why
        assert (await patient).records == (MX,)
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert (await resolver.resolve("a.example", "A")).records == (MX,)
        assert backend.asked == 1

    asyncio.run(run())


def test_a_deadline_that_has_passed_still_takes_what_is_known() -> None:
    async def run() -> None:
        resolver = Resolver(backend=FakeZone({("a.example", "A"): [MX]}))
        past = asyncio.get_running_loop().time() - 1
        assert (await resolver.resolve("a.example", "A", deadline=past)).status is Status.TEMPFAIL
        await asyncio.sleep(0)
        assert (await resolver.resolve("a.example", "A", deadline=past)).records == (MX,)

    asyncio.run(run())


@pytest.mark.timed
def test_a_question_ends_in_time_whatever_the_backend_does() -> None:
    async def run() -> None:
        resolver = Resolver(backend=FakeZone({("slow.example", "A"): Slow(60)}), timeout=0.1)
        began = time.monotonic()
        answer = await resolver.resolve("slow.example", "A")
        assert (answer.status, answer.why) == (Status.TEMPFAIL, "no answer in 0.1 s")
        assert time.monotonic() - began < 0.5

    asyncio.run(run())


def test_so_many_questions_and_no_more_are_out_at_a_time() -> None:
    async def run() -> None:
        backend = Backend(lambda *_: after(0.01, Answer(Status.OK, (MX,), ttl=60)))
        resolver = Resolver(backend=backend, parallel=3)
        answers = await asyncio.gather(*(resolver.resolve(f"{n}.example", "A") for n in range(30)))
        assert all(answer.records for answer in answers)
        assert backend.busiest == 3

    asyncio.run(run())


def test_waiting_for_a_turn_in_vain_says_nothing_about_a_name() -> None:
    async def run() -> None:
        clock = Clock()
        zone = FakeZone({("slow.example", "A"): Slow(60), ("a.example", "A"): [MX]})
        resolver = Resolver(backend=zone, parallel=1, timeout=0.1, clock=clock)
        slow, queued = await asyncio.gather(resolver.resolve("slow.example", "A"), resolver.resolve("a.example", "A"))
        assert (slow.ttl, queued.ttl) == (5, 0)
        assert (await resolver.resolve("a.example", "A")).records == (MX,)
        await resolver.resolve("slow.example", "A")
        assert zone.asked == [("slow.example", "A"), ("a.example", "A")]

    asyncio.run(run())


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("bug"), RecursionError(), TimeoutError()])
def test_whatever_the_backend_raises_is_doubt(error: Exception) -> None:
    async def broken(_name: str, _kind: str) -> Answer:
        raise error

    answer = asyncio.run(Resolver(backend=Backend(broken)).resolve("a.example", "A"))
    assert answer.status is Status.TEMPFAIL
    assert answer.why


@pytest.mark.parametrize("cancelled", [True, False])
def test_one_resolver_serves_one_loop_after_the_other(cancelled: bool) -> None:
    resolver = Resolver(backend=FakeZone({("a.example", "A"): Slow(0.01, [MX])}))
    abandoned = asyncio.new_event_loop()
    abandoned.set_exception_handler(lambda *_: None)  # it would tell of the task that is left pending
    task = abandoned.create_task(resolver.resolve("a.example", "A"))
    abandoned.run_until_complete(asyncio.sleep(0))
    if cancelled:
        for each in asyncio.all_tasks(abandoned):
            each.cancel()
        abandoned.run_until_complete(asyncio.gather(task, return_exceptions=True))
    abandoned.close()
    assert asyncio.run(resolver.resolve("a.example", "A")).records == (MX,)
