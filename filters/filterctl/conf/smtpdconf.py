"""Read the filter lines of an smtpd.conf(5), as smtpd's own parser would: quoting, macros, includes, line numbers.

Only what concerns filters is understood: ``proc``, ``filter``, and the ``filter`` and ``masquerade`` options of
listeners and relay actions; what the grammar refuses of these is grammar.py's. Everything else is stepped over, so that
a new keyword of smtpd's is no error here; ``smtpd -n`` judges the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from filter_api.errors import ConfigError, named
from filter_api.text.escape import printable
from filterctl.conf.grammar import defines_nothing, faults
from filterctl.conf.lexer import Place, Token, statements, word_of
from filterctl.conf.tables import Tables

MAX_INCLUDES = 64

LOCAL = frozenset({"socket", "lo0", "lo", "localhost", "::1", "[::1]"})
"""Where only programs of this host connect, beside 127.0.0.0/8."""

_SCALED = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)([KMGT]?)B?\Z", re.IGNORECASE)


class Command(NamedTuple):
    """What smtpd hands to ``/bin/sh -c``, and as whom; user and group are None where smtpd's own apply."""

    text: str
    user: str | None
    group: str | None
    chroot: str | None


@dataclass(slots=True)
class FilterDefinition:
    """One ``filter`` line: exactly one of `command`, `process`, `members` and `phase` is set."""

    name: str
    place: Place
    command: Command | None = None
    process: str | None = None
    members: list[str] | None = None
    phase: str | None = None
    decision: str = ""


class Use(NamedTuple):
    """A listener or relay action that uses filters: the names as written, an inline chain has several.

    `where`: the interface, address or ``socket`` a listener listens on; empty for an action. ours: our users and
    programs send there (by login, from this host). open: strangers can connect. hostname: what it greets with, if said.
    """

    place: Place
    where: str
    outgoing: bool
    filters: list[str]
    masquerade: bool
    proxy: bool
    ours: bool = False
    open: bool = False
    hostname: str = ""


@dataclass(slots=True)
class Configuration:
    """The filter lines of one smtpd.conf and what it includes."""

    processes: dict[str, tuple[Place, Command]] = field(default_factory=dict)
    filters: dict[str, FilterDefinition] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    problems: list[tuple[Place, str]] = field(default_factory=list)
    missing: list[tuple[Place, str, str]] = field(default_factory=list)
    relative: list[tuple[Place, str]] = field(default_factory=list)
    spread: list[Place] = field(default_factory=list)
    tables: Tables = field(default_factory=Tables)
    socket: Place | None = None
    relayed: list[tuple[Place, str]] = field(default_factory=list)
    srs: list[tuple[Place, str]] = field(default_factory=list)
    max_message_size: int = 35 * 1024 * 1024

    def chain(self, use: Use) -> list[FilterDefinition]:
        """The filters of a use in the order smtpd asks them; unknown names are left out (see `refused`)."""
        found = [self.filters[name] for name in use.filters if name in self.filters]
        return [
            self.filters[member] if definition.members is not None else definition
            for definition in found
            for member in (definition.members if definition.members is not None else [definition.name])
            if member in self.filters
        ]

    @property
    def used(self) -> frozenset[str]:
        """The names of the filters that some listener or action has, by itself or in a chain."""
        return frozenset(definition.name for use in self.uses for definition in self.chain(use))

    def refused(self) -> Iterator[tuple[Place, str]]:
        """Why smtpd would refuse names: used but not defined above, defined twice, a chain within a chain."""
        yield from self.problems
        for place, kind, name in self.missing:
            defined = name in (self.filters if kind == "filter" else self.processes)
            why = (
                "used above its definition: move that line up"
                if defined
                else f'not defined: a line {kind} "{name}" is wanted above'
            )
            yield place, f"{kind} {name} is {why}"

    def define(self, definition: FilterDefinition) -> None:
        """Take a filter line in; of two with one name smtpd knows the first."""
        if definition.name in self.filters:
            self.problems.append(
                (definition.place, f"filter {definition.name} is defined twice: give one of them another name")
            )
            return
        self.refer(definition.place, definition.members or (), within=True)
        if definition.process is not None and definition.process not in self.processes:
            self.missing.append((definition.place, "proc", definition.process))
        self.filters[definition.name] = definition

    def refer(self, place: Place, names: Sequence[str], *, within: bool) -> None:
        """Look at the names of filters on a line; `within`: they are the members of a chain."""
        for name in names:
            if name not in self.filters:
                self.missing.append((place, "filter", name))
            elif within and self.filters[name].members is not None:
                self.problems.append(
                    (place, f"filter {name} is a chain, which cannot stand within another: name its members")
                )

    def command_of(self, definition: FilterDefinition) -> Command | None:
        """The command that serves a filter; None for builtin filters and chains."""
        if definition.process is not None:
            known = self.processes.get(definition.process)
            return known[1] if known else None
        return definition.command


def read(path: str) -> Configuration:
    """Raises ConfigError with ``file:line:`` for what smtpd's lexer would refuse, and for a file that is not there."""
    configuration = Configuration()
    for statement in all_statements(path, configuration.spread):
        _take(configuration, statement)
    return configuration


def all_statements(path: str, spread: list[Place] | None = None) -> Iterator[list[Token]]:
    """Of a file and what it includes, in their order; spread: see `statements`. Raises ConfigError."""
    yield from _all_statements(path, {}, [] if spread is None else spread, MAX_INCLUDES)


