"""check asks the smtpd of the system first, or says that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterctl.conf import check
from filterctl.programs import smtpd

CONF = "listen on lo0\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "smtpd.conf"
    path.write_text(CONF)
    return path


def installed(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "smtpd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(smtpd, "PLACES", (str(program),))


def test_what_smtpd_says_is_told_first_and_fails_the_check(
    conf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(conf.parent, 'test "$1 $2" = "-n -f" && echo "$3:1: syntax error" >&2; exit 1', monkeypatch)
    assert check.run([str(conf)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"smtpd: {conf}:1: syntax error"


@pytest.mark.parametrize(("status", "told"), [(1, True), (0, False)])
def test_braces_over_several_lines_are_told_where_smtpd_refuses_the_file(
    conf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, told: bool
) -> None:
    conf.write_text('listen on lo0\nmatch from src {\n"a" } for any reject\n')
    installed(conf.parent, f'echo "$3:2: syntax error" >&2; exit {status}', monkeypatch)
    assert check.run([str(conf)]) == status
    note = f"{conf}:2: note: braces over several lines, which OpenSMTPD 6.8 refuses: end each line with a backslash"
    assert (note in capsys.readouterr().out.splitlines()) == told


def test_nothing_is_told_of_an_smtpd_that_is_content(
    conf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(conf.parent, 'echo "configuration OK" >&2', monkeypatch)
    assert check.run([str(conf)]) == 0
    assert capsys.readouterr() == (f"{conf}: note: no filter lines\n", "")


def test_an_smtpd_that_is_not_there_is_told(
    conf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smtpd, "PLACES", ("/nonexistent/smtpd",))
    assert check.run([str(conf)]) == 0
    assert "no smtpd is installed here, so smtpd -n was not asked" in capsys.readouterr().err


def test_an_smtpd_that_never_ends_is_given_up(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(conf.parent, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(smtpd, "PATIENCE", 0.2)
    assert "smtpd -n could not be asked" in (smtpd.refusals(str(conf)) or [""])[0]
