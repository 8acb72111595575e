"""Which logs are read, in which order, and from when their lines are."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path

import pytest

from filterctl.mail import logfile
from filterctl.mail.logfile import default_logs, in_order, lines, read_once
from filterctl.mail.timestamps import ANY_TIME, Calendar, Span, until

LINE = "{} mx smtpd[8]: 0000000000000001 smtp connected address=192.0.2.1 host=x\n"


def touched(path: Path, when: str, text: str = "") -> str:
    path.write_text(text)
    os.utime(path, (datetime.fromisoformat(when).timestamp(),) * 2)
    return str(path)


def test_rotated_logs_are_read_as_far_as_they_reach_into_the_span(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = touched(tmp_path / "mail.log", "2026-11-28T12:00")
    one = touched(tmp_path / "mail.log.1", "2026-11-27T00:00")
    two = touched(tmp_path / "mail.log.2.gz", "2026-11-20T00:00")
    touched(tmp_path / "mail.log.3.bak", "2026-11-20T00:00")
    touched(tmp_path / "mail.logs", "2026-11-20T00:00")
    monkeypatch.setattr(logfile, "DEFAULTS", (str(tmp_path / "maillog"), log))
    assert default_logs(ANY_TIME) == [two, one, log]
    assert default_logs(Span("2026-11-26T00:00:00", "~")) == [one, log]
    assert default_logs(Span("2026-11-28T00:00:00", "~")) == [log]


def test_logs_are_read_in_the_order_they_were_written(tmp_path: Path) -> None:
    new = touched(tmp_path / "a", "2026-11-28T12:00", LINE.format("Nov 27 09:00:00"))
    old = touched(tmp_path / "b", "2026-11-27T00:00", LINE.format("2026-11-26T09:00:00.5+00:00"))
    empty = touched(tmp_path / "c", "2026-11-20T00:00")
    assert in_order([empty, "-", new, old, "/nonexistent"]) == [old, new, empty, "-", "/nonexistent"]


@pytest.mark.parametrize(
    ("latest", "logged", "read"),
    [
        ("2026-01-02T00:00:00", "Dec 31 23:59:59", "2025-12-31T23:59:59"),
        ("2026-01-02T00:00:00", "Jan  2 12:00:00", "2026-01-02T12:00:00"),
        ("2025-12-31T23:59:59", "Jan  1 00:00:10", "2026-01-01T00:00:10"),
        ("2026-01-02T00:00:00", "Jan  5 12:00:00", "2025-01-05T12:00:00"),
        ("2026-03-02T00:00:00", "Feb 29 12:00:00", "2024-02-29T12:00:00"),
        ("2026-03-02T00:00:00", "Feb 30 12:00:00", ""),
    ],
)
def test_a_line_is_from_the_latest_year_that_is_not_after_the_log(latest: str, logged: str, read: str) -> None:
    assert Calendar(datetime.fromisoformat(latest)).read(logged) == read


def test_what_an_address_of_a_line_says_is_no_line_of_its_own(tmp_path: Path) -> None:
    path = touched(tmp_path / "log", "2026-11-28T12:00", LINE.format("Nov 27 09:00:00") + "rdns: 0000000000000001 x\n")
    assert [line.text for line in lines([path], pytest.fail)] == ["smtp connected address=192.0.2.1 host=x"]


@pytest.mark.parametrize(
    "when",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00.0+00:01", "2026-02-30T00:00:00Z"],
)
def test_a_line_of_no_time_is_passed_over(tmp_path: Path, when: str) -> None:
    path = touched(tmp_path / "log", "2026-11-28T12:00", LINE.format(when) + LINE.format("Nov 27 09:00:00"))
    assert [line.when for line in lines([path], pytest.fail)] == ["2026-11-27T09:00:00"]


@pytest.mark.parametrize("kind", ["named", "descriptor"])
def test_a_pipe_is_read_once_and_whole(tmp_path: Path, kind: str) -> None:
    text = LINE.format("Nov 27 09:00:00") * 2
    file = touched(tmp_path / "log", "2026-11-28T12:00", LINE.format("Nov 27 10:00:00"))
    if kind == "named":
        path = str(tmp_path / "fifo")
        os.mkfifo(path)
        writer = threading.Thread(target=Path(path).write_text, args=(text,), daemon=True)
        writer.start()
    else:
        end, other = os.pipe()
        os.write(other, text.encode())
        os.close(other)
        path = f"/dev/fd/{end}"
    assert read_once(path)
    assert in_order([path, file]) == [file, path]
    assert len(list(lines([path], pytest.fail))) == 2


@pytest.mark.parametrize(
    ("day", "end"),
    [("9999-12-31", "~"), ("9999-12-30", "9999-12-31T00:00:00"), ("2024-02-28", "2024-02-29T00:00:00")],
)
def test_a_day_is_meant_to_its_end_even_the_last_one(day: str, end: str) -> None:
    assert until(day) == end
