"""Tables of smtpd.conf by which smtpd itself turns somebody away, as far as they are files that can be written.

table blocklist file:/etc/mail/blocklist
filter "blocklist" phase connect match src <blocklist> disconnect "550 5.7.1 not welcome"
match from src <blocklist> for any reject
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from filterctl.conf.lexer import Place, Token
from filterctl.conf.smtpdconf import all_statements

_REFUSING: Final = frozenset({"reject", "disconnect"})
_KINDS: Final = {"src": "address", "mail-from": "from", "rdns": "host"}


class TableFile(NamedTuple):
    """kind: what stands in it (``address``, ``from`` or ``host``). place: the statement that refuses."""

    name: str
    path: str
    kind: str
    place: Place


def refusing(path: str) -> list[TableFile]:
    """The tables of a configuration that refuse whoever is in them. Raises ConfigError as smtpd's lexer would."""
    files: dict[str, str] = {}
    found: list[TableFile] = []
    for statement in all_statements(path):
        words = [token.text for token in statement]
        if words[0] == "table" and len(words) > 2 and (file := _file(words[2])):
            files[words[1]] = file
        elif _refuses(statement):
            found += [
                TableFile(name, files[name], kind, statement[0].place) for kind, name in _tables(words) if name in files
            ]
    return found


def _file(source: str) -> str:
    """The path of a table in a plain file; smtpd's databases and its programs are changed otherwise."""
    path = source.removeprefix("file:")
    return path if os.path.isabs(path) else ""


def _refuses(statement: Sequence[Token]) -> bool:
    plain = {token.text for token in statement if not token.quoted}
    return (statement[0].text == "match" and "reject" in plain) or (
        statement[0].text == "filter" and "phase" in plain and bool(plain & _REFUSING)
    )


def _tables(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(kind, table) of each condition that is not turned round: ``src <blocklist>``."""
    for at, word in enumerate(words[:-3]):
        if word in _KINDS and words[at + 1] == "<" and words[at + 3] == ">" and words[at - 1] != "!":
            yield _KINDS[word], words[at + 2]
