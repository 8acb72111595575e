"""The DKIM-Signature field: the fields it covers, its layout, the bytes that get signed (RFC 6376 §3.5, §3.7).

    layout = Layout(header_form="relaxed", body_form="relaxed", names=DEFAULT_NAMES, oversigned=OVERSIGNED)
    covered = cover(layout, fields)                       # once per message
    value = sign(layout, signer, covered, body_hash, Extras(time=now))

Fields are `(name in lower case, raw bytes with CRLF)` pairs from the top of the message. A name in h= takes its
instances from the bottom up (§5.4.2) and, where it is oversigned, once more than there are: a field of that name
added later breaks the signature. There is no l= tag and no way to get one (§8.2), and Bcc is never covered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Protocol, TypeAlias

from filter_api.dkim.canonical import CRLF, relaxed_field, relaxed_value

RawField: TypeAlias = tuple[bytes, bytes]

OVERSIGNED: Final = frozenset(
    (
        b"from",
        b"to",
        b"cc",
        b"subject",
        b"date",
        b"message-id",
        b"reply-to",
        b"mime-version",
        b"content-type",
        b"content-transfer-encoding",
    )
)
"""What a reader shows or decodes by: a second one would change the message for its reader (RFC 6376 §8.15)."""

DEFAULT_NAMES: Final[tuple[bytes, ...]] = (
    b"from",
    b"reply-to",
    b"subject",
    b"date",
    b"to",
    b"cc",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"resent-date",
    b"resent-from",
    b"resent-to",
    b"resent-cc",
    b"in-reply-to",
    b"references",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
)
"""RFC 6376 §5.4.1, the MIME fields and, for RFC 8058 §4, List-Unsubscribe-Post."""

NEVER: Final = frozenset((b"bcc",))  # smtpd takes it out after the filters

FIELD_NAME: Final = "DKIM-Signature"
_HEAD: Final = b"DKIM-Signature: "
_WIDTH: Final = 78  # RFC 5322 §2.1.1, without the CRLF
INDENT: Final = b"\r\n\t"
"""What begins every line of a field but its first."""
TAB: Final = 8
"""The column at which such a line goes on."""

MAX_REMEMBERED: Final = 64
"""Fields of a header whose shape is remembered; longer ones are planned anew each time."""


class Signer(Protocol):
    """An entry of the key table, as far as a signature goes."""

    @property
    def tags(self) -> bytes:
        """The constant tags, a= d= i= s=, each with its semicolon, separated by blanks."""

    def sign(self, data: bytes) -> bytes:
        """The signature of these bytes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the options say about every signature. Forms are "simple" or "relaxed"; names are in lower case."""

    header_form: str = "relaxed"
    body_form: str = "relaxed"
    names: tuple[bytes, ...] = DEFAULT_NAMES
    oversigned: frozenset[bytes] = OVERSIGNED
    timestamp: bool = False  # t=
    lifetime: int = 0  # seconds till x=; 0 for none
    copies: int = 0  # z=: 1 the covered fields, 2 all fields


class Covered(NamedTuple):
    """What a message gives to each of its signatures: the h= names, the canonical fields in that order, their form."""

    names: tuple[bytes, ...]
    data: bytes
    header_form: str
    copies: bytes = b""  # the z= tag, or nothing


def cover(layout: Layout, fields: Sequence[RawField]) -> Covered:
    """Choose the fields to sign. Each must have its colon right behind its name."""
    plan = _plan if len(fields) <= MAX_REMEMBERED else _plan.__wrapped__
    names, places = plan(layout.names, layout.oversigned, tuple([name for name, _ in fields]))
    chosen = [fields[place] for place in places]
    data = b"".join([raw for _, raw in chosen])
    header_form = layout.header_form
    if header_form == "relaxed" and in_dispute(data):
        header_form = "simple"
    if header_form == "relaxed":
        data = b"".join([b"%b:%b\r\n" % (name, relaxed_value(raw[len(name) + 1 :])) for name, raw in chosen])
    copies = _copies(layout, fields) if layout.copies else b""
    return Covered(names, data, header_form, copies)


_ASCII_BLANKS: Final = b"\x0b\x0c\x1c\x1d\x1e\x1f"
_FOREIGN_BLANKS: Final = re.compile(
    rb"[\x0b\x0c\x1c-\x1f\x85\xa0]"  # as one byte each: NEL and NBSP of Latin-1, and in the middle of UTF-8
    rb"|\xe1\x9a\x80|\xe1\xa0\x8e|\xe2\x80[\x80-\x8d\xa8\xa9\xaf]|\xe2\x81[\x9f\xa0]|\xe3\x80\x80|\xef\xbb\xbf"
)


def in_dispute(data: bytes) -> bool:
    """Whether fields hold what is text to RFC 6376 §2.8 and a blank to widespread verifiers.

    Those take what their language calls white space: the form feed and the vertical tab (C), 0xA0 and U+FEFF (the \\s
    of JavaScript, bytes read as Latin-1 or as UTF-8), 0x85 and 0x1C to 0x1F (Python, Go, Perl), the blanks of Unicode.
    They make other relaxed forms of such a field; its simple form is the same to all. An ``à`` and the
    Cyrillic letter Er of UTF-8 have a byte 0xA0.
    """
    if data.isascii():
        return len(data.translate(None, _ASCII_BLANKS)) != len(data)
    return _FOREIGN_BLANKS.search(data) is not None


@lru_cache(maxsize=256)
def _plan(
    wanted: tuple[bytes, ...], oversigned: frozenset[bytes], present: tuple[bytes, ...]
) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The names in h= and the places of the fields they stand for: the same for most mail of a mail program."""
    places: dict[bytes, list[int]] = {}
    for place, name in enumerate(present):
        places.setdefault(name, []).insert(0, place)
    names: list[bytes] = []
    order: list[int] = []
    for name in wanted:
        found = places.get(name, [])
        names.extend([name] * (len(found) + (name in oversigned)))
        order.extend(found)
    return tuple(names), tuple(order)


