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

DEFAULT_LIMIT = 320
"""Characters of one escaped value: an address of RFC 5321 §4.5.3.1 (64 + 1 + 255) fits whole."""

CUT_MARK = "..."

# Patterns of the readers, compiled by `re` at their first use: a filter only writes.
_ESCAPED = rb"(?s)\\(?:x([0-9a-f]{2})|(.))"
_PAIR = r'(?<!\S)([A-Za-z][\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]\S*)(?=\s|$)'
_TABLE = tuple(
    "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}" for byte in range(256)
)


def printable(value: bytes | str, limit: int = DEFAULT_LIMIT) -> str:
    """One line of printable ASCII, at most `limit` characters (at least 4).

    Control and 8-bit bytes become ``\\xNN``, a backslash becomes two; text is taken as UTF-8. A longer value ends in
    ``...``, never in the middle of an escape.
    """
    text = value if isinstance(value, str) else value.decode("latin-1")
    if len(text) <= limit and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    raw = _encode(value) if isinstance(value, str) else value
    pieces = [_TABLE[byte] for byte in raw[: limit + 1]]
    return _join(pieces, limit)


def quote_value(value: object, limit: int = DEFAULT_LIMIT) -> str:
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


def format_pairs(pairs: Mapping[str, object]) -> str:
    """The tail of a log line: ``key=value key="two words"`` in the order given."""
    values = [value.decode("latin-1") if isinstance(value, bytes) else value for value in pairs.values()]
    every = "".join([value for value in values if isinstance(value, str)])
    if len(every) > DEFAULT_LIMIT or not every.isascii() or not every.isprintable() or '"' in every or "\\" in every:
        return " ".join([f"{key}={quote_value(value)}" for key, value in pairs.items()])
    # Nothing to escape and nothing to cut in any of them, as nearly always: all were looked at together.
    return " ".join([f"{key}={_quote_plain(value)}" for key, value in zip(pairs, values, strict=True)])


def _quote_plain(value: object) -> str:
    """`quote_value` for printable ASCII without quotes and backslashes."""
    if isinstance(value, str):
        return value if value and " " not in value else f'"{value}"'
    return quote_value(value)


def unescape(text: str) -> bytes:
    """The bytes `printable` was given (if they were not cut)."""
    return re.sub(_ESCAPED, _original, text.encode("ascii", "backslashreplace"))


def parse_pairs(line: str) -> dict[str, str]:
    """Every ``key=value`` of a log line, quotes taken off; values keep their ``\\xNN`` escapes and stay printable.

    The last of equal keys wins; words that are no pair are skipped. Never raises.
    """
    return {key: _unquote(value) for key, value in re.findall(_PAIR, line)}


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
