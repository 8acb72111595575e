"""The lines of a file that an operator writes: numbered, without comments. Pure.

Lines are bytes, as addresses on the wire are. ``#`` or ``;`` at the start of a line or after a blank begins a comment
(a local part may hold one); blank lines, CRLF line ends and a UTF-8 byte order mark are taken as editors leave them.

In files of entries that may expire, ``until 2026-12-31`` behind an entry says that it counts up to the end of that day,
in UTC: the same moment for every filter and tool, whatever time zone it was started in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from filter_api.text.escape import printable

_COMMENT = rb"(?s)(?:^|\s)[#;].*"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH: Final = 719_163
"""The ordinal of 1970-01-01."""

NEVER: Final = float("inf")
"""When an entry without ``until`` expires."""


class Line(NamedTuple):
    """A line that holds something: its number (from 1) and its bytes without comment and outer blanks."""

    number: int
    text: bytes


class LineError(ValueError):
    """Raised by a parse function: what is wrong with which line; the name of the file is put in front."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def content_lines(data: bytes) -> list[Line]:
    """The lines of a table that hold something."""
    found = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = (re.sub(_COMMENT, b"", raw, count=1) if b"#" in raw or b";" in raw else raw).strip()
        if text:
            found.append(Line(number, text))
    return found


class Entry(NamedTuple):
    """What a line holds, and when it expires: seconds since 1970, `NEVER` without ``until``."""

    line: Line
    expires: float


def dated(line: Line) -> Entry:
    """A line without its ``until DATE``. Raises LineError for one behind which no date stands."""
    if b"until" not in line.text.lower():
        return Entry(line, NEVER)
    words = line.text.rsplit(None, 2)
    if len(words) < 3 or words[1].lower() != b"until":
        return Entry(line, NEVER)
    try:
        expires = end_of_day(words[2].decode("ascii", "replace"))
    except ValueError as error:
        raise LineError(line.number, f"until takes {error}") from None
    return Entry(Line(line.number, words[0]), expires)


def end_of_day(text: str) -> float:
    """When the day ``2026-12-31`` is over in UTC, in seconds since 1970. Raises ValueError."""
    from datetime import date  # only where something expires: it takes longer to load than all that is here

    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError(f'a date like 2026-12-31, not "{printable(text, 40)}"')
    return (day.toordinal() + 1 - _EPOCH) * 86_400.0


class Living(NamedTuple):
    """The lines that count, and when they do: from `since` on, and before `until` (seconds since 1970)."""

    lines: list[Line]
    since: float
    until: float


def living(entries: Iterable[Entry], now: float) -> Living:
    """The lines of the entries that count at a time (seconds since 1970)."""
    lines, since, until = [], -NEVER, NEVER
    for line, expires in entries:
        if expires > now:
            lines.append(line)
            until = min(until, expires)
        else:
            since = max(since, expires)
    return Living(lines, since, until)
