"""A store of reports that somebody else has written to: nothing of it gets into a file name, a mail or a terminal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_auth.reports.row import Row
from filter_auth.reports.store import open_store
from filter_auth.tool.report import report, store
from tests.filter_auth.test_report_trouble import FACTS, RECORD


def tampered(path: Path, change: str, *values: object) -> str:
    """A store with one day of ours and one day that somebody else has changed."""
    with closing(open_store(str(path))) as opened:
        opened.add(19_000, Row("example.org", RECORD, FACTS, plain=True), 1)
        opened.add(19_000, Row("example.net", RECORD, FACTS, plain=True), 1)
        opened.commit()
    with closing(sqlite3.connect(path)) as database:
        database.execute(change, values)
        database.commit()
    return str(path)


IN_ROW = "UPDATE row SET {} = ? WHERE record = 2"
IN_RECORD = "UPDATE record SET {} = ? WHERE id = 2"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (IN_ROW.format("day"), "x"),
        (IN_ROW.format("day"), 99_999_999_999),
        (IN_ROW.format("day"), -99_999_999),
        (IN_ROW.format("count"), -5),
        (IN_ROW.format("count"), "x"),
        (IN_ROW.format("count"), 2**62),
        (IN_RECORD.format("domain"), "../../etc/x"),
        (IN_RECORD.format("domain"), "a.example\nBcc: x@evil.example"),
        (IN_RECORD.format("domain"), "\x1b[2J.example"),
        (IN_RECORD.format("domain"), b"\xff\x00"),
        (IN_RECORD.format("domain"), ""),
        (IN_RECORD.format("text"), "v=DMARC1; p=none; \u20ac"),
        (IN_RECORD.format("text"), b"v=DMARC1; p=none"),
        (IN_RECORD.format("text"), "v=DMARC1; p=none; x=" + "y" * 5_000),
    ],
)
def test_what_no_filter_has_written_into_a_store_is_no_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, value: object
) -> None:
    path = tampered(tmp_path / "store", change, value)
    assert store(["-f", path]) == 0
    assert capsys.readouterr().out == "2022-01-08 example.org: 1 messages in 1 rows\n"
    arguments = ["-e", "d@mx.example", "-O", "x", "-f", path, "-o", str(tmp_path)]
    assert report(arguments, Resolver(backend=FakeZone({})), 19_001 * 86_400.0) == 0
    [made] = tmp_path.glob("*.gz")
    assert made.name.startswith("mx.example!example.org!")


@pytest.mark.parametrize(
    "facts",
    [
        "{",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        b"\xff",
        FACTS.replace("192.0.2.1", "192.0.2.1\\u001b[2J"),
        FACTS.replace('"192.0.2.1"', "7"),
        FACTS.replace('"disposition":"none"', '"disposition":"maybe"'),
        FACTS.replace('"dkim":"fail"', '"dkim":["fail"]'),
        FACTS.replace('"reasons":[]', '"reasons":7'),
        FACTS.replace('"reasons":[]', '"reasons":[["local_policy"]]'),
        FACTS.replace('"reasons":[]', '"reasons":[["because",""]]'),
        FACTS.replace('"s","pass"', '"s","passed"'),
        FACTS.replace('"s","pass"', '7,"pass"'),
        FACTS.replace('"checked":["","none"]', '"checked":["",[]]'),
        FACTS.replace('"header_from":"example.org",', ""),
    ],
)
def test_what_no_filter_has_written_into_a_row_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], facts: str | bytes
) -> None:
    path = tampered(tmp_path / "store", IN_ROW.format("facts"), facts)
    arguments = ["-e", "d@mx.example", "-O", "x", "-f", path, "-o", str(tmp_path)]
    assert report(arguments, Resolver(backend=FakeZone({})), 19_001 * 86_400.0) == 0
    assert "2022-01-08 example.net: 1 rows are none of filter-auth, left out\n" in capsys.readouterr().out
    assert [made.name.split("!")[1] for made in tmp_path.glob("*.gz")] == ["example.org"]


@pytest.mark.parametrize("today", ["x", "", "-5", "1e9", "9" * 40, "\u0663"])
def test_a_day_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, today: str) -> None:
    path = tampered(tmp_path / "store", "INSERT OR REPLACE INTO setting VALUES ('today', ?)", today)
    with closing(open_store(path)) as opened:
        opened.forget(19_001, proven=False)
        assert [day.domain for day in opened.days()] == ["example.net", "example.org"]
        opened.forget(19_010, proven=True)
        assert opened.days() == []
