"""The members of a chain as they are written: in the file of -f, a line each, or on the command line, between ``--``.

    # comment
    rdns -f -m
    inner: clamav -a /run/clamav/clamd.ctl

A member is a filter of the suite, with or without ``filter-`` in front, and its options. A name with a colon before it
is how the log calls it; without one it has the filter's name. In the file, blanks within a word stand in quotes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError, named
from filter_api.files.reloading import open_regular
from filter_api.text.escape import printable

_LABEL: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,38}):")
_WORD: Final = re.compile(
    r"""\s+
      | (?P<comment>\#.*)
      | (?P<word>(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)
      | (?P<bad>.)
    """,
    re.VERBOSE,
)
_SHOWN: Final = 40  # characters of what is wrong


class Entry(NamedTuple):
    """label: its name in the log. filter: ``rdns`` for filter-rdns(8). words: its options. place: ``file:line: ``."""

    label: str
    filter: str
    words: tuple[str, ...]
    place: str = ""


def of_command_line(words: Sequence[str]) -> list[Entry]:
    """The members behind the options of filter-chain. Raises UsageError."""
    entries = []
    rest = list(words)
    while rest:
        end = rest.index("--") if "--" in rest else len(rest)
        if not rest[:end]:
            raise UsageError("there is no member between -- and --")
        try:
            entries.append(_entry(rest[:end], ""))
        except ValueError as error:
            raise UsageError(str(error)) from None
        if end + 1 == len(rest):
            raise UsageError("there is no member behind the last --")
        rest = rest[end + 1 :]
    return entries


def of_file(path: str) -> list[Entry]:
    """The members in a file. Raises ConfigError, with ``file:line:`` where a line is wrong."""
    with named(path), open(open_regular(path), encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().removeprefix("\ufeff").split("\n")
    entries = []
    for number, line in enumerate(lines, 1):
        place = f"{printable(path)}:{number}: "
        try:
            if words := _words(line):
                entries.append(_entry(words, place))
        except ValueError as error:
            raise ConfigError(f"{place}{error}") from None
    if not entries:
        raise ConfigError(f"{printable(path)}: there is no member in it: write one a line, as 'rdns -f'")
    return entries


def _words(line: str) -> list[str]:
    """The words of a line, without quotes and comment. Raises ValueError for a quote that is not closed, and NUL."""
    if "\0" in line:
        raise ValueError("there is a NUL byte in it: save the file as plain text, in UTF-8")
    words = []
    for part in _WORD.finditer(line):
        if part["bad"]:
            raise ValueError(f"{part['bad']} is not closed: quotes come in pairs, and \\ stands before a character")
        if part["comment"]:
            break
        if part["word"]:
            words += shlex.split(part["word"])
    return words


def _entry(words: Sequence[str], place: str) -> Entry:
    """Raises ValueError."""
    label = _LABEL.fullmatch(words[0])
    if words[0].endswith(":"):
        if label is None:
            raise ValueError(
                f"{printable(words[0], _SHOWN)} is no name: letters, figures, '.', '_' and '-', at most 39"
            )
        words = words[1:]
        if not words:
            raise ValueError(f"there is no filter behind {label[0]}")
    short = words[0].removeprefix("filter-")
    return Entry(label[1] if label else short, short, tuple(words[1:]), place)
