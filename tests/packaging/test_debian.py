"""The Debian package: it builds, lintian finds no error, and everything is where Debian's smtpd and man look for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from filter_api.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("dpkg-buildpackage", "dh", "dh_python3", "lintian")
#: Debian's own tools and Python, whatever virtual environment the tests run in.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}

pytestmark = [
    pytest.mark.daemon,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(tool, path=ENVIRONMENT["PATH"]) is None for tool in TOOLS)
        or not Path("/usr/lib/python3/dist-packages/hatchling").exists(),
        reason="needs Debian with debhelper, dh-python, pybuild-plugin-pyproject, python3-hatchling and lintian",
    ),
]


def run(words: list[str], folder: Path) -> str:
    """Run a tool of Debian's; give what it printed."""
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package, from a copy of the sources."""
    folder = tmp_path_factory.mktemp("debian")
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, folder / "source", ignore=ignored, symlinks=True)
    run(["dpkg-buildpackage", "-b", "-us", "-uc"], folder / "source")
    return folder / f"opensmtpd-filters_{VERSION}-1_all.deb"


@pytest.mark.timeout(240)
def test_the_package_builds(package: Path) -> None:
    assert package.is_file()


def test_everything_is_in_its_place(package: Path) -> None:
    lines = run(["dpkg-deb", "-c", str(package)], package.parent).splitlines()
    files = {line.split()[5].removeprefix(".") for line in lines if not line.startswith("d")}
    filters = {path.parent.name.replace("_", "-") for path in (ROOT / "filters").glob("filter_*/__main__.py")}
    assert {f"/usr/libexec/opensmtpd/{name}" for name in filters} <= files
    assert "/usr/sbin/filterctl" in files
    pages = {f"/usr/share/man/man{path.suffix[1:]}/{path.name}.gz" for path in (ROOT / "man").glob("*.[1-9]")}
    assert pages <= files
    assert "/usr/share/doc/opensmtpd-filters/examples/smtpd.conf" in files
    assert not {name for name in files if name.startswith("/usr/bin/")}


def test_it_needs_debians_own_libraries(package: Path) -> None:
    depends = run(["dpkg-deb", "-f", str(package), "Depends"], package.parent)
    assert "python3-cryptography (>= 38)" in depends
    assert "python3-dnspython (>= 2.3)" in depends


def test_lintian_finds_no_error(package: Path) -> None:
    changes = next(package.parent.glob("*.changes"))
    words = ["lintian", "--fail-on", "error", "--no-tag-display-limit", str(changes)]
    if os.geteuid() == 0:
        words.insert(1, "--allow-root")
    assert "\nE: " not in "\n" + run(words, package.parent)
