"""Make bytes of strangers safe to print: in log lines, tables and terminals.

smtpd logs what a filter writes on stderr byte for byte, so an unescaped newline forges a log line and an unescaped
ESC drives the terminal of whoever reads it. Everything that came over the wire goes through here first::

    printable(b"caf\\xe9\\n")           -> 'caf\\\\xe9\\\\x0a'
    quote_value(b"two words")          -> '"two words"'
    parse_pairs('a=1 b="two words"')   -> {'a': '1', 'b': 'two words'}

What is returned holds only the bytes 0x20 to 0x7e; `unescape` and `parse_pairs` give the original back, unless it was
too long and got cut, which three dots at the end show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from filter_api.bounds import LOG_VALUE

CUT_MARK = "..."

# Patterns of the readers, compiled by `re` at their first use: a filter only writes.
_ESCAPED = rb"(?s)\\(?:x([0-9a-f]{2})|(.))"
# One word after the other, so that no word inside a quoted value is ever taken for a pair of its own.
_WORD = (
    r'(?P<key>[A-Za-z][\w.-]*)=(?P<value>"(?:[^"\\]|\\.)*"(?!\S)|[^\s"]\S*)'
    r'|(?P<open>(?:[A-Za-z][\w.-]*=)?")|\S+'
)
_LEAST = 10  # characters a value keeps however short the line: a mark, quotes and one escape
_TABLE = tuple(
    "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}" for byte in range(256)
)


def printable(value: bytes | str, limit: int = LOG_VALUE) -> str:
    """One line of printable ASCII, at most `limit` characters (at least 4).

    Control and 8-bit bytes become ``\\xNN``, a backslash becomes two; text is taken as UTF-8. A longer value ends in
    ``...``, never in the middle of an escape.
    """
    if len(value) > limit:
        value = value[: limit + 1]
    text = value if isinstance(value, str) else value.decode("latin-1")
    if len(text) <= limit and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    raw = _encode(value) if isinstance(value, str) else value
    pieces = [_TABLE[byte] for byte in raw[: limit + 1]]
    return _join(pieces, limit)


def one_line(text: str, limit: int = LOG_VALUE) -> str:
    """A message in words as one line of printable ASCII, at most `limit` characters; longer ones end in ``...``.

    Backslashes stay as they are: what stands in it may have been escaped before, and is not to be escaped again.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join([chr(byte) if 0x20 <= byte <= 0x7E else _TABLE[byte] for byte in _encode(text[: limit + 1])])
    return text if len(text) <= limit else text[: max(limit - len(CUT_MARK), 1)] + CUT_MARK


def raw_text(value: bytes, limit: int) -> str:
    """The first `limit` bytes as text that still is what it was: for messages that are escaped where they are shown."""
    return value[:limit].decode("utf-8", "surrogateescape")


def quote_value(value: object, limit: int = LOG_VALUE) -> str:
    """`value` as it stands after ``key=`` in a log line: quoted if it holds blanks or quotes or is empty.

    Numbers stay plain, ``None`` becomes ``-``, truth becomes ``yes`` or ``no``; everything else is its `str()`.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | bytes):
        value = str(value)
    text = printable(value, limit)
    if text and " " not in text and '"' not in text:
        return text
    return '"' + text.replace('"', '\\"') + '"'


def format_pairs(pairs: Mapping[str, object], room: int | None = None) -> str:
    """The tail of a log line: ``key=value key="two words"`` in the order given, in at most `room` characters.

    Where there is not enough room the longest values are cut, each with its own mark and closing quote, so that the
    line can be read back whatever is in it. Pairs that have no room even so are left out, from the end.
    """
    values = [
        value[: LOG_VALUE + 1].decode("latin-1") if isinstance(value, bytes) else value for value in pairs.values()
    ]
    every = "".join([value for value in values if isinstance(value, str)])
    if len(every) > LOG_VALUE or not every.isascii() or not every.isprintable() or '"' in every or "\\" in every:
        shown = [quote_value(value) for value in pairs.values()]
    else:  # Nothing to escape and nothing to cut in any of them, as nearly always: all were looked at together.
        shown = [
            value if isinstance(value, str) and value and " " not in value else _quote_plain(value) for value in values
        ]
    text = " ".join([f"{key}={value}" for key, value in zip(pairs, shown, strict=True)])
    return text if room is None or len(text) <= room else _fitted(pairs, shown, room)


def _fitted(pairs: Mapping[str, object], shown: list[str], room: int) -> str:
    """The pairs with their longest values cut until the line fits."""
    left = room - sum(len(key) + 2 for key in pairs) + 1  # for the values: each pair has a ``=`` and a blank
    share = _LEAST
    for done, length in enumerate(sorted(map(len, shown))):
        share = max(left // (len(shown) - done), _LEAST)
        if length > share:
            break
        left -= length
    words: list[str] = []
    for (key, value), text in zip(pairs.items(), shown, strict=True):
        word = f"{key}={text if len(text) <= share else _quote_within(value, share)}"
        room -= len(word) + (1 if words else 0)
        if room < 0:
            break
        words.append(word)
    return " ".join(words)


def _quote_within(value: object, most: int) -> str:
    """`quote_value` in at most `most` characters, quotes included."""
    text = quote_value(value, most)
    return text if len(text) <= most else quote_value(value, max((most - 2) // 2, 4))


def _quote_plain(value: object) -> str:
    """`quote_value` for what is not one word of printable ASCII, without quotes and backslashes."""
    return f'"{value}"' if isinstance(value, str) else quote_value(value)


def unescape(text: str) -> bytes:
    """The bytes `printable` was given (if they were not cut)."""
    return re.sub(_ESCAPED, _original, text.encode("ascii", "backslashreplace"))


def parse_pairs(line: str) -> dict[str, str]:
    """Every ``key=value`` of a log line, quotes taken off; values keep their ``\\xNN`` escapes and stay printable.

    The first of equal keys wins; words that are no pair are skipped. A quote that is not closed ends the line: behind
    it stands what a stranger wrote. Never raises.
    """
    found: dict[str, str] = {}
    for word in re.finditer(_WORD, line):
        if word["open"] is not None:
            break
        if word["key"] is not None:
            found.setdefault(word["key"], _unquote(word["value"]))
    return found


def _unquote(value: str) -> str:
    return value[1:-1].replace('\\"', '"') if value.startswith('"') else value


def _original(found: re.Match[bytes]) -> bytes:
    digits: bytes | None = found[1]
    return bytes.fromhex(digits.decode("ascii")) if digits else found[2]


def _encode(text: str) -> bytes:
    """UTF-8 of any str: bytes the system could not decode come back as they were, lone surrogates do not raise."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _join(pieces: list[str], limit: int) -> str:
    text = "".join(pieces)
    if len(text) <= limit:
        return text
    room = max(limit - len(CUT_MARK), 1)
    kept = 0
    for count, piece in enumerate(pieces):
        kept += len(piece)
        if kept > room:
            return "".join(pieces[:count]) + CUT_MARK
    return text  # not reached: the pieces are longer than the room
