"""Seals over generated messages: the verifier here and dkimpy, which shares no line with it, believe each of them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Sequence

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_api.dkim.arc import ArcChain
from filter_api.dkim.canonical import body_canonicalizer
from filter_api.dkim.fields import split
from filter_api.dkim.seal import SEALED, Link, Unsealable, next_link, seal
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


# --- where a set goes ------------------------------------------------------------------------------------------------

PLAIN = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n"
ONE_SET = once_more(PLAIN, "none")


def sets_of(*seals: bytes) -> list[tuple[bytes, bytes]]:
    """ARC-Seal fields alone."""
    fields, _ = split(b"".join(b"ARC-Seal: %b; b=AA==\r\n" % tags for tags in seals) + b"\r\n")
    return list(fields)


def why_not(fields: Sequence[tuple[bytes, bytes]]) -> str:
    try:
        next_link(fields, "pass")
    except Unsealable as reason:
        return str(reason)
    return ""


@pytest.mark.parametrize(("arrived", "verdict"), [("none", "none"), ("pass", "fail"), ("fail", "fail")])
def test_the_first_set_says_none_and_fail_where_a_chain_was_there_before(arrived: str, verdict: str) -> None:
    assert next_link(split(PLAIN)[0], arrived) == Link(1, verdict, b"")


@pytest.mark.parametrize(("arrived", "verdict"), [("pass", "pass"), ("fail", "fail"), ("none", "fail")])
def test_a_set_on_a_chain_says_what_the_verifier_said_of_it_and_covers_it_only_if_it_holds(
    arrived: str, verdict: str
) -> None:
    link = next_link(split(ONE_SET)[0], arrived)
    assert link[:2] == (2, verdict)
    assert link.before.startswith(b"arc-authentication-results:i=1; mx.example.org;") is (verdict == "pass")


def test_a_chain_that_lost_a_field_since_it_was_verified_has_failed() -> None:
    fields = [field for field in split(ONE_SET)[0] if field[0] != b"arc-message-signature"]
    assert next_link(fields, "pass") == Link(2, "fail", b"")


@pytest.mark.parametrize("tags", [b"i=1; cv=fail", b"i=1;cv=FAIL", b"cv = fail ; i = 1", b"i=1;\r\n\tcv=fail"])
def test_nothing_is_put_on_a_chain_whose_last_seal_says_that_it_has_failed(tags: bytes) -> None:
    assert why_not(sets_of(tags)) == "failed-before"
    assert why_not(sets_of(tags, b"i=2; cv=pass")) == "", "the last one counts"
    assert why_not(sets_of(b"i=2; cv=failed", b"i=2; xcv=fail")) == ""


def test_a_chain_has_fifty_sets_at_most_and_three_fields_for_each() -> None:
    assert why_not(sets_of(b"i=50; cv=pass")) == "too-many-sets"
    assert why_not(sets_of(b"i=51; cv=pass")) == "too-many-sets"
    assert next_link(sets_of(b"i=49; cv=pass"), "pass") == Link(50, "fail", b"")
    assert next_link(sets_of(*[b"i=1; cv=pass"] * 150), "pass") == Link(2, "fail", b"")
    assert why_not(sets_of(*[b"i=1; cv=pass"] * 151)) == "too-many-sets"
    assert next_link(sets_of(b"cv=pass"), "pass") == Link(1, "fail", b""), "a field of no set"


# --- how a set is written --------------------------------------------------------------------------------------------


class Fixed:
    """Signs everything alike, as what is written around a signature does not depend on it."""

    def __init__(self, domain: bytes) -> None:
        self.tags = b"a=rsa-sha256; d=%b; s=s;" % domain

    def sign(self, data: bytes) -> bytes:
        return b"\0" * 256


def written(domain: bytes, message: bytes = PLAIN) -> list[tuple[str, list[bytes]]]:
    """Names and lines of the fields of a set; a tab is eight columns wide."""
    fields, _ = split(message)
    made = seal(Fixed(domain), Link(1, "none"), cover(SEALED, fields), b"h" * 32, results=RESULTS, now=NOW)
    return [(name, (f"{name}: ".encode() + value).replace(b"\t", b" " * 8).split(b"\r\n")) for name, value in made]


def test_a_set_is_a_seal_a_message_signature_and_what_was_found_out() -> None:
    (first, seal_lines), (second, signature_lines), (third, results) = written(b"example.org")
    assert (first, second, third) == ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
    assert seal_lines[0] == b"ARC-Seal: i=1; a=rsa-sha256; d=example.org; s=s; t=1700000000; cv=none;"
    assert seal_lines[1] == b" " * 8 + b"b=" + b"A" * 68
    assert signature_lines[:6] == [
        b"ARC-Message-Signature: i=1; a=rsa-sha256; d=example.org; s=s; t=1700000000;",
        b"        c=relaxed/relaxed;",
        b"        h=from:from:reply-to:subject:subject:date:to:cc:message-id:",
        b"        mime-version:content-type:content-transfer-encoding;",
        b"        bh=aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg=;",
        b"        b=" + b"A" * 68,
    ]
    assert results[0] == b"ARC-Authentication-Results: i=1; mx.example.org;"


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (PLAIN, b"from:from:reply-to:subject:subject:date:to:cc:message-id:mime-version:content-type:"),
        (b"Subject: x\r\n\r\nhello\r\n", b"from:reply-to:subject:subject:date:to:cc:message-id:mime-version:"),
    ],
)
def test_the_names_of_the_fields_that_are_covered_stand_one_after_the_other(message: bytes, names: bytes) -> None:
    (_, (_, lines), _) = written(b"example.org", message)
    listed = b"".join(line.strip() for line in lines).partition(b"h=")[2].partition(b";")[0]
    assert listed.startswith(names)
    assert b" " not in listed


def test_lines_have_78_columns_at_most_and_are_as_full_as_they_can_be() -> None:
    for length in range(1, 60):
        for _, lines in written(b"x" * length + b".test")[:2]:
            assert all(len(line) <= 78 for line in lines)
            for line, following in itertools.pairwise(lines):
                word = following.strip()
                if not word.startswith((b"h=", b"bh=", b"b=", b"A", b"mime")):
                    assert len(line) + len(b" " + word.partition(b" ")[0]) > 78, (line, following)
            assert [len(line) for line in lines if line.strip().startswith(b"b=")] == [78]
