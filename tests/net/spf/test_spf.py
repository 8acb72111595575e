"""What the suite of RFC 7208 does not ask: which mechanism matched, whether it means anything, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.net.dns import Record, Resolver, Status
from filter_api.net.spf import Result, SpfResult, check_host, check_sender
from filter_api.testing.dns import FakeZone, Slow

Zone = Mapping[tuple[str, str], Sequence[Record] | Status | Slow]

RECORDS: Zone = {
    ("example.org", "A"): ["192.0.2.1"],
    ("example.org", "AAAA"): ["2001:db8::1"],
    ("example.org", "MX"): [(10, "mx.example.org")],
    ("mx.example.org", "A"): ["192.0.2.1"],
    ("mx.example.org", "AAAA"): ["2001:db8::1"],
    ("192.0.2.1", "PTR"): ["mx.example.org"],
    ("2001:db8::1", "PTR"): ["mx.example.org"],
    ("strong.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
    ("weak.example", "TXT"): [b"v=spf1 +all"],
    ("1.2.0.192.a.example", "A"): ["192.0.2.1"],
    ("192.0.2.1.a.example", "A"): ["192.0.2.1"],
    ("helo.example.a.example", "A"): ["192.0.2.1"],
    ("joe.a.example", "A"): ["192.0.2.1"],
    ("in-addr.a.example", "A"): ["192.0.2.1"],
}


def check(record: str, address: str = "192.0.2.1", zone: Zone = RECORDS, **more: float) -> SpfResult:
    async def run() -> SpfResult:
        backend = FakeZone({**zone, ("example.org", "TXT"): [record.encode("latin-1")]})
        deadline = asyncio.get_running_loop().time() + more["seconds"] if "seconds" in more else None
        resolver = Resolver(backend=backend)
        return await check_sender(resolver, ip_address(address), b"joe@example.org", b"helo.example", deadline=deadline)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("terms", "mechanism", "domain"),
    [
        ("ip4:198.51.100.1 ip4:192.0.2.0/24", "ip4:192.0.2.0/24", "example.org"),
        ("?ip4:192.0.2.0/24", "ip4:192.0.2.0/24", "example.org"),
        ("-A:mx.example.org//64", "a:mx.example.org//64", "example.org"),
        ("mx", "mx", "example.org"),
        ("ptr", "ptr", "example.org"),
        ("exists:%{i}.a.example", "exists:%{i}.a.example", "example.org"),
        ("include:strong.example", "ip4:192.0.2.0/24", "strong.example"),
        ("include:weak.example", "all", "weak.example"),
        ("redirect=strong.example", "ip4:192.0.2.0/24", "strong.example"),
        ("~all", "all", "example.org"),
        ("ip4:198.51.100.1", "", ""),
    ],
)
def test_what_matched_is_named(terms: str, mechanism: str, domain: str) -> None:
    found = check(f"v=spf1 {terms}")
    assert (found.mechanism, found.domain) == (mechanism, domain)


@pytest.mark.parametrize(
    ("terms", "strong4", "strong6"),
    [
        ("ip4:192.0.2.1 ip6:2001:db8::1", True, True),
        ("ip4:192.0.0.0/12 ip6:2001:db0::/28", True, True),
        ("ip4:192.0.0.0/11 ip6:2001:da0::/27", False, False),
        ("ip4:0.0.0.0/0 ip6:::/0", False, False),
        ("a", True, True),
        ("a/12//28", True, True),
        ("a/11//27", False, False),
        ("mx", True, True),
        ("mx/24//64", True, True),
        ("mx/0//0", False, False),
        ("ptr", False, False),
        ("exists:example.org", False, False),
        ("all", False, False),
        ("include:strong.example include:weak.example", True, False),
        ("include:weak.example", False, False),
        ("redirect=strong.example", True, False),
        ("redirect=weak.example", False, False),
        ("a:%{i}.a.example", False, False),
        ("a:%{ir}.a.example", False, False),
        ("a:%{h}.a.example", False, False),
        ("a:%{l}.a.example", False, False),
        ("a:%{v}.a.example", True, False),
        ("a:mx.%{d}", True, True),
        ("a:mx.%{o}", True, True),
    ],
)
def test_a_pass_that_means_something(terms: str, strong4: bool, strong6: bool) -> None:
    assert check(f"v=spf1 {terms}").strong is strong4
    assert check(f"v=spf1 {terms}", "2001:db8::1").strong is strong6


@pytest.mark.parametrize("terms", ["ip6:fe80::1", "exists:%{ir}.%{v}.a.example", "a", "mx"])
def test_the_scope_of_an_address_is_no_part_of_it(terms: str) -> None:
    reverse = ".".join(["1", *"0" * 28, "8", "e", "f"])
    zone: Zone = {
        ("example.org", "AAAA"): ["fe80::1"],
        ("example.org", "MX"): [(10, "example.org")],
        (reverse + ".ip6.a.example", "A"): ["127.0.0.2"],
    }
    assert check(f"v=spf1 {terms} -all", "fe80::1%em0", zone).passed
    assert not check(f"v=spf1 {terms} -all", "fe80::2%em0", zone).passed


@pytest.mark.parametrize("terms", ["-ip4:192.0.2.1", "~a", "?mx", "-include:strong.example"])
def test_what_is_no_pass_is_never_strong(terms: str) -> None:
    found = check(f"v=spf1 {terms}")
    assert not found.passed
    assert not found.strong


def test_doubt_is_temperror_and_says_why() -> None:
    found = check("v=spf1 a:broken.example -all", zone={("broken.example", "A"): Status.TEMPFAIL})
    assert (found.result, found.ttl) == (Result.TEMPERROR, 0)
    assert "broken.example" in found.why


@pytest.mark.timed
def test_a_check_ends_at_its_deadline() -> None:
    began = time.monotonic()
    found = check("v=spf1 a:slow.example -all", zone={("slow.example", "A"): Slow(60)}, seconds=0.1)
    assert found.result is Result.TEMPERROR
    assert time.monotonic() - began < 0.5


def test_a_result_lives_as_long_as_what_it_rests_on() -> None:
    async def run() -> None:
        zone = FakeZone({("example.org", "TXT"): [b"v=spf1 a -all"], ("example.org", "A"): ["192.0.2.1"]}, ttl=120)
        found = await check_host(Resolver(backend=zone), ip_address("192.0.2.1"), "example.org", b"", b"")
        assert (found.result, found.ttl) == (Result.PASS, 120)

    asyncio.run(run())


def test_the_null_sender_is_the_helo_name() -> None:
    async def run() -> SpfResult:
        zone = FakeZone({("mx.example.org", "TXT"): [b"v=spf1 exists:%{l}.%{o}.a.example -all"]})
        zone.content["postmaster.mx.example.org.a.example", "A"] = ["127.0.0.2"]
        return await check_sender(Resolver(backend=zone), ip_address("192.0.2.1"), b"", b"mx.example.org")

    assert asyncio.run(run()).passed


def test_missing_ptr_of_a_stranger_is_no_void_lookup() -> None:
    found = check("v=spf1 a:one.example a:two.example ptr:example.net ip4:198.51.100.7", "198.51.100.7")
    assert found.result is Result.PASS


@given(st.binary(max_size=300), st.binary(max_size=60), st.binary(max_size=60))
def test_any_record_gives_a_result(tail: bytes, sender: bytes, helo: bytes) -> None:
    async def run() -> SpfResult:
        zone = FakeZone({("example.org", "TXT"): [b"v=spf1 " + tail]})
        return await check_host(Resolver(backend=zone), ip_address("192.0.2.1"), "example.org", sender, helo)

    assert isinstance(asyncio.run(run()), SpfResult)


PIECES = """a mx ptr include exists ip4 ip6 all redirect exp : = / // 24 33 %{ i d r 2 . } %% %_ - ~ example.org
192.0.2.0 ::1 %{d} %{ir}.a.example :example.org"""
TERM = st.sampled_from([*PIECES.split(), " "])


@given(st.lists(TERM, max_size=12))
def test_any_record_made_of_true_pieces_gives_a_result(pieces: list[str]) -> None:
    found = check("v=spf1 " + "".join(pieces))
    assert isinstance(found.result, Result)
    assert (found.result is Result.PASS) or not found.strong


@given(st.binary(max_size=80))
def test_any_domain_and_sender_gives_a_result(sender: bytes) -> None:
    found = asyncio.run(check_sender(Resolver(backend=FakeZone({})), ip_address("::1"), sender, sender))
    assert found.result in (Result.NONE, Result.PERMERROR)


@pytest.mark.parametrize(
    ("sender", "helo"),
    [
        ("joe@b\u00fccher.example", b"mx.example"),
        ("joe@B\u00dcCHER.Example", b"mx.example"),
        ("joe@bu\u0308cher.example", b"mx.example"),
        ("joe@b\u00fccher\u3002example", b"mx.example"),
        ("", "b\u00fccher.example".encode()),
    ],
)
@pytest.mark.parametrize("record", ["v=spf1 ip4:192.0.2.1 -all", "v=spf1 exists:%{o}.%{d}.a.example -all"])
def test_u_labels_are_asked_for_as_a_labels(sender: str, helo: bytes, record: str) -> None:
    """RFC 8616 section 4: of the sender, of HELO, and in macros."""
    name = "xn--bcher-kva.example"
    zone: Zone = {(name, "TXT"): [record.encode()], (f"{name}.{name}.a.example", "A"): ["192.0.2.9"]}

    async def run() -> SpfResult:
        return await check_sender(Resolver(backend=FakeZone(zone)), ip_address("192.0.2.1"), sender.encode(), helo)

    assert asyncio.run(run()).result is Result.PASS


@pytest.mark.parametrize("domain", [b"b\xfccher.example", b"\xff\xfe.example", b"\xc3.example"])
def test_bytes_that_are_no_utf_8_are_no_domain(domain: bytes) -> None:
    async def run() -> SpfResult:
        return await check_sender(Resolver(backend=FakeZone({})), ip_address("192.0.2.1"), b"joe@" + domain, b"mx")

    assert asyncio.run(run()).result is Result.NONE
