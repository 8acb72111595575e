"""``filterctl ready``: one answer, soon, for programs that watch: an exit status, and with -N a line for Nagios."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from filter_api.options import options_of, parse_whole
from filterctl.live.sockets import NoSockets, name_of, sockets, statuses
from filterctl.live.status import troubles

OPTIONS: Final = """\
-j             as JSON
-N             exit codes and words as Nagios wants them
-R             exit codes for relayd
-t milliseconds  how long all filters have to answer (default 50)
"""

MILLISECONDS = 50
"""How long the filters are waited for, all together."""

OK, WARNING, CRITICAL, UNKNOWN = range(4)
"""Exit statuses of plugins, by the Monitoring Plugins Development Guidelines."""

_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


class Health(NamedTuple):
    """ready: whether all answer and are open for mail; problems: what is wrong, filters that do not answer first."""

    ready: bool
    problems: list[str]
    filters: int
    sessions: int


def run(arguments: list[str]) -> int:
    """0 if all are ready, else 1; with -R the other way round, with -N as Nagios wants it. Raises UsageError."""
    options, words = options_of(arguments, OPTIONS)
    wait = parse_whole("-t", options.get("-t", str(MILLISECONDS)), 1, 60_000, what="milliseconds") / 1000
    try:
        health = _health(sockets(words), wait)
    except NoSockets as error:
        if "-N" not in options and "-R" not in options:
            raise
        print(f"FILTERS UNKNOWN - {error}")
        return UNKNOWN if "-N" in options else 0
    if "-j" in options:
        print(json.dumps({"ready": health.ready, "problems": health.problems, "filters": health.filters}))
    elif "-N" in options:
        print(_nagios(health))
    else:
        print("\n".join(health.problems) if health.problems else "ready")
    if "-N" in options:
        return _code(health)
    return int(health.ready) if "-R" in options else int(not health.ready)


def _health(paths: Sequence[str], seconds: float) -> Health:
    dead, other = [], []
    sessions = 0
    for path, status, why in statuses(paths, seconds):
        if status is None:
            dead.append(f"{name_of(path)}: {why}")
            continue
        sessions += status["sessions_open"]
        if not status["ready"]:
            dead.append(f"{name_of(path)}: not everything it needs is open yet")
        other += [f"{name_of(path)}: {each}" for each in troubles(status) if status["ready"]]
    return Health(not dead, [*dead, *other], len(paths), sessions)


def _code(health: Health) -> int:
    return CRITICAL if not health.ready else WARNING if health.problems else OK


def _nagios(health: Health) -> str:
    """One line, with performance data behind the bar; a bar in the text would begin them."""
    text = "; ".join(health.problems).replace("|", "/") or f"{health.filters} ready"
    return f"FILTERS {_WORDS[_code(health)]} - {text} | sessions={health.sessions} filters={health.filters}"
