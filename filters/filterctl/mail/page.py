"""``filterctl report decisions -H``: one self-contained page, no script, fit for light, dark, paper and readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
table { border-collapse: collapse; table-layout: fixed; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; width: 32%; overflow-wrap: anywhere; }
svg.bar { width: 100%; height: .6rem; } svg.chart { width: 100%; height: auto; }
dl.totals { display: flex; flex-wrap: wrap; gap: 1.5rem; }
dl.totals div { display: flex; flex-direction: column-reverse; }
dl.totals dd { margin: 0; font-size: 1.6rem; } dl.totals dt { color: var(--faint); }
ul.legend { display: flex; flex-wrap: wrap; gap: 1.2rem; list-style: none; padding: 0; }
svg text { font: 11px sans-serif; fill: var(--text); } .grid { stroke: var(--line); } .back { fill: var(--back); }
.edge { stroke: var(--back); stroke-width: .5; } .c0 { fill: var(--c0); } .c1 { fill: var(--c1); }
.c2 { fill: var(--c2); } .c3 { fill: var(--c3); } .s4 { stroke: var(--c4); fill: none; }
.total { fill: var(--faint); }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser runs and fetches nothing, whatever a page holds."""


def page(summary: Summary, most: int) -> Iterator[str]:
    """The page in pieces. most: rows of the tables of reasons, networks and domains."""
    span = f"{summary.first} to {summary.last}".replace("T", " ") if summary.first else "the log has no line of mail"
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Decisions of the mail filters</title><style>{_STYLE}</style></head><body>{PATTERNS}"
        f'<h1>Decisions of the mail filters</h1><p class="span">{escape(span)}</p>\n'
    )
    yield from _totals(summary)
    yield legend(VERDICTS)
    yield _section("By hour of the day", _over_time("Decisions by hour", _all_hours(summary)))
    yield _section("By day", _over_time("Decisions by day", summary.days.by_name()))
    yield _section("By filter and reason", _table("Filter and reason", summary.reasons.largest(most)))
    yield _section("By client network", _table("Network", summary.networks.largest(most)))
    yield _section("By domain of the sender", _table("Domain", summary.domains.largest(most)))
    yield "</body></html>\n"


def _totals(summary: Summary) -> Iterator[str]:
    numbers = {"sessions": summary.sessions, "messages taken": summary.taken, **summary.totals}
    items = (f"<div><dt>{escape(name)}</dt><dd>{count}</dd></div>" for name, count in numbers.items())
    yield f'<dl class="totals">{"".join(items)}</dl>\n'


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>\n"


def _all_hours(summary: Summary) -> list[tuple[str, Row]]:
    known = dict(summary.hours.by_name())
    return [(f"{hour:02}", known.get(f"{hour:02}", dict.fromkeys(VERDICTS, 0))) for hour in range(24)]


def _over_time(title: str, rows: Sequence[tuple[str, Row]]) -> str:
    return columns(title, [name for name, _ in rows], [_numbers(row) for _, row in rows], VERDICTS)


def _table(heading: str, rows: Sequence[tuple[str, Row]]) -> str:
    most = max((sum(row.values()) for _, row in rows), default=0)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (heading, *VERDICTS, "in all"))
    body = "".join(_row(name, row, most) for name, row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(name: str, row: Row, most: int) -> str:
    total = sum(row.values())
    cells = "".join(f"<td>{count or ''}</td>" for count in _numbers(row))
    return f'<tr><td>{_text(name)}</td>{cells}<td class="bar">{bar(total, most, f"{total} in all")}</td></tr>'


def _numbers(row: Row) -> list[int]:
    return [row[verdict] for verdict in VERDICTS]


def _text(value: str) -> str:
    return escape(shown(value, 100))
