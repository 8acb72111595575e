"""Lists of strangers: every format that is out there, what is counted, and what is refused."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.files.ranges import UNROUTABLE, Ranges
from filter_lists.tool.published import ListRefused, Reading, read_published
from filter_lists.tool.streams import lines_of


def read(*lines: str | None) -> Reading:
    return read_published(lines)


def ranges(*lines: str) -> Ranges:
    return read(*lines).builder.build(UNROUTABLE).ranges


def holds(subject: Ranges, *addresses: str) -> list[bool]:
    return [ip_address(address) in subject for address in addresses]


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("1.10.16.0/20 ; SBL256894", ["1.10.16.0", "1.10.31.255"], ["1.10.15.255", "1.10.32.0"]),
        ("\t203.0.113.7\t# seen", ["203.0.113.7"], ["203.0.113.8"]),
        ("203.0.113.7,2026-11-28,spam", ["203.0.113.7"], ["203.0.113.8"]),
        ("58.14.0.0/15   China", ["58.15.255.255"], ["58.16.0.0"]),
        ("203.0.113.0\t203.0.113.255\t24\t9\tname", ["203.0.113.0", "203.0.113.255"], ["203.0.112.255", "203.0.114.0"]),
        ("198.51.100.0 - 198.51.100.9", ["198.51.100.0", "198.51.100.9"], ["198.51.100.10"]),
        ("198.51.100.0- 198.51.100.9 x", ["198.51.100.0", "198.51.100.9"], ["198.51.100.10"]),
        ("198.51.100.1-9", ["198.51.100.1", "198.51.100.9"], ["198.51.100.0", "198.51.100.10"]),
        ("2001:db8:bad::/48 ; SBL1", ["2001:db8:bad::1"], ["2001:db8:bae::"]),
        ("2001:db8::1 - 2001:db8::f", ["2001:db8::f"], ["2001:db8::10"]),
        ('{"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}', ["1.10.16.0"], ["1.10.32.0"]),
    ],
)
def test_formats(line: str, inside: list[str], outside: list[str]) -> None:
    reading = read(line)
    assert (reading.bad, reading.builder.entries) == (0, 1)
    subject = reading.builder.build(UNROUTABLE).ranges
    assert all(holds(subject, *inside))
    assert not any(holds(subject, *outside))


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf203.0.113.7\n203.0.113.9\n",
        b"203.0.113.7\n\xef\xbb\xbf203.0.113.9",
        b"\xef\xbb\xbf# a list\n203.0.113.7\r\n\xef\xbb\xbf\r\n203.0.113.9\r\n",
        b'\xef\xbb\xbf{"cidr":"203.0.113.7"}\n203.0.113.9',
    ],
)
def test_a_byte_order_mark_is_no_part_of_an_entry(data: bytes) -> None:
    reading = read_published(lines_of([data]))
    assert (reading.bad, reading.builder.entries) == (0, 2)
    assert holds(reading.builder.build().ranges, "203.0.113.7", "203.0.113.9") == [True, True]


def test_a_byte_order_mark_hides_no_page() -> None:
    with pytest.raises(ListRefused, match="a web page"):
        read_published(lines_of([b"\xef\xbb\xbf<!DOCTYPE html>\n"]))


def test_comments_and_metadata_are_no_entries_and_no_mistakes() -> None:
    reading = read("# c", "; c", "", "   ", '{"type":"metadata","timestamp":1,"size":2}', "203.0.113.7")
    assert (reading.bad, reading.builder.entries, reading.lines) == (0, 1, 6)


def test_rbldnsd_excludes_what_it_says() -> None:
    subject = ranges("$SOA 3600 ns.example root 0 1 2", ":127.0.0.2:$", "192.0.2.0/24", "!192.0.2.7", "!192.0.2.9-11")
    assert holds(subject, "192.0.2.6", "192.0.2.8", "192.0.2.12") == [True] * 3
    assert holds(subject, "192.0.2.7", "192.0.2.9", "192.0.2.11") == [False] * 3


def test_host_bits_are_counted_and_cut_off() -> None:
    reading = read("192.0.2.1/24")
    assert (reading.loose, reading.bad) == (1, 0)
    assert ip_address("192.0.2.255") in reading.builder.build().ranges


GOOD = [f"203.0.113.{number}" for number in range(200)]


def test_up_to_one_line_in_a_hundred_may_be_nonsense() -> None:
    assert read(*GOOD, "nonsense", "10.0.0.9 - 10.0.0.1").bad == 2
    with pytest.raises(ListRefused, match=r'3 lines of 203 are no addresses; the first is line 201, "non\\x1bsense"'):
        read(*GOOD, "non\x1bsense", "10.0.0.9 - 10.0.0.1", None)


@pytest.mark.parametrize("line", ["<!DOCTYPE html>", "<html>", "<?xml version='1.0'?>", "  <Error>no</Error>"])
def test_a_web_page_is_no_list(line: str) -> None:
    with pytest.raises(ListRefused, match="a web page, not a list"):
        read("", line, "192.0.2.1")


@pytest.mark.parametrize(
    "line", ["0.0.0.0/0", "8.0.0.0/7", "::/0", "2000::/3", "1.0.0.0 - 9.0.0.0", "0.0.0.0-255.255.255.255"]
)
def test_a_list_that_holds_a_part_of_the_world_is_refused(line: str) -> None:
    with pytest.raises(ListRefused, match="line 2 holds more addresses than a /"):
        read("203.0.113.7", line)


def test_what_nobody_has_is_dropped_however_wide_it_is() -> None:
    built = read("224.0.0.0/3", "127.0.0.1", "10.0.0.0/8", "fc00::/7", "203.0.113.7").builder.build(UNROUTABLE)
    assert built.cut == 4
    assert holds(built.ranges, "127.0.0.1", "10.1.2.3", "224.0.0.1", "fc00::1", "203.0.113.7") == [False] * 4 + [True]


@pytest.mark.parametrize(
    "line", ['{"cidr":1}', '{"cidr":["1.2.3.4"]}', "[1]", "{" * 5_000, '{"cidr":"x"}', "{}x", "\x00", "!"]
)
def test_nonsense_is_counted(line: str) -> None:
    assert read(*GOOD, line).bad == 1


@given(st.lists(st.text(max_size=30), max_size=5))
def test_nothing_raises_anything_but_a_refusal(lines: list[str]) -> None:
    reading = Reading()
    for line in lines:
        try:
            reading.take(line)
        except ListRefused:
            return
    reading.builder.build(UNROUTABLE)


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filter_lists.tool.published.MAX_LIST_ENTRIES", 10)
    with pytest.raises(ListRefused, match="more than 10 entries"):
        read(*GOOD)
    with pytest.raises(ListRefused, match="more than 10 entries"):
        read(*(f"!{line}" for line in GOOD))
    monkeypatch.setattr("filter_lists.tool.published.MAX_LIST_LINES", 10)
    with pytest.raises(ListRefused, match="more than 10 lines"):
        read(*["#"] * 11)
