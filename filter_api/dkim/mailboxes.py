"""The addresses of a From field (RFC 5322 §3.4), read strictly: what a mail reader might take otherwise is no address.

    parse_mailboxes(b'"Doe, J." <j.doe@example.org> (home)')     -> [b"j.doe@example.org"]
    parse_mailboxes(b"me@example.net <me@example.net>")          -> [b"me@example.net"]
    parse_mailboxes(b"boss@example.org <me@example.net>")        -> None
    parse_mailboxes(b"Staff: a@example.org;")                    -> [b"a@example.org"]
    parse_mailboxes(b"Staff: a@b.example, c@d.example;", groups=True)    -> [b"a@b.example", b"c@d.example"]

A signature vouches for the From address, so there must be no doubt which one that is. What mail programs write against
the grammar is taken where every reader comes to the same domain: an address of that domain as a display name, brackets
in one, encoded words with an @ or a dot in them. One pass of a pattern that is linear in its input; nothing here
raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from filter_api import bounds
from filter_api.text.addresses import domain_of
from filter_api.text.idn import a_labels
from filter_api.text.tokens import tokens_of

_TOKEN: Final = re.compile(
    rb"[ \t\r\n]+"  # folding white space
    rb'|"[^"\\]*(?:\\.[^"\\]*)*"'  # quoted string
    rb"|=\?[A-Za-z0-9_*-]+\?[BbQq]\?[A-Za-z0-9!#$%&'*+/=^_`{|}~@.\[\]-]*\?=(?=[ \t\r\n<]|\Z)"  # encoded word
    rb"|\[[^\[\]\\]*\]"  # domain literal
    rb"|[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"  # atom, 8-bit text too: display names come raw
    rb"|[().<>@,:;\\]",
    re.DOTALL,
)
# What nearly every From looks like, read in one step: words <local@domain>, or the address alone.
_ATOMS: Final = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_COMMON: Final = re.compile(
    rb'[ \t]?(?:(?:[A-Za-z0-9 -]*|"[A-Za-z0-9 .,-]*"[ \t]*)<('
    + _ATOMS
    + rb"@"
    + _ATOMS
    + rb")>|("
    + _ATOMS
    + rb"@"
    + _ATOMS
    + rb"))[ \t\r\n]*\Z"
)
_SPECIALS: Final = frozenset(b"().<>@,:;\\")
_SPECIALS_BUT_DOT_AND_AT: Final = frozenset((b"(", b")", b"<", b">", b",", b":", b";", b"\\"))
_OF_LISTS: Final = frozenset((b",", b":", b";"))
_MAX_LABELS: Final = 128  # of a domain name (RFC 1035 §3.1)


def parse_mailboxes(value: bytes, *, groups: bool = False) -> list[bytes] | None:
    """The ``local@domain`` of every mailbox in the list, comments and blanks taken out, case kept.

    None if the value is no mailbox list: bad syntax, a group (RFC 6854) of several or of nobody, an address without a
    domain, more than 64 KiB. groups: take any groups, and the mailboxes in them.
    """
    if len(value) > bounds.MAX_FROM:
        return None
    common = _COMMON.match(value)
    if common is not None:
        return [common[1] or common[2]]
    tokens = tokens_of(value, _TOKEN)
    if tokens is None:
        return None
    flat = _flattened(tokens) if groups else _ungrouped(tokens)
    if flat is None:
        return None
    found: list[bytes] = []
    for mailbox in _split(flat):
        if mailbox:  # RFC 5322 §4.4 lets an element of a list be empty
            address = _mailbox(mailbox)
            if address is None:
                return None
            found.append(address)
    return found


def _ungrouped(tokens: list[bytes]) -> list[bytes]:
    """The tokens of the only member where they are a group of one: ``words : mailbox ;``."""
    if tokens[-1:] != [b";"] or b":" not in tokens or b"," in tokens:
        return tokens
    start = tokens.index(b":")
    if not start or not all(map(_is_word, tokens[:start])):
        return tokens
    return tokens[start + 1 : -1] or tokens


def _flattened(tokens: list[bytes]) -> list[bytes] | None:
    """The tokens without the names of groups, their ends made commas; None where something is no group."""
    flat: list[bytes] = []
    start = 0  # of the element that is being read
    inside = group = over = False
    for token in tokens:
        inside = token == b"<" or (inside and token != b">")
        if inside or token not in _OF_LISTS:
            if over:
                return None  # after a group there is a comma, or nothing
            flat.append(token)
            continue
        if token == b":":
            if group or start == len(flat) or not all(_is_word(word) or word == b"." for word in flat[start:]):
                return None
            del flat[start:]
            group = True
            continue
        over = token == b";"
        if over and not group:
            return None
        group = group and not over
        flat.append(b",")
        start = len(flat)
    return None if group else flat


def _split(tokens: list[bytes]) -> list[list[bytes]]:
    """The tokens between the commas outside angle brackets (a route inside them holds commas, too)."""
    elements: list[list[bytes]] = [[]]
    inside = False
    for token in tokens:
        if token == b"," and not inside:
            elements.append([])
            continue
        inside = token == b"<" or (inside and token != b">")
        elements[-1].append(token)
    return elements


def _mailbox(tokens: list[bytes]) -> bytes | None:
    """The address of ``local@domain`` or ``display name <local@domain>``."""
    if b"<" not in tokens:
        return _address(tokens)
    start = tokens.index(b"<")
    phrase, inner = tokens[:start], tokens[start + 1 :]
    if inner[-1:] != [b">"]:
        return None
    inner.pop()
    if inner[:1] == [b"@"] and b":" in inner:  # an obsolete source route, to be ignored (RFC 5322 §4.4)
        inner = inner[inner.index(b":") + 1 :]
    address = _address(inner)
    return address if address is not None and _is_name_of(phrase, address) else None


def _is_name_of(phrase: list[bytes], address: bytes) -> bool:
    """Whether these tokens may stand before ``<address>``: words, dots, brackets; addresses of the same domain only."""
    if all(_is_word(token) or token == b"." or token.startswith(b"[") for token in phrase):
        return True
    if any(token in _SPECIALS_BUT_DOT_AND_AT for token in phrase):
        return False
    own = a_labels(domain_of(address))
    return all(a_labels(domain) == own for domain in _domains_in(phrase))


def _domains_in(phrase: list[bytes]) -> Iterator[bytes]:
    """What follows each @, as far as it can be a domain."""
    for index, token in enumerate(phrase):
        if token == b"@":
            end = index + 2
            while phrase[end : end + 1] == [b"."] and end < index + _MAX_LABELS * 2:
                end += 2
            yield b"".join(phrase[index + 1 : end])


def _address(tokens: list[bytes]) -> bytes | None:
    """``word(.word)*@atom(.atom)*`` or with a domain literal; None for anything else."""
    if tokens.count(b"@") != 1:
        return None
    at = tokens.index(b"@")
    local, domain = tokens[:at], tokens[at + 1 :]
    if not _is_dotted(local):
        return None
    if len(domain) > 1 and domain[-1] == b".":  # the root, written: no name in mail, and no doubt about it either
        domain = domain[:-1]
    literal = len(domain) == 1 and domain[0].startswith(b"[")
    if not literal and (not _is_dotted(domain) or any(word.startswith(b'"') for word in domain)):
        return None
    return b"".join([*local, b"@", *domain])


def _is_dotted(tokens: list[bytes]) -> bool:
    """Whether these are words with single dots between them."""
    words, dots = tokens[::2], tokens[1::2]
    return len(words) == len(dots) + 1 and all(map(_is_word, words)) and all(dot == b"." for dot in dots)


def _is_word(token: bytes) -> bool:
    return token[0] not in _SPECIALS and token[0] != ord("[")
