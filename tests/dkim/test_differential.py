"""Generated messages, whole and tampered with: dkimpy, which shares no line with the verifier here, says the same.

DKIM_MESSAGES sets their number. Left out are what the two see differently on purpose: SHA-1, l=, short keys.
"""

from __future__ import annotations

import hashlib
import os

import dkim
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from filter_api.dkim.canonical import body_canonicalizer
from filter_api.dkim.fields import split
from filter_api.dkim.keys import SigningKey
from filter_api.dkim.signature import Layout, cover, sign
from tests.dkim.crafted import NOW, judged
from tests.filter_dkimsign.keyring import record, rsa_key

MESSAGES = int(os.environ.get("DKIM_MESSAGES", "200"))
ZONE = {"s._domainkey.example.org": [record(rsa_key(1024))]}


class Signer:
    """Signs as an entry of the key table does."""

    tags = b"a=rsa-sha256; d=example.org; s=s;"

    def __init__(self) -> None:
        self.sign = SigningKey(rsa_key(1024)).sign


SIGNER = Signer()
BLANK = st.sampled_from([b"", b" ", b"  ", b"\t", b" \t ", b"\r\n ", b"\r\n\t "])
WORD = st.binary(min_size=1, max_size=12).map(lambda raw: bytes(33 + byte % 94 for byte in raw))
VALUE = st.lists(st.tuples(WORD, BLANK), max_size=5).map(lambda pairs: b"".join(word + gap for word, gap in pairs))
NAMES = (b"Subject", b"To", b"X-Some", b"date", b"MIME-Version", b"received")
FIELD = st.tuples(st.sampled_from(NAMES), st.sampled_from([b":", b": ", b":\t"]), VALUE).map(b"".join)
LINE = st.one_of(st.just(b""), st.just(b" "), st.just(b"\t "), VALUE.map(lambda value: value.replace(b"\r\n", b"")))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message with CRLF line ends, signed with one layout or another."""
    fields = [b"From: a@example.org", *draw(st.lists(FIELD, max_size=5))]
    # A fold of blanks only ends a header for some; it is no business of signatures.
    fields = [b"\r\n".join(line for line in field.split(b"\r\n") if line.strip()) for field in fields]
    header = b"".join(field + b"\r\n" for field in draw(st.permutations(fields)))
    body = b"".join(line + b"\r\n" for line in draw(st.lists(LINE, max_size=8)))
    layout = Layout(
        draw(st.sampled_from(["simple", "relaxed"])),
        draw(st.sampled_from(["simple", "relaxed"])),
        names=(b"from", b"subject", b"to", b"x-some"),
        oversigned=frozenset(draw(st.sampled_from([(), (b"from",), (b"from", b"subject")]))),
    )
    digest = body_canonicalizer(layout.body_form, hashlib.sha256())
    digest.update(body)
    value = sign(layout, SIGNER, cover(layout, split(header + b"\r\n")[0]), digest.digest(), NOW)
    return b"DKIM-Signature: " + value + b"\r\n" + header + b"\r\n" + body


@st.composite
def tampered(draw: st.DrawFn) -> bytes:
    """The same, and sometimes one byte or line of it is another."""
    message = draw(messages())
    kind = draw(st.sampled_from(["none", "none", "byte", "line", "end"]))
    if kind == "byte":
        place = draw(st.integers(message.index(b"\r\nFrom:") + 2 if b"\r\nFrom:" in message else 0, len(message) - 1))
        if message[place] not in b"\r\n\t :":
            return message[:place] + b"Z" + message[place + 1 :]
    if kind == "line":
        return message.replace(b"\r\n\r\n", b"\r\nSubject: added\r\n\r\n", 1)
    return message + b" \t\r\n\r\n" if kind == "end" else message


def dkimpy_says(message: bytes) -> bool:
    def record_of(name: bytes, timeout: int = 5) -> bytes:
        return ZONE["s._domainkey.example.org"][0]

    try:
        return bool(dkim.verify(message, dnsfunc=record_of))
    except dkim.DKIMException:
        return False


@settings(max_examples=MESSAGES, deadline=None, suppress_health_check=list(HealthCheck))
@given(tampered())
def test_dkimpy_says_the_same_of_every_message(message: bytes) -> None:
    [outcome] = judged(message, ZONE)
    event(outcome.result.value)
    assert outcome.passed is dkimpy_says(message), str(outcome)
