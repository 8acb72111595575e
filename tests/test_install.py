"""`make install`: what it puts where, and that what it put there runs by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILTERS = {path.parent.name.replace("_", "-") for path in ROOT.glob("filters/filter_*/__main__.py")}


def make(program: str, *variables: str) -> str:
    """Run make and return what it printed."""
    words = [program, "install", f"PYTHON={sys.executable}", *variables]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", ["make", "bmake"])
def test_what_is_installed_runs(program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    make(program, f"PREFIX={tmp_path}", f"LIBEXECDIR={tmp_path}/smtpd")
    installed = {path.name for path in (tmp_path / "smtpd").iterdir()}
    assert installed == FILTERS
    environment = {**os.environ, "PYTHONPATH": "/nowhere"}
    for path in [*(tmp_path / "smtpd").iterdir()]:
        done = subprocess.run([path, "-V"], env=environment, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout.split()[0]) == (0, path.name), done.stderr
    done = subprocess.run([tmp_path / "sbin/filterctl"], capture_output=True, text=True, timeout=30, check=False)
    assert "usage: filterctl" in done.stderr


def test_packagers_get_everything_below_destdir(tmp_path: Path) -> None:
    """And nothing in it knows where that was."""
    make("make", f"DESTDIR={tmp_path}", "PREFIX=/usr", "LIBEXECDIR=/usr/libexec/opensmtpd", "MANDIR=/usr/share/man")
    assert {path.name for path in tmp_path.iterdir()} == {"usr"}
    launcher = tmp_path / "usr/libexec/opensmtpd/filter-rdns"
    assert '"/usr/lib/opensmtpd-filters"' in launcher.read_text()
    assert launcher.stat().st_mode & 0o777 == 0o755
    pages = {path.name for path in (tmp_path / "usr/share/man").glob("man*/*")}
    assert pages == {path.name for path in ROOT.glob("man/*.[1-9]")}
    assert (tmp_path / "usr/share/examples/opensmtpd-filters/smtpd.conf").is_file()
    assert (tmp_path / "usr/share/doc/opensmtpd-filters/runbook.md").is_file()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path


def test_bash_and_zsh_complete_filterctl_until_it_is_uninstalled(tmp_path: Path) -> None:
    files = [tmp_path / "share/bash-completion/completions/filterctl", tmp_path / "share/zsh/site-functions/_filterctl"]
    words = (f"PREFIX={tmp_path}", f"LIBEXECDIR={tmp_path}/smtpd")
    make("make", *words)
    for path, shell in zip(files, ("bash", "zsh"), strict=True):
        asked = [f"{tmp_path}/sbin/filterctl", "completion", shell]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        assert path.read_text() == done.stdout
        assert "quarantine" in done.stdout
        assert path.stat().st_mode & 0o777 == 0o644
    again = ["make", "uninstall", f"PYTHON={sys.executable}", *words]
    subprocess.run(again, cwd=ROOT, capture_output=True, timeout=100, check=True)
    assert not [path for path in files if path.exists()]


def test_without_the_libraries_a_packager_is_told_that_nothing_completes_filterctl(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in *"import dns"*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    words = ["make", "install", f"PYTHON={python}", f"DESTDIR={tmp_path}/root", "PREFIX=/usr"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "without dnspython filterctl cannot tell what completes it: nothing for bash and zsh\n" in done.stderr
    assert (tmp_path / "root/usr/sbin/filterctl").is_file()
    assert not (tmp_path / "root/usr/share/zsh").exists()


def test_compiled_files_are_there(tmp_path: Path) -> None:
    """smtpd's users may not write below the prefix: without these every start would compile."""
    make("make", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    compiled = list((tmp_path / "usr/lib/opensmtpd-filters").rglob("__pycache__/*.pyc"))
    sources = list((tmp_path / "usr/lib/opensmtpd-filters").rglob("*.py"))
    assert len(compiled) == len(sources) > 50


def test_a_relative_place_is_refused(tmp_path: Path) -> None:
    """Behind DESTDIR it would become part of its name."""
    words = ["make", "install", f"PYTHON={sys.executable}", f"DESTDIR={tmp_path}/root", "PREFIX=usr"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "usr: an absolute path is wanted" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("status", "shown"), [(0, False), (1, True)])
def test_what_pip_says_is_shown_only_when_it_fails(status: int, shown: bool, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, script in (("python", "exit 0"), ("pip", f"echo WARNING: much ado; exit {status}")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    words = ["make", "venv", "PYTHON=true", f"VENV={tmp_path}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ("WARNING: much ado" in done.stdout) is shown
    assert (done.returncode != 0) is shown
