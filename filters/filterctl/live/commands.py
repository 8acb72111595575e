"""``filterctl metrics``, ``log``, ``reload``: one request to each filter."""

from __future__ import annotations

import json
import sys
from typing import Final

from filter_api.control.client import Answer, ask
from filter_api.control.document import Status
from filter_api.control.openmetrics import exposition
from filter_api.errors import UsageError
from filter_api.options import options_of
from filter_api.text.escape import printable
from filterctl.live.sockets import name_of, sockets, statuses

OPTIONS: Final = """\
-j             as JSON
"""


def metrics(arguments: list[str]) -> int:
    """OpenMetrics text of all filters together; 0 if all answered. Raises UsageError, ConfigError."""
    _, words = options_of(arguments, "")
    found: list[Status] = []
    failed = False
    for path, status, why in statuses(sockets(words)):
        if status is not None and status["process"] not in {each["process"] for each in found}:
            found.append(status)
        else:
            failed = True
            sys.stderr.write(f"{name_of(path)}: {why or 'another filter has the same name: give it another with -C'}\n")
    sys.stdout.write(exposition(found))
    return 1 if failed else 0


def log(arguments: list[str]) -> int:
    """0 if all did so; raises UsageError, ConfigError."""
    _, words = options_of(arguments, "")
    if not words or words[0] not in {"verbose", "brief"}:
        raise UsageError("say verbose or brief")
    return _told(ask(sockets(words[1:]), f"/log/{words[0]}", "POST"))


def reload(arguments: list[str]) -> int:
    """0 if all files are in use in their newest version; raises UsageError, ConfigError."""
    options, words = options_of(arguments, OPTIONS)
    answers = ask(sockets(words), "/reload", "POST")
    if "-j" in options:
        values = [{"socket": each.path, "files": _files(each), "error": _error(each)} for each in answers]
        print(json.dumps(values, indent=2))
        return 0 if all(each.done and not any(file["error"] for file in _files(each)) for each in answers) else 1
    bad = _told(answers)
    for answer in answers:
        for file in _files(answer):
            state = f"not in use: {file['error']}" if file["error"] else "in use"
            print(printable(f"{name_of(answer.path)}: {file['path']}: {state}", 1000))
            bad = bad or (1 if file["error"] else 0)
    return bad


def _files(answer: Answer) -> list[dict[str, str]]:
    """What a filter says of its files."""
    try:
        found = answer.json() if answer.done else {}
    except ValueError:
        return []
    files = found.get("files", []) if isinstance(found, dict) else []
    return [each for each in files if isinstance(each, dict) and {"path", "error"} <= each.keys()]


def _error(answer: Answer) -> str:
    return "" if answer.done else printable(answer.why)


def _told(answers: list[Answer]) -> int:
    """Say who did not do it; the exit status."""
    for answer in answers:
        if not answer.done:
            sys.stderr.write(f"{name_of(answer.path)}: {_error(answer)}\n")
    return 0 if all(answer.done for answer in answers) else 1
