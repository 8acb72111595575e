"""The domains of the author: what the From field says (RFC 9989 §4.5, §11.5), as names of the DNS.

    author_domains([b'"Doe, J." <j.doe@example.org>'])           -> ["example.org"]
    author_domains([b"a@example.org> <b@example.net>"])          -> ["example.org", "example.net"]
    author_domains([])                                           -> Unusable: no From field

What the grammar allows is read as it says (`filter_api.dkim.mailboxes`), groups included. Of what it does not, a single
address in angle brackets at the end is the author, unless a list with another address stands before it; failing that,
every domain behind an @ is, so that none of them can be borrowed. A domain in letters beyond ASCII must be one that
every reader takes for the same (`filter_api.text.idn.is_plain`).
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Sequence
from typing import Final

from filter_api import bounds
from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.dkim.syntax import is_name
from filter_api.text.addresses import domain_of
from filter_api.text.idn import a_labels, is_plain

_ANGLE: Final = re.compile(rb"<([^<>]*)>[ \t\r\n]*\Z")
_BLANKS: Final = re.compile(rb"[ \t\r\n]+")
_COMMENT: Final = re.compile(rb"\([^()]*\)")
_BEHIND_AT: Final = re.compile(rb"@ ?([^<>()\",:;@]*)(?=(@?))")

_ENCODED: Final = re.compile(rb"=\?([^?]*)\?([bq])\?([^?]*)\?=", re.IGNORECASE)
_AS_ASCII: Final = re.compile(rb"utf-8|us-ascii|iso-8859-\d+|windows-125\d|koi8-[ru]", re.IGNORECASE)
_OF_ADDRESSES: Final = re.compile(rb"[@<>,:;()\"\\\x00-\x1f]")


class Unusable(Exception):
    """Why a message has no author whose domain could be asked."""


def author_domains(values: Sequence[bytes]) -> list[str]:
    """The domains of the author, each once, as A-labels in lower case; at least one, at most `bounds.MAX_AUTHORS`.

    values: what stands behind the colon of each From field, folds and all. Raises Unusable.
    """
    if not values:
        raise Unusable("no From field")
    if len(values) > 1:
        raise Unusable("more than one From field")
    value = values[0]
    if len(value) > bounds.MAX_AUTHOR_FIELD:
        raise Unusable(f"a From field of more than {bounds.MAX_AUTHOR_FIELD} bytes")
    domains = _domains(value)
    found = list(dict.fromkeys(a_labels(domain).removesuffix(b".") for domain in domains))
    if not found:
        raise Unusable("no address in From")
    if len(found) > bounds.MAX_AUTHORS:
        raise Unusable(f"more than {bounds.MAX_AUTHORS} domains in From")
    if not all(map(is_name, found)) or not all(map(is_plain, domains)):
        raise Unusable("an address in From is not in a domain")
    return [name.decode("ascii") for name in found]


def _domains(value: bytes) -> list[bytes]:
    """Raises Unusable."""
    addresses = parse_mailboxes(value, groups=True)
    if addresses is None and value.count(b"<") == value.count(b">") == 1:
        words, _, _ = value.partition(b"<")
        last = None if _is_list(words) else _ANGLE.search(value[len(words) :])
        addresses = None if last is None else parse_mailboxes(b"<" + last[1] + b">")
    if addresses is not None:
        if any(map(_is_encoded, addresses)):
            raise Unusable("an encoded word in an address of From stands for another address")
        return [domain_of(address) for address in addresses]
    return [*_all_domains(value), *_all_domains(_COMMENT.sub(b"", value))]


def _is_encoded(address: bytes) -> bool:
    """Whether an encoded word, which has no place in an address (RFC 2047 §5), is decoded to more than a local part."""
    for charset, way, text in _ENCODED.findall(address):
        try:
            decoded = a2b_base64(text) if way in b"bB" else a2b_qp(text, header=True)
        except ValueError:
            return True
        if not _AS_ASCII.fullmatch(charset.partition(b"*")[0]) or _OF_ADDRESSES.search(decoded):
            return True
    return False


def _is_list(words: bytes) -> bool:
    """Whether an address and the end of an element stand before the angle bracket: ``a@example.org, @ <b@…>``."""
    _, at, rest = words.partition(b"@")
    return bool(at) and (b"," in rest or b";" in rest)


def _all_domains(value: bytes) -> Iterator[bytes]:
    """What stands behind each @. The grammar allows blanks round dots and comments, so do those who borrow a name.

    Some readers leave out other blanks, too: ``jane@exam ple.org`` is in both domains.
    """
    close = _BLANKS.sub(b" ", value).replace(b" .", b".").replace(b". ", b".")
    for text, more in _BEHIND_AT.findall(close):
        words = text.split(b" ")
        if more and len(words) > 1:
            words.pop()  # the local part of the next address
        yield words[0]
        if len(words) > 1 and b"." in words[1].strip(b"."):
            yield words[0] + words[1]
