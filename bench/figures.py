"""Figures with their bounds, and the table they are printed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value. must: the bound it is held to; aim: what would be good; higher: whether more is better.

    note: what the reader needs to judge it, such as the values a ratio came from.
    """

    what: str
    value: float
    unit: str = ""
    must: float | None = None
    aim: float | None = None
    higher: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Say ``ok``, ``FAIL``, or nothing where there is no bound."""
        if self.must is None:
            return ""
        good = self.value >= self.must if self.higher else self.value <= self.must
        return "ok" if good else "FAIL"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bound(figure: Figure, value: float | None) -> str:
    return "" if value is None else ("≥ " if figure.higher else "≤ ") + _number(value)


def table(title: str, figures: Iterable[Figure]) -> str:
    """Lay the figures out as a Markdown table that also reads well as plain text."""
    rows = [("what", "measured", "must", "aim", "", "from")]
    for figure in figures:
        measured = f"{_number(figure.value)} {figure.unit}".strip()
        must, aim = _bound(figure, figure.must), _bound(figure, figure.aim)
        rows.append((figure.what, measured, must, aim, figure.verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    lines = ["| " + " | ".join(cells) + " |" for cells in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def failed(figures: Iterable[Figure]) -> list[Figure]:
    """Give those beyond their bound."""
    return [figure for figure in figures if figure.verdict == "FAIL"]
