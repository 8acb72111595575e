"""smtpd.conf(5) as tokens, by the rules of smtpd's lexer (``yylex`` in its parse.y).

Words end at blanks and at ``{ } ( ) ! = # , < >``; ``"…"`` and ``'…'`` hold anything, a backslash in them escapes only
the quote and blanks; a backslash at the end of a line joins it with the next, in a comment as well; ``#`` begins a
comment; ``$name`` stands for the value of a macro, outside quotes only. A statement ends with its line unless a brace
is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from filter_api.errors import ConfigError

MAX_STRING = 8094
"""Characters in quotes: what fits into the buffer of smtpd's lexer (``buf`` in yylex, 8096 bytes)."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+|\\\n|\#(?:\\.|[^\\\n])*)
      | (?P<newline>\n)
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | \$(?P<macro>\w+)
      | (?P<mark>[{}()!=,<>\r])
      | (?P<word>(?:\\[^\n]|[^\s{}()!=\#,<>"'\\])+)
      | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BACKSLASH = re.compile(r"\\(.)")
_ESCAPE = re.compile(r"\\(\n|.)", re.DOTALL)


class Place(NamedTuple):
    """Where a statement begins."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Token(NamedTuple):
    """A word, a quoted string or a mark."""

    text: str
    quoted: bool
    place: Place


def statements(text: str, path: str, macros: dict[str, str]) -> Iterator[list[Token]]:
    """The statements of a file, macros taken out into `macros` and put in where they are used; ConfigError."""
    statement: list[Token] = []
    depth = 0
    for token in _tokens(text + "\n", path, macros):
        if token.text == "\n" and not token.quoted:
            if depth == 0:
                if statement and not _is_macro(statement, macros):
                    yield statement
                statement = []
            continue
        if not token.quoted:
            depth = max(0, depth + (token.text == "{") - (token.text == "}"))
        statement.append(token)
    if statement:
        raise ConfigError(f"{statement[0].place}: the brace is not closed")


def _is_macro(statement: list[Token], macros: dict[str, str]) -> bool:
    """Take ``name = value …`` into `macros`."""
    if len(statement) < 3 or statement[1].text != "=" or statement[0].quoted or statement[1].quoted:
        return False
    macros[statement[0].text] = " ".join(token.text for token in statement[2:])
    return True


def _tokens(text: str, path: str, macros: dict[str, str]) -> Iterator[Token]:
    line = 1
    for found in _TOKEN.finditer(text):
        place = Place(path, line)
        line += found[0].count("\n")
        kind, value = found.lastgroup, found[0]
        if kind == "bad":
            raise ConfigError(f"{place}: the quote is not closed" if value in "\"'" else f"{place}: stray {value!r}")
        if kind == "quoted":
            string = _ESCAPE.sub(_escaped(value[0]), value[1:-1]).replace("\n", "")
            if len(string) > MAX_STRING:
                raise ConfigError(f"{place}: a string of more than {MAX_STRING} characters: put options into a file")
            yield Token(string, True, place)
        elif kind == "macro":
            yield from _expanded(found["macro"], place, macros)
        elif kind == "word":
            yield Token(_BACKSLASH.sub(r"\1", value), False, place)
        elif kind in {"mark", "newline"}:
            yield Token(value, False, place)


def _expanded(name: str, place: Place, macros: dict[str, str]) -> Iterator[Token]:
    """The words of a macro's value; macros in it were put in when it was defined."""
    value = macros.get(name)
    if value is None:
        raise ConfigError(f"{place}: macro '{name}' is not defined")
    for word in _TOKEN.finditer(value):
        if word.lastgroup in {"word", "mark"}:
            yield Token(word[0], False, place)
        elif word.lastgroup == "quoted":
            yield Token(word[0][1:-1], True, place)


def _escaped(quote: str) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        if found[1] in (quote, " ", "\t"):
            return found[1]
        return "" if found[1] == "\n" else found[0]

    return replace
