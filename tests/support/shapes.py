"""Messages of every shape mail comes in: what a filter lets pass must come out of it byte for byte."""

from __future__ import annotations

import base64
import hashlib
import quopri
import re
from collections.abc import Sequence

_HEAD = (
    b"Date: Fri, 20 Nov 2026 09:00:00 +0000\r\nFrom: Ann <ann@example.org>\r\nTo: Bob <bob@example.com>\r\n"
    b"Message-ID: <20261120090000.1@example.org>\r\nSubject: The minutes of Friday\r\n"
)
_BODY = (
    b"Dear Bob,\r\n\r\nthe minutes of our meeting on Friday are below. We agreed to plant the trees in March\r\n"
    b"and to ask the neighbours about the fence before that. Please tell me if I forgot a point.\r\n\r\n"
    b"Kind regards\r\nAnn\r\n"
)
_MIME = b"MIME-Version: 1.0\r\n"


def _with(fields: bytes, body: bytes = _BODY) -> bytes:
    return _HEAD + fields + b"\r\n" + body


SHAPES: dict[str, bytes] = {
    "plain": _with(b""),
    "empty": b"",
    "empty line only": b"\r\n",
    "header only": _HEAD,
    "header and empty line": _HEAD + b"\r\n",
    "no header": b"\r\n" + _BODY,
    "8-bit body": _with(b"", b"Gr\xfc\xdfe, \xe9t\xe9, \xff\xfe\x80\r\n" + _BODY),
    "8-bit header": _HEAD + b"X-Name: J\xf6rg \xff\r\n\r\n" + _BODY,
    "utf-8": _with(_MIME + b"Content-Type: text/plain; charset=utf-8\r\n", "Grüße, 你好, ✓\r\n".encode() + _BODY),
    "NUL": _with(b"", b"before\0after\r\n" + _BODY),
    "bare CR": _with(b"", b"one\rtwo\r\nthree\r\r\n" + _BODY),
    "bare CR in header": _HEAD + b"X-Odd: one\rtwo\r\n\r\n" + _BODY,
    "control bytes": _with(b"", bytes(range(1, 10)) + bytes(range(14, 32)) + b"\r\n\x0c\r\n\x0b\x85\r\n" + _BODY),
    "dots": _with(b"", b".one\r\n..two\r\n...\r\n. \r\n.\t.\r\n" + _BODY),
    "lone dots": _with(b"", b"before\r\n.\r\n.\r\nafter\r\n" + _BODY),
    "trailing blanks": _with(b"", b"blank \r\ntab\t\r\n   \r\n\t\r\n" + _BODY),
    "empty lines at the end": _with(b"", _BODY + b"\r\n" * 20),
    "long line": _with(b"", b"x" * 60_000 + b"\r\n" + _BODY),
    "long lines": _with(b"", b"".join(b"%d " % n + b"word " * 190 + b"\r\n" for n in range(12))),
    "long header": _HEAD + b"X-Long: " + b"v" * 20_000 + b"\r\n\r\n" + _BODY,
    "many fields": _HEAD + b"".join(b"X-Field-%d: value\r\n" % n for n in range(500)) + b"\r\n" + _BODY,
    "folds": _HEAD + b"X-Folded: one\r\n two\r\n\tthree\r\n   four\r\n\r\n" + _BODY,
    "fold of blanks": _HEAD + b"X-Folded: one\r\n \r\n two\r\n\r\n" + _BODY,
    "odd fields": _HEAD + b"X-Space : value\r\nnocolon\r\n: empty name\r\nX-Empty:\r\n\r\n" + _BODY,
    "two subjects": _HEAD + b"Subject: another\r\nsubject: and one more\r\n\r\n" + _BODY,
    "starts with a fold": b" folded\r\n" + _HEAD + b"\r\n" + _BODY,
    "mbox line": _with(b"", b"From ann@example.org Fri Nov 20 09:00:00 2026\r\n>From x\r\n" + _BODY),
    "multipart": _with(
        _MIME + b'Content-Type: multipart/alternative; boundary="cut"\r\n',
        b"preamble\r\n--cut\r\nContent-Type: text/plain\r\n\r\n" + _BODY + b"--cut\r\nContent-Type: text/html\r\n\r\n"
        b"<p>The minutes</p>\r\n--cut--\r\nepilogue\r\n",
    ),
    "open multipart": _with(_MIME + b'Content-Type: multipart/mixed; boundary="cut"\r\n', b"--cut\r\n\r\n" + _BODY),
    "base64": _with(
        _MIME + b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n",
        base64.encodebytes(bytes(range(256)) * 40).replace(b"\n", b"\r\n"),
    ),
    "quoted-printable": _with(
        _MIME + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
        quopri.encodestring("Grüße\n".encode() * 50).replace(b"\n", b"\r\n"),
    ),
    "encoded words": _with(b"X-Name: =?utf-8?B?SsO2cmc=?= =?iso-8859-1?Q?M=FCller?=\r\n"),
    "signed": _with(b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x;\r\n\th=from:to; bh=AAAA; b=BBBB\r\n"),
    "list": _with(
        b"List-Id: <list.example.org>\r\nList-Unsubscribe: <mailto:leave@example.org>\r\nPrecedence: list\r\n"
    ),
}
"""At least thirty, by name."""


def without_fields(text: bytes, names: Sequence[str]) -> bytes:
    """A message without the header fields of these names, folds included."""
    alternatives = "|".join(map(re.escape, names)).encode("ascii")
    header, empty, body = text.partition(b"\r\n\r\n")
    block = header + empty[:2]  # the last field with its line end
    kept = re.sub(rb"(?mi)^(?:" + alternatives + rb"):.*\r\n(?:[ \t].*\r\n)*", b"", block) if names else block
    return kept + empty[2:] + body


def digest(text: bytes) -> str:
    """What is compared of large messages."""
    return hashlib.sha256(text).hexdigest()
