"""Sender scores: amavisd's file format, the most specific line, and what needs proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_spamassassin.scores import SenderScore, read_scores

TABLE = """\
# soft black and white list
bad.example.com          10
good.example.org         -5
.wide.example            2.5
user@wide.example        -1.5   unverified
plus.example             +3
news@                    1
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "sender-scores"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (b"x@bad.example.com", SenderScore(10.0)),
        (b"X@BAD.example.com", SenderScore(10.0)),
        (b"x@sub.bad.example.com", None),
        (b"x@good.example.org", SenderScore(-5.0)),
        (b"x@wide.example", SenderScore(2.5)),
        (b"x@deep.down.wide.example", SenderScore(2.5)),
        (b"user@wide.example", SenderScore(-1.5, unverified=True)),
        (b"x@plus.example", SenderScore(3.0)),
        (b"news@anywhere.example", SenderScore(1.0)),
        (b"x@example.net", None),
    ],
)
def test_the_most_specific_line(table: Path, sender: bytes, expected: SenderScore | None) -> None:
    found = read_scores(str(table)).find_address(sender)
    assert (found.value if found else None) == expected


def test_what_needs_proof() -> None:
    assert SenderScore(-5.0).needs_proof
    assert not SenderScore(-5.0, unverified=True).needs_proof
    assert not SenderScore(10.0).needs_proof


@pytest.mark.parametrize("value", ["", "ten", "10 verified", "1e3", "--5", "5,5", "99999", "1.2345", "5 unverified x"])
def test_a_bad_line_is_named(tmp_path: Path, value: str) -> None:
    path = tmp_path / "scores"
    path.write_text(f"good.example 1\nbad.example {value}\n")
    with pytest.raises(ConfigError, match=r"scores:2: .*(no score like 10, -2\.5 or -5 unverified|no value)"):
        read_scores(str(path))
