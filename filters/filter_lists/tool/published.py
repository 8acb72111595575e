"""Lists as others publish them: many formats, read leniently, and nothing of them is believed without a check. Pure.

    reading = read_published(lines)            # ListRefused for a web page, for a network that holds half the world
    reading.builder.build(...)

One entry a line; what stands behind it is ignored. Known are addresses, networks, ranges ``a - b``, comments (``#``,
``;``), the lines of DShield (two addresses and a prefix length, with tabs), of Spamhaus (JSON with ``cidr``, and one
line of metadata) and of rbldnsd (``$`` and ``:`` lines are passed over, ``!`` excludes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from filter_api.bounds import MAX_LIST_ENTRIES, MAX_LIST_LINES
from filter_api.files.ranges import UNROUTABLE, RangeBuilder, ends_of, read_range
from filter_api.text.escape import printable

WIDEST: Final = {4: 1 << 24, 6: 1 << 109}
"""Addresses of the widest range that a list may hold, by IP version: a /8, a /19."""

_SPACED: Final = re.compile(r"([0-9A-Fa-f.:]+)\s*-\s*([0-9A-Fa-f.:]+)")
_SHIELD: Final = re.compile(r"([0-9.]+)\s+([0-9.]+)\s+[0-9]{1,2}(?:\s|\Z)")
_FIRST: Final = re.compile(r"[^\s;,#]+")
_MARK: Final = "\ufeff"  # of UTF-8, as editors leave it; where files were joined in any line
_PAGE: Final = re.compile(r"<[A-Za-z!?]")


class ListRefused(Exception):
    """What was fetched is not taken; its text says why."""


class Reading:
    """What was found. lines: all of them. bad: those that were to be entries and are none. loose: with host bits."""

    def __init__(self) -> None:
        self.builder = RangeBuilder()
        self.lines = 0
        self.bad = 0
        self.loose = 0
        self.first_bad = ""

    def take(self, line: str) -> None:
        """One line. Raises ListRefused."""
        self.lines += 1
        if self.lines > MAX_LIST_LINES:
            raise ListRefused(f"more than {MAX_LIST_LINES} lines")
        text = line.removeprefix(_MARK).strip()
        if not text or text[0] in "#;$" or (text[0] == ":" and text[1:2] != ":"):
            return
        try:
            self._entry(text)
        except ValueError:
            self._not_understood(text)
        if self.builder.entries + self.builder.excluded > MAX_LIST_ENTRIES:
            raise ListRefused(f"more than {MAX_LIST_ENTRIES} entries")

    def overlong(self) -> None:
        """A line that is longer than any entry."""
        self.lines += 1
        self._not_understood("a line without end")

    def _entry(self, text: str) -> None:
        if text[0] == "{":
            self._json(text)
        elif text[0] == "!":
            self.builder.exclude(*self._range(text[1:].lstrip()))
        else:
            self._add(*self._range(text))

    def _range(self, text: str) -> tuple[int, int, int]:
        """(IP version, first, last) of the entry that a line begins with. Raises ValueError."""
        if (found := _SPACED.match(text)) or (found := _SHIELD.match(text)):
            return read_range(f"{found[1]}-{found[2]}")
        found = _FIRST.match(text)
        word = found[0] if found else ""
        try:
            return read_range(word)
        except ValueError as error:
            if "host bits" not in str(error):
                raise
        self.loose += 1
        return read_range(word, loose=True)

    def _json(self, text: str) -> None:
        """A line of JSON. One without an entry says something of the list itself."""
        try:
            entry = json.loads(text)
        except RecursionError:
            raise ValueError("nested without end") from None
        if "cidr" in entry:
            if not isinstance(entry["cidr"], str):
                raise ValueError("no network")
            self._add(*self._range(entry["cidr"]))

    def _add(self, version: int, first: int, last: int) -> None:
        if last - first >= WIDEST[version] and not _unroutable(version, first, last):
            raise ListRefused(f"line {self.lines} holds more addresses than a /{8 if version == 4 else 19}")
        self.builder.add(version, first, last)

    def _not_understood(self, text: str) -> None:
        if not self.builder.entries and _PAGE.match(text):
            raise ListRefused(f'a web page, not a list: it begins with "{printable(text, 60)}"')
        self.bad += 1
        if not self.first_bad:
            self.first_bad = f'line {self.lines}, "{printable(text, 60)}"'

    def check(self) -> None:
        """Raise ListRefused if more than one line in a hundred is not understood."""
        if self.bad * 100 > self.builder.entries + self.bad:
            raise ListRefused(f"{self.bad} lines of {self.lines} are no addresses; the first is {self.first_bad}")


def read_published(lines: Iterable[str | None]) -> Reading:
    """Read a list; None stands for a line that is too long. Raises ListRefused."""
    reading = Reading()
    for line in lines:
        if line is None:
            reading.overlong()
        else:
            reading.take(line)
    reading.check()
    return reading


def _unroutable(version: int, first: int, last: int) -> bool:
    """Whether nobody has these addresses anyway: they are cut out later."""
    return any(
        network.version == version and ends_of(network)[0] <= first and last <= ends_of(network)[1]
        for network in UNROUTABLE
    )
