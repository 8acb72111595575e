"""Macro strings of SPF records (RFC 7208 §7): parsed once, strictly, then expanded with the facts of one check.

    spec = parse_domain_spec("%{ir}._spf.%{d2}")
    spec.expand({"i": "192.0.2.1", "d": "mail.example.org"})  ->  "1.2.0.192._spf.example.org"

A macro string that is not exactly what the grammar allows, or that has more pieces than `filter_api.bounds` says,
raises `SpfSyntaxError`; nothing else here raises. Work is linear in the length of the text. An expansion is built from
the right and no further than a name is long, as `shorten` cuts on the left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from filter_api.bounds import MAX_SPF_PIECES
from filter_api.net.dns.answer import MAX_NAME
from filter_api.text.escape import printable

DOMAIN_LETTERS: Final = frozenset("slodiphv")
ALL_LETTERS: Final = DOMAIN_LETTERS | frozenset("crt")  # c, r and t only where no name is made of them (§7.2)

_PIECE = re.compile(
    r"%\{(?P<letter>[a-z])(?P<parts>[0-9]*)(?P<reverse>r?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|%(?P<escape>[%_-])"
    r"|(?P<literal>[!-$&-~]+)",
    re.IGNORECASE,
)
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_TOP_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]+(?<!-)")
_ENOUGH: Final = MAX_NAME + 2  # a name, its final dot, and what stands in front of it
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_QUOTED = {byte: f"%{byte:02X}" for byte in range(256) if byte not in _UNRESERVED}


class SpfSyntaxError(Exception):
    """An SPF record that RFC 7208 calls a permanent error."""


def shown(text: str) -> str:
    """Text of a record in a message about it."""
    return printable(text, 80)


@dataclass(frozen=True, slots=True)
class Macro:
    """``%{...}``: a letter, how many parts to keep from the right (0: all), and how to cut and quote."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str
    quoted: bool  # an upper-case letter: the value is URL-escaped (§7.3)

    def expand(self, value: str) -> str:
        """Transform the value of the letter."""
        pieces = _split(value, self.delimiters)
        if self.reverse:
            pieces.reverse()
        text = ".".join(pieces[-self.parts :])
        return text.translate(_QUOTED) if self.quoted else text


@dataclass(frozen=True, slots=True)
class MacroString:
    """Literal text and macros in turn, and the letters whose values an expansion needs."""

    text: str
    pieces: tuple[str | Macro, ...]
    letters: frozenset[str]

    def expand(self, values: Mapping[str, str]) -> str:
        """Put the values of the letters in; on the left, what a name has no room for is left out."""
        found: list[str] = []
        size = 0
        for piece in reversed(self.pieces):
            text = piece if isinstance(piece, str) else piece.expand(values[piece.letter])
            found.append(text)
            size += len(text)
            if size >= _ENOUGH:
                break
        return "".join(reversed(found))


def parse_macro_string(text: str, letters: frozenset[str] = ALL_LETTERS) -> MacroString:
    """Parse text that may be empty; macros other than `letters` are errors."""
    return _made(text, [_piece(found, letters) for found in _scan(text)])


def parse_domain_spec(text: str) -> MacroString:
    """Parse a domain-spec: a macro string that ends in a macro or in a dot and a top label (§7.1)."""
    found = _scan(text)
    if not found:
        raise SpfSyntaxError("empty domain")
    literal = found[-1]["literal"]
    if literal and not _ends_in_top_label(literal):
        raise SpfSyntaxError(f"not a domain: {shown(text)}")
    return _made(text, [_piece(one, DOMAIN_LETTERS) for one in found])


def _made(text: str, pieces: list[str | Macro]) -> MacroString:
    return MacroString(text, tuple(pieces), frozenset(each.letter for each in pieces if isinstance(each, Macro)))


def shorten(name: str) -> str:
    """Make an expanded name fit for a query: no final dot, and labels cut on the left beyond 253 bytes (§7.3).

    One whose last label is longer than that stays too long: it is no name.
    """
    name = name.removesuffix(".")
    if len(name) <= MAX_NAME:
        return name
    return name[name.find(".", len(name) - MAX_NAME - 1) + 1 :]


def _scan(text: str) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            raise SpfSyntaxError(f"bad macro in {shown(text)}")
        if len(found) == MAX_SPF_PIECES:
            raise SpfSyntaxError(f"more than {MAX_SPF_PIECES} pieces in {shown(text)}")
        found.append(piece)
        position = piece.end()
    return found


def _piece(found: re.Match[str], letters: frozenset[str]) -> str | Macro:
    if found["literal"]:
        return found["literal"]
    if found["escape"]:
        return _ESCAPES[found["escape"]]
    letter = found["letter"].lower()
    if letter not in letters:
        raise SpfSyntaxError(f"macro letter {found['letter']!r} is not allowed here")
    digits = found["parts"].lstrip("0")
    if found["parts"] and not digits:
        raise SpfSyntaxError("a macro that keeps no part")
    parts = int(digits[:4] or "0")  # no value has a thousand parts
    delimiters = "".join(dict.fromkeys(found["delimiters"])) or "."
    return Macro(letter, parts, bool(found["reverse"]), delimiters, found["letter"].isupper())


def _ends_in_top_label(literal: str) -> bool:
    _, dot, top = literal.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.fullmatch(top) is not None and not top.isdigit()


def _split(value: str, delimiters: str) -> list[str]:
    """Cut at every delimiter; there are seven kinds at most."""
    for other in delimiters[1:]:
        value = value.replace(other, delimiters[0])
    return value.split(delimiters[0])
