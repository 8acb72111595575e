"""Sizes on command lines."""

from __future__ import annotations

import pytest

from filter_api.text.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("512000", 512000), ("500k", 512000), ("25m", 25 << 20), ("1G", 1 << 30), ("2T", 2 << 40)],
)
def test_powers_of_1024(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "k", "1.5g", "-1", "1 k", "1kk", "1kb", "\u0663", "1" * 16, "9" * 5000, "1e3"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of bytes"):
        parse_bytes(text)
