"""Charts as SVG inside a page: no script, no file beside it; told apart by pattern as well as by colour.

Colours come from the page's style, so that they follow the reader's theme and the printer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH, _HEIGHT, _TOP, _FOOT, _LEFT = 720, 160, 16, 18, 64
_LABELS: Final = 12  # that a chart has room for
_FEW: Final = 8  # that it has room for where the window is narrow, and letters are larger
_KINDS: Final = 5

PATTERNS: Final = (
    '<svg width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="k0" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" class="c0"/>'
    "</pattern>"
    '<pattern id="k1" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="back"/><rect width="3" height="6" class="c1"/></pattern>'
    '<pattern id="k2" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" class="back"/>'
    '<circle cx="3" cy="3" r="2" class="c2"/></pattern>'
    '<pattern id="k3" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" class="back"/>'
    '<rect width="6" height="2" class="c3"/></pattern>'
    '<pattern id="k4" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" class="back"/>'
    '<path d="M0 0L6 6M6 0L0 6" class="s4"/></pattern>'
    "</defs></svg>"
)
"""Fillings, one a kind: whole, stripes, dots, lines, crosses. Once in a page."""


def columns(title: str, labels: Sequence[str], values: Sequence[Sequence[int]], kinds: Sequence[str]) -> str:
    """A column for each label, of a part for each kind. values: a row of `kinds` numbers for each label."""
    most = max([sum(row) for row in values], default=0)
    step = (_WIDTH - _LEFT) / max(len(labels), 1)
    parts = [_scale(most)]
    for place, (label, row) in enumerate(zip(labels, values, strict=True)):
        parts.append(_column(_LEFT + place * step, step, row, most, f"{label}: {_in_words(row, kinds)}"))
        shown, left_out = divmod(place, -(-len(labels) // _LABELS))
        if not left_out:
            middle = _LEFT + (place + 0.5) * step
            more = ' class="more"' if shown % 2 and len(labels) > _FEW else ""
            name = escape(_short(label))
            parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT + 14}" text-anchor="middle"{more}>{name}</text>')
    return _svg("chart", _WIDTH, _HEIGHT + _FOOT, title, "".join(parts))


def bar(value: int, most: int, title: str) -> str:
    """A bar in a row of a table, as long as its share of the largest."""
    width = round(160 * value / most, 1) if most else 0
    return _svg("bar", 160, 10, title, f'<rect width="{width}" height="10" class="total"/>')


def legend(kinds: Sequence[str]) -> str:
    """Which filling is which kind."""
    keys = (
        f'<li><svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" fill="url(#k{number})"/>'
        f"</svg> {escape(kind)}</li>"
        for number, kind in enumerate(kinds)
    )
    return f'<ul class="legend">{"".join(keys)}</ul>'


def _column(left: float, step: float, row: Sequence[int], most: int, title: str) -> str:
    top = float(_HEIGHT)
    parts = []
    for kind, count in enumerate(row):
        height = count * (_HEIGHT - _TOP) / most if most else 0
        top -= height
        if count:
            parts.append(
                f'<rect x="{left + step * 0.1:.1f}" y="{top:.1f}" width="{step * 0.8:.1f}" height="{height:.1f}" '
                f'fill="url(#k{kind % _KINDS})" class="edge"/>'
            )
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


def _short(label: str) -> str:
    """A day without its year, as there is little room; the column's title has it."""
    return label[5:] if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", label) else label


def _number(count: int) -> str:
    """At most five characters, up to ten thousand millions."""
    if count < 10_000:
        return str(count)
    return f"{count // 1000}k" if count < 10_000_000 else f"{count // 1_000_000}M"


def _scale(most: int) -> str:
    line = '<line x1="{0}" x2="{1}" y1="{2}" y2="{2}" class="grid"/><text x="{3}" y="{4}" text-anchor="end">{5}</text>'
    heights = {0: _HEIGHT, most: _TOP} if most else {0: _HEIGHT}
    return "".join(line.format(_LEFT, _WIDTH, y, _LEFT - 4, y + 4, _number(count)) for count, y in heights.items())


def _in_words(row: Sequence[int], kinds: Sequence[str]) -> str:
    return ", ".join(f"{count} {kind}" for count, kind in zip(row, kinds, strict=True) if count) or "none"


def _svg(style: str, width: int, height: int, title: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{style}" role="img" viewBox="0 0 {width} {height}" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{inside}</svg>'
    )
