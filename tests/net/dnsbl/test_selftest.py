"""The self test of a list: what it asks, what it concludes, and when it is made again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from filter_api.net.dns import Resolver, Status
from filter_api.net.dnsbl import SelfTests, Standing, Zone
from filter_api.testing.dns import FakeZone, Slow

BL = Zone("k.bl.test", "bl.test")
LISTED, FREE = ("2.0.0.127.k.bl.test", "A"), ("1.0.0.127.k.bl.test", "A")


def outcome_of(**content: Any) -> tuple[Standing, str]:  # noqa: ANN401 - of FakeZone
    """The outcome for what is listed always and what is listed never."""
    names = {LISTED: content.get("listed"), FREE: content.get("free")}
    zone = FakeZone({name: value for name, value in names.items() if value is not None})

    async def inside() -> tuple[Standing, str]:
        tests = SelfTests(Resolver(backend=zone), lambda: 0.0)
        assert tests.standing(BL, "4") is None
        standing = await tests.settled(BL, "4")
        assert tests.standing(BL, "4") is standing
        assert sorted(zone.asked) == [FREE, LISTED]
        return standing, tests.why(BL, "4")

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("listed", "free", "standing", "why"),
    [
        (["127.0.0.2"], None, Standing.PASSED, ""),
        (None, None, Standing.OFF, "does not list its test entry, so it may list nobody"),
        (
            ["127.0.0.2"],
            ["127.0.0.2"],
            Standing.OFF,
            "lists its test entry for what is never listed, so it may list everybody",
        ),
        (["192.0.2.1"], None, Standing.OFF, "answers 192.0.2.1, which is no answer of a list"),
        (None, ["192.0.2.2"], Standing.OFF, "answers 192.0.2.2, which is no answer of a list"),
        (Status.TEMPFAIL, None, Standing.UNKNOWN, "as the test says"),
        (["127.0.0.2"], Status.TEMPFAIL, Standing.UNKNOWN, "as the test says"),
        (["127.255.255.254"], None, Standing.UNKNOWN, "refuses our questions (127.255.255.254)"),
    ],
)
def test_a_list_counts_only_if_it_lists_what_it_must_and_nothing_else(
    listed: object, free: object, standing: Standing, why: str
) -> None:
    assert outcome_of(listed=listed, free=free) == (standing, why)


def test_a_list_is_tested_again_after_an_hour_and_after_a_minute_where_there_was_no_answer() -> None:
    async def inside(answer: object, seconds: float) -> None:
        content: Any = {LISTED: answer}
        zone, now = FakeZone(content, ttl=0), [1_000.0]
        tests = SelfTests(Resolver(backend=zone), lambda: now[0])
        await tests.settled(BL, "4")
        for later, times in ((seconds - 1, 1), (seconds, 2)):
            now[0] = 1_000.0 + later
            tests.standing(BL, "4")
            await asyncio.sleep(0.05)
            assert zone.asked.count(FREE) == times

    asyncio.run(inside(["127.0.0.2"], 3600.0))
    asyncio.run(inside(Status.TEMPFAIL, 60.0))


def test_before_a_list_is_tested_nothing_is_wrong_with_it() -> None:
    tests = SelfTests(Resolver(backend=FakeZone({})), lambda: 0.0)
    assert tests.why(BL, "4") == ""
    assert not tests.is_off(BL)


def test_nobody_waits_for_a_new_test_of_a_list_that_is_known() -> None:
    content: Any = {LISTED: ["127.0.0.2"]}

    async def inside() -> None:
        zone = FakeZone(content, ttl=0)
        tests = SelfTests(Resolver(backend=zone), lambda: 0.0)
        await tests.settled(BL, "4")
        tests.repeat()
        zone.content[LISTED] = Slow(60.0)
        assert await asyncio.wait_for(tests.settled(BL, "4"), 5) is Standing.PASSED

    asyncio.run(inside())


@pytest.mark.parametrize(
    ("off", "kind", "counts"),
    [
        ("1.0.0.127.k.bl.test", "4", False),
        ("invalid.k.bl.test", "d", False),
        ("1.0.0.0.0.0.f.7.f.f.f.f." + "0." * 20 + "k.bl.test", "6", True),
    ],
)
def test_a_list_that_fails_a_test_is_off_unless_it_is_that_for_ipv6(off: str, kind: str, counts: bool) -> None:
    async def inside() -> None:
        tests = SelfTests(Resolver(backend=FakeZone({(off, "A"): ["127.0.0.2"]})), lambda: 0.0)
        assert await tests.settled(BL, kind) is Standing.OFF
        assert tests.is_off(BL) is not counts

    asyncio.run(inside())


def test_a_list_that_passes_or_does_not_answer_is_not_off() -> None:
    async def inside(answer: object) -> bool:
        content: Any = {LISTED: answer}
        tests = SelfTests(Resolver(backend=FakeZone(content)), lambda: 0.0)
        await tests.settled(BL, "4")
        return tests.is_off(BL)

    assert not asyncio.run(inside(["127.0.0.2"]))
    assert not asyncio.run(inside(Status.TEMPFAIL))
