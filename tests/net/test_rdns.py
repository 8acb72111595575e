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


def find(zone: Zone, address: str = CLIENT, *, forward: bool = True, heard: Sequence[bytes | None] = ()) -> Reverse:
    resolver = Resolver(backend=FakeZone(zone))
    return asyncio.run(look_up(resolver, ip_address(address), forward=forward, heard=heard))


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


def test_no_more_than_ten_names_are_looked_up_and_what_was_left_out_is_doubt() -> None:
    zone = FakeZone({(CLIENT, "PTR"): TWENTY, ("n15.example.org", "A"): [CLIENT]})
    found = asyncio.run(look_up(Resolver(backend=zone), ip_address(CLIENT), forward=True))
    assert found == Reverse(Finding.DOUBT, tuple(TWENTY[:10]), "more than 10 names")
    assert len(zone.asked) == 11


@pytest.mark.parametrize(
    "heard",
    [
        [b"n15.example.org"],
        [b"N15.Example.ORG."],
        [None, b"n15.example.org"],
        [b"n3.example.org", b"n15.example.org"],
        [b"", b"other.example", b"n15.example.org"],
    ],
)
def test_the_name_that_smtpd_or_the_client_gave_is_looked_up_first(heard: list[bytes | None]) -> None:
    found = find({(CLIENT, "PTR"): TWENTY, ("n15.example.org", "A"): [CLIENT]}, heard=heard)
    assert found == Reverse(Finding.CONFIRMED, ("n15.example.org",))


def test_a_name_that_smtpd_cut_stands_for_those_that_begin_like_it() -> None:
    long = [f"a-mail-server-with-a-name.that-is-longer-than-what-smtpd-keeps.{n}.example.org" for n in range(20)]
    zone: Zone = {(CLIENT, "PTR"): [*TWENTY, *long[:3]], (long[2], "A"): [CLIENT]}
    assert find(zone, heard=[long[0][:63].encode()]).names == (long[2],)
    assert find(zone, heard=[long[0][:20].encode()]).finding is Finding.DOUBT


@pytest.mark.parametrize("heard", [[b"mine.example"], [b"192.0.2.1"], [b"\xff\0"], [b"mine.example" * 30]])
def test_a_name_the_client_gave_is_nothing_without_a_ptr_record(heard: list[bytes | None]) -> None:
    zone: Zone = {(CLIENT, "PTR"): TWENTY[:3], ("mine.example", "A"): [CLIENT]}
    assert find(zone, heard=heard) == Reverse(Finding.MISMATCH, tuple(TWENTY[:3]))


def test_ten_names_that_all_lead_elsewhere_are_certain() -> None:
    zone: Zone = {(CLIENT, "PTR"): [*TWENTY[:10], "."], ("n3.example.org", "A"): ["192.0.2.2"]}
    assert find(zone).finding is Finding.MISMATCH


@pytest.mark.parametrize("count", [10, 30, 99])
def test_a_name_behind_many_addresses_is_a_name(count: int) -> None:
    literal = [f"192.0.2.{n + 2}" for n in range(count)]
    zone: Zone = {(CLIENT, "PTR"): [*literal, "mx.example.org"], ("mx.example.org", "A"): [CLIENT]}
    assert find(zone, forward=False) == Reverse(Finding.NAMED, ("mx.example.org",))
    assert find(zone) == Reverse(Finding.CONFIRMED, ("mx.example.org",))


@pytest.mark.parametrize("forward", [True, False])
def test_where_records_were_left_out_no_name_is_doubt(forward: bool) -> None:
    literal = [f"10.0.{n}.1" for n in range(200)]
    found = find({(CLIENT, "PTR"): literal}, forward=forward)
    assert (found.finding, found.names) == (Finding.DOUBT, tuple(literal[:10]))
    assert find({(CLIENT, "PTR"): literal[:90]}, forward=forward).finding is Finding.LITERAL


def test_where_addresses_were_left_out_the_clients_may_be_among_them() -> None:
    zone: Zone = {
        (CLIENT, "PTR"): ["pool.example"],
        ("pool.example", "A"): [ip_address(0x0A000000 + n) for n in range(2000)],
    }
    assert find(zone).finding is Finding.DOUBT


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
