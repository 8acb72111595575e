"""Networks as options and files; membership against the plain definition."""

from __future__ import annotations

import os
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError
from filter_api.files.networks import Networks, NetworkSet, items_of, parse_network
from filter_api.text.addresses import Address, Network, plain_address

ADDRESSES = st.ip_addresses()


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(ADDRESSES)
    prefix = draw(st.integers(0, address.max_prefixlen))
    return ip_network((int(address), prefix), strict=False) if address.version == 4 else _v6(int(address), prefix)


def _v6(number: int, prefix: int) -> Network:
    return ip_network(f"{ip_address(number.to_bytes(16, 'big'))}/{prefix}", strict=False)


@given(st.lists(networks(), max_size=6), ADDRESSES)
def test_membership_is_what_ipaddress_says(members: list[Network], address: Address) -> None:
    subject = plain_address(address)
    chosen = NetworkSet(members)
    assert (address in chosen) == any(subject in network for network in map(_plain, members))
    for network in members:
        assert network.network_address in chosen


def _plain(network: Network) -> Network:
    return parse_network(str(network))


@pytest.mark.parametrize(
    ("members", "address", "expected"),
    [
        ("127.0.0.0/8,::1", "127.9.9.9", True),
        ("127.0.0.0/8,::1", "::1", True),
        ("127.0.0.0/8, ::1", "::2", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.0/24", "::ffff:192.0.2.9", True),
        ("::ffff:192.0.2.0/120", "192.0.2.9", True),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "203.0.113.9", False),
        ("fe80::/10", "fe80::1%em0", True),
        ("", "127.0.0.1", False),
        ("192.0.2.3 - 192.0.2.9", "192.0.2.3", True),
        ("192.0.2.3 - 192.0.2.9", "192.0.2.9", True),
        ("192.0.2.3 - 192.0.2.9", "192.0.2.10", False),
        ("127.0.0.1,192.0.2.3-192.0.2.9", "192.0.2.2", False),
        ("2001:db8::1-2001:db8::5", "2001:db8::5", True),
        ("2001:db8::1-2001:db8::5", "2001:db8::6", False),
        ("<192.0.2.3>", "192.0.2.3", True),
    ],
)
def test_a_comma_list(members: str, address: str, expected: bool) -> None:
    assert (ip_address(address) in Networks(members)) is expected


def test_a_unix_socket_is_in_no_network() -> None:
    assert None not in Networks("0.0.0.0/0,::/0")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("192.0.2.1/24", "has host bits set"),
        ("192.0.2.0/33", '"192.0.2.0/33" is no network'),
        ("127.0.0.1,example.org", '"example.org" is neither an address nor a network'),
        ("10", '"10" is no network'),
        ("192.0.2.9-192.0.2.1", "ends before it begins"),
        ("127.0.0.1,\x1b[31m", r"\\x1b"),
    ],
)
def test_a_bad_list_is_an_error(value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Networks(value)


def test_a_file_of_networks_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "ours"
    path.write_text("# our own\n192.0.2.0/24, 198.51.100.1\n2001:db8::/32  # office\n")
    now = [0.0]
    ours = Networks(str(path), clock=lambda: now[0])
    assert ip_address("192.0.2.3") in ours
    assert ip_address("198.51.100.1") in ours
    assert ip_address("2001:db8::1") in ours
    path.write_text("203.0.113.0/24\n")
    os.utime(path, (1, 1))  # shorter than before, and long finished
    now[0] += 1
    assert ip_address("192.0.2.3") not in ours
    assert ip_address("203.0.113.3") in ours


def test_a_file_as_spamd_and_pf_had_it_is_read_as_it_is(tmp_path: Path) -> None:
    """Ranges and both signs of a comment, as in the nospamd files of many sites."""
    path = tmp_path / "nospamd"
    path.write_text(
        "; mail.example.org\n192.0.2.7 ; its MX\n198.51.100.0 - 198.51.100.9 # a pool\n203.0.113.0/24, <::1>\n"
    )
    table = Networks(str(path))
    for inside in ("192.0.2.7", "198.51.100.0", "198.51.100.9", "203.0.113.255", "::1"):
        assert ip_address(inside) in table
    for outside in ("192.0.2.8", "198.51.100.10", "203.0.114.0", "::2"):
        assert ip_address(outside) not in table


def test_a_bad_file_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "ours"
    path.write_text("192.0.2.0/24\n192.0.2.0/240\n")
    with pytest.raises(ConfigError, match=r"/ours:2: \"192.0.2.0/240\" is no network"):
        Networks(str(path))
    path.write_bytes(b"192.0.2.0/24\n\xff\xfe\n")
    with pytest.raises(ConfigError, match=r'/ours:2: "\\xff\\xfe" is neither'):
        Networks(str(path))


def test_a_bad_file_is_told_of_in_one_short_line(tmp_path: Path) -> None:
    """smtpd logs what a filter says before it registers, whole."""
    path = tmp_path / "ours"
    path.write_text("1" * 1_000_000)
    with pytest.raises(ConfigError) as caught:
        Networks(str(path))
    assert len(str(caught.value)) < 900


@pytest.mark.timed
@pytest.mark.parametrize("blank", [" ", "\t", " \x0b", "\u3000"])
def test_a_run_of_blanks_costs_no_more_than_its_length(blank: str) -> None:
    def cost(length: int) -> float:
        began = time.process_time()
        assert items_of("192.0.2.1" + blank * length + "192.0.2.9 - 192.0.2.11") == [
            "192.0.2.1",
            "192.0.2.9-192.0.2.11",
        ]
        return time.process_time() - began

    assert min(cost(40_000) for _ in range(3)) < 8 * min(cost(10_000) for _ in range(3)) + 0.01


@pytest.mark.timed
def test_a_lookup_does_not_grow_with_the_number_of_networks() -> None:
    small = NetworkSet([ip_network("10.0.0.0/24")])
    large = NetworkSet(ip_network((number << 8, 24)) for number in range(50_000))
    assert len(large) == 50_000
    address = ip_address("203.0.113.5")
    assert address not in large

    def cost(subject: NetworkSet) -> float:
        began = time.process_time()
        for _ in range(2000):
            assert address not in subject
        return time.process_time() - began

    assert min(cost(large) for _ in range(3)) < 5 * min(cost(small) for _ in range(3)) + 0.01
