"""Tables of smtpd.conf by which smtpd itself turns somebody away, as far as they are files that can be written.

table blocklist file:/etc/mail/blocklist
filter "blocklist" phase connect match src <blocklist> disconnect "550 5.7.1 not welcome"
match from src <blocklist> for any reject
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from filterctl.conf.lexer import Place, Token
from filterctl.conf.smtpdconf import all_statements

_REFUSING: Final = frozenset({"reject", "disconnect"})
_KINDS: Final = {"src": "address", "mail-from": "from", "rdns": "host"}
_ONE_CONDITION: Final = re.compile(r"filter \S+ phase \S+ match \S+ < \S+ > (?:reject|disconnect)")
_RULE: Final = re.compile(r"match(?: from any| from (?:src|rdns) < \S+ >| for any| mail-from < \S+ >)+ reject")


class TableFile(NamedTuple):
    """kind: what stands in it (``address``, ``from`` or ``host``). place: the statement that refuses.

    alone: whether it refuses for that alone, and from everywhere; not if it has other conditions, too.
    """

    name: str
    path: str
    kind: str
    place: Place
    alone: bool


class Tables(NamedTuple):
    """refusing: those that refuse whoever is in them. names: by the real path of each file that smtpd reads."""

    refusing: list[TableFile]
    names: dict[str, str]

    def name_of(self, path: str) -> str:
        """The table that smtpd reads from this file; empty if it reads none."""
        return self.names.get(os.path.realpath(path), "")


def tables(path: str, used: Collection[str]) -> Tables:
    """The tables of a configuration. used: the filters that listeners have; the others turn nobody away.

    Raises ConfigError as smtpd's lexer would.
    """
    files: dict[str, str] = {}
    found: list[TableFile] = []
    for statement in all_statements(path):
        words = [token.text for token in statement]
        if words[0] == "table" and len(words) > 2 and (file := _file(words[2])):
            files[words[1]] = file
        elif _refuses(statement) and (words[0] == "match" or words[1] in used):
            found += [
                TableFile(name, files[name], kind, statement[0].place, _alone(words))
                for kind, name in _tables(words)
                if name in files
            ]
    return Tables(found, {os.path.realpath(file): name for name, file in files.items()})


def _file(source: str) -> str:
    """The path of a table in a plain file; smtpd's databases and its programs are changed otherwise."""
    path = source.removeprefix("file:")
    return path if os.path.isabs(path) else ""


def _refuses(statement: Sequence[Token]) -> bool:
    plain = {token.text for token in statement if not token.quoted}
    return (statement[0].text == "match" and "reject" in plain) or (
        statement[0].text == "filter" and "phase" in plain and bool(plain & _REFUSING)
    )


def _alone(words: Sequence[str]) -> bool:
    """Without ``from`` a rule of smtpd's is for programs of this host only, and without ``for`` for its own names."""
    text = " ".join(words)
    if words[0] == "filter":
        return _ONE_CONDITION.match(text) is not None
    whole = _RULE.fullmatch(text) is not None and " from " in text and " for any " in text
    return whole and words.count("<") == 1


def _tables(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(kind, table) of each condition that is not turned round: ``src <blocklist>``."""
    for at, word in enumerate(words[:-3]):
        if word in _KINDS and words[at + 1] == "<" and words[at + 3] == ">" and words[at - 1] != "!":
            yield _KINDS[word], words[at + 2]
