"""The Debian package: it builds, lintian finds no error, and everything is where Debian's smtpd and man look for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.packaging.conftest import completion, run

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.daemon, pytest.mark.slow]


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
    documents = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {f"/usr/share/doc/opensmtpd-filters/{name}" for name in documents} <= files
    assert not {name for name in files if name.startswith("/usr/bin/")}


def test_bash_and_zsh_complete_filterctl(package: Path) -> None:
    run(["dpkg-deb", "-x", str(package), "extracted"], package.parent)
    share = package.parent / "extracted/usr/share"
    for path, shell in (
        ("bash-completion/completions/filterctl", "bash"),
        ("zsh/vendor-completions/_filterctl", "zsh"),
    ):
        assert (share / path).read_text() == completion(shell)


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
