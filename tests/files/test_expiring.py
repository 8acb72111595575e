"""Entries that expire (``until DATE``): they count up to the end of their day, and no longer, whatever else happens."""

from __future__ import annotations

import logging
import os
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import ConfigError
from filter_api.files.exempt import ExemptTable
from filter_api.files.reloading import READ_AT_ONCE, ReloadingFile
from filter_api.files.tables import AddressTable, DomainTable, KeyValueTable, Networks
from filter_api.text.lines import NEVER, Line, LineError, content_lines, dated, end_of_day, living

LAST_SECOND = 1_798_761_599.0  # 2026-12-31 23:59:59 UTC


class Hands:
    """A clock that the test sets: seconds since 1970, and those of the loop beside it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def names(file: ReloadingFile[list[bytes]]) -> list[bytes]:
    return file.current()


def followed(path: Path, hands: Hands) -> ReloadingFile[list[bytes]]:
    return ReloadingFile(str(path), lambda lines: [line.text for line in lines], clock=hands, wall=hands, expiring=True)


@pytest.mark.parametrize(
    ("text", "entry", "expires"),
    [
        (b"192.0.2.1", b"192.0.2.1", NEVER),
        (b"192.0.2.1 until 2026-12-31", b"192.0.2.1", LAST_SECOND + 1),
        (b"192.0.2.1 - 192.0.2.9\tUNTIL\t2026-12-31", b"192.0.2.1 - 192.0.2.9", LAST_SECOND + 1),
        (b"example.org -5 until 1970-01-01", b"example.org -5", 86_400.0),
        (b"until.example.org", b"until.example.org", NEVER),
        (b"until 2026-12-31", b"until 2026-12-31", NEVER),  # no entry: the grammar of the file refuses it
    ],
)
def test_until_stands_behind_an_entry(text: bytes, entry: bytes, expires: float) -> None:
    assert dated(Line(7, text)) == (Line(7, entry), expires)


@pytest.mark.parametrize(
    "day", ["tomorrow", "2026-13-01", "2026-02-30", "20261231", "2026-W53-4", "31.12.2026", "\xe9"]
)
def test_until_takes_a_date_and_nothing_else(day: str) -> None:
    with pytest.raises(LineError, match="until takes a date like 2026-12-31, not"):
        dated(Line(1, b"192.0.2.1 until " + day.encode()))


def test_a_day_ends_at_midnight_utc() -> None:
    assert end_of_day("2026-12-31") == LAST_SECOND + 1


@given(st.binary(max_size=60), st.sampled_from(["", " until 2026-12-31"]), st.floats(0, 4e9))
def test_a_line_is_living_or_not_and_never_another_one(text: bytes, until: str, now: float) -> None:
    lines = content_lines(text.replace(b"\n", b" ") + until.encode())
    try:
        entries = [dated(line) for line in lines]
    except LineError:
        return
    alive, since, before = living(entries, now)
    assert alive == [entry.line for entry in entries if now < entry.expires]
    assert since <= now < before


def test_an_entry_expires_without_the_file_being_touched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "table"
    path.write_text("for-ever\nfor-now until 2026-12-31  # why\n")
    hands = Hands(LAST_SECOND - 10)
    file = followed(path, hands)
    assert names(file) == [b"for-ever", b"for-now"]
    hands.now = LAST_SECOND
    assert names(file) == [b"for-ever", b"for-now"]
    hands.now += 1
    assert names(file) == [b"for-ever"]
    assert [record.message for record in caplog.records] == [f"{path}: entries have expired"]


def test_it_expires_though_the_file_is_gone_and_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "table"
    path.write_text("first until 2026-12-30\nsecond until 2026-12-31\n")
    hands = Hands(LAST_SECOND - 86_400)
    file = followed(path, hands)
    path.unlink()
    hands.now += 1
    assert names(file) == [b"second"]
    for _ in range(5):
        hands.now += 2
        assert names(file) == [b"second"]
    hands.now = LAST_SECOND + 1
    assert names(file) == []
    assert [record.message for record in caplog.records].count(f"{path}: entries have expired") == 2


def test_a_clock_that_was_wrong_for_a_while_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As at the start of a machine: a day in the future makes entries expire, and the right day brings them back."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "table"
    path.write_text("first until 2026-12-30\nsecond until 2026-12-31\nthird\n")
    hands = Hands(LAST_SECOND - 2 * 86_400)
    file = followed(path, hands)
    seen = []
    for now in (4e9, LAST_SECOND, LAST_SECOND - 86_400, 0.0, LAST_SECOND + 1):
        hands.now = now
        file.look()
        seen.append([name.decode() for name in names(file)])
    assert seen == [
        ["third"],
        ["second", "third"],
        ["first", "second", "third"],
        ["first", "second", "third"],
        ["third"],
    ]
    assert [record.message.removeprefix(f"{path}: ") for record in caplog.records] == [
        "entries have expired",
        "entries count again, as the clock was set back",
        "entries count again, as the clock was set back",
        "entries have expired",
    ]


def test_what_has_expired_before_the_start_never_counts(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("old until 2020-01-01\nnew\n")
    assert names(followed(path, Hands(LAST_SECOND))) == [b"new"]


def test_a_bad_version_stays_told_when_something_of_the_good_one_expires(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("one until 2026-12-31\ntwo\n")
    hands = Hands(LAST_SECOND - 10)
    file = followed(path, hands)
    path.write_text("one until 2026-12-31\ntwo until never\n")
    hands.now = LAST_SECOND - 5
    names(file)
    complaint = file.state.error
    assert complaint.startswith(f"{path}:2: until takes a date")
    hands.now = LAST_SECOND + 1
    assert names(file) == [b"two"]
    assert file.state.error == complaint


def test_a_large_file_expires_in_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("short until 2026-12-31\n" + "a-long-name\n" * (READ_AT_ONCE // 10))
    hands = Hands(LAST_SECOND)
    file = followed(path, hands)
    assert names(file)[0] == b"short"
    patience = time.monotonic() + 30
    while names(file)[0] == b"short" and time.monotonic() < patience:
        hands.now += 2
        time.sleep(0.01)
    assert names(file)[0] == b"a-long-name"


def test_a_table_that_must_hold_something_keeps_its_last_entry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "table"
    path.write_text("example.org until 2026-12-31\n")

    def parse(lines: object) -> object:
        if not lines:
            raise LineError(1, "no domain in it")
        return lines

    hands = Hands(LAST_SECOND)
    file: ReloadingFile[object] = ReloadingFile(str(path), parse, clock=hands, wall=hands, expiring=True)
    for _ in range(3):
        hands.now += 2
        assert file.current() == [Line(1, b"example.org")]
    assert [record.message for record in caplog.records] == [
        f"{path}:1: no domain in it; the version read before stays in use"
    ]


def test_every_kind_of_table_has_entries_that_expire(tmp_path: Path) -> None:
    past = "until 2001-01-01"
    path = tmp_path / "table"
    path.write_text(f"gone.example {past}\nhere.example until 2999-01-01\n")
    assert b"a@gone.example" not in AddressTable(str(path))
    assert b"a@here.example" in AddressTable(str(path))
    assert b"gone.example" not in DomainTable(str(path))
    assert b"here.example" in DomainTable(str(path))
    path.write_text(f"gone.example 1 {past}\nhere.example 2 until 2999-01-01\n")
    values = KeyValueTable(str(path), int)
    assert values.find_domain(b"gone.example") is None
    found = values.find_domain(b"here.example")
    assert found is not None
    assert found.value == 2
    path.write_text(f"192.0.2.1 192.0.2.2 {past}\n192.0.2.3 - 192.0.2.5 until 2999-01-01\n")
    networks = Networks(str(path))
    assert [ip_address(f"192.0.2.{last}") in networks for last in range(1, 7)] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]


def test_exemptions_expire(tmp_path: Path) -> None:
    path = tmp_path / "exempt"
    path.write_text("from:gone.example until 2026-12-30\nfrom:here.example until 2026-12-31\n")
    hands = Hands(LAST_SECOND)
    table = ExemptTable(str(path), allow_from=True, clock=hands, wall=hands)
    assert not table.sender_if_spf_passes(b"a@gone.example")
    assert table.sender_if_spf_passes(b"a@here.example")
    hands.now += 1
    assert not table.sender_if_spf_passes(b"a@here.example")


def test_a_version_can_be_tried_without_being_taken(tmp_path: Path) -> None:
    path = tmp_path / "exempt"
    path.write_text("192.0.2.1\n")
    (file,) = ExemptTable(str(path)).files
    file.would_take(b"192.0.2.1\nhost:mx.example.org until 2026-12-31 # why\n")
    with pytest.raises(ConfigError, match=rf"{path}:2: from: cannot be used here"):
        file.would_take(b"192.0.2.1\nfrom:example.org\n")
    assert os.path.getsize(path) == 10
