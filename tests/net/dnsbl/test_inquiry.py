"""One inquiry: what is known at once, whom it tells of trouble, and what it counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from filter_api.net.dns import Resolver, Status
from filter_api.net.dnsbl import Inquiry, SelfTests, Subject, Tally, Zone, parse_entry
from filter_api.net.dnsbl.answers import Reading
from filter_api.testing.dns import FakeZone

CLIENT = Subject("c", "4", "a")
CLIENT_6 = Subject("c", "6", "a")
NIBBLES = "0.0.0.0.0.f.7.f.f.f.f." + ".".join("0" * 20)
LISTED = {("a.bl.test", "A"): ["127.0.0.2"]}
GOOD = {("2.0.0.127.bl.test", "A"): ["127.0.0.2"]}
EVERYBODY = {("1.0.0.127.bl.test", "A"): ["127.0.0.2"]}
EVERYBODY_6 = {(f"1.{NIBBLES}.bl.test", "A"): ["127.0.0.2"]}
MAY_LIST_ALL = "lists its test entry for what is never listed, so it may list everybody"
MAY_LIST_NOBODY = "does not list its test entry, so it may list nobody"

Content = dict[tuple[str, str], Any]


class Watched:
    """Inquiries of one resolver, and what they have told and counted."""

    def __init__(self, content: Content, *, tested: bool = True) -> None:
        self.backend = FakeZone(content)
        self.resolver = Resolver(backend=self.backend)
        self.tests = SelfTests(self.resolver, lambda: 0.0) if tested else None
        self.told: list[tuple[Zone, str]] = []
        self.counted: list[tuple[Zone, str, bool | None]] = []

    def begin(self, subject: Subject, *words: str) -> Inquiry:
        inquiry = Inquiry(self.resolver, self.tests, self._tell, self._count)
        inquiry.ask([parse_entry(word) for word in words], [subject])
        return inquiry

    async def ask(self, subject: Subject, *words: str) -> Inquiry:
        """To the end."""
        inquiry = self.begin(subject, *words)
        await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 5)
        return inquiry

    def _tell(self, zone: Zone, why: str) -> None:
        self.told.append((zone, why))

    def _count(self, zone: Zone, kind: str, listed: bool | None) -> None:
        self.counted.append((zone, kind, listed))


BL = parse_entry("bl.test").zone


def reading_of(inquiry: Inquiry) -> Reading | None:
    [(_entry, _subject, reading)] = inquiry.readings()
    return reading


def test_what_is_in_the_cache_is_known_at_once_and_needs_no_task() -> None:
    async def inside() -> None:
        watched = Watched(LISTED | GOOD)
        await watched.ask(CLIENT, "bl.test*2")
        again = watched.begin(CLIENT, "bl.test*2")
        assert (again.tally().points, again.tally().answered) == (2, 1)
        assert len(asyncio.all_tasks()) == 1
        assert watched.counted == [(BL, "4", True), (BL, "4", True)]

    asyncio.run(inside())


def test_trouble_in_the_cache_is_told_of_its_list_again() -> None:
    async def inside() -> None:
        watched = Watched({("a.bl.test", "A"): ["127.255.255.254"]} | GOOD)
        await watched.ask(CLIENT, "bl.test")
        watched.begin(CLIENT, "bl.test")
        assert watched.told == [(BL, "refuses our questions (127.255.255.254)")] * 2

    asyncio.run(inside())


@pytest.mark.parametrize(
    ("answer", "listed"),
    [
        (["127.0.0.2"], True),
        (["127.0.0.9", "127.0.0.2"], True),
        (["127.0.0.9"], False),
        ([], False),
        (Status.TEMPFAIL, None),
        (["127.255.255.254"], None),
    ],
)
def test_an_answer_is_counted_as_listed_clear_or_trouble(answer: object, listed: bool | None) -> None:
    async def inside() -> None:
        watched = Watched({("a.bl.test", "A"): answer} | GOOD)
        await watched.ask(CLIENT, "bl.test=127.0.0.2")
        assert watched.counted == [(BL, "4", listed)]

    asyncio.run(inside())


@pytest.mark.parametrize(
    ("trouble", "why", "broken"),
    [
        (EVERYBODY, MAY_LIST_ALL, True),
        ({}, MAY_LIST_NOBODY, True),
        ({("2.0.0.127.bl.test", "A"): Status.TEMPFAIL}, "as the test says", False),
    ],
)
def test_a_hit_of_a_list_whose_self_test_fails_is_trouble_and_told(trouble: Content, why: str, broken: bool) -> None:
    async def inside() -> None:
        watched = Watched(LISTED | trouble)
        inquiry = await watched.ask(CLIENT, "bl.test*3")
        assert reading_of(inquiry) == Reading((), why, broken)
        assert watched.told == [(BL, why)]
        assert watched.counted == [(BL, "4", None)]
        assert inquiry.tally() == Tally(high=0 if broken else 3, asked=1)

    asyncio.run(inside())


def test_a_list_that_is_known_to_be_off_is_told_and_not_asked() -> None:
    async def inside() -> None:
        watched = Watched(LISTED | EVERYBODY)
        await watched.ask(CLIENT, "bl.test")
        asked = len(watched.backend.asked)
        assert watched.begin(Subject("c", "4", "b"), "bl.test").tally() == Tally()
        assert len(watched.backend.asked) == asked
        assert watched.told == [(BL, MAY_LIST_ALL)] * 2

    asyncio.run(inside())


def test_nobody_is_told_of_a_list_that_knows_no_ipv6() -> None:
    """Neither at the first question nor at the next ones; a resolver in trouble is told all the same."""

    async def inside() -> None:
        watched = Watched(LISTED | EVERYBODY_6)
        inquiry = await watched.ask(CLIENT_6, "bl.test")
        assert reading_of(inquiry) == Reading((), MAY_LIST_ALL, True)
        assert watched.begin(CLIENT_6, "bl.test").tally() == Tally()
        assert watched.told == []
        failing = Watched({("a.bl.test", "A"): Status.TEMPFAIL, (f"2.{NIBBLES}.bl.test", "A"): ["127.0.0.2"]})
        await failing.ask(CLIENT_6, "bl.test")
        assert failing.told == [(BL, "as the test says")]

    asyncio.run(inside())


def test_a_hit_counts_untested_where_lists_are_believed() -> None:
    async def inside() -> None:
        watched = Watched(LISTED | EVERYBODY, tested=False)
        assert (await watched.ask(CLIENT, "bl.test*3")).tally().points == 3
        assert watched.backend.asked == [("a.bl.test", "A")]

    asyncio.run(inside())


def test_lists_behind_one_that_is_not_asked_are_asked() -> None:
    async def inside() -> None:
        other = {("a.other.test", "A"): ["127.0.0.2"], ("2.0.0.127.other.test", "A"): ["127.0.0.2"]}
        watched = Watched(LISTED | EVERYBODY | other)
        await watched.ask(CLIENT, "bl.test")
        inquiry = await watched.ask(CLIENT, "senders.test/s", "bl.test*5", "other.test*3")
        assert (inquiry.tally().points, inquiry.tally().asked) == (3, 1)

    asyncio.run(inside())
