"""The change from one key to the next: what is written down beside the key table, and how the table is changed.

    example.org 2026a /etc/mail/dkim/a.key 20261128 /etc/mail/dkim/example.org.20261128.key [2026-11-29]

is a line of ``keys.rotation`` beside ``keys``: domain, old selector and key, new selector and key, and the day on which
the table was changed, once it was. The line goes when the old key is revoked.
"""

from __future__ import annotations

import os
import re
from datetime import date
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, named
from filter_api.text.escape import printable

_LINE: Final = re.compile(
    r"(?P<before>\s*(?P<domain>\S+)\s+)(?P<selector>\S+)(?P<between>\s+)(?P<key>[^\s#]+)(?P<rest>.*)", re.DOTALL
)


class Rotation(NamedTuple):
    """One change of a key. switched: the day on which the table began to name the new one; None before."""

    domain: str
    old: str
    old_key: str
    new: str
    new_key: str
    switched: date | None = None


def read_rotations(table: str) -> dict[str, Rotation]:
    """By domain; none if nothing is under way. Raises ConfigError with file:line."""
    path = state_of(table)
    found: dict[str, Rotation] = {}
    with named(path):
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return found
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            domain, old, old_key, new, new_key, *day = words
            found[domain] = Rotation(domain, old, old_key, new, new_key, date.fromisoformat(day[0]) if day else None)
        except ValueError:
            raise ConfigError(
                f"{printable(path)}:{number}: a line is: domain selector key selector key [day]; mend or remove it"
            ) from None
    return found


def write_rotations(table: str, rotations: dict[str, Rotation]) -> None:
    """Write all of them down; the file goes with the last one. Raises ConfigError."""
    path = state_of(table)
    lines = [
        " ".join([*each[:5], *([each.switched.isoformat()] if each.switched else [])]) + "\n"
        for each in rotations.values()
    ]
    with named(path):
        if lines:
            replace(path, "".join(lines).encode("utf-8", "surrogateescape"), like=table)
        elif os.path.exists(path):
            os.unlink(path)


def state_of(table: str) -> str:
    """Where it is written down."""
    return f"{table}.rotation"


def switch(table: str, rotation: Rotation) -> int:
    """Let the lines of the old key name the new one; how many there were. Raises ConfigError.

    Comments, blanks and the order of lines stay. The file is replaced at once, with its owner and mode.
    """
    changed = 0
    with named(table):
        with open(table, encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = file.read().splitlines(keepends=True)
        for place, line in enumerate(lines):
            found = _LINE.fullmatch(line)
            if found is None or found["domain"].startswith("#"):
                continue
            domain = found["domain"].lower().rstrip(".").removeprefix("*.")
            if (domain, found["selector"].lower()) == (rotation.domain, rotation.old):
                lines[place] = f"{found['before']}{rotation.new}{found['between']}{rotation.new_key}{found['rest']}"
                changed += 1
        if changed:
            replace(table, "".join(lines).encode("utf-8", "surrogateescape"), like=table)
    return changed


def replace(path: str, data: bytes, *, like: str) -> None:
    """Put a file in the place of another, at once, with the owner and mode of `like`. Raises OSError."""
    status = os.stat(like)
    beside = f"{path}.{os.getpid()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            give(file.fileno(), status)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise


def give(descriptor: int, status: os.stat_result) -> None:
    """The owner, where we may, and the mode that another file has. Raises OSError."""
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o777)
