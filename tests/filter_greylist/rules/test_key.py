"""Keys: what is one tuple, and what is not."""

import hashlib
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.bounds import MAX_DETAIL
from filter_greylist.rules.key import (
    KEY_BYTES,
    Prefixes,
    details_of,
    group_of,
    mailbox,
    network_name,
    normal_recipient,
    normal_sender,
    tuple_for,
)
from filter_greylist.rules.records import GROUP_BYTES, Details, address_name

NOTHING = Details(b"", b"", b"", b"", b"")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"Alice@Example.ORG", b"alice@example.org."),
        (b"prvs=3456a0b1c2=alice@example.org", b"prvs=99887766aa=alice@example.org"),  # BATV
        (b"prvs=alice/3456a0b1c2@example.org", b"alice@example.org"),  # its first draft
        (b"msprvs1=18500abcdef=alice@example.org", b"msprvs1=18501fedcba=alice@example.org"),
        (b"btv1==123abc==alice@example.org", b"btv1==456def==alice@example.org"),
        (b"msprvs1=18500AbCd-_=bounces-1@example.org", b"bounces-1@example.org"),
        (b"prvs=bob=3456a0b1c2@example.org", b"bob@example.org"),
        (b"SRS0=ab+c=xY=home.example=bob@fwd.example", b"srs0=zzzz=ab=home.example=bob@fwd.example"),
        (
            b"SRS1=hh=first.example==ab=xY=home.example=bob@second.example",
            b"SRS1=zz=first.example==cd=zz=home.example=bob@second.example",
        ),
        (b"list-bounces+alice=example.org@lists.example", b"list-bounces+bob=example.net@lists.example"),  # VERP
        (b"bounce-20261120-a@shop.example", b"bounce-20261121-a@shop.example"),
        (b"m.0a1b2c3d4e5f@shop.example", b"m.ffffffff9999@shop.example"),
        (b"@relay.example:alice@example.org", b"alice@example.org"),  # RFC 5321, 4.1.1.3
    ],
)
def test_a_sender_that_varies_its_address_is_the_same_sender(one: bytes, other: bytes) -> None:
    assert normal_sender(one) == normal_sender(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"alice@example.org", b"bob@example.org"),
        (b"alice@example.org", b"alice@example.net"),
        (b"user1@example.org", b"user2@example.org"),  # a number inside a word is part of the name
        (b"SRS0=ab=xY=home.example=bob@fwd.example", b"SRS0=ab=xY=home.example=eve@fwd.example"),
        (b"+alice@example.org", b"+bob@example.org"),
        (b"prvs=joe=123@example.org", b"prvs=bob=123@example.org"),  # nothing here is a signature
        (b"prvs=joe/abc@example.org", b"prvs=bob/abc@example.org"),
        (b"prvs=3456a0b1c2=joe@example.org", b"prvs=3456a0b1c2=bob@example.org"),
        (b"msprvs1=18500abcdef=joe@example.org", b"msprvs1=18500abcdef=bob@example.org"),
    ],
)
def test_different_senders_stay_different(one: bytes, other: bytes) -> None:
    assert normal_sender(one) != normal_sender(other)


@pytest.mark.parametrize(
    ("signed", "plain"),
    [
        (b"prvs=3456a0b1c2=alice@example.org", b"alice@example.org"),
        (b"prvs=alice=3456a0b1c2@Example.org.", b"alice@example.org"),
        (b"msprvs1=17862xYz=12345@example.org", b"12345@example.org"),
        (b"btv1==123abc==alice@example.org", b"alice@example.org"),
        (b"SRS0=ab=xY=home.example=bob@fwd.example", b"bob=home.example@fwd.example"),
        (b"Alice+news@example.org", b"alice@example.org"),
        (b"alice+news+old@example.org", b"alice@example.org"),
        (b"prvs=joe=123@example.org", b"prvs=joe=123@example.org"),
        (b"1234567@example.org", b"1234567@example.org"),
        (b"deadbeef01@example.org", b"deadbeef01@example.org"),
        (b"Postmaster", b"postmaster@"),
    ],
)
def test_a_mailbox_is_the_address_without_signature_and_detail(signed: bytes, plain: bytes) -> None:
    assert mailbox(signed) == plain


