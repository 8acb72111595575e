"""What files said when the process was confined: for one that was replaced since then and cannot be read any more."""

from __future__ import annotations

from typing import Final

MOST: Final = 65_536
"""Bytes of a file that are kept."""

_TEXTS: Final[dict[str, str]] = {}


def keep(path: str) -> bool:
    """Remember what is in a file; whether it could be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            _TEXTS[path] = file.read(MOST)
    except OSError:
        return False
    return True


def recall(path: str) -> str | None:
    """What was in it; None if it was never kept."""
    return _TEXTS.get(path)