def _all_statements(path: str, macros: dict[str, str], spread: list[Place], depth: int) -> Iterator[list[Token]]:
    with named(path), open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
    for statement in statements(text, path, macros, spread):
        yield statement
        if word_of(statement[0]) == "include" and len(statement) > 1:
            if depth == 0:
                raise ConfigError(f"{statement[0].place}: more than {MAX_INCLUDES} includes inside each other")
            inner = os.path.join(os.path.dirname(path), statement[1].text)
            if not os.path.exists(inner):
                told = printable(inner)
                raise ConfigError(f"{statement[0].place}: include {told}: No such file: make it, or take the line out")
            yield from _all_statements(inner, macros, spread, depth - 1)


def _take(configuration: Configuration, statement: list[Token]) -> None:
    keyword, place = statement[0].text, statement[0].place
    configuration.problems += [(place, why) for why in faults(statement)]
    configuration.problems += [(place, why) for why in configuration.tables.faults(statement)]
    if keyword == "filter" and defines_nothing(statement):
        return
    if keyword == "proc" and len(statement) >= 3:
        if configuration.processes.setdefault(statement[1].text, (place, _command(statement[2:])))[0] != place:
            configuration.problems.append(
                (place, f"proc {statement[1].text} is defined twice: give one of them another name")
            )
    elif keyword == "filter" and len(statement) >= 3:
        configuration.define(_definition(statement))
    elif keyword == "smtp" and len(statement) >= 3 and statement[1].text == "max-message-size":
        configuration.max_message_size = _size(statement[2])
    elif keyword == "include" and len(statement) > 1 and not os.path.isabs(statement[1].text):
        configuration.relative.append((place, statement[1].text))
    elif keyword == "srs" and len(statement) >= 3 and statement[1].text == "key":
        configuration.srs.append((place, statement[2].text))
    elif keyword == "match":
        configuration.relayed += [(place, source) for source in _relayed(statement)]
    elif keyword == "listen":
        if len(statement) > 2 and statement[2].text == "socket" and not statement[2].quoted:
            if configuration.socket is not None:
                configuration.problems.append(
                    (place, f"a second listener on the socket: join it with {configuration.socket}")
                )
            configuration.socket = place
        _use(configuration, statement, outgoing=False)
    elif keyword == "action":
        _use(configuration, statement, outgoing=True)


def _relayed(statement: list[Token]) -> list[str]:
    """Whom this match rule relays for without a login: the sources of ``match from src … for any``."""
    words = [token.text for token in statement]
    pairs = list(pairwise(words))
    if ("from", "src") not in pairs or ("for", "any") not in pairs or "auth" in words or "mail-from" in words:
        return []
    at = pairs.index(("from", "src"))
    if (at > 0 and words[at - 1] == "!") or "reject" in words:
        return []
    if words[at + 2 : at + 3] == ["<"]:
        return ["".join(words[at + 2 : at + 5])]
    return names(statement[at + 2 :])


def _size(token: Token) -> int:
    """Bytes as scan_scaled(3) reads them: ``36700160``, ``35M``, ``1.5G``; ConfigError."""
    found = _SCALED.match(token.text)
    if found is None:
        raise ConfigError(f"{token.place}: max-message-size {token.text} is no size")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def _definition(statement: list[Token]) -> FilterDefinition:
    place, name, kind = statement[0].place, statement[1].text, statement[2].text
    rest = statement[3:]
    if kind == "proc-exec":
        return FilterDefinition(name, place, command=_command(rest))
    if kind == "proc":
        return FilterDefinition(name, place, process=rest[0].text)
    if kind == "chain":
        return FilterDefinition(name, place, members=names(rest))
    return FilterDefinition(name, place, phase=rest[0].text, decision=_decision(rest))


def _command(tokens: Sequence[Token]) -> Command:
    options = {"user": None, "group": None, "chroot": None} | {
        key.text: value.text for key, value in zip(tokens[1::2], tokens[2::2], strict=False)
    }
    return Command(tokens[0].text, options["user"], options["group"], options["chroot"])


def is_local(where: str) -> bool:
    """Whether only programs of this host connect to a listener there."""
    return where in LOCAL or where.startswith("127.")


def names(tokens: Sequence[Token]) -> list[str]:
    """``{ a, b }`` or a single name."""
    if tokens and tokens[0].text == "{" and not tokens[0].quoted:
        inside = []
        for token in tokens[1:]:
            if token.text == "}" and not token.quoted:
                break
            inside.append(token)
        return [token.text for token in inside if token.quoted or token.text != ","]
    return [tokens[0].text] if tokens else []


def _decision(tokens: Sequence[Token]) -> str:
    words = {token.text for token in tokens if not token.quoted}
    known = ("junk", "bypass", "rewrite", "report", "reject", "disconnect")
    return next((word for word in known if word in words), "")


def _use(configuration: Configuration, statement: list[Token], *, outgoing: bool) -> None:
    words = [None if token.quoted else token.text for token in statement]
    if outgoing and "relay" not in words:
        return
    if "filter" in words:
        at = words.index("filter")
        used = names(statement[at + 1 :])
        where = statement[2].text if not outgoing and len(statement) > 2 else ""
        local = is_local(where)
        auth = bool({"auth", "auth-optional"} & set(words))
        use = Use(
            statement[0].place,
            where,
            outgoing,
            used,
            "masquerade" in words,
            "proxy-v2" in words,
            ours=not outgoing and (local or auth),
            open=not (outgoing or local or "auth" in words),
            hostname=statement[words.index("hostname") + 1].text if "hostname" in words[:-1] else "",
        )
        configuration.refer(use.place, used, within=words[at + 1 : at + 2] == ["{"])
        configuration.uses.append(use)
