"""A signature field as it arrived: its tags, the fields it names, and the bytes it signs (RFC 6376 §3.5, §3.7).

    fields, body = split(message)                    # CRLF line ends
    signature = Signature(raw)                       # Unfit if it is no tag list
    signature.signed_data(others)                    # others: all fields except this one

DKIM-Signature, ARC-Message-Signature and ARC-Seal are all of this kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from filter_api import bounds
from filter_api.dkim.canonical import CRLF, FIELD_FORMS
from filter_api.dkim.record import BLANKS, decode_base64, parse_tags, without_blanks
from filter_api.dkim.results import Result, Unfit
from filter_api.dkim.signature import RawField
from filter_api.text.escape import printable

_B_VALUE: Final = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_FORMS: Final = re.compile(rb"(simple|relaxed)(?:/(simple|relaxed))?\Z")
_NEXT_FIELD: Final = re.compile(rb"\r\n(?![ \t])")
_SHOWN: Final = 255  # bytes of a tag that are shown


class Signature:
    """A signature field that is a tag list. Raises Unfit (neutral) for another."""

    def __init__(self, raw: bytes, default_forms: bytes = b"simple") -> None:
        """`default_forms` is what a missing c= means."""
        self.raw = raw
        self.tags: dict[bytes, bytes] = {}
        self.notes: list[str] = []
        self._default_forms = default_forms
        try:
            self.tags = parse_tags(raw.partition(b":")[2])
        except ValueError as error:
            raise Unfit(Result.NEUTRAL, f"malformed: {error}") from None

    def text(self, tag: bytes) -> str:
        """A tag for showing."""
        return printable(self.tags.get(tag, b"?")[:_SHOWN])

    @property
    def names(self) -> list[bytes]:
        """The names in h=, in lower case. Raises Unfit (neutral) where there are too many."""
        listed = self.tags.get(b"h", b"")
        if listed.count(b":") >= bounds.MAX_SIGNED_NAMES:
            raise Unfit(Result.NEUTRAL, f"malformed: h= has more than {bounds.MAX_SIGNED_NAMES} names")
        return [name.strip(BLANKS).lower() for name in listed.split(b":")]

    @property
    def forms(self) -> tuple[str, str]:
        """The canonical forms of header and body. Raises Unfit (neutral)."""
        match = _FORMS.match(self.tags.get(b"c", self._default_forms))
        if match is None:
            raise Unfit(Result.NEUTRAL, "malformed: unknown canonicalization in c=")
        return match[1].decode(), (match[2] or b"simple").decode()

    def number(self, tag: bytes, what: str) -> int | None:
        """A tag of digits, None where it is missing. Raises Unfit (neutral): ``t= is not a time``."""
        text = self.tags.get(tag)
        if text is None:
            return None
        if not (text.isdigit() and len(text) < 20):
            raise Unfit(Result.NEUTRAL, f"malformed: {tag.decode()}= is not {what}")
        return int(text)

    def data(self, tag: bytes) -> bytes:
        """A tag in base64. Raises Unfit (neutral)."""
        try:
            return decode_base64(without_blanks(self.tags[tag]))
        except ValueError:
            raise Unfit(Result.NEUTRAL, f"malformed: {tag.decode()}= is not base64") from None

    def signed_data(self, fields: Iterable[RawField]) -> bytes:
        """What the signature signs: the fields h= names, each name from the bottom up, and this field without b=."""
        names = self.names
        rest: dict[bytes, list[bytes]] = {name: [] for name in names}
        for name, raw in fields:
            if name in rest:
                rest[name].append(raw)
        return self.signed_bytes([rest[name].pop() for name in names if rest[name]])

    def signed_bytes(self, chosen: Iterable[bytes]) -> bytes:
        """These fields in canonical form, and this field without b= and the line end."""
        form = FIELD_FORMS[self.forms[0]]
        return b"".join(map(form, chosen)) + form(self.emptied()).removesuffix(CRLF)

    def emptied(self) -> bytes:
        """The field with the value of b= taken out."""
        head, _, value = self.raw.partition(b":")
        emptied = head + b":" + _B_VALUE.sub(rb"\1", value, count=1)
        # Where b= was the last tag, the line end went with it.
        return emptied if emptied.endswith(CRLF) else emptied + CRLF


def split(text: bytes) -> tuple[list[RawField], bytes]:
    """The header fields and the body of a message with CRLF line ends."""
    if text.startswith(CRLF):
        return [], text[2:]
    header, _, body = text.partition(CRLF + CRLF)
    return split_header(header), body


def split_header(header: bytes) -> list[RawField]:
    """The fields of a header with CRLF line ends, the last of which may be missing."""
    raws = _NEXT_FIELD.split(header)
    return [(raw.partition(b":")[0].rstrip(b" \t").lower(), raw + CRLF) for raw in raws if raw]
