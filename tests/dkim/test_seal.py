"""Seals over generated messages: the verifier here and dkimpy, which shares no line with it, believe each of them."""

from __future__ import annotations

import asyncio
import hashlib

import dkim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.canonical import body_canonicalizer
from filter_api.dkim.fields import split
from filter_api.dkim.seal import SEALED, next_link, seal
from filter_api.dkim.signature import cover
from filter_api.dkim.verify import blocks_of, judge
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from tests.dkim.crafted import NOW
from tests.dkim.test_differential import SIGNER, ZONE, messages

RESULTS = b"mx.example.org;\r\n\tspf=pass smtp.mailfrom=example.net;\r\n\tarc=none"


def once_more(message: bytes, arrived: str) -> bytes:
    """The message with one more set on top."""
    fields, body = split(message)
    digest = body_canonicalizer("relaxed", hashlib.sha256())
    digest.update(body)
    link = next_link(fields, arrived)
    made = seal(SIGNER, link, cover(SEALED, fields), digest.digest(), results=RESULTS, now=NOW)
    return b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in made) + message


def chain_of(message: bytes) -> ArcChain:
    fields, body = split(message)
    chain = ArcChain(fields)
    resolver = Resolver(backend=FakeZone({(name, "TXT"): texts for name, texts in ZONE.items()}))
    asyncio.run(judge(fields, blocks_of(body), resolver, now=NOW, also=[chain]))
    return chain


def dkimpy_says(message: bytes) -> bytes:
    def record_of(name: bytes, timeout: int = 5) -> bytes:
        return ZONE["s._domainkey.example.org"][0]

    verdict, _, _ = dkim.arc_verify(message, dnsfunc=record_of)
    return bytes(verdict)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages(), st.integers(1, 3))
def test_a_seal_holds_over_any_message(message: bytes, times: int) -> None:
    for number in range(times):
        message = once_more(message, "pass" if number else "none")
    chain = chain_of(message)
    assert (chain.result, chain.reason) == ("pass", "")
    assert len(chain.sets) == times
    assert dkimpy_says(message) == b"pass"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages(), st.data())
def test_a_byte_that_is_changed_in_a_set_is_noticed(message: bytes, data: st.DataObject) -> None:
    """But for blanks, the case of names, and the last letter of base64, which holds bits that mean nothing."""
    sealed = once_more(message, "none")
    size = len(sealed) - len(message)
    place = data.draw(st.integers(0, size - 1))
    if not sealed[place : place + 1].isalnum() or sealed[place + 1 : place + 2] == b"=":
        return
    changed = sealed[:place] + (b"Z" if sealed[place : place + 1] != b"Z" else b"Y") + sealed[place + 1 :]
    if sealed[place : place + 1].lower() == changed[place : place + 1].lower():
        return
    assert chain_of(changed).result != "pass"
