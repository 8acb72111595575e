"""What an smtpd.conf(5) says of this host's own names: of its listeners, its HELO, its certificates, its domains.

A listener or relay without a name uses the server's: the file mailname of smtpd.conf(5), else the host's. Loopback
listeners and the socket do not count, as no stranger hears them; relays through another host do not, as others see the
name of that one.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from filterctl.conf.lexer import Place, Token
from filterctl.conf.smtpdconf import all_statements, names

_MAILNAMES: Final = ("/etc/mail/mailname", "/etc/mailname")
_LOCAL: Final = re.compile(r"socket|lo[0-9]*|localhost|127\.[0-9.]+|::1")
_ENCRYPTED: Final = frozenset(("tls", "tls-require", "smtps"))
_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?\.[a-z0-9-]+")


class Certificate(NamedTuple):
    """The files of a listener's certificates, and the name it greets with."""

    greeting: str
    files: tuple[str, ...]


@dataclass(slots=True)
class OwnNames:
    """Each name with the place that first says so."""

    greetings: dict[str, Place] = field(default_factory=dict)
    helos: dict[str, Place] = field(default_factory=dict)
    domains: dict[str, Place] = field(default_factory=dict)
    certificates: dict[Certificate, Place] = field(default_factory=dict)


def own_names(path: str) -> OwnNames:
    """Read a configuration. Raises ConfigError."""
    found = OwnNames()
    tables: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    statements = [(each, [None if token.quoted else token.text for token in each]) for each in all_statements(path)]
    for statement, words in statements:
        if words[0] == "table" and len(statement) > 2:
            tables[statement[1].text] = list(_table(statement[2:]))
        elif words[0] == "pki" and "cert" in words[2:4]:
            files[statement[1].text] = _after(statement, words, "cert")
    for statement, words in statements:
        if words[0] == "listen" and len(statement) > 2 and not _LOCAL.fullmatch(statement[2].text):
            _listener(found, statement, words, files)
        elif words[0] == "action" and "relay" in words and "host" not in words:
            found.helos.setdefault(_after(statement, words, "helo") or server_name(), statement[0].place)
        elif words[0] == "match":
            for name in _domains(statement, words, tables):
                found.domains.setdefault(name, statement[0].place)
    return found


def server_name() -> str:
    """What smtpd calls itself where nothing else is said."""
    for path in _MAILNAMES:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.readline().strip()
    return socket.getfqdn()


def _listener(found: OwnNames, statement: Sequence[Token], words: Sequence[str | None], files: dict[str, str]) -> None:
    place = statement[0].place
    if "hostnames" in words:
        return  # a name for each address: who reads it knows
    greeting = _after(statement, words, "hostname") or server_name()
    found.greetings.setdefault(greeting, place)
    keys = [statement[at + 1].text for at, word in enumerate(words[:-1]) if word == "pki"]
    if not keys and _ENCRYPTED & set(words):
        keys = [greeting]  # smtpd takes the pki of that name
    if any(key in files for key in keys):
        found.certificates.setdefault(Certificate(greeting, tuple(files[key] for key in keys if key in files)), place)


def _after(statement: Sequence[Token], words: Sequence[str | None], keyword: str) -> str:
    """The word behind a keyword; empty if it is not there."""
    at = words.index(keyword) + 1 if keyword in words else len(statement)
    return statement[at].text if at < len(statement) else ""


def _domains(statement: Sequence[Token], words: Sequence[str | None], tables: dict[str, list[str]]) -> Iterator[str]:
    """``for domain example.org``, ``{ … }`` or ``<table>``; wildcards are nobody's name."""
    places = [at for at in range(len(words) - 2) if words[at] == "for" and words[at + 1] == "domain"]
    for at in places:
        rest = statement[at + 2 :]
        is_table = rest[0].text == "<" and not rest[0].quoted and len(rest) > 1
        given = tables.get(rest[1].text, []) if is_table else names(rest)
        for name in (each.lower().removesuffix(".") for each in given):
            if _DOMAIN.fullmatch(name):
                yield name


def _table(tokens: Sequence[Token]) -> Iterable[str]:
    """The keys of a table: those in braces, or those of a file; of another kind none are known."""
    if tokens[0].text == "{" and not tokens[0].quoted:
        return names(tokens)
    path = tokens[0].text.removeprefix("file:")
    if not path.startswith("/") or not os.path.isfile(path):
        return ()
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = (line.partition("#")[0].split() for line in file)
        return [words[0] for words in lines if words]
