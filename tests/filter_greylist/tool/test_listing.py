"""The pipe format: spamdb's, safe whatever a client sends, and read back as it was written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_greylist.rules.key import Prefixes, details_of, group_of, normal_recipient, normal_sender, tuple_for
from filter_greylist.rules.records import FOREVER, Details, Kind, Life, Record, Timers, pair_name
from filter_greylist.tool.listing import from_line, heading, in_words, to_line, to_row, trap_name, white_name

NOW = 1_800_000_000
LIFE = Life(NOW - 60, NOW + 1440, NOW + 14340, 2, 0)
GROUP = group_of(b"192.0.2.0/24")


def grey(helo: bytes, sender: bytes, recipient: bytes, life: Life = LIFE) -> Record:
    from ipaddress import IPv4Address

    details = details_of(GROUP, IPv4Address("192.0.2.1"), helo, sender, recipient)
    compared = normal_sender(sender) if sender else b"<>" + helo.lower()
    return Record(
        Kind.GREY, tuple_for(b"192.0.2.0/24", compared, normal_recipient(recipient), details).key, life, details
    )


RECORDS = {
    "GREY|192.0.2.1|mx.example.net|<them@example.net>|<us@example.org>|1799999940|1800001440|1800014340|2|0": grey(
        b"mx.example.net", b"them@example.net", b"us@example.org"
    ),
    "WHITE|192.0.2.1|||1799999940|1800001440|1800014340|2|0": Record(Kind.WHITE, b"192.0.2.1", LIFE),
    "WHITE|2001:db8::/64|||1799999940|1800001440|1800014340|2|0": Record(Kind.WHITE, b"2001:db8::/64", LIFE),
    "TRAPPED|192.0.2.1|1800014340": Record(Kind.TRAPPED, b"192.0.2.1", Life(NOW, NOW, NOW + 14340, 1)),
    "SPAMTRAP|trap@example.org": Record(Kind.SPAMTRAP, b"trap@example.org", Life(NOW, NOW, FOREVER)),
    "DOMAIN|example.net|1799999940|1800001440|1800014340|2|0": Record(Kind.DOMAIN, b"example.net", LIFE),
    "PAIR|<them@example.net>|<us@example.org>|1799999940|1800001440|1800014340|2|0": Record(
        Kind.PAIR, pair_name(b"them@example.net", b"us@example.org"), LIFE
    ),
}


@pytest.mark.parametrize(("line", "record"), RECORDS.items())
def test_lines_and_records(line: str, record: Record) -> None:
    assert to_line(record) == line
    assert from_line(line, NOW, Timers(), Prefixes()) == record


@given(st.binary(max_size=400), st.binary(max_size=400), st.binary(max_size=400))
def test_whatever_a_client_sends_is_one_line_and_comes_back(helo: bytes, sender: bytes, recipient: bytes) -> None:
    record = grey(helo, sender, recipient)
    line = to_line(record)
    assert all(" " <= letter <= "~" for letter in line)
    assert line.count("|") == 9
    assert from_line(line, NOW, Timers(), Prefixes()) == record
    row = to_row(record, NOW)
    assert all(" " <= letter <= "~" for letter in row)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "no such kind"),
        ("GREEN|192.0.2.1", "no such kind of entry: GREEN"),
        ("WHITE|192.0.2.1|||1|2|3|4", "WHITE has 9 fields, not 8"),
        ("WHITE|example.org|||1|2|3|4|5", "does not appear to be an IPv4 or IPv6 address"),
        ("WHITE|192.0.2.0/24|||1|2|3|4|5", "one IPv4 address or one /64"),
        ("WHITE|192.0.2.1|||one|2|3|4|5", "one is no number"),
        ("WHITE|192.0.2.1|||1|2|-3|4|5", "-3 is no number"),
        ("WHITE|192.0.2.1|||1|2|99999999999999999|4|5", "is no number"),
        ("GREY|192.0.2.1|h|a@b|<c@d>|1|2|3|4|5", "angle brackets"),
        ("SPAMTRAP|", "is no mail address"),
    ],
)
def test_a_line_that_is_none_says_why(line: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        from_line(line, NOW, Timers(), Prefixes())


@given(st.text(max_size=80))
def test_no_line_does_worse_than_value_error(line: str) -> None:
    for text in (line, "|".join(["GREY", *line]), "|".join(["WHITE", *line])):
        try:
            from_line(text, NOW, Timers(), Prefixes())
        except ValueError:
            continue


def test_a_trap_from_a_listing_lasts_a_day_at_most() -> None:
    record = from_line(f"TRAPPED|192.0.2.1|{NOW + 10**9}", NOW, Timers(), Prefixes())
    assert record.life.expires == NOW + 86400


def test_names() -> None:
    assert white_name("2001:db8::1") == b"2001:db8::/64"
    assert white_name("2001:db8::/64") == b"2001:db8::/64"
    assert white_name("192.0.2.1/32") == b"192.0.2.1"
    assert trap_name("<Trap@Example.ORG>") == b"trap@example.org"


def test_a_row_tells_times_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    row = to_row(grey(b"h", b"them@example.net", b"us@example.org"), NOW)
    assert row == (
        "GREY     192.0.2.1                2027-01-15 07:59  passes in 24 minutes              "
        "<them@example.net> -> <us@example.org>"
    )
    passed = grey(b"h", b"a@b", b"c@d", LIFE._replace(passed=3))
    assert "passed 3x, for 3 hours 59 minutes more" in to_row(passed, NOW)
    assert "may pass, for" in to_row(grey(b"h", b"a@b", b"c@d", LIFE._replace(passes=NOW)), NOW)
    assert to_row(RECORDS["SPAMTRAP|trap@example.org"], NOW).endswith(
        "for ever                          -> <trap@example.org>"
    )


def test_on_a_narrow_terminal_a_row_is_two_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    row = to_row(grey(b"h", b"them@example.net", b"us@example.org"), NOW, 80)
    assert row.splitlines() == [
        "GREY     192.0.2.1                passes in 24 minutes",
        "         2027-01-15 07:59  <them@example.net> -> <us@example.org>",
    ]
    assert heading(80).splitlines() == [
        "KIND     CLIENT                   STATE",
        "         SINCE             FROM AND TO",
    ]
    long = grey(b"h", b"a" * 300 + b"@b", b"c" * 300 + b"@d")._replace(
        details=Details(b"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", b"h", b"a" * 300 + b"@b", b"c" * 300 + b"@d", b"g")
    )
    passed = long._replace(life=LIFE._replace(passed=12))
    domain = Record(Kind.DOMAIN, b"d" * 250, LIFE)
    for record in (*RECORDS.values(), long, passed, domain):
        for width in (60, 80, 119):
            assert all(len(line) <= width for line in to_row(record, NOW, width).splitlines())
            assert len(to_row(record, NOW, 120).splitlines()) == 1


def test_spans_in_words() -> None:
    assert [in_words(seconds) for seconds in (0, 59, 60, 3600, 3660, 90000, 86400 * 36)] == [
        "a moment",
        "a moment",
        "1 minute",
        "1 hour",
        "1 hour 1 minute",
        "1 day 1 hour",
        "36 days",
    ]
