"""filterctl report messages: by time, as JSON, and on a terminal with a heading, its width, colours and a total."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filterctl.__main__ import main
from tests.filterctl.mail.test_report import LOG
from tests.support.terminal import filterctl_on_a_terminal


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "maillog"
    path.write_text(LOG)
    os.utime(path, (datetime(2026, 11, 22, tzinfo=UTC).timestamp(),) * 2)
    return path


def on_a_terminal(log: Path, *, width: int, **environment: str) -> list[str]:
    """What a terminal of that width shows."""
    return filterctl_on_a_terminal("report", "messages", str(log), width=width, **environment)


@pytest.mark.parametrize("width", [80, 132, 200])
def test_a_terminal_gets_a_heading_its_own_width_and_a_total(log: Path, width: int) -> None:
    told = on_a_terminal(log, width=width, NO_COLOR="1")
    assert told[0].split() == ["time", "from", "to", "score", "result", "subject"]
    assert told[-1] == "4 messages, 2 refused"
    assert len(told) == 6
    assert max(map(len, told)) <= width
    assert "ann@ex" in told[1]
    assert "The minutes" in told[1] or width == 80


def test_colours_repeat_what_the_words_say(log: Path) -> None:
    told = on_a_terminal(log, width=120)
    spam, virus = told[2], told[3]
    assert (spam[:5], spam[-4:]) == ("\x1b[33m", "\x1b[0m")
    assert "spam! " in spam
    assert virus.startswith("\x1b[31m")
    assert "\x1b" not in told[1]
    plain = on_a_terminal(log, width=120, NO_COLOR="1")
    assert [line.removeprefix("\x1b[33m").removeprefix("\x1b[31m").removesuffix("\x1b[0m") for line in told] == plain


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["-s", "2026-11-21"], 2),
        (["-u", "2026-11-20"], 2),
        (["-s", "2026-11-20T09:53:14", "-u", "2026-11-20T10:00:01"], 2),
        (["-s", "2026-12-01"], 0),
    ],
)
def test_since_and_until(log: Path, capsys: pytest.CaptureFixture[str], options: list[str], count: int) -> None:
    assert main(["report", "messages", *options, str(log)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_a_key_to_sort_by_has_a_letter_of_its_own(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for options in (["-k", "score"], ["-s", "score"], ["-k", "score", "-s", "2026-11-20"]):
        assert main(["report", "messages", *options, str(log)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] == told[2]
    assert main(["report", "messages", "-k", "subject", str(log)]) == 1
    assert "-k takes time, score" in capsys.readouterr().err


def test_as_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "messages", "-j", "-m", "result=ham", str(log)]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["time"], first["filters"], first["score"]) == (
        "2026-11-20T09:53:12",
        ["clamav", "spamassassin"],
        "-1.9",
    )
    assert second["from"] == "<>"


def test_a_report_of_nothing_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 1
    assert "a report of what? decisions or messages" in capsys.readouterr().err
