"""Survivors that are no gap: what is in equivalent.toml, each with its reason.

A change is matched as a line of text, what was removed and what took its place: ``-return a < b +return a <= b``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LIST = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Equivalent:
    """reason: in words. where: modules, as a pattern of fnmatch. change: what is found in the line of text."""

    reason: str
    where: str
    change: re.Pattern[str]

    def matches(self, path: str, change: str) -> bool:
        return fnmatchcase(path, self.where) and self.change.search(change) is not None


def read(path: Path = LIST) -> list[Equivalent]:
    """The list. Raises KeyError, tomllib.TOMLDecodeError and re.error for what is none."""
    entries = tomllib.loads(path.read_text())["equivalent"]
    return [Equivalent(each["reason"], each.get("where", "*"), re.compile(each["change"])) for each in entries]


def change_in(diff: str) -> str:
    """What a diff removes and adds, in one line."""
    changed = [line for line in diff.splitlines() if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"}]
    return " ".join(line[0] + line[1:].strip() for line in changed)


def reason_for(known: list[Equivalent], path: str, diff: str) -> str | None:
    """Why a survivor is none; None where nobody has said so."""
    change = change_in(diff)
    return next((each.reason for each in known if each.matches(path, change)), None)
