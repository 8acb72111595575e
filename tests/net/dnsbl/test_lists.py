"""What lists tell whoever watches them: how often each answered what, and which is in trouble, once an hour."""

from __future__ import annotations

import asyncio
from typing import Any

from filter_api.figures import Figure
from filter_api.net.dns import Resolver, Status
from filter_api.net.dnsbl import Lists, SelfTests, Subject, parse_entry
from filter_api.testing.dns import FakeZone

GOOD = {("2.0.0.127.bl.test", "A"): ["127.0.0.2"]}
HELP = "Whether its self test has not failed."


def client(label: str, kind: str = "4") -> Subject:
    return Subject("c", kind, label)


class Told(list[tuple[str, str]]):
    """Each call of `tell`."""

    def __call__(self, shown: str, why: str) -> None:
        self.append((shown, why))


async def ask(lists: Lists, words: list[str], *subjects: Subject) -> None:
    """One inquiry for each of these, to the end."""
    for subject in subjects:
        inquiry = lists.inquiry()
        inquiry.ask([parse_entry(word) for word in words], [subject])
        await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 5)


def figures_of(content: dict[tuple[str, str], Any], words: list[str], *subjects: Subject) -> list[Figure]:
    async def inside() -> list[Figure]:
        resolver = Resolver(backend=FakeZone(content))
        lists = Lists(resolver, SelfTests(resolver, lambda: 0.0))
        await ask(lists, words, *subjects)
        return lists.figures()

    return asyncio.run(inside())


def test_a_list_is_shown_with_its_standing_and_each_kind_of_answer() -> None:
    zone = GOOD | {("a.bl.test", "A"): ["127.0.0.2"], ("b.bl.test", "A"): ["127.0.0.3"]}
    asked = [client(label) for label in ("a", "b", "c", "d")]
    assert figures_of(zone, ["bl.test=127.0.0.2"], *asked) == [
        Figure("dnsbl_list_good", "gauge", HELP, True, {"list": "bl.test"}),
        Figure("dnsbl_answers", "counter", "Answers of lists.", 1, {"list": "bl.test", "answer": "listed"}),
        Figure("dnsbl_answers", "counter", "Answers of lists.", 3, {"list": "bl.test", "answer": "clear"}),
        Figure("dnsbl_answers", "counter", "Answers of lists.", 0, {"list": "bl.test", "answer": "trouble"}),
    ]


def test_of_a_list_that_does_not_answer_trouble_is_counted() -> None:
    found = figures_of(
        {("a.bl.test", "A"): Status.TEMPFAIL, ("b.bl.test", "A"): Status.TEMPFAIL} | GOOD,
        ["bl.test"],
        client("a"),
        client("b"),
        client("c"),
    )
    assert [(figure.labels.get("answer"), figure.value) for figure in found] == [
        (None, True),
        ("listed", 0),
        ("clear", 1),
        ("trouble", 2),
    ]


def test_trouble_with_an_ipv6_client_is_not_counted_as_many_lists_know_none() -> None:
    passed = {("2.0.0.0.0.0.f.7.f.f.f.f." + "0." * 20 + "bl.test", "A"): ["127.0.0.2"]}
    zone = passed | {("a.bl.test", "A"): Status.TEMPFAIL}
    found = figures_of(zone, ["bl.test"], client("a", "6"), client("b", "6"))
    assert [figure.value for figure in found] == [True, 0, 1, 0]


def test_a_list_of_addresses_or_of_domains_that_fails_its_test_is_not_good() -> None:
    parked = {("1.0.0.127.a.test", "A"): ["127.0.0.2"], ("invalid.b.test", "A"): ["127.0.0.2"]}
    listed = {("x.a.test", "A"): ["127.0.0.2"], ("x.b.test", "A"): ["127.0.0.2"]}
    words = ["a.test", "b.test/s"]
    found = figures_of(parked | listed, words, client("x"), Subject("s", "d", "x"))
    assert [(figure.labels["list"], figure.value) for figure in found if figure.name == "dnsbl_list_good"] == [
        ("a.test", False),
        ("b.test", False),
    ]


def test_a_list_that_is_believed_untested_is_good() -> None:
    async def inside() -> list[Figure]:
        lists = Lists(Resolver(backend=FakeZone({("a.bl.test", "A"): ["127.0.0.2"]})), None)
        await ask(lists, ["bl.test"], client("a"))
        return lists.figures()

    assert [figure.value for figure in asyncio.run(inside())] == [True, 1, 0, 0]


def test_each_list_in_trouble_is_told_once_an_hour_by_its_public_name() -> None:
    told, now = Told(), [50.0]
    failed = dict.fromkeys([("a.bl.test", "A"), ("b.bl.test", "A"), ("a.secret.other.test", "A")], Status.TEMPFAIL)

    async def inside() -> None:
        resolver = Resolver(backend=FakeZone(failed, ttl=0))
        lists = Lists(resolver, None, told, lambda: now[0])
        entries = [parse_entry("bl.test"), parse_entry("@k@.other.test", {"k": "secret"})]
        for at, label in ((50.0, "a"), (50.0, "b"), (3649.9, "b"), (3650.0, "b")):
            now[0] = at
            inquiry = lists.inquiry()
            inquiry.ask(entries, [client(label)])
            await inquiry.wait(lambda: False, asyncio.get_running_loop().time() + 5)

    asyncio.run(inside())
    assert told == [("bl.test", "as the test says"), ("other.test", "no answer"), ("bl.test", "as the test says")]
