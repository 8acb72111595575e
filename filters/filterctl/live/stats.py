"""``filterctl stats``: the counters of running filters, a line each, as smtpctl(8) shows those of smtpd."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Final

from filter_api.control.document import Figured, Member, Status, quantile
from filter_api.options import options_of
from filterctl.live.sockets import name_of, sockets, statuses

OPTIONS: Final = """\
-j             as JSON
"""

_PLAIN = (
    *("uptime", "cpu_seconds", "sessions", "sessions_open", "messages", "messages_held", "questions_open"),
    *("library_refusals", "held_bytes", "memory_bytes", "unwritten_bytes", "log_dropped"),
)


def run(arguments: list[str]) -> int:
    """0 if all answered; raises UsageError, ConfigError."""
    options, words = options_of(arguments, OPTIONS)
    failed = False
    tables: dict[str, dict[str, float]] = {}
    for path, status, why in statuses(sockets(words)):
        if status is None:
            sys.stderr.write(f"{name_of(path)}: {why}\n")
            failed = True
        else:
            tables[path] = dict(counters(status))
    if "-j" in options:
        print(json.dumps(tables, indent=2))
    else:
        lines = [
            f"{name_of(path)}.{key}={value:.12g}" for path, table in tables.items() for key, value in table.items()
        ]
        print("\n".join(lines))
    return 1 if failed else 0


def counters(status: Status) -> Iterator[tuple[str, float]]:
    """Each counter by its name; times in seconds."""
    for key in _PLAIN:
        yield key, status[key]  # type: ignore[literal-required]  # names of the document, all of them numbers
    for what, answers in (("command", status["commands"]), ("message", status["examined"])):
        yield f"{what}.answers", sum(answers["classes"])
        yield f"{what}.p50", quantile(answers, 0.5)
        yield f"{what}.p99", quantile(answers, 0.99)
    for figure in status["figures"]:
        yield _name_of(figure), figure["value"]
    for member in status["members"]:
        name = member["name"]
        for key, count in _decisions(member).items():
            yield f"{name}.{key}", count
        for reply in member["replies"]:
            yield f"{name}.reply.{reply['code']}.{reply['enhanced']}", reply["count"]
        yield f"{name}.failed", member["failed"]
        yield f"{name}.timed_out", member["timed_out"]
        yield f"{name}.exceptions", member["exceptions"]
        for figure in member["figures"]:
            yield f"{name}.{_name_of(figure)}", figure["value"]


def _decisions(member: Member) -> dict[str, int]:
    """All by phase and verdict, and behind that those with a reason."""
    found: dict[str, int] = {}
    for each in member["decisions"]:
        whole = f"{each['phase']}.{each['verdict']}"
        found[whole] = found.get(whole, 0) + each["count"]
        if each["reason"] != "-":
            found[f"{whole}.{each['reason']}"] = each["count"]
    return found


def _name_of(figure: Figured) -> str:
    """The name with the values of its labels."""
    return ".".join([figure["name"], *figure["labels"].values()])
