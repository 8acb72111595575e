"""The lines for crontab(5) that the pages give: what they mail is the report of the day before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.test_manuals import ROOT

_LINE = re.compile(r"^ *\d+ \d+ \* \* \* (?:/usr/local/sbin/)?(filterctl report .*-s yesterday.*)$", re.MULTILINE)


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("page", ["man/filterctl.8", "docs/runbook.md"])
def test_the_report_of_yesterday_is_mailed(page: str, tmp_path: Path) -> None:
    commands = [line for line in _LINE.findall((ROOT / page).read_text()) if "| mail " in line]
    assert commands
    log = tmp_path / "maillog"
    days = [(datetime.now(UTC) - timedelta(days=number)).astimezone() for number in (2, 1, 0)]
    log.write_text(
        "".join(
            f"{day:%Y-%m-%d}T00:00:0{number}{day:%z} mx smtpd[8]: rdns: 000000000000000{number} mail-from "
            f'action=reject reply="550 5.7.25 no" reason=day{number} client=192.0.2.1 from=<a@b.example>\n'
            for number, day in enumerate(days)
        )
    )
    program(tmp_path / "filterctl", f'exec "{sys.executable}" -m filterctl "$@" "{log}"')
    program(tmp_path / "mail", f'echo "$@" >"{tmp_path}/arguments"; exec cat >"{tmp_path}/mailed"')
    for command in commands:
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == "", "cron would mail that, too"
        mailed = (tmp_path / "mailed").read_text()
        assert "rdns: day1" in mailed
        assert "rdns: day0" not in mailed
        assert "rdns: day2" not in mailed
        assert (tmp_path / "arguments").read_text().split()[-1] == "root"