LOCAL = st.from_regex(rb"[a-z0-9._-]{1,12}", fullmatch=True)


@given(LOCAL, LOCAL)
def test_no_two_mailboxes_are_one(one: bytes, other: bytes) -> None:
    assert (mailbox(one + b"@d.example") == mailbox(other + b"@d.example")) is (one == other)


def test_a_recipient_keeps_its_detail_but_not_its_case() -> None:
    assert normal_recipient(b"Bob+News@Example.ORG.") == b"bob+news@example.org"
    assert normal_recipient(b"Postmaster") == b"postmaster"


@pytest.mark.parametrize(
    ("address", "network", "name"),
    [
        ("192.0.2.17", b"192.0.2.0/24", b"192.0.2.17"),
        ("::ffff:192.0.2.17", b"192.0.2.0/24", b"192.0.2.17"),
        ("2001:db8:1:2:3:4:5:6", b"2001:db8:1:2::/64", b"2001:db8:1:2::/64"),
    ],
)
def test_networks_and_names_of_addresses(address: str, network: bytes, name: bytes) -> None:
    assert network_name(ip_address(address), Prefixes()) == network
    assert address_name(ip_address(address)) == name


def test_option_k_changes_the_network_but_not_the_name_of_white_records() -> None:
    assert network_name(IPv4Address("192.0.2.17"), Prefixes(32, 128)) == b"192.0.2.17/32"
    assert network_name(IPv6Address("2001:db8::5"), Prefixes(32, 48)) == b"2001:db8::/48"


parts = st.tuples(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))


@given(parts, parts)
def test_parts_never_run_into_each_other(one: tuple[bytes, bytes, bytes], other: tuple[bytes, bytes, bytes]) -> None:
    assert (tuple_for(*one, NOTHING).key == tuple_for(*other, NOTHING).key) is (one == other)


@given(st.binary(max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_nor_where_they_touch(text: bytes, first: int, second: int) -> None:
    moved = tuple_for(text[:first], text[first:], b"", NOTHING), tuple_for(text[:second], text[second:], b"", NOTHING)
    assert (moved[0].key == moved[1].key) is (text[:first] == text[:second])


def test_a_key_begins_with_the_digest_of_its_origin() -> None:
    key = tuple_for(b"192.0.2.0/24", b"a@b", b"c@d", NOTHING).key
    assert len(key) == KEY_BYTES
    assert key[:GROUP_BYTES] == group_of(b"192.0.2.0/24")


def test_the_listing_keeps_what_was_sent_up_to_a_bound() -> None:
    details = details_of(b"group!", IPv4Address("192.0.2.1"), b"h" * 2000, b"s|\xff" * 700, b"r")
    assert details.address == b"192.0.2.1"
    assert len(details.helo) == len(details.sender) == MAX_DETAIL
    assert details.sender.startswith(b"s|\xff")
    assert details.recipient == b"r"


@pytest.mark.parametrize(
    ("sender", "form"),
    [
        (b"bounce-20261120-a@Shop.Example.", b"bounce-#-a@shop.example"),
        (b"m.0a1b2c3d4e5f@shop.example", b"m.#@shop.example"),
        (b"list+bob=x@lists.example", b"list@lists.example"),
        (b"list+bob+news=x@lists.example", b"list@lists.example"),
        (b"SRS0=ab=xY=home.example=bob@fwd.example", b"bob=home.example@fwd.example"),
    ],
)
def test_the_form_of_a_sender_is_what_the_stores_of_all_versions_have(sender: bytes, form: bytes) -> None:
    """Another one would make every client wait once more after an upgrade."""
    assert normal_sender(sender) == form


def test_the_name_of_a_tuple_is_what_the_stores_of_all_versions_have() -> None:
    rest = hashlib.blake2b(b"12,3,192.0.2.0/24a@bc@d", digest_size=10).digest()
    assert tuple_for(b"192.0.2.0/24", b"a@b", b"c@d", NOTHING).key == group_of(b"192.0.2.0/24") + rest
