"""The OpenBSD port: its packing list is what the sources say, and its Makefile knows every kind of file."""

from __future__ import annotations

import runpy
from pathlib import Path

from filter_api.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
PORT = ROOT / "ports/mail/opensmtpd-filters/python"


def test_the_packing_list_is_true() -> None:
    """When this fails: ports/mail/opensmtpd-filters/python/mkplist >ports/mail/opensmtpd-filters/python/pkg/PLIST."""
    assert (PORT / "pkg/PLIST").read_text() == runpy.run_path(str(PORT / "mkplist"))["plist"]()


def test_the_makefile_makes_each_file_that_completes_filterctl() -> None:
    makefile = (PORT / "Makefile").read_text()
    for line in (PORT / "pkg/PLIST").read_text().splitlines():
        if line.endswith("filterctl") and line.startswith("share/"):
            assert f">${{PREFIX}}/{line}\n" in makefile
    assert makefile.count(" completion ") == 2


def test_the_version_is_the_projects() -> None:
    assert f"MODPY_DISTV =\t{VERSION}\n" in (PORT / "Makefile").read_text()


def test_the_makefile_installs_every_section_of_the_manual() -> None:
    sections = {path.suffix[1:] for path in (ROOT / "man").glob("*.[1-9]")}
    line = next(line for line in (PORT / "Makefile").read_text().splitlines() if line.startswith(".for s in "))
    assert sections <= set(line.split()[3:])


def test_its_comment_is_as_long_as_one_may_be() -> None:
    """Makefile.template of the ports tree: at most 60 characters."""
    (comment,) = [line for line in (PORT / "Makefile").read_text().splitlines() if line.startswith("COMMENT =")]
    assert len(comment.partition("=")[2].strip()) <= 60
