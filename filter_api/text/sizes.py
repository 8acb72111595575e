"""Sizes as operators write them: ``512000``, ``500k``, ``25m``, ``1g``."""

from __future__ import annotations

from typing import Final

from filter_api.text.escape import printable

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_bytes(text: str) -> int:
    """A number of bytes; k, m, g and t are powers of 1024, in either case. Raises ValueError."""
    number = text.lower().rstrip("kmgt")
    unit = text.lower()[len(number) :]
    if not (number.isascii() and number.isdigit() and len(number) <= 15) or unit not in _UNITS:
        raise ValueError(f"not a number of bytes, like 512000, 500k, 25m or 1g: {printable(text)}")
    return int(number) * _UNITS[unit]
