"""Reverse DNS looked up by ourselves: every finding, its limits, and doubt kept apart from absence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import pytest

from filter_api.net.dns import Record, Resolver, Status
from filter_api.net.rdns import Finding, Reverse, look_up, looks_like_address
from filter_api.testing.dns import FakeZone, Slow

Zone = Mapping[tuple[str, str], Sequence[Record] | Status | Slow]

CLIENT = "192.0.2.1"
TWENTY = [f"n{n}.example.org" for n in range(20)]


def find(zone: Zone, address: str = CLIENT, *, forward: bool = True) -> Reverse:
    return asyncio.run(look_up(Resolver(backend=FakeZone(zone)), ip_address(address), forward=forward))


@pytest.mark.parametrize(
    ("zone", "finding", "names"),
    [
        ({}, Finding.NO_NAME, ()),
        ({(CLIENT, "PTR"): []}, Finding.NO_NAME, ()),
        ({(CLIENT, "PTR"): ["."]}, Finding.NO_NAME, ()),
        ({(CLIENT, "PTR"): Status.TEMPFAIL}, Finding.DOUBT, ()),
        ({(CLIENT, "PTR"): [CLIENT]}, Finding.LITERAL, (CLIENT,)),
        ({(CLIENT, "PTR"): ["203.0.113.9", "."]}, Finding.LITERAL, ("203.0.113.9",)),
        (
            {(CLIENT, "PTR"): [CLIENT, "MX.example.org."], ("mx.example.org", "A"): [CLIENT]},
            Finding.CONFIRMED,
            ("mx.example.org",),
        ),
        ({(CLIENT, "PTR"): ["mx.example.org"]}, Finding.MISMATCH, ("mx.example.org",)),
        (
            {(CLIENT, "PTR"): ["mx.example.org"], ("mx.example.org", "A"): ["192.0.2.2", "192.0.2.3"]},
            Finding.MISMATCH,
            ("mx.example.org",),
        ),
        ({(CLIENT, "PTR"): ["odd name\\032.example"]}, Finding.MISMATCH, ("odd name\\032.example",)),
        (
            {(CLIENT, "PTR"): ["a.example", "b.example"], ("a.example", "A"): Status.TEMPFAIL},
            Finding.DOUBT,
            ("a.example", "b.example"),
        ),
        (
            {
                (CLIENT, "PTR"): ["a.example", "b.example"],
                ("a.example", "A"): Status.TEMPFAIL,
                ("b.example", "A"): [CLIENT],
            },
            Finding.CONFIRMED,
            ("b.example",),
        ),
        (
            {
                (CLIENT, "PTR"): ["www.example.org"],
                ("www.example.org", "CNAME"): ["a.example"],
                ("a.example", "A"): [CLIENT],
            },
            Finding.CONFIRMED,
            ("www.example.org",),
        ),
    ],
)
def test_findings(zone: Zone, finding: Finding, names: tuple[str, ...]) -> None:
    found = find(zone)
    assert (found.finding, found.names) == (finding, names)
    assert bool(found.why) == (finding is Finding.DOUBT)


def test_without_forward_any_name_will_do() -> None:
    found = find({(CLIENT, "PTR"): ["mx.example.org"]}, forward=False)
    assert found == Reverse(Finding.NAMED, ("mx.example.org",))


def test_ipv6_is_confirmed_by_aaaa() -> None:
    zone: Zone = {("2001:db8::1", "PTR"): ["mx.example.org"], ("mx.example.org", "AAAA"): ["2001:db8:0::1"]}
    assert find(zone, "2001:db8::1").finding is Finding.CONFIRMED
    assert find(zone, "2001:db8::2").finding is Finding.NO_NAME


def test_a_mapped_address_is_the_ipv4_address() -> None:
    zone: Zone = {(CLIENT, "PTR"): ["mx.example.org"], ("mx.example.org", "A"): [CLIENT]}
    assert find(zone, f"::ffff:{CLIENT}").finding is Finding.CONFIRMED


def test_no_more_than_ten_names_are_looked_at() -> None:
    zone = FakeZone({(CLIENT, "PTR"): TWENTY, ("n15.example.org", "A"): [CLIENT]})
    found = asyncio.run(look_up(Resolver(backend=zone), ip_address(CLIENT), forward=True))
    assert found == Reverse(Finding.MISMATCH, tuple(TWENTY[:10]))
    assert len(zone.asked) == 11


def test_an_address_among_many_is_found() -> None:
    many = [f"10.0.{n // 256}.{n % 256}" for n in range(999)]
    zone: Zone = {(CLIENT, "PTR"): ["pool.example"], ("pool.example", "A"): [*many, CLIENT]}
    assert find(zone).finding is Finding.CONFIRMED


def test_what_is_not_known_at_the_deadline_is_doubt() -> None:
    async def run() -> Reverse:
        zone = FakeZone({(CLIENT, "PTR"): ["slow.example"], ("slow.example", "A"): Slow(60, [CLIENT])})
        deadline = asyncio.get_running_loop().time() + 0.05
        return await look_up(Resolver(backend=zone), ip_address(CLIENT), forward=True, deadline=deadline)

    assert asyncio.run(run()).finding is Finding.DOUBT


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("192.0.2.1", True),
        ("192.0.2.1.", True),
        ("192.000.002.001", True),
        ("192.0.513", True),
        ("0xc0.0.2.1", True),
        ("3221225985", True),
        ("999.999.999.999", True),
        ("2001:db8::1", True),
        ("[2001:db8::1]", True),
        ("1.2.3.4.5", False),
        ("1.2.0.192.in-addr.arpa", False),
        ("192-0-2-1.example.org", False),
        ("192.0.2.1.example.org", False),
        ("mx.example.org", False),
        ("0xbeef.example", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_the_shape_of_an_address(name: str, shape: bool) -> None:
    assert looks_like_address(name) is shape
