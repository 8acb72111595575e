"""What a store hands out is only believed if one of ours can have written it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.bounds import MAX_DETAIL, MAX_GREYLIST_NAME
from filter_greylist.rules.checking import LATEST, checked, is_host, life_of
from filter_greylist.rules.key import group_of
from filter_greylist.rules.records import FOREVER, NO_DETAILS, Details, Kind, Life, Record, address_name, pair_name

LIFE = Life(1, 2, 3, 0, 0)
KEY = b"k" * 16
DETAILS = Details(group_of(b"192.0.2.0/24"), b"192.0.2.1", b"mx", b"a@b", b"c@d")


@pytest.mark.parametrize(
    "record",
    [
        Record(Kind.WHITE, b"192.0.2.1", LIFE),
        Record(Kind.TRAPPED, b"2001:db8::/64", LIFE),
        Record(Kind.SPAMTRAP, b"trap@example.org", Life(1, 1, FOREVER)),
        Record(Kind.SPAMTRAP, "früher@example.org".encode(), LIFE),
        Record(Kind.DOMAIN, b"example.org", LIFE),
        Record(Kind.DOMAIN, b"odd\xff\n", LIFE),
        Record(Kind.DOMAIN, b"x", LIFE),
        Record(Kind.PAIR, pair_name(b"a@b", b"c@d"), LIFE),
        Record(Kind.GREY, KEY, LIFE, DETAILS),
        Record(Kind.GREY, KEY, LIFE, NO_DETAILS),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(address=b"2001:db8::7", sender=b"x" * MAX_DETAIL)),
        Record(Kind.GREY, KEY, LIFE),
    ],
    ids=str,
)
def test_what_ours_write_is_believed(record: Record) -> None:
    assert checked(record) is record


@pytest.mark.parametrize(
    "record",
    [
        Record(Kind.WHITE, b"0.0.0.0/0", LIFE),
        Record(Kind.WHITE, b"::/0", LIFE),
        Record(Kind.WHITE, b"192.0.2.0/24", LIFE),
        Record(Kind.WHITE, b"192.0.2.1/32", LIFE),
        Record(Kind.WHITE, b"192.0.2.01", LIFE),
        Record(Kind.WHITE, b"2001:db8::1", LIFE),
        Record(Kind.WHITE, b"2001:DB8::/64", LIFE),
        Record(Kind.WHITE, b"::ffff:192.0.2.1/64", LIFE),
        Record(Kind.WHITE, b"fe80::%em0/64", LIFE),
        Record(Kind.TRAPPED, b"\x1b[2J", LIFE),
        Record(Kind.TRAPPED, b"192.0.2.1\n0.0.0.0/0", LIFE),
        Record(Kind.TRAPPED, b"", LIFE),
        Record(Kind.SPAMTRAP, b"nobody", LIFE),
        Record(Kind.DOMAIN, b"", LIFE),
        Record(Kind.DOMAIN, b"a\0b", LIFE),
        Record(Kind.DOMAIN, b"x" * 3000, LIFE),
        Record(Kind.PAIR, b"only one", LIFE),
        Record(Kind.PAIR, b"a\0b\0c", LIFE),
        Record(Kind.GREY, b"short", LIFE, DETAILS),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(address=b"nowhere")),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(address=b"192.0.2.1\x1b[31m")),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(helo=b"x" * (MAX_DETAIL + 1))),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(group=b"four")),
        Record(Kind.GREY, KEY, LIFE, DETAILS._replace(sender="text")),  # type: ignore[arg-type]
        Record(Kind.WHITE, "192.0.2.1", LIFE),  # type: ignore[arg-type]
        Record(Kind.WHITE, b"192.0.2.1", Life(-1, 2, 3)),
        Record(Kind.WHITE, b"192.0.2.1", Life(1, 2, FOREVER + 1)),
        Record(Kind.WHITE, b"192.0.2.1", Life(LATEST + 1, 2, FOREVER)),
        Record(Kind.WHITE, b"192.0.2.1", Life(1, 2, LATEST + 1)),
        Record(Kind.WHITE, b"192.0.2.1", Life(1, 2, "3")),  # type: ignore[arg-type]
        Record(Kind.WHITE, b"192.0.2.1", Life(1, 2, 3.0)),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_none_of_ours_can_have_written_is_nothing(record: Record) -> None:
    assert checked(record) is None


@given(st.ip_addresses())
def test_every_address_has_a_name_that_is_believed(address: object) -> None:
    assert is_host(address_name(ip_address(str(address))))


@given(st.lists(st.one_of(st.integers(), st.none(), st.text(), st.floats(), st.binary()), max_size=7))
def test_no_row_makes_it_raise(values: list[object]) -> None:
    life = life_of(values)
    assert life is None or all(0 <= value <= FOREVER for value in life)


def test_names_are_as_long_as_an_address_can_be_and_no_longer() -> None:
    half = b"x" * (MAX_GREYLIST_NAME - 2) + b"@y"
    assert checked(Record(Kind.PAIR, half + b"\0" + half, LIFE)) is not None
    assert checked(Record(Kind.PAIR, half + b"\0" + half + b"z", LIFE)) is None
    for kind in (Kind.DOMAIN, Kind.SPAMTRAP):
        assert checked(Record(kind, half, LIFE)) is not None
        assert checked(Record(kind, half + b"z", LIFE)) is None
    assert checked(Record(Kind.GREY, KEY + b"k", LIFE)) is None
    assert checked(Record(Kind.GREY, KEY[1:], LIFE)) is None


@pytest.mark.parametrize(
    ("place", "least", "most"),
    [(0, 0, LATEST), (1, 0, LATEST), (2, 0, LATEST), (3, 0, FOREVER), (4, 0, FOREVER)],
    ids=Life._fields,
)
def test_each_number_of_a_row_has_its_bounds(place: int, least: int, most: int) -> None:
    row: list[object] = [1, 2, 3, 4, 5]
    for value, good in (
        (least, True),
        (least - 1, False),
        (most, True),
        (most + 1, False),
        (1.0, False),
        (True, False),
    ):
        row[place] = value
        assert (life_of(row) is not None) is good
    assert life_of([1, 2, FOREVER, 4, 5]) == Life(1, 2, FOREVER, 4, 5)
    assert life_of([1, 2, 3, 4]) is None
    assert life_of([1, 2, 3, 4, 5, 6]) is None
