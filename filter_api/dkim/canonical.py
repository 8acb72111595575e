"""Canonical forms of header fields and bodies (RFC 6376 §3.4), shared by the signer and the verifier.

    body = body_canonicalizer("relaxed", hashlib.sha256())
    for block in message.text(): body.update(block)     # blocks may be cut anywhere, also inside a CRLF
    digest = body.digest()
    relaxed_field(b"Subject: a\\r\\n\\tb  c \\r\\n")         # b"subject:a b c\\r\\n"

What they promise: the digest does not depend on where blocks are cut; memory stays within a few blocks whatever the
body holds (a run of blanks is kept as one, a run of empty lines as a number); no line is ever handled on its own, as
each step is one pass of the interpreter's C code over a whole block. Only SP and HTAB are white space here (§2.8):
a form feed or a vertical tab is text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

CRLF: Final = b"\r\n"
_EMPTY_LINES: Final = CRLF * 4096
_MARK: Final = b"\0"
_HTAB: Final = 0x09  # `bytes in bytes` raises and catches an exception inside: an int, or find(), costs a tenth


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The hash of all bytes taken."""


def collapse(text: bytes) -> bytes:
    """Every run of SP and HTAB as one SP. The passes shrink geometrically, so a block of blanks costs two blocks."""
    if _HTAB in text:
        text = text.replace(b"\t", b" ")
    size = 0
    while size != len(text):
        size = len(text)
        text = text.replace(b"  ", b" ")
    return text


class SimpleBody:
    """The "simple" body (§3.4.3): empty lines at the end count as one; a body without any is one CRLF."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._carry = b""  # the end of a block that means nothing yet: a CR, for relaxed also a blank
        self._empty_lines = 0  # CRLFs read that count only if something follows
        self._started = False

    def update(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        data = self._carry + block if self._carry else block
        self._feed(self._held(data))

    def digest(self) -> bytes:
        """The hash of the canonical body; the last call on this object."""
        if self._carry:
            self._emit(self._carry)
        self._digest.update(CRLF)
        return self._digest.digest()

    def _held(self, data: bytes) -> bytes:
        """`data` without the end that the next block may complete."""
        self._carry = b"\r" if data.endswith(b"\r") else b""
        return data[:-1] if self._carry else data

    def _feed(self, data: bytes) -> None:
        """Pass on all but the CRLFs at the end, which are counted."""
        text = data.rstrip(CRLF)
        tail = data[len(text) :]
        if len(tail) == 2 and tail == CRLF:
            empty_lines = 1
        else:
            # Mark whole CRLFs, so that a bare CR or LF among them stays text.
            marked = tail.replace(CRLF, _MARK)
            kept = marked.rstrip(_MARK)
            empty_lines = len(marked) - len(kept)
            text += kept.replace(_MARK, CRLF)
        if text:
            self._emit(text)
            self._empty_lines = empty_lines
        else:
            self._empty_lines += empty_lines

    def _emit(self, text: bytes) -> None:
        """Hash text, after the CRLFs that were held back before it."""
        self._started = True
        while self._empty_lines:
            lines = min(self._empty_lines, len(_EMPTY_LINES) // 2)
            self._digest.update(_EMPTY_LINES[: 2 * lines])
            self._empty_lines -= lines
        self._digest.update(text)


class RelaxedBody(SimpleBody):
    """The "relaxed" body (§3.4.4): blanks collapsed, none at the end of a line; a body without text is nothing."""

    def update(self, block: bytes) -> None:
        """Take the next bytes of the body."""
        data = collapse(self._carry + block if self._carry else block).replace(b" \r\n", CRLF)
        self._feed(self._held(data))

    def digest(self) -> bytes:
        """The hash of the canonical body; the last call on this object."""
        if self._carry.strip(b" "):
            self._emit(self._carry)
        if self._started:
            self._digest.update(CRLF)
        return self._digest.digest()

    def _held(self, data: bytes) -> bytes:
        cut = len(data) - data.endswith(b"\r")
        cut -= data.endswith(b" ", 0, cut)
        self._carry = data[cut:]
        return data[:cut]


def simple_field(raw: bytes) -> bytes:
    """A header field as it stands, CRLF included (§3.4.1)."""
    return raw


def relaxed_value(value: bytes) -> bytes:
    """What comes after the colon: unfolded, blanks collapsed and taken off both ends, without the final CRLF."""
    value = value.replace(CRLF, b"")
    if _HTAB in value or value.find(b"  ") >= 0:
        value = collapse(value)
    return value.strip(b" ")


def relaxed_field(raw: bytes) -> bytes:
    """A header field with its name in lower case, the value as `relaxed_value`, CRLF at the end (§3.4.2)."""
    name, _, value = raw.partition(b":")
    return b"%b:%b\r\n" % (name.rstrip(b" \t").lower(), relaxed_value(value))


FieldForm = Callable[[bytes], bytes]
FIELD_FORMS: Final[dict[str, FieldForm]] = {"simple": simple_field, "relaxed": relaxed_field}


def body_canonicalizer(form: str, digest: Digest) -> SimpleBody:
    """The canonicaliser of bodies named `form`, "simple" or "relaxed"; KeyError for another name."""
    forms: dict[str, type[SimpleBody]] = {"simple": SimpleBody, "relaxed": RelaxedBody}
    return forms[form](digest)
