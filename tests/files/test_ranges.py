"""Sets of ranges: what may be written, and membership against the plain definition."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_api.files.ranges import UNROUTABLE, RangeBuilder, Ranges, read_range
from filter_api.text.addresses import Address

Written = tuple[int, int, int]


@st.composite
def ranges(draw: st.DrawFn) -> Written:
    """A range in a small corner of the addresses of one version, so that many of them overlap and touch."""
    version = draw(st.sampled_from([4, 6]))
    base = 0xC0000200 if version == 4 else (0x20010DB8 << 96) + draw(st.sampled_from([0, (1 << 64) - 8]))
    first = base + draw(st.integers(0, 40))
    return version, first, first + draw(st.integers(0, 9))


def built(entries: Sequence[Written], holes: Sequence[Written] = ()) -> Ranges:
    builder = RangeBuilder()
    for entry in entries:
        builder.add(*entry)
    for hole in holes:
        builder.exclude(*hole)
    return builder.build().ranges


def as_address(version: int, number: int) -> Address:
    return IPv4Address(number) if version == 4 else IPv6Address(number)


@settings(deadline=None)
@given(st.lists(ranges(), max_size=12), st.lists(ranges(), max_size=4))
def test_membership_is_what_the_ranges_say(entries: list[Written], holes: list[Written]) -> None:
    """Asked of every address in and around the corner."""
    subject = built(entries, holes)
    bases = [(4, 0xC0000200), (6, 0x20010DB8 << 96), (6, (0x20010DB8 << 96) + (1 << 64) - 8)]
    for version, base in bases:
        for number in range(base - 2, base + 60):
            wanted = any(v == version and first <= number <= last for v, first, last in entries)
            taken = any(v == version and first <= number <= last for v, first, last in holes)
            assert (as_address(version, number) in subject) is (wanted and not taken), as_address(version, number)


@given(st.lists(ranges(), max_size=12))
def test_ranges_are_sorted_and_apart(entries: list[Written]) -> None:
    subject = built(entries)
    a, b, c, d, firsts, lasts, singles = (list(column) for column in subject.columns)
    v6 = [((a[n] << 64) + b[n], (c[n] << 64) + d[n]) for n in range(len(a))]
    assert v6 == sorted(v6)
    assert (firsts, singles) == (sorted(firsts), sorted(singles))
    for pairs in (v6, sorted([*zip(firsts, lasts, strict=True), *zip(singles, singles, strict=True)])):
        assert all(last + 1 < first for (_, last), (first, _) in pairwise(pairs))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("<192.0.2.7>", "192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "2001:db8::7", "2001:db8::7"),
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("192.168.21.0 - 192.168.21.255", "192.168.21.0", "192.168.21.255"),
        ("192.168.21.0-192.168.21.255", "192.168.21.0", "192.168.21.255"),
        ("192.168.21.0 -192.168.21.255", "192.168.21.0", "192.168.21.255"),
        ("192.0.2.1-9", "192.0.2.1", "192.0.2.9"),
        ("2001:db8::1 - 2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
        ("2001:db8::/127", "2001:db8::", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_what_may_be_written(text: str, first: str, last: str) -> None:
    low, high = ip_address(first), ip_address(last)
    assert read_range(text) == (low.version, int(low), int(high))
    builder = RangeBuilder()
    builder.add_text(text)
    subject = builder.build().ranges
    assert low in subject
    assert high in subject
    assert low - 1 not in subject
    assert high + 1 not in subject


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.9 - 10.0.0.1", "ends before it begins"),
        ("10.0.0.9 - 2001:db8::1", "two families"),
        ("10.0.0.9 - ", "no range"),
        ("10.0.0.1-2-3", "no range"),
        ("192.0.2.1/24", "host bits"),
        ("192.0.2.0/33", "no network"),
        ("example.org", "neither an address nor a network"),
        ("10", "no network"),
        ("", "neither"),
    ],
)
def test_what_may_not(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_range(text)


def test_host_bits_are_cut_off_where_that_is_wanted() -> None:
    assert read_range("192.0.2.1/24", loose=True) == (4, 0xC0000200, 0xC00002FF)


def test_nobody_is_in_an_empty_set() -> None:
    assert ip_address("192.0.2.1") not in Ranges()
    assert ip_address("2001:db8::1") not in Ranges()
    assert None not in Ranges()
    assert len(Ranges()) == 0


def test_mapped_and_scoped_addresses_are_the_plain_ones() -> None:
    builder = RangeBuilder()
    builder.add_text("192.0.2.0/24")
    builder.add_text("fe80::1")
    subject = builder.build().ranges
    assert ip_address("::ffff:192.0.2.9") in subject
    assert ip_address("fe80::1%em0") in subject


def test_what_nobody_has_is_cut_out_and_counted() -> None:
    builder = RangeBuilder()
    for text in ("127.0.0.1", "10.0.0.0/8", "8.0.0.0 - 11.0.0.0", "192.0.2.1", "fd00::/8", "2001:db8::/32", "ff02::1"):
        builder.add_text(text)
    ranges_, cut = builder.build((*UNROUTABLE, ip_network("2001:db8:1::/48")))
    assert cut == 5  # 10/8 and the range around it are one
    for inside in ("8.0.0.0", "9.255.255.255", "11.0.0.0", "192.0.2.1", "2001:db8:0:ffff::", "2001:db8:2::"):
        assert ip_address(inside) in ranges_, inside
    for outside in ("127.0.0.1", "10.0.0.0", "10.255.255.255", "11.0.0.1", "fd00::1", "ff02::1", "2001:db8:1::"):
        assert ip_address(outside) not in ranges_, outside


def test_the_ends_of_all_addresses_are_addresses_too() -> None:
    builder = RangeBuilder()
    for text in ("0.0.0.0", "255.255.255.255", "::", "ffff::/16"):
        builder.add_text(text)
    subject = builder.build().ranges
    for inside in ("0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
        assert ip_address(inside) in subject
    for outside in ("0.0.0.1", "255.255.255.254", "::1", "fffe::"):
        assert ip_address(outside) not in subject


@pytest.mark.parametrize(
    ("entries", "of_4", "of_6"),
    [
        ([], 0, 0),
        (["192.0.2.1", "192.0.2.1", "192.0.2.3-192.0.2.5"], 4, 0),
        (["0.0.0.0/0", "::/0"], 2**32, 2**128),
        (["2001:db8::/64", "2001:db8:0:1::/64", "2001:db9::1"], 0, 2**65 + 1),
        (["2001:db8::ffff:ffff:ffff:ffff-2001:db8:0:1::"], 0, 2),
    ],
)
def test_how_many_addresses_there_are(entries: list[str], of_4: int, of_6: int) -> None:
    builder = RangeBuilder()
    for entry in entries:
        builder.add_text(entry)
    ranges = builder.build().ranges
    assert (ranges.addresses(4), ranges.addresses(6)) == (of_4, of_6)
