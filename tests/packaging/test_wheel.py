"""Wheel and sdist: every module, executable and manual page is in, and nothing else is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("hatchling", reason="builds with hatchling; pip install -e '.[test]'")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


def sources() -> set[str]:
    """The modules there are, by their names in site-packages."""
    tops = [ROOT / "filter_api", *(path.parent for path in (ROOT / "filters").glob("*/__init__.py"))]
    return {path.relative_to(top.parent).as_posix() for top in tops for path in top.rglob("*.py")}


def test_every_module_is_in(wheel: zipfile.ZipFile) -> None:
    assert {name for name in wheel.namelist() if name.endswith(".py")} == sources()
    assert "filter_api/py.typed" in wheel.namelist()


def test_nothing_else_is_in(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    packages = {name.split("/")[0] for name in sources()}
    assert tops == packages | {f"opensmtpd_filters-{VERSION}.dist-info", f"opensmtpd_filters-{VERSION}.data"}


def test_every_filter_is_an_executable(wheel: zipfile.ZipFile) -> None:
    text = wheel.read(f"opensmtpd_filters-{VERSION}.dist-info/entry_points.txt").decode()
    scripts = dict(re.findall(r"^([\w-]+) = (\S+)$", text, re.MULTILINE))
    mains = {path.parent.name for path in (ROOT / "filters").glob("*/__main__.py")}
    assert scripts == {name.replace("_", "-"): f"{name}.__main__:run" for name in mains}


def test_manual_pages_and_examples_are_in_their_places(wheel: zipfile.ZipFile) -> None:
    """When this fails: name the new page in pyproject.toml, under shared-data."""
    prefix = f"opensmtpd_filters-{VERSION}.data/data/"
    shared = {name.removeprefix(prefix) for name in wheel.namelist() if name.startswith(prefix)}
    pages = {f"share/man/man{path.suffix[1:]}/{path.name}" for path in (ROOT / "man").glob("*.[1-9]")}
    examples = {path.relative_to(ROOT) for path in (ROOT / "examples").rglob("*") if path.is_file()}
    assert shared == pages | {f"share/examples/opensmtpd-filters/{path.relative_to('examples')}" for path in examples}


def test_the_packing_list_of_the_port_has_every_file_that_the_wheel_puts_into_site_packages(
    wheel: zipfile.ZipFile,
) -> None:
    text = (ROOT / "ports/mail/opensmtpd-filters/python/pkg/PLIST").read_text().replace("${MODPY_DISTV}", VERSION)
    place = "lib/python${MODPY_VERSION}/site-packages/"
    lines = [line.removeprefix(place) for line in text.splitlines() if line.startswith(place)]
    listed = {line for line in lines if not line.endswith("/") and "${MODPY_PYCACHE}" not in line}
    assert {name for name in wheel.namelist() if ".data/" not in name} == listed


def test_the_library_needs_little(wheel: zipfile.ZipFile) -> None:
    """dnspython and cryptography; redis only as an extra. Debian 12 has them all in these versions."""
    metadata = wheel.read(f"opensmtpd_filters-{VERSION}.dist-info/METADATA").decode()
    needed = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata, re.MULTILINE)
    assert sorted(needed) == ["cryptography>=38", "dnspython>=2.3"]
    assert re.search(r"^Requires-Dist: redis>=4\.3; extra == .redis.$", metadata, re.MULTILINE)


def test_the_sdist_has_what_a_packager_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {"Makefile", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tools/install", "debian/rules"}
    assert wanted - {path for path in wanted if not (ROOT / path).exists()} <= names
    for folder in ("man", "docs", "examples", "tests"):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).iterdir() if path.is_file()}
        assert files <= names
    assert not {name for name in names if name.startswith((".venv", ".git/", "build/"))}


def test_two_builds_of_one_source_are_equal_in_every_byte(tmp_path: Path) -> None:
    """Another folder, another umask, other times of files: who builds it himself can compare."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    made = []
    for number, umask in ((1, 0o022), (2, 0o077)):
        copy = tmp_path / f"source{number}"
        for name in filter(None, listed.decode().split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
            (copy / name).chmod((ROOT / name).stat().st_mode & 0o777 & ~umask)
            os.utime(copy / name, (number * 1_000_000_000, number * 1_000_000_000))
        words = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path / f"dist{number}")]
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True, timeout=100, check=False, umask=umask)
        assert done.returncode == 0, done.stdout + done.stderr
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"dist{number}").iterdir()})
    assert sorted(made[0]) == [f"opensmtpd_filters-{VERSION}-py3-none-any.whl", f"opensmtpd_filters-{VERSION}.tar.gz"]
    assert made[0] == made[1]
