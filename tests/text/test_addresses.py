"""Mail and socket addresses, as smtpd really writes them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.text.addresses import (
    Address,
    client_network,
    domain_of,
    is_local_source,
    is_role_address,
    login,
    parse_source,
    plain_address,
    split_address,
    strip_source_route,
)


@pytest.mark.parametrize(
    ("address", "local", "domain"),
    [
        (b"alice@example.org", b"alice", b"example.org"),
        (b"a@b@example.org", b"a@b", b"example.org"),
        (b"postmaster", b"postmaster", b""),
        (b"", b"", b""),
        (b"Alice@Example.ORG", b"Alice", b"Example.ORG"),
        (b"a|b@example.org", b"a|b", b"example.org"),
        (b"user@[192.0.2.1]", b"user", b"[192.0.2.1]"),
    ],
)
def test_split_address(address: bytes, local: bytes, domain: bytes) -> None:
    assert split_address(address) == (local, domain)


@pytest.mark.parametrize(
    ("address", "domain"),
    [(b"a@Example.ORG", b"example.org"), (b"a@example.org.", b"example.org"), (b"a", b""), (b"", b"")],
)
def test_domain_of(address: bytes, domain: bytes) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (b"@relay.example:user@example.org", b"user@example.org"),
        (b"@one,@two:user@example.org", b"user@example.org"),
        (b"user@example.org", b"user@example.org"),
        (b"@example.org", b"@example.org"),
    ],
)
def test_strip_source_route(address: bytes, expected: bytes) -> None:
    assert strip_source_route(address) == expected


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (b"postmaster@example.org", True),
        (b"PostMaster@Example.org", True),
        (b"postmaster", True),
        (b"@relay:postmaster@example.org", True),
        (b"abuse@example.org", True),
        (b"abuse", False),
        (b"postmaster+x@example.org", False),
        (b"webmaster@example.org", False),
        (b"", False),
    ],
)
def test_is_role_address(recipient: bytes, expected: bool) -> None:
    assert is_role_address(recipient) is expected


@pytest.mark.parametrize(
    ("source", "address", "port"),
    [
        (b"127.0.0.1:57488", "127.0.0.1", 57488),
        (b"[::1]:49758", "::1", 49758),
        (b"[fe80::1%em0]:25", "fe80::1", 25),
        (b"[fe80::1%em0]", "fe80::1", None),
        (b"fe80::abcd%25", "fe80::abcd", None),
        (b"[ff02::1%wlan0.100]:65535", "ff02::1", 65535),
        (b"[::ffff:192.0.2.1%lo0]:25", "192.0.2.1", 25),
        (b"[::ffff:192.0.2.1]:25", "192.0.2.1", 25),
        (b"192.0.2.1", "192.0.2.1", None),
        (b"[2001:db8::1]", "2001:db8::1", None),
        (b"2001:db8::1", "2001:db8::1", None),
    ],
)
def test_parse_source(source: bytes, address: str, port: int | None) -> None:
    assert parse_source(source) == (ip_address(address), port)


@pytest.mark.parametrize("text", ["fe80::1%em0", "fe80::1%1", "2001:db8::1%vlan.12", "::1%lo", "::ffff:192.0.2.1%x"])
def test_a_plain_address_names_no_interface_of_ours(text: str) -> None:
    plain = plain_address(ip_address(text))
    assert "%" not in str(plain)
    assert plain == plain_address(ip_address(text.partition("%")[0]))


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "fe80::1", "::1"])
def test_a_plain_address_stays_as_it_is(text: str) -> None:
    assert plain_address(ip_address(text)) == ip_address(text)


@pytest.mark.parametrize(
    "source",
    [b"unix:/run/x.sock", b"local", b"", b"<unknown>", b"1.2.3.4:x", b"1.2.3.4:65536", b"[::1", b"\xff\x00", b"::1:x:"],
)
def test_what_is_no_address_gives_none(source: bytes) -> None:
    assert parse_source(source) == (None, None)


@given(st.binary(max_size=40))
def test_parse_source_never_raises_and_garbage_is_not_local(source: bytes) -> None:
    address, port = parse_source(source)
    assert address is None or not is_local_source(source)
    assert port is None or 0 <= port <= 65535


@given(st.ip_addresses(), st.integers(0, 65535))
def test_what_smtpd_writes_is_read_back(address: Address, port: int) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert parse_source(f"{host}:{port}".encode()) == (plain_address(address), port)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%em0", "fe80::/64"),
    ],
)
def test_client_network(address: str, network: str) -> None:
    assert client_network(ip_address(address)) == ip_network(network)


def test_client_network_with_other_prefixes() -> None:
    assert client_network(ip_address("192.0.2.77"), v4=32) == ip_network("192.0.2.77/32")
    assert client_network(ip_address("2001:db8:1:2::1"), v6=48) == ip_network("2001:db8:1::/48")


@pytest.mark.parametrize(
    ("reported", "compared"),
    [
        (b"ALICE", b"alice"),
        (b"Alice@Example.ORG", b"alice@example.org"),
        (b"alice", b"alice"),
        (b"BOB|X", b"bob|x"),
        (rb"TWO\040WORDS", rb"two\040words"),
        (rb"\M-CB\M-cB", rb"\M-Cb\M-cb"),
        (rb"\M^A\^AA", rb"\M^A\^Aa"),
        (rb"BACK\\SLASH", rb"back\\slash"),
        (b"END\\", b"end\\"),
        (b"", b""),
    ],
)
def test_a_login_is_compared_as_smtpd_does_it(reported: bytes, compared: bytes) -> None:
    assert login(reported) == compared
    assert login(compared) == compared


def test_two_logins_that_differ_in_eight_bit_letters_stay_two() -> None:
    """vis(3) makes ``\\M-C`` of 0xC3 and ``\\M-c`` of 0xE3; smtpd lowers ASCII letters only."""
    assert login(rb"\M-C") != login(rb"\M-c")
