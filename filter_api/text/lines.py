"""The lines of a file that an operator writes: numbered, without comments. Pure.

Lines are bytes, as addresses on the wire are. ``#`` or ``;`` at the start of a line or after a blank begins a comment
(a local part may hold one); blank lines, CRLF line ends and a UTF-8 byte order mark are taken as editors leave them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_COMMENT = rb"(?s)(?:^|\s)[#;].*"


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
