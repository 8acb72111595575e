"""The benchmarks' driver believes no filter: what is wrong with an answer ends the measurement."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import build

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler; tools/daemons installs gcc")

ECHO = r"""
import os
os.write(1, b"register|report|smtp-in|link-connect\nregister|filter|smtp-in|mail-from\n"
            b"register|filter|smtp-in|data-line\nregister|filter|smtp-in|commit\nregister|ready\n")
tail = b""
while data := os.read(0, 65536):
    *lines, tail = (tail + data).split(b"\n")
    answers = []
    for line in lines:
        kind, *fields = line.split(b"|", 7)
        if kind != b"filter":
            continue
        phase, session, token, argument = fields[3:]
        if phase == b"data-line":
            answers.append(b"filter-dataline|" + session + b"|" + token + b"|" + argument + b"\n")
        else:
            answers.append(b"filter-result|" + session + b"|" + token + b"|proceed\n")
        CHANGE
    os.write(1, b"".join(answers))
"""


def drive(tmp_path: Path, change: str, *options: str) -> tuple[dict[str, Any] | None, str]:
    """Run the driver against an echo filter with one line of code more; what it measured, what it complained of."""
    script = tmp_path / "filter.py"
    script.write_text(ECHO.replace("CHANGE", change))
    command = [str(build.driver()), "-s", "30", "-k", "5", "-w", "0", "-b", "2000", *options]
    done = subprocess.run([*command, sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    return (json.loads(done.stdout) if done.returncode == 0 else None), done.stderr


def test_a_good_filter_is_measured(tmp_path: Path) -> None:
    measured, _ = drive(tmp_path, "pass")
    assert measured is not None
    assert measured["messages"] == 30
    assert measured["requests"] == measured["proceed"] == 60
    assert measured["data_lines"] > 30 * 25
    assert measured["lines"] == measured["data_lines"] + 30 + 60
    assert measured["cpu_ms"] > 0
    assert measured["registered"] == ["link-connect", "ask:mail-from", "ask:data-line", "ask:commit"]


@pytest.mark.parametrize("runs", ["1", "7", "1000"])
def test_lines_may_come_in_any_runs(tmp_path: Path, runs: str) -> None:
    measured, complaint = drive(tmp_path, "pass", "-r", runs)
    assert measured is not None, complaint


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("answers[-1] = answers[-1].replace(b'Subject', b'subject')", "returned"),
        ("answers[-1] = b'' if b'Subject' in line else answers[-1]", "returned"),
        ("answers += answers[-1:] if b'Subject' in line else []", "returned"),
        ("answers += answers[-1:] if phase == b'commit' else []", "nobody asked for"),
        ("answers[-1] = answers[-1].replace(token, b'0' * 16)", "wrong token"),
        ("answers[-1] = answers[-1].replace(b'proceed', b'perhaps')", "not an answer"),
        ("answers.append(b'register|ready\\n')", "not an answer"),
        ("answers.append(b'\\n')", "not an answer"),
        ("os._exit(0) if phase == b'commit' else None", "closed its"),
    ],
)
def test_a_bad_filter_is_not(tmp_path: Path, change: str, complaint: str) -> None:
    measured, said = drive(tmp_path, change)
    assert measured is None
    assert complaint in said


def test_a_line_of_another_session_is_noticed(tmp_path: Path) -> None:
    change = "first = session if 'first' not in globals() else first; answers[-1] = answers[-1].replace(session, first)"
    measured, _ = drive(tmp_path, change)
    assert measured is None


def test_headers_may_be_added_where_that_is_declared(tmp_path: Path) -> None:
    change = (
        "answers[-1:] = [b'filter-dataline|%b|%b|%b\\n' % (session, token, text) for text in (b'X-A: 1', b' more')]"
        " + answers[-1:] if b'Subject' in line else answers[-1:]"
    )
    measured, _ = drive(tmp_path, change)
    assert measured is None
    measured, complaint = drive(tmp_path, change, "-a", "X-A")
    assert measured is not None, complaint
    assert measured["added_lines"] == 60


def test_refusals_are_counted(tmp_path: Path) -> None:
    refusal = "b'reject|550 no'"
    change = f"answers[-1] = answers[-1].replace(b'proceed', {refusal}) if phase == b'mail-from' else answers[-1]"
    measured, complaint = drive(tmp_path, change)
    assert measured is not None, complaint
    assert measured["reject"] == 30
    assert measured["messages"] == 0


def test_starts_are_timed(tmp_path: Path) -> None:
    measured, _ = drive(tmp_path, "pass", "-S", "3")
    assert measured is not None
    assert 0 < measured["ready_min_us"] <= measured["ready_p50_us"] <= measured["ready_max_us"]
    assert measured["ready_rss_kb"] > 1000
