"""Text of strangers' mail for an operator's terminal: readable, and never able to drive it."""

from __future__ import annotations

import re
from typing import Final

from filter_api.text.escape import unescape

_LONGEST: Final = 4_096
"""Bytes of a value that are looked at: encoded words are some times as long as what is shown of them."""

_ENCODED: Final = re.compile(r"=\?[A-Za-z0-9._*+-]{1,40}\?[bqBQ]\?[^? ]{0,2000}\?=")


def decoded(raw: bytes, limit: int = 200) -> str:
    """A header value in letters: encoded words (RFC 2047) and UTF-8 decoded, anything odd escaped."""
    text = raw[:_LONGEST].decode("utf-8", "backslashreplace")
    if _ENCODED.search(text):
        text = _words(text)
    return shown(text, limit)


def shown(text: str, limit: int = 200) -> str:
    """What of a text may be printed as it is; control and format characters (bidi, ESC, newlines) are escaped."""
    pieces = (char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    safe = "".join(pieces)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def logged(value: str, limit: int = 200) -> str:
    """The same for a value of a log line, whose bytes were escaped when it was written."""
    return decoded(unescape(value), limit)


def _words(text: str) -> str:
    from email.errors import MessageError  # wanted only where a subject is encoded
    from email.header import decode_header, make_header

    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
