"""The table the demo prints, as wide as the terminal allows."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from demo.stage import Scene, Seen

HEADINGS = ("client", "sends", "smtpd answers", "filter", "why")
SHARES = (22, 20, 34, 9, 30)
"""Least widths of the columns; what a wider terminal has more goes to the answers and the reasons."""


def widths(total: int) -> tuple[int, ...]:
    spare = max(0, total - sum(SHARES) - 2 * (len(SHARES) - 1))
    return (SHARES[0], SHARES[1], SHARES[2] + spare // 2, SHARES[3], SHARES[4] + spare - spare // 2)


def row(cells: Sequence[str], columns: Sequence[int]) -> str:
    """One row: every cell wrapped to its column."""
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(cells, columns, strict=True)
    ]
    height = max(len(lines) for lines in wrapped)
    lines = [
        "  ".join(
            (lines[i] if i < len(lines) else "").ljust(width) for lines, width in zip(wrapped, columns, strict=True)
        )
        for i in range(height)
    ]
    return "\n".join(line.rstrip() for line in lines)


def show(groups: Iterable[tuple[str, Sequence[tuple[Scene, Seen]]]]) -> str:
    columns = widths(min(shutil.get_terminal_size((128, 24)).columns, 160))
    parts = [row(HEADINGS, columns), row(["-" * width for width in columns], columns)]
    for heading, played in groups:
        parts.append(f"\n{heading}\n")
        for scene, seen in played:
            client = f"{scene.who} [{scene.source}]"
            why = seen.why + (f"; {seen.delivered}" if seen.delivered else "")
            parts.append(row((client, scene.what, seen.answer, seen.filter or "-", why), columns))
    return "\n".join(parts)
