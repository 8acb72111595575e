"""Records: their names, and two accounts of one made one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from filter_greylist.rules.records import Life, address_name, merged, pair_name, split_pair, widest

EARLY, LATE = Life(10, 40, 300, 2, 7), Life(20, 30, 200, 5, 1)


def test_two_accounts_have_the_earliest_beginning_the_latest_end_and_the_sum_of_what_they_counted() -> None:
    assert merged(EARLY, LATE) == merged(LATE, EARLY) == Life(10, 30, 300, 7, 8)


def test_two_states_of_which_either_may_be_the_later_have_the_higher_count() -> None:
    assert widest(EARLY, LATE) == widest(LATE, EARLY) == Life(10, 30, 300, 5, 7)


def test_a_pair_is_taken_apart_as_it_was_put_together_and_holds_one_nul() -> None:
    assert pair_name(b"them@example.net", b"us@example.org") == b"them@example.net\0us@example.org"
    assert split_pair(b"them@example.net\0us@example.org") == (b"them@example.net", b"us@example.org")
    assert pair_name(b"a\0b@example.net", b"\0us\0") == b"ab@example.net\0us"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", b"192.0.2.1"),
        ("::ffff:192.0.2.1", b"192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", b"2001:db8:0:1::/64"),
    ],
)
def test_a_host_is_its_address_or_its_network_of_64_bits(address: str, name: bytes) -> None:
    assert address_name(ip_address(address)) == name
