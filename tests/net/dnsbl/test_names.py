"""What is asked: names of addresses and of domains."""

from __future__ import annotations

import random
from ipaddress import IPv6Address, ip_address

import pytest

from filter_api.net.dnsbl import subject_of_address, subject_of_domain


def test_an_address_is_asked_backwards() -> None:
    assert subject_of_address(ip_address("192.0.2.5")).label == "5.2.0.192"
    assert subject_of_address(ip_address("::ffff:192.0.2.5")).label == "5.2.0.192"


def test_a_thousand_ipv6_addresses_are_asked_as_their_reverse_names() -> None:
    chance = random.Random(5782)
    for _ in range(1000):
        address = IPv6Address((0x2 << 124) | chance.getrandbits(124))
        assert subject_of_address(address).label + ".ip6.arpa" == address.reverse_pointer


def test_a_domain_is_asked_in_lower_case_without_its_dot() -> None:
    subject = subject_of_domain("s", b"Mail.Example.ORG.")
    assert subject is not None
    assert (subject.where, subject.label, subject.proven) == ("s", "mail.example.org", False)


@pytest.mark.parametrize(
    "name",
    [None, b"", b"localhost", b"[192.0.2.5]", b"127.0.1.16", b"<unknown>", b"a..b", b"x" * 64 + b".org", b"\xff.org"],
)
def test_what_no_list_can_know_is_no_subject(name: bytes | None) -> None:
    assert subject_of_domain("h", name) is None
