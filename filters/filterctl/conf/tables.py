"""Tables in smtpd.conf(5), wherever they stand: defined once and above their use, with a place, and not empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from filterctl.conf.lexer import Place, Token, is_string, word_of

_HAS_LISTS = ("table", "match", "listen", "action", "filter")
_MARKS = (",", "=", ">")


class Tables:
    """The tables that were defined so far."""

    def __init__(self) -> None:
        self._defined: dict[str, Place] = {}

    def faults(self, statement: Sequence[Token]) -> Iterator[str]:
        """Why smtpd would refuse what the next statement says of tables, each with the remedy."""
        keyword = word_of(statement[0])
        if keyword in _HAS_LISTS:
            yield from _lists(statement)
        for at, token in enumerate(statement):
            if word_of(token) == "<":
                yield from self._named(statement[at + 1 : at + 3])
        if keyword == "table":
            yield from self._define(statement[1:])

    def _named(self, tokens: Sequence[Token]) -> Iterator[str]:
        if len(tokens) < 2 or word_of(tokens[1]) != ">" or not is_string(tokens[0]):
            yield "a table is named as <name>, its name in quotes if smtpd.conf has such a word"
        elif tokens[0].text not in self._defined:
            yield f"table {tokens[0].text} is not defined: a line table {tokens[0].text} ... is wanted above"

    def _define(self, tokens: Sequence[Token]) -> Iterator[str]:
        if not tokens or not is_string(tokens[0]):
            yield "table wants a name: a word that smtpd.conf has not, or in quotes"
            return
        name = tokens[0].text
        if name in self._defined:
            yield f"table {name} is defined twice, in {self._defined[name]}, too: give one of them another name"
        self._defined.setdefault(name, tokens[0].place)
        source = tokens[1] if len(tokens) > 1 else None
        if source is None or not (is_string(source) or word_of(source) == "{"):
            yield f'table {name} wants its content behind it: file:/path, or {{ "value", ... }}'
        elif is_string(source) and ":" in source.text and not source.text.partition(":")[2].startswith("/"):
            yield f"table {name}: a whole path stands behind {source.text.partition(':')[0]}:, beginning with /"


def _lists(statement: Sequence[Token]) -> Iterator[str]:
    """``{ a, b }`` of values; the members of a chain are grammar.py's."""
    values: list[str] | None = None
    before = ""
    for token in statement:
        word = word_of(token)
        if word == "{" and before not in ("chain", "filter"):
            values = []
        elif word == "}" and values is not None:
            yield from _list(values)
            values = None
        elif values is not None:
            values.append(word if word in _MARKS else "value")
            if word not in _MARKS and not is_string(token):
                yield f'{token.text} in a list: quote it, "{token.text}"'
        before = word


def _list(values: Sequence[str]) -> Iterator[str]:
    if not values:
        yield "the list is empty: put a value between the braces"
    elif values[0] == "," or values[-1] == "," or any(pair == (",", ",") for pair in pairwise(values)):
        yield "a comma without a value before or behind it: take it out"
