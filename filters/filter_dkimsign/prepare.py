"""A message made ready: the edits that leave smtpd nothing to change, and the header fields as they will leave.

    opened = open_message(message)                       # header and body; Unsigned if it cannot be signed at all
    outgoing = Outgoing(opened.header, hostname)         # addresses completed; Unsigned if the header is not sound
    outgoing.complete(now, fallback_host)                # Date and Message-ID put in where they are missing
    outgoing.fields, outgoing.edits

The fields are computed from the very lines of the edits, so what is hashed and what the library writes cannot differ.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from filter_api import bounds
from filter_api.decision import AddHeader, Edit, ReplaceHeader
from filter_api.dkim.canonical import CRLF
from filter_api.dkim.signature import RawField
from filter_api.message.message import Message
from filter_dkimsign.policy import Unsigned
from filter_dkimsign.rewrite import (
    QUALIFIED_FIELDS,
    Unsettled,
    date_value,
    is_complete,
    is_hostname,
    qualify,
    releases_of,
)

MAX_HEADER: Final = 192 * 1024
"""Bytes of a header that is signed: the library edits no header above 256 KiB, and the signature needs room."""

MAX_FIELDS: Final = 1000
"""Fields of a header that is signed: h= names each of them, and verifiers have limits."""

# A field every verifier reads alike: RFC 5322 §2.2, without the blanks before the colon that §4.5 tolerates.
# A dot is fastest; it takes the CR, too, and there is none but at line ends.
# Fields begin lines: without the ^ a line that is no field would be tried from each of its bytes.
_FIELD: Final = re.compile(rb"(?m)^([!-9;-~]+)(:.*\n(?:[ \t].*\n)*)")


class Opened(NamedTuple):
    """A message in two parts: its header with CRLF line ends, without the empty line, and the blocks of its body."""

    header: bytes
    body: Iterator[bytes]


def open_message(message: Message) -> Opened:
    """Find the body. Raises Unsigned.

    That is for a header too long to be edited, and for a message with a bare CR: what becomes of that on its way is
    anybody's guess (RFC 5321 §2.3.8).
    """
    if message.bare_cr:
        raise Unsigned("bare-cr")
    blocks = message.text()
    header = b""
    for block in blocks:
        if block.startswith(CRLF):
            return Opened(header, chain((block[2:],), blocks))
        end = block.find(b"\r\n\r\n")
        header += block if end < 0 else block[: end + 2]
        if len(header) > MAX_HEADER:
            raise Unsigned("header-too-long")
        if end >= 0:
            return Opened(header, chain((block[end + 4 :],), blocks))
    return Opened(header, blocks)


class Outgoing:
    """The header of one message on its way out. `fields` are (lower-case name, raw bytes) from the top."""

    __slots__ = ("_hostname", "_releases", "_room", "edits", "fields")

    def __init__(self, header: bytes, hostname: bytes | None, version: str = "") -> None:
        """`version` is that of smtpd. Raises Unsigned."""
        self._hostname = hostname
        self._releases = releases_of(version)
        self._room = bounds.MAX_REWRITTEN
        self.edits: list[Edit] = []
        found: list[tuple[bytes, bytes]] = _FIELD.findall(header)
        self.fields: list[RawField] = [(name.lower(), name + rest) for name, rest in found]
        if sum([len(raw) for _, raw in self.fields]) != len(header):
            raise Unsigned("malformed-header")
        if len(found) > MAX_FIELDS:
            raise Unsigned("header-too-long")
        seen: dict[bytes, int] = {}
        for place, (name, _) in enumerate(self.fields):
            if name in QUALIFIED_FIELDS:
                occurrence = seen.get(name, 0)
                seen[name] = occurrence + 1
                self._qualify(place, occurrence)

    def values(self, wanted: bytes) -> list[bytes]:
        """The raw values of every field of that name."""
        return [raw[len(wanted) + 1 :] for name, raw in self.fields if name == wanted]

    def first(self, wanted: bytes) -> bytes:
        """The unfolded value of the topmost field of that name, for the log; nothing if there is none."""
        for name, raw in self.fields:
            if name == wanted:
                return raw[len(wanted) + 1 :].replace(CRLF, b"").strip(b" \t")
        return b""

    def complete(self, now: float, domain: bytes) -> None:
        """Add Date and Message-ID if they are missing, as a submission server may (RFC 6409 §8.2, §8.3)."""
        names = {name for name, _ in self.fields}
        if b"date" not in names:
            self._append("Date", date_value(now))
        if b"message-id" not in names:
            host = self._hostname if self._hostname and is_hostname(self._hostname) else domain
            self._append("Message-ID", b"<" + os.urandom(8).hex().encode() + b"@" + host + b">")

    def _qualify(self, place: int, occurrence: int) -> None:
        """Complete the addresses of a field; makes an edit if that changes something."""
        name, raw = self.fields[place]
        value = raw[len(name) + 1 : -2]
        if is_complete(value):  # nearly all are
            return
        self._room -= len(value)
        if self._room < 0:
            raise Unsigned("unsettled-addresses")
        try:
            done = qualify(value, self._hostname, self._releases)
            if done == value:
                return
            edit = ReplaceHeader(name.decode("ascii"), done, occurrence)
        except Unsettled:
            raise Unsigned("unsettled-addresses") from None
        except ValueError:  # a fold without text, which the library does not write
            raise Unsigned("malformed-header") from None
        self.edits.append(edit)
        self.fields[place] = (name, raw[: len(name) + 1] + CRLF.join(edit.lines) + CRLF)

    def _append(self, name: str, value: bytes) -> None:
        edit = AddHeader(name, value, where="bottom")
        self.edits.append(edit)
        self.fields.append((name.lower().encode("ascii"), CRLF.join(edit.lines) + CRLF))
