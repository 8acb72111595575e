"""``filterctl report decisions``: what all filters and smtpd decided, as text, as JSON or as a page.

filterctl report decisions [-Hj] [-n count] [-s since] [-u until] [maillog ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from filter_api.errors import UsageError
from filter_api.options import options_of
from filterctl.mail.decisions import VERDICTS, Counts, Row, Summary, summary
from filterctl.mail.logfile import default_logs, in_order, lines
from filterctl.mail.mailtext import shown
from filterctl.mail.page import page
from filterctl.mail.timestamps import span_of

OPTIONS: Final = """\
-H         a page in HTML, with charts
-j         print JSON
-n count   how many reasons, networks and domains are listed (default 10)
-s since   from this time on: today, yesterday, 2026-11-20 ...
-u until   before this time, or up to the end of this day
"""

_NAME, _NUMBER = 30, 10
"""Characters of a name and of a number in a table, which has 80 in all."""


def run(arguments: list[str]) -> int:
    """The report. Raises UsageError, ConfigError, OSError."""
    given, operands = options_of(arguments, OPTIONS)
    if "-H" in given and "-j" in given:
        raise UsageError("-H or -j, not both")
    most = count_of(given)
    span = span_of(given, "" if operands else "today")
    bad: list[str] = []
    counted = summary(lines(in_order(operands or default_logs(span)), bad.append, span))
    if "-H" in given:
        sys.stdout.writelines(page(counted, most))
    elif "-j" in given:
        print(as_json(counted, most))
    else:
        for line in as_text(counted, most):
            print(line)
    for complaint in bad:
        print(f"filterctl: report: {complaint}", file=sys.stderr)
    return 1 if bad else 0


def count_of(options: dict[str, str]) -> int:
    """The number of -n, 10 without. Raises UsageError."""
    count = options.get("-n", "10")
    if not (count.isascii() and count.isdigit() and 1 <= len(count) <= 4):
        raise UsageError("-n takes a number")
    return int(count)


def as_text(counted: Summary, most: int) -> Iterator[str]:
    """Tables of 80 columns."""
    if not counted.first:
        yield "no line of mail in this time"
        return
    yield f"Decisions from {counted.first} to {counted.last}".replace("T", " ")
    yield f"{_many(counted.sessions, 'session')}, {_many(counted.taken, 'message')} taken by smtpd"
    yield from _table("", [("in all", counted.totals)])
    yield from _table("filter: reason", counted.reasons.largest(most))
    yield from _table("client network", counted.networks.largest(most))
    yield from _table("domain of the sender", counted.domains.largest(most))
    yield from _table("day", counted.days.by_name())
    yield from _table("hour", counted.hours.by_name())


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _table(heading: str, rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"{heading:<{_NAME}}{''.join(f'{verdict:>{_NUMBER}}' for verdict in VERDICTS)}"
    for name, row in rows:
        numbers = "".join(f"{row[verdict] or '-':>{_NUMBER}}" for verdict in VERDICTS)
        yield f"{shown(name, _NAME - 1):<{_NAME}}{numbers}"


def as_json(counted: Summary, most: int) -> str:
    """Everything as one object; ASCII, so that no terminal is driven by it."""

    def named(rows: Sequence[tuple[str, Row]]) -> dict[str, Row]:
        return dict(rows)

    def largest(counts: Counts) -> dict[str, Row]:
        return named(counts.largest(most))

    found = {
        "first": counted.first or None,
        "last": counted.last or None,
        "sessions": counted.sessions,
        "taken": counted.taken,
        "totals": counted.totals,
        "reasons": largest(counted.reasons),
        "networks": largest(counted.networks),
        "domains": largest(counted.domains),
        "days": named(counted.days.by_name()),
        "hours": named(counted.hours.by_name()),
    }
    return json.dumps(found, indent=1).replace("\x7f", "\\u007f")
