"""A message made ready: the edits that leave smtpd nothing to change, and the header fields as they will leave.

    outgoing = Outgoing(message.header, hostname)     # addresses completed; Unsigned if the header cannot be trusted
    outgoing.complete(now, fallback_host)             # Date and Message-ID put in where they are missing
    outgoing.fields, outgoing.edits

The fields are computed from the very lines of the edits, so what is hashed and what the library writes cannot differ.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from filter_api.decision import AddHeader, Edit, ReplaceHeader
from filter_api.header import Field, HeaderView
from filter_api.message import Message
from filter_dkimsign.canonical import CRLF
from filter_dkimsign.policy import Unsigned
from filter_dkimsign.rewrite import QUALIFIED_FIELDS, Unsettled, date_value, is_hostname, qualify
from filter_dkimsign.signature import RawField

MAX_HEADER: Final = 192 * 1024
"""Bytes of a header that is signed: the library edits no header above 256 KiB, and the signature needs room."""

MAX_FIELDS: Final = 1000
"""Fields of a header that is signed: h= names each of them, and verifiers have limits."""

# A field every verifier reads alike: RFC 5322 §2.2, without the blanks before the colon that §4.5 tolerates.
_SOUND: Final = re.compile(rb"[!-9;-~]+:")


class Outgoing:
    """The header of one message on its way out. `fields` are (lower-case name, raw bytes) from the top."""

    __slots__ = ("_hostname", "edits", "fields")

    def __init__(self, header: HeaderView, hostname: bytes | None) -> None:
        """Raises Unsigned."""
        self._hostname = hostname
        self.edits: list[Edit] = []
        self.fields: list[RawField] = []
        if len(header.fields) > MAX_FIELDS:
            raise Unsigned("header-too-long")
        seen = dict.fromkeys(QUALIFIED_FIELDS, 0)
        for field in header.fields:
            name = field.key
            if not _SOUND.match(field.lines[0]):
                raise Unsigned("malformed-header")
            if name in seen:
                raw = self._qualified(name, field, seen[name])
                seen[name] += 1
            else:
                raw = field.raw
            self.fields.append((name, raw))

    def values(self, wanted: bytes) -> list[bytes]:
        """The raw values of every field of that name."""
        return [raw.partition(b":")[2] for name, raw in self.fields if name == wanted]

    def complete(self, now: float, domain: bytes) -> None:
        """Add Date and Message-ID if they are missing, as a submission server may (RFC 6409 §8.2, §8.3)."""
        names = {name for name, _ in self.fields}
        if b"date" not in names:
            self._append("Date", date_value(now))
        if b"message-id" not in names:
            host = self._hostname if self._hostname and is_hostname(self._hostname) else domain
            self._append("Message-ID", b"<" + os.urandom(8).hex().encode() + b"@" + host + b">")

    def _qualified(self, name: bytes, field: Field, occurrence: int) -> bytes:
        """The raw field with its addresses completed; makes the edit if that changes something."""
        raw = field.raw
        value = raw[len(field.name) + 1 : -2]
        try:
            done = qualify(value, self._hostname)
            if done == value:
                return raw
            edit = ReplaceHeader(name.decode("ascii"), done, occurrence)
        except Unsettled:
            raise Unsigned("unsettled-addresses") from None
        except ValueError:  # a fold without text, which the library does not write
            raise Unsigned("malformed-header") from None
        self.edits.append(edit)
        return field.name + b":" + CRLF.join(edit.lines) + CRLF

    def _append(self, name: str, value: bytes) -> None:
        edit = AddHeader(name, value, where="bottom")
        self.edits.append(edit)
        self.fields.append((name.lower().encode("ascii"), CRLF.join(edit.lines) + CRLF))


def body_blocks(message: Message) -> Iterator[bytes]:
    """The body of a message in blocks, the first of them maybe empty.

    Raises Unsigned for a header that is too long to be edited, and for a message with a bare CR: what becomes of that
    on its way is anybody's guess (RFC 5321 §2.3.8).
    """
    if message.bare_cr:
        raise Unsigned("bare-cr")
    header = 0
    inside = False
    for block in message.text():
        if inside:
            yield block
            continue
        start = _body_start(block)
        header += len(block) if start < 0 else start
        if header > MAX_HEADER:
            raise Unsigned("header-too-long")
        if start >= 0:
            inside = True
            yield block[start:]


def _body_start(block: bytes) -> int:
    """Where the body begins in a block of whole lines that begins in the header; -1 if further on."""
    if block.startswith(CRLF):
        return 2
    end = block.find(b"\r\n\r\n")
    return end + 4 if end >= 0 else -1
