"""The text spamd gets: the message with the envelope's sender on top.

SpamAssassin needs the sender for SPF and takes it from X-Envelope-From or, where its envelope_sender_header says so,
from Return-Path; the client's address and name it takes from smtpd's own Received, the first field of the message. It
believes no X-Envelope-From as soon as another stands below a Received, so the message's own fields of these names are
left out: nobody may switch SPF off that way. The mail itself is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from filter_api.message.message import Message

_ENVELOPE: Final = (b"x-envelope-from", b"return-path")
_NOT_ADDRESS: Final = re.compile(rb"[^!-;=?-~]")
_SENDER_LIMIT: Final = 2_048  # bytes; smtpd takes no longer command line


class Copy:
    """The text for spamd. size: bytes in all; header_size: bytes of its header."""

    def __init__(self, message: Message, sender: bytes | None) -> None:
        self._message = message
        header = message.header
        dropped = [len(field.raw) for name in _ENVELOPE for field in header.fields.named(name)]
        self._envelope = envelope(sender)
        self._skip = header.size if dropped else 0  # bytes of the message that are replaced
        self.size = message.size - sum(dropped) + len(self._envelope)
        self.header_size = header.size + len(self._envelope)

    def blocks(self) -> Iterator[bytes]:
        """The text, from the start at each call."""
        head = self._envelope + (self._without_envelope() if self._skip else b"")
        if head:
            yield head
        skip = self._skip
        for block in self._message.text():
            if skip >= len(block):
                skip -= len(block)
            else:
                yield block[skip:]
                skip = 0

    def _without_envelope(self) -> bytes:
        """The header less what may not stand in it; not kept, as a copy may have to wait for its turn."""
        return b"".join([field.raw for field in self._message.header.fields if field.key not in _ENVELOPE])


def envelope(sender: bytes | None) -> bytes:
    """The fields for a sender; none if smtpd did not tell it."""
    if sender is None:
        return b""
    shown = b"<" + _NOT_ADDRESS.sub(b"?", sender[:_SENDER_LIMIT]) + b">\r\n"
    return b"X-Envelope-From: " + shown + b"Return-Path: " + shown
