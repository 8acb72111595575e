"""``filterctl report -H``: one self-contained page, no script, fit for light, dark, paper and readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from filterctl.mail.charts import PATTERNS, bar, columns, legend
from filterctl.mail.decisions import VERDICTS, Row, Summary
from filterctl.mail.mailtext import shown

_STYLE: Final = """
:root { color-scheme: light dark; --text: #1b1b1b; --back: #fff; --faint: #767676; --line: #ccc;
  --c0: #a32015; --c1: #a86400; --c2: #1f5fa8; --c3: #5b5b5b; --c4: #2a7a4b; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8e8; --back: #161616; --faint: #9c9c9c; --line: #444;
  --c0: #ff8a7a; --c1: #ffbe57; --c2: #7fb6ff; --c3: #bdbdbd; --c4: #7ddba3; } }
@media print { :root { color-scheme: light; --text: #000; --back: #fff; --faint: #555; --line: #999;
  --c0: #a32015; --c1: #a86400; --c2: #1f5fa8; --c3: #5b5b5b; --c4: #2a7a4b; }
  section { break-inside: avoid; } * { print-color-adjust: exact; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--back); }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p.span { color: var(--faint); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .5rem; width: 11%; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; width: 34%; overflow-wrap: anywhere; }
td.bar { white-space: nowrap; } svg.bar { width: 4rem; height: .6rem; margin-left: .5rem; }
svg.chart { width: 100%; height: auto; }
dl.totals { display: flex; flex-wrap: wrap; gap: 1.5rem; }
dl.totals div { display: flex; flex-direction: column-reverse; }
dl.totals dd { margin: 0; font-size: 1.6rem; } dl.totals dt { color: var(--faint); }
ul.legend { display: flex; flex-wrap: wrap; gap: 1.2rem; list-style: none; padding: 0; }
svg text { font: 11px sans-serif; fill: var(--text); } .grid { stroke: var(--line); } .back { fill: var(--back); }
.edge { stroke: var(--back); stroke-width: .5; } .c0 { fill: var(--c0); } .c1 { fill: var(--c1); }
.c2 { fill: var(--c2); } .c3 { fill: var(--c3); } .s4 { stroke: var(--c4); fill: none; }
.total { fill: var(--faint); }
table.messages { font-size: .85rem; } table.messages th, table.messages td { text-align: left; width: auto; }
table.messages td { overflow-wrap: anywhere; } table.messages td:first-child { min-width: 6rem; }
@media screen and (max-width: 44rem) { svg.chart text { font-size: 18px; } svg.chart text.more { display: none; }
  thead, td:empty { display: none; } table, tbody { display: block; }
  tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  td, table.messages td { display: inline-block; width: auto; max-width: 100%; box-sizing: border-box; border: 0;
    padding: .1rem 1rem .1rem 0; text-align: left; overflow-wrap: anywhere; }
  td:first-child { display: block; width: auto; font-weight: bold; }
  td[data-of]::before { content: attr(data-of) " "; color: var(--faint); } }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser runs and fetches nothing, whatever a page holds."""


def page(summary: Summary, most: int) -> Iterator[str]:
    """The page in pieces. most: rows of the tables of reasons, networks and domains."""
    span = f"{summary.first} to {summary.last}".replace("T", " ") if summary.first else "the log has no line of mail"
    yield head("Decisions of the mail filters", span)
    yield totals({"sessions": summary.sessions, "messages taken": summary.taken, **summary.totals})
    yield legend(VERDICTS)
    yield section("By hour of the day", over_time("Decisions by hour", _all_hours(summary), VERDICTS))
    yield section("By day", over_time("Decisions by day", summary.days.by_name(), VERDICTS))
    yield section("By filter and reason", table("Filter and reason", summary.reasons.largest(most), VERDICTS))
    yield section("By client network", table("Network", summary.networks.largest(most), VERDICTS))
    yield section("By domain of the sender", table("Domain", summary.domains.largest(most), VERDICTS))
    yield END


END: Final = "</body></html>\n"


def head(title: str, span: str) -> str:
    """How a page begins. span: the time that it is about, in words."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{PATTERNS}"
        f'<h1>{escape(title)}</h1><p class="span">{escape(span)}</p>\n'
    )


def totals(numbers: Mapping[str, int]) -> str:
    """Some numbers in large letters."""
    items = (f"<div><dt>{escape(name)}</dt><dd>{count}</dd></div>" for name, count in numbers.items())
    return f'<dl class="totals">{"".join(items)}</dl>\n'


def section(title: str, inside: str) -> str:
    """A part with its heading; inside: HTML."""
    return f"<section><h2>{escape(title)}</h2>{inside}</section>\n"


def _all_hours(summary: Summary) -> list[tuple[str, Row]]:
    known = dict(summary.hours.by_name())
    return [(f"{hour:02}", known.get(f"{hour:02}", dict.fromkeys(VERDICTS, 0))) for hour in range(24)]


def over_time(title: str, rows: Sequence[tuple[str, Row]], kinds: Sequence[str]) -> str:
    """A chart with a column for each row."""
    return columns(title, [name for name, _ in rows], [_numbers(row, kinds) for _, row in rows], kinds)


def table(heading: str, rows: Sequence[tuple[str, Row]], kinds: Sequence[str]) -> str:
    """A table of numbers, with a bar in each row."""
    most = max((sum(row.values()) for _, row in rows), default=0)
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in (heading, *kinds, "in all"))
    body = "".join(_row(name, row, most, kinds) for name, row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _row(name: str, row: Row, most: int, kinds: Sequence[str]) -> str:
    total = sum(row.values())
    cells = "".join(cell(kind, str(count or "")) for kind, count in zip(kinds, _numbers(row, kinds), strict=True))
    drawn = bar(total, most, f"{total} in all")
    return f'<tr><td>{text(name)}</td>{cells}<td class="bar" data-of="in all">{total}{drawn}</td></tr>'


def cell(heading: str, inside: str) -> str:
    """A cell of a table, below its heading, which stands before it where the window is narrow; inside: HTML."""
    return f'<td data-of="{escape(heading)}">{inside}</td>'


def _numbers(row: Row, kinds: Sequence[str]) -> list[int]:
    return [row[kind] for kind in kinds]


def text(value: str, limit: int = 100) -> str:
    """What a stranger wrote, as text of a page."""
    return escape(shown(value, limit))
