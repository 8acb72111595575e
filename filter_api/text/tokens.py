"""A structured header field cut into tokens, without white space and comments (RFC 5322 §3.2). Pure."""

from __future__ import annotations

import re
from typing import Final

_COMMENT_PART: Final = re.compile(rb"[^()\\]+|\\.|[()]", re.DOTALL)


def tokens_of(value: bytes, token: re.Pattern[bytes]) -> list[bytes] | None:
    """The tokens of a field; None where something is no token, or a comment has no end.

    token: matches white space, ``(`` alone, and whatever else may stand in this field.
    """
    tokens = []
    position = 0
    while position < len(value):
        match = token.match(value, position)
        if match is None:
            return None
        found, position = match.group(), match.end()
        if found == b"(":
            position = _after_comment(value, position)
            if position < 0:
                return None
        elif not found[:1].isspace():
            tokens.append(found)
    return tokens


def _after_comment(value: bytes, position: int) -> int:
    """Where the comment that was opened before `position` is over, -1 if never. Comments nest."""
    depth = 1
    for part in _COMMENT_PART.finditer(value, position):
        text = part.group()
        depth += (text == b"(") - (text == b")")
        if not depth:
            return part.end()
    return -1
