"""The words of a line of lists.conf(5), and the values that stand in them. Pure.

    split_words('drop msg="%A is listed" every=12h')      -> ["drop", "msg=%A is listed", "every=12h"]
    parse_duration("12h")                                  -> 43200.0

Quotes may begin anywhere in a word; in them a backslash stands before a quote, a backslash, ``n`` (a new line), ``#``
and ``;``, as the latter two begin a comment behind a blank.
"""

from __future__ import annotations

import re
from typing import Final

from filter_api.text.escape import printable

_PIECE: Final = re.compile(r'(?P<blank>\s+)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+)|(?P<open>")')
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\", "#": "#", ";": ";"}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])\Z")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def split_words(text: str) -> list[str]:
    """The words of a line, without their quotes. Raises ValueError."""
    words: list[str] = []
    inside = False
    for piece in _PIECE.finditer(text):
        if piece["open"]:
            raise ValueError("a quote is not closed (write \\# and \\; for a # and a ; that follow a blank)")
        if piece["blank"] is not None:
            inside = False
            continue
        found = piece["plain"] if piece["plain"] is not None else _ESCAPE.sub(_unescaped, piece["quoted"])
        if inside:
            words[-1] += found
        else:
            words.append(found)
        inside = True
    return words


def quoted(text: str) -> str:
    """The text as one quoted piece of a word: what `split_words` gives back."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("#", "\\#"), (";", "\\;")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``30m``, ``12h``, ``4d`` or ``2w``. Raises ValueError."""
    found = _DURATION.match(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f'"{printable(text, 40)}" is no time like 30m, 12h or 4d')
    return float(int(found[1]) * _SECONDS[found[2]])


def show_duration(seconds: float) -> str:
    """A time as it would be written in lists.conf, in the largest unit of which there are two or more."""
    for unit, length in reversed(_SECONDS.items()):
        if seconds >= 2 * length or unit == "s":
            return f"{int(seconds // length)}{unit}"
    raise AssertionError  # seconds are always enough


def _unescaped(found: re.Match[str]) -> str:
    try:
        return _ESCAPES[found[1]]
    except KeyError:
        raise ValueError(f'"\\{printable(found[1])}" is no escape (there are \\" \\\\ \\n \\# \\;)') from None
