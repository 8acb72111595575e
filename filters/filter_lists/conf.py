"""lists.conf(5): which lists there are, where they come from, and in what order they count. Pure.

    drop  black https://www.spamhaus.org/drop/drop_v4.json every=12h expire=4d msg="%A is on Spamhaus DROP"
    mine  white file:/etc/mail/white
    order drop mine

A white list is taken from the black list before it, as in spamd.conf(5); one with the word ``all`` behind ``white``
from every black list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from filter_api.bounds import MAX_LISTS
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError
from filter_lists.message import Message, parse_message
from filter_lists.words import parse_duration, split_words

DEFAULT_EVERY: Final = 43_200.0
DEFAULT_EXPIRE: Final = 604_800.0

METHODS: Final = ("https", "http", "ftp", "file", "exec")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")
_RESERVED: Final = {"all", "order", "black", "white"}
_OPTIONS: Final = ("every", "expire", "msg", "empty")


class Source(NamedTuple):
    """One list. line: where it stands. every, expire: seconds; every is None for a file that the filter itself reads.

    for_all: a white list that is taken from every black list. method: one of `METHODS`. target: the whole URL, the
    path, or the command.
    """

    line: int
    name: str
    black: bool
    for_all: bool
    method: str
    target: str
    every: float | None
    expire: float
    message: Message
    empty_ok: bool

    @property
    def compiled(self) -> bool:
        """Whether `filterctl lists update` takes it in, and the filter reads what that makes of it."""
        return self.every is not None

    @property
    def shown(self) -> str:
        """Where it comes from, as it stands in the file; printable."""
        return printable(self.target if "://" in self.target else f"{self.method}:{self.target}", 2_000)


class Step(NamedTuple):
    """A black list, and the white lists that are taken from it."""

    black: Source
    whites: tuple[Source, ...]


class Conf(NamedTuple):
    """All lists by their names, and those that count, in order."""

    sources: dict[str, Source]
    steps: tuple[Step, ...]

    @property
    def used(self) -> list[Source]:
        """The lists that count, each once."""
        found = [source for step in self.steps for source in (step.black, *step.whites)]
        return list(dict.fromkeys(found))


def parse_conf(lines: Sequence[Line]) -> Conf:
    """The lines of a lists.conf. Raises LineError."""
    sources: dict[str, Source] = {}
    order: tuple[int, list[str]] | None = None
    for number, text in lines:
        try:
            words = split_words(text.decode("utf-8", "surrogateescape"))
            source = None if words[:1] == ["order"] else _source(number, words)
        except ValueError as error:
            raise LineError(number, str(error)) from None
        if source is None:
            if order is not None:
                raise LineError(number, f"the order stands in line {order[0]} already")
            order = number, words[1:]
        elif source.name in sources:
            raise LineError(number, f'"{source.name}" stands in line {sources[source.name].line} already')
        elif len(sources) == MAX_LISTS:
            raise LineError(number, f"more than {MAX_LISTS} lists")
        else:
            sources[source.name] = source
    if order is None:
        raise LineError(lines[-1].number if lines else 1, 'no order: a line like "order drop mine" is missing')
    try:
        return Conf(sources, _steps(sources, order[1]))
    except ValueError as error:
        raise LineError(order[0], str(error)) from None


def _source(number: int, words: list[str]) -> Source:
    if not words:
        raise ValueError("control characters, and nothing else")
    name = words[0]
    if not _NAME.match(name) or name in _RESERVED:
        raise ValueError(f'"{printable(name, 40)}" is no name for a list (letters, figures, - and _, at most 32)')
    if len(words) < 3 or words[1] not in {"black", "white"}:
        raise ValueError(f"{name}: a list is written: name black|white source [option=value ...]")
    black = words[1] == "black"
    for_all = not black and words[2] == "all"
    rest = words[3 if for_all else 2 :]
    if not rest:
        raise ValueError(f"{name}: no source behind all")
    method, target = _target(name, rest[0])
    options = _options(name, rest[1:])
    every = parse_duration(options["every"]) if "every" in options else None if method == "file" else DEFAULT_EVERY
    expire = parse_duration(options["expire"]) if "expire" in options else DEFAULT_EXPIRE
    if every is not None and expire < every:
        raise ValueError(f"{name}: expire is shorter than every: the list would be out of use most of the time")
    if every is None and "expire" in options:
        raise ValueError(f"{name}: expire needs every, as a file that the filter itself reads is never too old")
    if not black and "msg" in options:
        raise ValueError(f"{name}: a white list has no msg, as nobody is refused by it")
    if options.get("empty", "ok") != "ok":
        raise ValueError(f"{name}: empty takes ok")
    message = parse_message(options.get("msg", f"Your address %A is in the {name} list"))
    return Source(number, name, black, for_all, method, target, every, expire, message, "empty" in options)


def _target(name: str, word: str) -> tuple[str, str]:
    """The method, and the URL, path or command."""
    method, colon, rest = word.partition(":")
    if not colon or method not in METHODS:
        raise ValueError(
            f'{name}: "{printable(word, 60)}" is no source (https:, http:, ftp:, file:/path, exec:command)'
        )
    if method in {"file", "exec"}:
        if not rest.startswith("/"):
            raise ValueError(f"{name}: {method}: takes a whole path, which begins with a slash")
        return method, rest
    host = rest[2:].partition("/")[0]
    if "@" in host:
        raise ValueError(f"{name}: no user and no password in a URL here: everybody can read this file")
    if not rest.startswith("//") or not host or not word.isascii() or not word.isprintable():
        raise ValueError(f'{name}: "{printable(word, 60)}" is no URL')
    return method, word


def _options(name: str, words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key not in _OPTIONS:
            raise ValueError(f'{name}: "{printable(word, 40)}" is no option (there are {", ".join(_OPTIONS)})')
        if key in found:
            raise ValueError(f"{name}: {key} is given twice")
        found[key] = value
    return found


def _steps(sources: dict[str, Source], names: Sequence[str]) -> tuple[Step, ...]:
    blacks: list[tuple[Source, list[Source]]] = []
    everywhere: list[Source] = []
    for name in names:
        source = sources.get(name)
        if source is None:
            raise ValueError(f'order: there is no list "{printable(name, 40)}"')
        if source.for_all:
            everywhere.append(source)
        elif source.black:
            if any(source is black for black, _ in blacks):
                raise ValueError(f'order: the black list "{name}" stands there twice')
            blacks.append((source, []))
        elif not blacks:
            raise ValueError(
                f'order: the white list "{name}" stands before any black list; put it behind the one it is taken from,'
                f' or write "{name} white all ..." to take it from all'
            )
        else:
            blacks[-1][1].append(source)
    if not blacks:
        raise ValueError("order: no black list is in it, so nobody would be refused")
    return tuple(Step(black, tuple(dict.fromkeys([*whites, *everywhere]))) for black, whites in blacks)
