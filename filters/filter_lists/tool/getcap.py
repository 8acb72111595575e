"""Files in the form of getcap(3), as spamd.conf(5) is one: records of fields parted by colons. Pure.

    all:\\
        :nixspam:override:
    override:\\
        :white:\\
        :method=file:\\
        :file=/var/db/override.txt:

A line that ends with a backslash goes on in the next one. A colon in quotes, or behind a backslash, parts nothing, as
in spamd-setup(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

_FIELD: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\\.|[^:\\"]|["\\])*', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_MEANT: Final = {"n": "\n", "r": "", "t": " ", "b": "", "f": "", "e": "", "E": "", "c": ":", "C": ":"}


class Record(NamedTuple):
    """names: its own one first. fields: the words without a value, in order. values: what stands behind ``name=``."""

    names: tuple[str, ...]
    fields: tuple[str, ...]
    values: Mapping[str, str]


def records(text: str) -> Iterator[Record]:
    """The records of a file."""
    for line in _whole_lines(text):
        name, *rest = _fields(line)
        flags = [field for field in rest if "=" not in field]
        pairs = [field.partition("=") for field in rest if "=" in field]
        # As cgetstr(3): the first one counts.
        yield Record(tuple(name.split("|")), tuple(flags), {key: value for key, _, value in reversed(pairs)})


def unescaped(value: str) -> str:
    """A value without its escapes, as cgetstr(3) reads it: ``\\n`` ``\\:`` ``\\C`` (a colon) ``\\"`` ``\\072``."""

    def meant(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code, 8) & 0xFF) if code[0] in "01234567" else _MEANT.get(code, code)

    return _ESCAPE.sub(meant, value)


def _whole_lines(text: str) -> Iterator[str]:
    """Lines that go on are joined; comments and empty lines are left out, also between the parts."""
    pending = ""
    for line in text.splitlines():
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        if pending + line.strip():
            yield pending + line
        pending = ""
    if pending:
        yield pending


def _fields(line: str) -> list[str]:
    """The fields, the name first; empty ones (there is white space between two lines) are none."""
    found, at = [], 0
    while at <= len(line):
        field = _FIELD.match(line, at)
        assert field is not None  # noqa: S101 - it matches nothing, too
        found.append(field[0].strip())
        at = field.end() + 1
    return [found[0], *(field for field in found[1:] if field)]
