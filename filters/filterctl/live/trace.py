"""``filterctl trace``: an open session as the running filters see it, and what they log of it from now on."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Any, Final

from filter_api.control.client import ask
from filter_api.errors import UsageError
from filter_api.options import options_of
from filter_api.text.escape import printable
from filterctl.live.sockets import name_of, sockets

OPTIONS: Final = """\
-1             what there is, then end
-j             as JSON
"""

LOOK = 0.5
"""Seconds between two looks."""

_SESSION = re.compile(r"[0-9a-f]{16}")
_SHOWN = 1_000  # characters of a line


def run(arguments: list[str]) -> int:
    """0 if a filter knows the session; follows it to its end. Raises UsageError, ConfigError."""
    options, words = options_of(arguments, OPTIONS)
    if not words or not _SESSION.fullmatch(words[0]):
        raise UsageError("name a session, as the log does: 16 hexadecimal digits")
    session, paths = words[0], sockets(words[1:])
    following = dict.fromkeys(paths, 0)
    known = False
    shown: dict[str, Any] = {}
    while following:
        for path in list(following):
            found = _asked(path, session, following[path], quiet=known)
            if found is None:
                del following[path]
                continue
            known = True
            _show(path, found, shown, as_json="-j" in options)
            following[path] = int(found["next"])
            if found["session"] is None or "-1" in options:
                del following[path]
        if following:
            time.sleep(LOOK)
    return 0 if known else 1


def _asked(path: str, session: str, number: int, *, quiet: bool) -> dict[str, Any] | None:
    """What a filter knows now, and its lines from a number on; None where it knows nothing."""
    (answer,) = ask([path], f"/trace/{session}?{number}")
    try:
        found = answer.json() if answer.done else None
    except ValueError:
        found = None
    if isinstance(found, dict) and {"session", "lines", "next"} <= found.keys():
        return found
    if not quiet:
        sys.stderr.write(f"{name_of(path)}: {printable(answer.why)}\n")
    return None


def _show(path: str, found: dict[str, Any], shown: dict[str, Any], *, as_json: bool) -> None:
    """Print what is new."""
    name = name_of(path)
    if as_json:
        print(json.dumps({"filter": name, **found}), flush=True)
        return
    if found["session"] is not None:
        facts = {key: value for key, value in found["session"].items() if value not in (None, "", [], 0)}
        seconds = facts.pop("seconds", 0)
        if facts != shown.get(path):
            shown[path] = facts
            text = " ".join(f"{key}={_plain(value)}" for key, value in facts.items())
            print(printable(f"{name} {seconds}s: {text}", _SHOWN), flush=True)
    for line in found["lines"]:
        print(printable(f"{name} log: {line}", _SHOWN), flush=True)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_plain(each) for each in value)
    if isinstance(value, dict):
        return "/".join(str(each) for each in value.values())
    return str(value)