def sign(layout: Layout, signer: Signer, covered: Covered, body_hash: bytes, now: int) -> bytes:
    """The value of the signature field, folded with CRLF. `now` is in seconds since the epoch.

    Raises what the signer raises.
    """
    tail = [b"bh=" + base64.b64encode(body_hash) + b";"]
    if layout.lifetime:
        tail.insert(0, b"x=%d;" % (now + layout.lifetime))
    if layout.timestamp:
        tail.insert(0, b"t=%d;" % now)
    begin = _beginning if len(covered.names) <= 2 * MAX_REMEMBERED else _beginning.__wrapped__
    beginning, relaxed = begin(signer.tags, covered.header_form, layout.body_form, covered.names)
    value = beginning + INDENT + fold(tail, TAB) + covered.copies + INDENT + b"b="
    if covered.header_form == "relaxed":  # every fold of ours is one blank then
        own = b"%b %b %bb=" % (
            relaxed,
            b" ".join(tail),
            relaxed_value(covered.copies) + b" " if covered.copies else b"",
        )
    else:
        own = _HEAD + value
    return value + folded_base64(signer.sign(covered.data + own), TAB + 2)


@lru_cache(maxsize=256)
def _beginning(tags: bytes, header_form: str, body_form: str, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The value up to the end of h=, and the relaxed form of the field so far: the same for most mail of a domain."""
    algorithm, *others = tags.split(b" ")
    first = fold([b"v=1;", algorithm, f"c={header_form}/{body_form};".encode(), *others], len(_HEAD))
    listed = [name + b":" for name in names]
    listed[0] = b"h=" + listed[0]
    listed[-1] = listed[-1][:-1] + b";"
    value = first + INDENT + fold(listed, TAB, glue=b"")
    return value, relaxed_field(_HEAD + value + CRLF).removesuffix(CRLF)


def fold(pieces: Iterable[bytes], column: int, glue: bytes = b" ") -> bytes:
    """Join pieces with `glue`, or with a fold where the line would get too long. column: where the first one begins."""
    parts: list[bytes] = []
    for piece in pieces:
        if parts and column + len(glue) + len(piece) > _WIDTH:
            parts.append(INDENT)
            column = TAB
        elif parts:
            parts.append(glue)
            column += len(glue)
        parts.append(piece)
        column += len(piece)
    return b"".join(parts)


def folded_base64(data: bytes, column: int) -> bytes:
    """Base64 from this column on in lines that fit; white space inside means nothing (RFC 6376 §3.5)."""
    text = base64.b64encode(data)
    first = _WIDTH - column
    width = _WIDTH - TAB
    lines = [text[:first], *(text[start : start + width] for start in range(first, len(text), width))]
    return INDENT.join(lines)


def _copies(layout: Layout, fields: Sequence[RawField]) -> bytes:
    """The z= tag (RFC 6376 §3.5), folded, with the fold before it: for finding out what broke a signature."""
    chosen = [raw for name, raw in fields if name not in NEVER and (layout.copies > 1 or name in layout.names)]
    text = b"z=" + b"|".join(map(_quoted, chosen)) + b";"
    width = _WIDTH - TAB
    lines = []
    start = 0
    while start < len(text):
        end = start + width
        for back in (1, 2):  # never inside an =XX
            if end < len(text) and text[end - back] == ord("="):
                end -= back
        lines.append(text[start:end])
        start = end
    return INDENT + INDENT.join(lines)


_PLAIN: Final = frozenset(range(0x21, 0x7F)) - frozenset(b";=|")
_QUOTED: Final = tuple(bytes((byte,)) if byte in _PLAIN else b"=%02X" % byte for byte in range(256))


def _quoted(raw: bytes) -> bytes:
    """A field in dkim-quoted-printable (§2.11): its name, a colon, and the value with everything doubtful encoded."""
    name, _, value = raw.removesuffix(CRLF).partition(b":")
    return name + b":" + b"".join([_QUOTED[byte] for byte in value])
