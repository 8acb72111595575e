"""Whatever stands in the fields a stranger writes: the message is judged, and another reader can read what is said."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address

import authres
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import Signature, split
from filter_api.dkim.results import RECEIVER, Unfit
from filter_api.dkim.seal import Unsealable, next_link
from filter_api.dkim.syntax import check_tags
from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.record import parse_record
from filter_api.dmarc.walk import Records
from filter_api.message.results import parse_results
from filter_api.net.dns import Resolver
from filter_api.session import Transaction
from filter_api.testing.dns import FakeZone
from filter_api.trust import client_at
from filter_auth.checks import Mail
from filter_auth.field import field_value, forged
from filter_auth.filter import build
from filter_auth.options import Options
from filter_auth.policy import Facts, rule
from tests.filter_auth.mail import dmarc, keys

NAMES = (
    b"From",
    b"DKIM-Signature",
    b"ARC-Seal",
    b"ARC-Message-Signature",
    b"ARC-Authentication-Results",
    b"Authentication-Results",
)
PIECES = [
    b"i=1; ", b"i=2; ", b"a=rsa-sha256; ", b"cv=none; ", b"cv=pass; ", b"d=example.org; ", b"s=rsa; ", b"h=from; ",
    b"b=AAAA; ", b"bh=AAAA; ", b"v=1; ", b"c=relaxed/relaxed; ", b"l=0; ", b"t=99999999999999999999; ", b"x=1; ",
    b"mx.example.org; ", b"dmarc=pass ", b"header.from=example.org", b'"', b"(", b")", b"\\", b"<", b">", b"@", b",",
    b"jane@example.org", b"\xff", b"\xc3\xbc.example", b"=", b";", b"\r\n ", b"\r\n\t", b"=?utf-8?q?x?=", b":",
]  # fmt: skip
VALUE = st.one_of(st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), st.binary(max_size=60))
FIELD = st.tuples(st.sampled_from(NAMES), VALUE)


@settings(max_examples=600, deadline=None)
@given(VALUE, st.sampled_from(NAMES))
def test_each_of_the_five_readers_takes_any_bytes(value: bytes, name: bytes) -> None:
    """Authentication-Results, DMARC record, ARC, From, tags of DKIM; each says what is wrong in its own one way."""
    parse_results(value)
    parse_record(value)
    raw = name + b": " + value + b"\r\n"
    chain = ArcChain([(name.lower(), raw)])
    assert chain.result in {"none", "fail", "unknown"}
    with suppress(Unsealable):
        next_link([(name.lower(), raw)], "pass")
    with suppress(Unusable):
        author_domains([value])
    with suppress(Unfit):
        signature = Signature(raw)
        check_tags(signature, 1_700_000_000.0, RECEIVER)


@settings(max_examples=400, deadline=None)
@given(st.lists(FIELD, max_size=7), st.binary(max_size=20), st.binary(max_size=20))
def test_any_header_is_judged_and_what_is_said_can_be_read(
    fields: list[tuple[bytes, bytes]], sender: bytes, helo: bytes
) -> None:
    header = b"".join(name + b": " + value.replace(b"\r\n\r\n", b"") + b"\r\n" for name, value in fields)
    raws, _ = split(header + b"\r\nhello\r\n")
    session = client_at(ip_address("192.0.2.1"))
    session.identity = helo
    session.transaction = Transaction()
    session.transaction.sender = sender
    resolver = Resolver(backend=FakeZone({**dmarc("p=reject"), **keys()}))

    async def inside() -> str:
        filter_ = build([], resolver)
        until = asyncio.get_running_loop().time() + 5
        checked = await filter_.look(session, Mail(raws, [b"hello\r\n"]), until, Records(resolver, until))
        return field_value("mx.example.org", checked, rule(Facts(checked.found), Options()))

    written = asyncio.run(inside())
    assert written.isascii()
    read = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + written.replace("\n", "\r\n"))
    assert [each.method for each in read.results if each.method != "dkim"] == ["spf", "arc", "dmarc"]
    for _, value in fields:
        forged(["mx.example.org"])(value)
