"""The manual pages read the same in mandoc, which the BSDs have, and in groff, which Linux has: no word is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parents[2] / "man").glob("*.[1-9]"))
WIDTH = 500
#: What the two write differently without a loss: blanks, line breaks, hyphens, dashes and quotes.
_DRESS = re.compile(r"[\s\u2010-\u2015\u2212\u00ad'\u2018\u2019-]+")
#: Bold and underlined characters, as a terminal of paper would be told to print them.
_OVERSTRUCK = re.compile(".\x08")


def rendered(command: list[str], page: Path) -> tuple[str, str]:
    """The text between the first and the last line, which hold names and dates, and what was complained about."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; tools/daemons installs it on Debian")
    done = subprocess.run([*command, str(page)], capture_output=True, text=True, encoding="utf-8", check=True)
    lines = _OVERSTRUCK.sub("", done.stdout).strip("\n").splitlines()
    return "\n".join(lines[1:-1]), done.stderr


def in_groff(page: Path) -> tuple[str, str]:
    return rendered(["groff", "-mandoc", "-Tutf8", "-P-cbou", "-ww", f"-rLL={WIDTH}n"], page)


def first_difference(one: str, other: str) -> str:
    """Where two texts part, with some words before it; empty if they say the same."""
    left, right = _DRESS.sub("", one), _DRESS.sub("", other)
    if left == right:
        return ""
    at = next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(min(left, right)))
    return f"{left[max(0, at - 60) : at + 60]!r} is not {right[max(0, at - 60) : at + 60]!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_shows_what_mandoc_shows(page: Path) -> None:
    mandoc, _ = rendered(["mandoc", "-Tutf8", f"-Owidth={WIDTH}"], page)
    groff, complaints = in_groff(page)
    assert first_difference(mandoc, groff) == ""
    assert complaints == ""


def test_a_lost_section_would_be_seen(tmp_path: Path) -> None:
    """An author behind the title ends the reference in groff before its time: it did, once."""
    page = tmp_path / "lost.8"
    page.write_text(
        ".Dd November 28, 2026\n.Dt LOST 8\n.Os\n.Sh NAME\n.Nm lost\n.Nd lost\n.Sh STANDARDS\n"
        ".Rs\n.%A A. Author\n.%T Title of An Author\n.%R RFC 1\n.Re\n"
    )
    mandoc, _ = rendered(["mandoc", "-Tutf8", f"-Owidth={WIDTH}"], page)
    groff, complaints = in_groff(page)
    assert first_difference(mandoc, groff) != "" or complaints != ""
