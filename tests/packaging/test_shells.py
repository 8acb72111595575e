"""The shell scripts in the shells of the systems they are for: dash is Debian's sh, mksh the nearest to OpenBSD's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("dash", "mksh")
#: What is read by a shell and does not say so in its first line: recipes, and scripts that debhelper puts together.
UNMARKED = ("ports/alpine/opensmtpd-filters/APKBUILD", "ports/void/opensmtpd-filters/template")

pytestmark = pytest.mark.parametrize("shell", SHELLS)


def scripts() -> list[str]:
    """Every script of the project, wherever it lies."""
    found = set(UNMARKED)
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or (name[0] != "." and name not in {"build", "dist"})]
        paths = [Path(folder, name) for name in names]
        found |= {str(path.relative_to(ROOT)) for path in paths if path.is_file() and marked(path)}
    return sorted(found)


def marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(64).rstrip() in {b"#!/bin/sh", b"#!/usr/bin/env sh"}


def run(shell: str, script: str, *words: str, status: int = 0, **variables: str) -> str:
    """What a script prints that must end with this status."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = [shutil.which(shell) or "", str(ROOT / script), *words]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def programs(folder: Path, **stubs: str) -> str:
    """A PATH with the plain tools of a system and these programs instead of its own."""
    folder.mkdir()
    own = {name.replace("_", "-"): text for name, text in stubs.items()}
    for name in {"mkdir", "cat", "tr", "grep", "sed", "dirname", "basename", "date", "rm", "git", "stat"} - own.keys():
        (folder / name).symlink_to(shutil.which(name) or "")
    for name, text in own.items():
        with (folder / name).open("x") as file:  # never through a link to the real one
            file.write(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_all_are_found(shell: str) -> None:
    assert {"debian/tests/smoke", "debian/opensmtpd-filters.postinst", "tools/install"} < set(scripts())


@pytest.mark.parametrize("script", scripts())
def test_a_script_can_be_read(shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", script], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_installs_and_takes_away_the_same(shell: str, tmp_path: Path) -> None:
    places = {"DESTDIR": str(tmp_path), "PREFIX": "/usr", "LIBEXECDIR": "/usr/libexec/opensmtpd"}
    places["PYTHON"] = sys.executable

    def install(*words: str) -> str:
        return run(shell, "tools/install", *words, status=0, **places)

    assert "filters in /usr/libexec/opensmtpd" in install()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    listed = (tmp_path / "usr/lib/opensmtpd-filters/installed").read_text().split()
    assert {os.path.normpath(name.removeprefix("/")) for name in listed} <= files
    assert {f"usr/share/man/man8/{path.name}" for path in ROOT.glob("man/*.8")} <= files
    assert "usr/libexec/opensmtpd/filter-rdns" in files
    assert "removed" in install("uninstall")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_relative_place_is_refused(shell: str, tmp_path: Path) -> None:
    told = run(shell, "tools/install", status=1, DESTDIR=str(tmp_path), PREFIX="usr")
    assert told == "tools/install: usr: an absolute path is wanted\n"


@pytest.mark.parametrize("script", ["tools/daemons", "tools/pythons"])
def test_a_word_that_means_nothing_is_told(shell: str, script: str, tmp_path: Path) -> None:
    told = run(shell, script, "nonsense", status=1, OPENSMTPD_FILTERS_CACHE=str(tmp_path))
    assert told.startswith(f"usage: {script} [")


def test_on_openbsd_it_is_told_what_to_add(shell: str, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", uname="echo OpenBSD")
    told = run(shell, "tools/daemons", PATH=path, OPENSMTPD_FILTERS_CACHE=str(tmp_path / "cache"))
    assert "daemons: pkg_add redis clamav" in told


def test_elsewhere_it_is_told_what_to_install_by_hand(shell: str, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", uname="echo FreeBSD", id="echo 1000")
    told = run(shell, "tools/daemons", PATH=path, OPENSMTPD_FILTERS_CACHE=str(tmp_path / "cache"))
    assert "daemons: no Debian: please install redis" in told
    assert "daemons: trixie: private smtpds need Linux namespaces; on FreeBSD" in told


def test_who_is_not_root_is_told_what_is_missing(shell: str, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", uname="echo Linux", id="echo 1000", dpkg_query="exit 1")
    told = run(shell, "tools/daemons", PATH=path, OPENSMTPD_FILTERS_CACHE=str(tmp_path / "cache"))
    assert "daemons: not root, so these packages are not installed: debootstrap iproute2" in told
    assert "daemons: bookworm-bare: not made, that needs root" in told


def test_a_system_that_is_there_is_not_made_again(shell: str, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", uname="echo Linux", id="echo 0")
    (tmp_path / "cache/postfix").mkdir(parents=True)
    (tmp_path / "cache/postfix/.complete").write_text("postfix\n")
    told = run(shell, "tools/daemons", "postfix", PATH=path, OPENSMTPD_FILTERS_CACHE=str(tmp_path / "cache"))
    assert told == "daemons: postfix: there\n"


def test_nothing_is_released_that_is_not_committed(shell: str, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/release", tmp_path / "tools")
    path = programs(tmp_path / "bin", git="echo 1")
    told = run(shell, str(tmp_path / "tools/release"), status=1, PATH=path)
    assert told == "release: there are changes that are not committed: commit or stash them\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("postinst", ["configure", ""]),
        ("postinst", ["configure", "1.0"]),
        ("postinst", ["abort-upgrade", "0.9"]),
        ("prerm", ["upgrade", "1.1"]),
        ("postrm", ["remove"]),
        ("postrm", ["upgrade", "1.1"]),
    ],
)
def test_what_dpkg_calls(shell: str, script: str, words: list[str], tmp_path: Path) -> None:
    """What does nothing to the system it runs on; the rest is tried in fresh systems."""
    path = programs(tmp_path / "bin", dpkg_query="printf 1.0")
    assert run(shell, f"debian/opensmtpd-filters.{script}", *words, PATH=path) == ""
