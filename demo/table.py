"""The table the demo prints, as wide as the terminal allows."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from demo.stage import Scene, Seen

HEADINGS = ("client", "sends", "is told", "by", "why", "delivered")
SHARES = (17, 17, 30, 12, 24, 24)
"""Least widths of the columns; what a wider terminal has more goes to the answers, the reasons and the mailboxes."""
GAP = 2


def widths(total: int) -> tuple[int, ...]:
    spare = max(0, total - sum(SHARES) - GAP * (len(SHARES) - 1)) // 3
    return tuple(share + (spare if index in {2, 4, 5} else 0) for index, share in enumerate(SHARES))


def row(cells: Sequence[str], columns: Sequence[int]) -> str:
    """One row: every cell wrapped to its column."""
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(cells, columns, strict=True)
    ]
    height = max(len(lines) for lines in wrapped)
    full = [[*lines, *[""] * (height - len(lines))] for lines in wrapped]
    lines = [
        (" " * GAP).join(cell.ljust(width) for cell, width in zip(line, columns, strict=True))
        for line in zip(*full, strict=True)
    ]
    return "\n".join(line.rstrip() for line in lines)


def show(groups: Iterable[tuple[str, Sequence[tuple[Scene, Seen]]]]) -> str:
    columns = widths(min(shutil.get_terminal_size((150, 24)).columns, 200))
    parts = [row(HEADINGS, columns), row(["-" * width for width in columns], columns)]
    for heading, played in groups:
        parts.append(f"\n{heading}\n")
        for scene, seen in played:
            client = f"{scene.who} [{scene.source}]"
            parts.append(row((client, scene.what, seen.answer, seen.filter or "-", seen.why, seen.delivered), columns))
    return "\n".join(parts)
