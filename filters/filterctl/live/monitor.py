"""``filterctl monitor``: a line an interval for each running filter, with what happened in it."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Final, TypedDict

from filter_api.control.document import Answers, Status, decided, quantile, refused
from filter_api.errors import UsageError
from filter_api.options import options_of, parse_seconds, parse_whole
from filterctl.live.sockets import name_of, sockets, statuses

OPTIONS: Final = """\
-i seconds     between two lines (default 5)
-j             as JSON
-n count       lines, then end
"""

HEAD = f"{'FILTER':<20}{'SESSIONS':>9}{'DECIDED':>9}{'REFUSED':>8}{'FAILED':>7}{'P50':>9}{'P99':>9}{'HELD':>11}"
_EVERY = 20  # lines between two headings
_MOST = 86_400.0


class Row(TypedDict):
    """What happened in an interval. sessions and held (bytes): at its end; p50, p99: seconds, -1 for no answer."""

    filter: str
    sessions: int
    decided: int
    refused: int
    failed: int
    p50: float
    p99: float
    held: int


def run(arguments: list[str]) -> int:
    """0 when it has shown what was asked for; raises UsageError, ConfigError."""
    options, words = options_of(arguments, OPTIONS)
    interval = parse_seconds("-i", options.get("-i", "5"), _MOST)
    count = parse_whole("-n", options["-n"], 1, 1_000_000) if "-n" in options else math.inf
    if "-j" in options and "-n" not in options and not sys.stdout.isatty():
        raise UsageError("-j to a program wants -n, the number of intervals")
    paths = sockets(words)
    before: dict[str, Status] = {path: status for path, status, _ in statuses(paths) if status is not None}
    shown, printed = 0, 0
    while shown < count:
        time.sleep(interval)
        for path, status, why in statuses(paths):
            if status is None:
                sys.stderr.write(f"{name_of(path)}: {why}\n")
                continue
            row = row_of(path, before.get(path), status)
            if "-j" not in options and printed % _EVERY == 0:
                print(HEAD)
            print(json.dumps(row) if "-j" in options else line_of(row), flush=True)
            before[path] = status
            printed += 1
        shown += 1
    return 0


def row_of(path: str, before: Status | None, now: Status) -> Row:
    """The difference of two looks; a filter that was started anew since is told of from its start."""
    old = before if before is not None and before["pid"] == now["pid"] else None
    decisions, refusals, failures = _totals(now)
    classes = _classes(now)
    if old is not None:
        decisions, refusals, failures = (new - was for new, was in zip(_totals(now), _totals(old), strict=True))
        classes = [max(new - was, 0) for new, was in zip(classes, _classes(old), strict=True)]
    answers: Answers = {"classes": classes, "seconds": 0.0}
    any_answer = any(classes)
    return {
        "filter": name_of(path),
        "sessions": now["sessions_open"],
        "decided": decisions,
        "refused": refusals,
        "failed": failures,
        "p50": quantile(answers, 0.5) if any_answer else -1.0,
        "p99": quantile(answers, 0.99) if any_answer else -1.0,
        "held": now["held_bytes"],
    }


def _totals(status: Status) -> tuple[int, int, int]:
    """Decisions, those that refuse, those that failed."""
    members = status["members"]
    return sum(map(decided, members)), sum(map(refused, members)), sum(each["failed"] for each in members)


def _classes(status: Status) -> list[int]:
    """How long all answers took, on commands and on messages."""
    pairs = zip(status["commands"]["classes"], status["examined"]["classes"], strict=True)
    return [one + other for one, other in pairs]


def line_of(row: Row) -> str:
    """One line of the table."""
    return (
        f"{row['filter']:<20}{row['sessions']:>9}{row['decided']:>9}{row['refused']:>8}{row['failed']:>7}"
        f"{_time(row['p50']):>9}{_time(row['p99']):>9}{row['held']:>11}"
    )


def _time(seconds: float) -> str:
    if seconds < 0:
        return "-"
    return ">120s" if math.isinf(seconds) else f"<{seconds:g}s"
