"""smtpd.conf(5) as tokens, by the rules of smtpd's lexer (``yylex`` in its parse.y).

Words end at blanks and at ``{ } ( ) ! = # , < >``; ``"…"`` and ``'…'`` hold anything, a backslash in them escapes only
the quote and blanks, outside it goes away; at the end of a line it joins the next one, in a comment as well; ``#``
begins a comment; ``$name`` outside quotes is replaced by the value of a macro before anything is read, so that it may
hold several words. A statement ends with its line unless a brace is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from filter_api.errors import ConfigError
from filterctl.conf.keywords import KEYWORDS

MAX_STRING = 8094
"""Characters in quotes: what fits into the buffer of smtpd's lexer (``buf`` in yylex, 8096 bytes)."""

_TOKEN = re.compile(
    r"""(?P<blank>(?:\\?[ \t]|\\\n)+|\\?\#(?:\\.|[^\\\n])*+)
      | (?P<newline>\n)
      | \\?(?P<quoted>"(?:\\"|[^"])*+"|'(?:\\'|[^'])*+')
      | \\?\$(?P<macro>\w+)
      | \\?(?P<mark>[{}()!=,<>\r])
      | (?P<word>(?:\\\\|\\?[^\s{}()!=\#,<>"'\\$])(?:\\\n|\\\\|\\?[^\s{}()!=\#,<>\\])*+)
      | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_BACKSLASH = re.compile(r"\\(\n|.)", re.DOTALL)
_ESCAPES = {quote: re.compile(rf"\\([{quote} \t\n])") for quote in "\"'"}
"""In a string of this quote: what loses the backslash in front of it."""
_NUMBER = re.compile(r"-?[0-9]+")


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


def statements(
    text: str, path: str, macros: dict[str, str], spread: list[Place] | None = None
) -> Iterator[list[Token]]:
    """The statements of a file, macros taken out into `macros` and put in where they are used; ConfigError.

    spread: gets the places of those whose braces go over several lines.
    """
    statement: list[Token] = []
    depth = 0
    for token in _tokens(text + "\n", path, macros):
        if token.text == "\n" and not token.quoted:
            if depth == 0:
                if statement and not _is_macro(statement, macros):
                    yield statement
                statement = []
            elif spread is not None and statement[0].place not in spread[-1:]:
                spread.append(statement[0].place)
            continue
        if not token.quoted:
            depth = max(0, depth + (token.text == "{") - (token.text == "}"))
        statement.append(token)
    if statement:
        raise ConfigError(f"{statement[0].place}: the brace is not closed")


def word_of(token: Token) -> str:
    """What it says if it is not quoted, else nothing."""
    return "" if token.quoted else token.text


def is_string(token: Token) -> bool:
    """Whether it is what smtpd's grammar calls a STRING, which names, commands and texts have to be."""
    if token.quoted:
        return True
    first = token.text[:1]
    starts = (first.isascii() and first.isalnum()) or first in tuple(":_")
    return starts and token.text not in KEYWORDS and not _NUMBER.fullmatch(token.text)


def _is_macro(statement: list[Token], macros: dict[str, str]) -> bool:
    """Take ``name = value`` into `macros`. Raises ConfigError for what is no macro and has its sign."""
    if len(statement) < 2 or statement[1].text != "=" or statement[1].quoted:
        return False
    name, value = statement[0], statement[2:]
    if not is_string(name) or re.search(r"\s", name.text):
        raise ConfigError(
            f"{name.place}: {name.text} cannot name a macro: choose a word of letters that smtpd.conf has not"
        )
    if len(value) != 1 or not is_string(value[0]):
        raise ConfigError(
            f'{name.place}: the value of macro {name.text} is one string: put it in quotes, {name.text} = "..."'
        )
    macros[name.text] = value[0].text
    return True


def _tokens(text: str, path: str, macros: dict[str, str]) -> Iterator[Token]:
    line = 1
    at = expanded = 0  # no macro stands in the value of another, which ends at `expanded`
    while found := _TOKEN.match(text, at):
        place, at = Place(path, line), found.end()
        kind = str(found.lastgroup)
        value = found[kind]
        if kind == "macro" and found.start() >= expanded:
            value = _value(value, place, macros)
            text, at, expanded = value + text[at:], 0, len(value)
            continue
        line += found[0].count("\n")
        if kind in {"bad", "macro"}:
            raise ConfigError(f"{place}: the quote is not closed" if value in "\"'" else f"{place}: stray {found[0]!r}")
        if kind == "quoted":
            string = _ESCAPES[value[0]].sub(r"\1", value[1:-1]).replace("\n", "")
            if len(string) > MAX_STRING:
                raise ConfigError(f"{place}: a string of more than {MAX_STRING} characters: put options into a file")
            yield Token(string, True, place)
        elif kind == "word":
            yield Token(_BACKSLASH.sub(lambda each: each[1].strip("\n"), value), False, place)
        elif kind in {"mark", "newline"}:
            yield Token(value, False, place)


def _value(name: str, place: Place, macros: dict[str, str]) -> str:
    if name not in macros:
        raise ConfigError(f"{place}: macro '{name}' is not defined: a line {name} = \"...\" is wanted above")
    return macros[name]
