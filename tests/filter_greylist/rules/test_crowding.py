"""Who gives way in a full store: those of the most crowded prefix, and never one that waits alone."""

from __future__ import annotations

import random
import time

import pytest

from filter_greylist.rules.crowding import AT_ONCE, Crowd, Member, full_of, prefixes_of, shown
from filter_greylist.rules.records import Kind


def members(*addresses: str) -> list[Member]:
    return [Member(b"%d" % number, address.encode(), 0, number) for number, address in enumerate(addresses)]


def going(newcomer: str, *addresses: str) -> set[str]:
    return {member.address.decode() for member in Crowd(members(*addresses)).give_way(newcomer.encode())}


@pytest.mark.parametrize(
    ("newcomer", "there", "gone"),
    [
        ("198.51.100.1", ["192.0.2.1", "192.0.2.1", "203.0.113.1"], {"192.0.2.1"}),
        ("192.0.2.9", ["192.0.2.1", "192.0.2.1", "203.0.113.1"], {"192.0.2.1"}),  # the same network, another address
        ("192.0.7.9", ["192.0.2.1", "192.0.2.2", "192.0.9.1"], {"192.0.2.1", "192.0.2.2"}),  # the same /16
        ("2001:db9::1", ["2001:db8:1::1", "2001:db8:2::1", "2001:dba::1"], {"2001:db8:1::1", "2001:db8:2::1"}),
        ("2001:db8:7::1", ["2001:db8:1:1::1", "2001:db8:1:2::1"], {"2001:db8:1:1::1", "2001:db8:1:2::1"}),  # one /48
        ("2001:db8:1:9::1", ["2001:db8:1:1::1", "2001:db8:1:1::2"], {"2001:db8:1:1::1", "2001:db8:1:1::2"}),  # one /64
        ("192.0.2.1", ["2001:db8::1", "2001:db8::2"], {"2001:db8::1", "2001:db8::2"}),
    ],
)
def test_one_of_the_most_crowded_prefix_gives_way(newcomer: str, there: list[str], gone: set[str]) -> None:
    found = going(newcomer, *there)
    assert len(found) == 1
    assert found <= gone


@pytest.mark.parametrize(
    ("newcomer", "there"),
    [
        ("192.0.2.1", ["192.0.2.1", "192.0.2.1", "203.0.113.1"]),  # it is of the crowd itself
        ("2001:db8:1:1::9", ["2001:db8:1:1::1", "2001:db8:1:1::2"]),
        ("198.51.100.1", ["192.0.2.1", "203.0.113.1", "2001:db8::1"]),  # nobody is there twice
        ("198.51.100.1", ["198.51.9.1", "192.0.2.1", "192.0.3.1"]),  # it would be as crowded as they are
        ("192.0.2.1", []),
    ],
)
def test_nobody_gives_way_to_one_of_the_crowd_nor_waiting_alone(newcomer: str, there: list[str]) -> None:
    assert going(newcomer, *there) == set()


def test_what_waits_least_goes_first_and_what_passed_goes_last() -> None:
    there = [
        Member(b"old", b"192.0.2.1", 0, 1),
        Member(b"passed", b"192.0.2.1", 1, 9),
        Member(b"new", b"192.0.2.1", 0, 5),
    ]
    crowd = Crowd(there)
    assert [member.name for member in crowd.give_way(b"198.51.100.1")] == [b"new"]
    assert [member.name for member in crowd.give_way(b"198.51.100.1")] == [b"old"]
    assert crowd.give_way(b"198.51.100.1") == [], "one is left, and it waits alone"
    named = [Member(b"a", b"192.0.2.1", 0, 1), Member(b"b", b"192.0.2.1", 0, 5), Member(b"c", b"192.0.2.1", 1, 9)]
    assert [member.name for member in Crowd(named).give_way(b"198.51.100.1")] == [b"b"], "whatever their names"


def test_those_that_are_looked_at_now_are_spared() -> None:
    there = members("192.0.2.1", "192.0.2.1", "192.0.2.1")
    assert [m.name for m in Crowd(there).give_way(b"198.51.100.1", {b"2", b"1"})] == [b"0"]
    assert Crowd(there).give_way(b"198.51.100.1", {b"2", b"1", b"0"}) == []


def test_a_large_crowd_gives_way_by_several_and_a_sample_wears_out() -> None:
    crowd = Crowd(members(*["192.0.2.1"] * 400))
    assert len(crowd.give_way(b"198.51.100.1")) == AT_ONCE
    uses = 1
    while not crowd.worn:
        crowd.give_way(b"192.0.2.1")
        uses += 1
    assert uses == 50
    assert len(Crowd(members(*["192.0.2.1"] * 100)).give_way(b"198.51.100.1")) == 12


@pytest.mark.parametrize("size", [1, 3, 12])
def test_a_small_sample_is_used_once(size: int) -> None:
    crowd = Crowd(members(*["192.0.2.1"] * size))
    assert not crowd.worn
    crowd.give_way(b"198.51.100.1")
    assert crowd.worn


def test_among_many_crowds_honest_strangers_are_never_chosen() -> None:
    """A thousand prefixes of thirty clients each, five hundred strangers alone: a sample finds none of the latter."""
    lots = random.Random(3)
    crowds = [f"10.{prefix % 250}.{prefix // 250}.{client}" for prefix in range(1000) for client in range(30)]
    honest = [f"{100 + number % 100}.{number // 100}.0.1" for number in range(500)]
    everybody = members(*crowds, *honest)
    for _ in range(30):
        gone = Crowd(lots.sample(everybody, 256)).give_way(b"2001:db8::1")
        assert gone
        assert all(member.address.startswith(b"10.") for member in gone)


def test_what_is_no_address_is_one_crowd() -> None:
    for text in (b"", b"nobody", b"192.0.2", b"1.2.3.4.5", b"::1%em0 x", b"\xff\x00"):
        assert prefixes_of(text) == (b"", b"", b"")
    assert shown(b"") == "no address"
    assert shown(prefixes_of(b"192.0.2.1")[0]) == "192.0.0.0/16"
    assert shown(prefixes_of(b"2001:db8:1::/64")[0]) == "2001:db8::/32"


@pytest.mark.timed
def test_the_work_for_a_sample_is_bounded() -> None:
    crowd = Crowd(members(*(f"10.{n % 256}.{n // 256}.1" for n in range(512))))
    begun = time.perf_counter()
    for _ in range(10):
        crowd.give_way(b"192.0.2.1")
    assert (time.perf_counter() - begun) / 10 < 0.02


def test_the_log_names_what_is_full_and_who_gives_way() -> None:
    assert full_of(Kind.PAIR, 7) == "there are 7 learned pairs, as many as may be: the least recently renewed give way"
    assert full_of(Kind.DOMAIN, 7).startswith("there are 7 learned domains, ")
    crowd = Crowd(Member(b"%d" % number, b"192.0.2.%d" % number) for number in range(20))
    assert crowd.who == "new ones are not remembered"
    assert crowd.give_way(b"198.51.100.1")
    assert crowd.who == "those of 192.0.0.0/16 give way"
    for size, who in ((1, "new ones are not remembered"), (2, "those of 192.0.0.0/16 give way")):
        crowd = Crowd(members(*["192.0.2.1"] * size))
        crowd.give_way(b"198.51.100.1")
        assert crowd.who == who
