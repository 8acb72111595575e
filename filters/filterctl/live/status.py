"""``filterctl status``: how each running filter is, and what it has in use."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

from filter_api.control.document import Member, Status, decided, refused
from filter_api.options import options_of
from filter_api.text.escape import printable
from filterctl.live.sockets import name_of, sockets, statuses

OPTIONS: Final = """\
-j             as JSON
"""

_SHOWN = 1_000  # characters of a line

_ZERO: Final = {
    "list_in_use": "the list does not count, as it is not known or too old",
    "dnsbl_list_good": "the list does not count, as it fails its self test",
    "greylist_shared_up": "the shared store is away, and the one on this host carries on",
}
"""What is wrong while one of these figures is 0."""


def run(arguments: list[str]) -> int:
    """0 if all that were asked are well; raises UsageError, ConfigError."""
    options, words = options_of(arguments, OPTIONS)
    found = statuses(sockets(words))
    if "-j" in options:
        print(json.dumps([{"socket": path, "error": why, "status": status} for path, status, why in found], indent=2))
    else:
        print("\n\n".join("\n".join(_lines(name_of(path), status, why)) for path, status, why in found))
    return 1 if any(status is None or troubles(status) for _, status, _ in found) else 0


def troubles(status: Status) -> list[str]:
    """What is wrong with a filter that answers."""
    found = [] if status["ready"] else ["not everything it needs is open yet"]
    found += [file["error"] for file in status["files"] if file["error"]]
    found += [f"{each['name']} is down" for each in status["backends"] if not each["up"]]
    return found + [trouble for member in status["members"] for trouble in _troubles_of(member)]


def _troubles_of(member: Member) -> list[str]:
    """What the figures of a filter tell that is wrong."""
    zero = [each for each in member["figures"] if each["name"] in _ZERO and not each["value"]]
    return [": ".join([*each["labels"].values(), _ZERO[each["name"]]]) for each in zero]


def _lines(name: str, status: Status | None, why: str) -> Iterator[str]:
    if status is None:
        yield f"{name}: {why}"
        return
    yield f"{name}: {'ready' if status['ready'] else 'starting'} for {duration(status['uptime'])}"
    for key, value in _facts(status):
        yield printable(f"  {key:<12} {value}", _SHOWN)
    for file in status["files"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(file["modified"])) if file["modified"] else "never"
        yield printable(f"  {'file':<12} {file['path']}: {file['size']} bytes, written {when}", _SHOWN)
        if file["error"]:
            yield f"  {'':<12} not in use: {printable(file['error'], _SHOWN)}"
    for backend in status["backends"]:
        yield printable(f"  {'daemon':<12} {backend['name']}: {'up' if backend['up'] else 'held to be down'}", _SHOWN)
    for member in status["members"]:
        for trouble in _troubles_of(member):
            yield printable(f"  {'trouble':<12} {member['name']}: {trouble}", _SHOWN)
    for queue in status["queues"]:
        text = f"{queue['name']}: {queue['asking']} being asked, {queue['waiting']} waiting"
        yield printable(f"  {'queue':<12} {text}", _SHOWN)


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    yield "version", f"{status['version']}, pid {status['pid']}, smtpd {status['smtpd'] or 'unknown'}"
    yield "options", status["command"]
    yield "confinement", status["confinement"]
    yield "log", "verbose" if status["verbose"] else "brief"
    yield "sessions", f"{status['sessions_open']} open, {status['sessions']} since the start"
    yield "messages", f"{status['messages_held']} held, {status['messages']} since the start"
    yield "held", f"{status['held_bytes']} bytes, {status['memory_bytes']} of them in memory"
    yield "questions", f"{status['questions_open']} open; {status['unwritten_bytes']} bytes smtpd has not taken yet"
    for member in status["members"]:
        yield "filter", _member(member)


def _member(member: Member) -> str:
    observes = " (observes only)" if member["observe"] else ""
    return (
        f"{member['name']}{observes}: {_many(decided(member), 'decision')}, {refused(member)} refused,"
        f" {member['failed']} failed, {member['timed_out']} of them too late, {_many(member['exceptions'], 'mistake')}"
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """A span in words, of two units at most."""
    whole = int(seconds)
    units = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    parts = [f"{count}{unit}" for count, unit in units]
    first = next((place for place, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(parts[first : first + 2])
