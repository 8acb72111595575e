"""Patterns of an operator's own for `filter_api.names.dynamic`: a file of points and what they are for.

One pattern a line, ``#`` comments, upper and lower case alike::

    3   kabelkunde              a word of a label, figures around it ignored: kabelkunde-17, kabelkunde17
    -5  mailpool-out            a word may hold hyphens
    4   node-*                  with * or ? and no dot: any label left of the registered domain
    5   *.home.example.net      with a dot: the whole name, label by label; a first * is one label or more

``*`` matches any characters within a label, ``?`` one. Every match counts, beside the built-in signs. A name of length
n is matched against a pattern of length m in at most n * m steps: there are no regular expressions to explode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.names.dynamic import Item, Name
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

MOST_POINTS: Final = 100

_WEIGHT: Final = re.compile(rb"[+-]?[0-9]{1,3}")
_PATTERN: Final = re.compile(rb"[a-z0-9_*?-]+(?:\.[a-z0-9_*?-]+)*")
_LABEL_LIMIT: Final = 63  # RFC 1035 §2.3.4
_NOT_LETTERS: Final = re.compile(rb"[^a-z]+")


class Rule(NamedTuple):
    """One line: its points, and its pattern as labels."""

    weight: int
    labels: tuple[bytes, ...]
    text: str


class OwnRules:
    """The patterns of a file; made by `parse_rules`."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)

    def __len__(self) -> int:
        return len(self._rules)

    def matches(self, name: Name) -> Iterator[Item]:
        """The items of the patterns that match."""
        whole = name.whole.split(b".")
        host = name.host.split(b".") if name.host else []
        for rule in self._rules:
            if _matches(rule.labels, whole, host):
                yield Item(rule.weight, "own", rule.text)


def parse_rules(lines: Sequence[Line]) -> OwnRules:
    """The patterns of a file; LineError for a line that holds no pattern."""
    return OwnRules([_rule(line) for line in lines])


def _rule(line: Line) -> Rule:
    weight, *rest = line.text.split(None, 1)
    if not _WEIGHT.fullmatch(weight) or not 0 < abs(int(weight)) <= MOST_POINTS:
        raise LineError(line.number, f'"{printable(weight)}" is no number of points from -100 to 100, without 0')
    if not rest:
        raise LineError(line.number, "a pattern is missing behind the points")
    pattern = rest[0].lower()
    labels = tuple(pattern.rstrip(b".").split(b"."))
    if not _PATTERN.fullmatch(pattern.rstrip(b".")) or max(map(len, labels)) > _LABEL_LIMIT:
        raise LineError(line.number, f'"{printable(rest[0])}" is no pattern: letters, figures, - _ * ? and dots')
    if not any(set(label) - set(b"*?") for label in labels):
        raise LineError(line.number, f'"{printable(rest[0])}" matches everything')
    return Rule(int(weight), labels, f"{printable(rest[0])} (line {line.number})")


def _matches(labels: tuple[bytes, ...], whole: list[bytes], host: list[bytes]) -> bool:
    if len(labels) > 1:
        return _name_matches(labels, whole)
    pattern = labels[0]
    if b"*" in pattern or b"?" in pattern:
        return any(glob(pattern, label) for label in host)
    return any(_has_word(pattern, label) for label in host)


def _name_matches(labels: tuple[bytes, ...], whole: list[bytes]) -> bool:
    """Label by label from the right; a leading ``*`` takes what is left, at least one label."""
    first, rest = labels[0], labels[1:]
    if first != b"*":
        return len(labels) == len(whole) and all(map(glob, labels, whole))
    return len(whole) > len(rest) and all(map(glob, rest, whole[len(whole) - len(rest) :]))


def _has_word(word: bytes, label: bytes) -> bool:
    """Whether `word` stands in the label between hyphens, underscores, figures and the ends."""
    needle = b"-" + word.replace(b"_", b"-") + b"-"
    return needle in b"-" + label.replace(b"_", b"-") + b"-" or needle in b"-" + _NOT_LETTERS.sub(b"-", label) + b"-"


def glob(pattern: bytes, text: bytes) -> bool:
    """Whether the whole of `text` fits a pattern with ``*`` and ``?``, in at most len(pattern) * len(text) steps."""
    at = seen = 0
    star, retry = -1, 0
    while seen < len(text):
        if at < len(pattern) and pattern[at : at + 1] == b"*":
            star, retry = at, seen
            at += 1
        elif at < len(pattern) and pattern[at : at + 1] in (b"?", text[seen : seen + 1]):
            at += 1
            seen += 1
        elif star >= 0:  # let the last star take one byte more
            retry += 1
            at, seen = star + 1, retry
        else:
            return False
    return not pattern[at:].strip(b"*")
