"""Every row of the table of cases that is text has a test that names it; left out, and said so, without the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).resolve().parents[1]
CASES = TESTS.parents[1] / "shared/auth/cases.yml"
_ROW = re.compile(r"(?<![A-Za-z0-9])([KCAXP])([0-9]{2})(?: to \1([0-9]{2}))?(?![0-9])", re.IGNORECASE)

pytestmark = [
    pytest.mark.daemon,  # in CI the data may not be missing
    pytest.mark.skipif(not CASES.exists(), reason="left out: the data in ../shared/auth is not here"),
]


def named() -> set[str]:
    """The rows that tests name: K02, "C01 to C05", test_k11_from_must_be_signed."""
    found = set()
    for folder in ("dkim", "dmarc", "filter_auth", "smtpd"):
        for path in (TESTS / folder).glob("test_*.py"):
            for letter, first, last in _ROW.findall(path.read_text(encoding="utf-8").replace("_", " ")):
                found |= {f"{letter.upper()}{number:02}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_every_row_is_named_by_a_test() -> None:
    rows = {row["id"] for row in yaml.safe_load(CASES.read_bytes())["text"]}
    assert len(rows) == 91
    assert rows - named() == set()
