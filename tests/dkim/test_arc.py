"""ARC chains beyond the public suite; what the sealer of these tests makes is held against dkimpy's verifier, too."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from filter_api import bounds
from filter_api.dkim.arc import ArcChain
from filter_api.dkim.fields import split
from filter_api.dkim.results import RECEIVER
from filter_api.dkim.seal import Unsealable, next_link
from filter_api.dkim.verify import Verified, blocks_of, judge
from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeTimeLoop
from filter_api.testing.dns import FakeZone
from tests.dkim.crafted import BODY, HEADER, NAME, NOW, Published, crafted
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key

LIST = "arc._domainkey.list.example"
KEYS: Mapping[str, Iterable[bytes]] = {LIST: [record(rsa_key())], NAME: [record(rsa_key())]}


def relaxed(raw: bytes) -> bytes:
    name, _, value = raw.partition(b":")
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip() + b"\r\n"


def signed(field: bytes, data: bytes, key: RSAPrivateKey | None = None) -> bytes:
    """The field, which ends with b=, with its signature."""
    value = (key or rsa_key()).sign(data + relaxed(field + b"\r\n")[:-2], PKCS1v15(), SHA256())
    return field + base64.b64encode(value) + b"\r\n"


def seal(
    message: bytes,
    times: int = 1,
    length: int | None = None,
    *,
    key: RSAPrivateKey | None = None,
    forms: bytes = b" c=relaxed/relaxed;",
) -> bytes:
    """More sets on top, as relays that checked the chain would put them; the fields of others are all distinct.

    length: of the body, for an l= of the message signatures. forms: the tag c=.
    """
    fields, body = split(message)
    body_hash = base64.b64encode(hashlib.sha256(body[:length]).digest())
    named = dict(fields)
    chain = b""
    for number in range(1, times + 1):
        tags = b" a=rsa-sha256; d=list.example; s=arc; t=%d;" % NOW
        part = b"" if length is None else b" l=%d;" % length
        results = b"ARC-Authentication-Results: i=%d; list.example;\r\n\tdkim=pass header.d=example.org\r\n" % number
        own = signed(
            b"ARC-Message-Signature: i=%d;%b%b%b\r\n\th=from:to:subject; bh=%b; b="
            % (number, forms, tags, part, body_hash),
            b"".join(relaxed(named[name]) for name in (b"from", b"to", b"subject")),
            key,
        )
        chain += relaxed(results) + relaxed(own)
        outer = signed(b"ARC-Seal: i=%d;%b cv=%b; b=" % (number, tags, b"none" if number == 1 else b"pass"), chain, key)
        chain += relaxed(outer)
        message = outer + own + results + message
    return message


@functools.cache
def sealed(times: int) -> bytes:
    return seal(HEADER + b"\r\n" + BODY, times=times)


def judged(message: bytes, published: Published = KEYS) -> tuple[ArcChain, Verified]:
    content = {
        (name, "TXT"): list(value) if not isinstance(value, Status) else value for name, value in published.items()
    }
    fields, body = split(message)
    chain = ArcChain(fields)

    async def inside() -> Verified:
        resolver = Resolver(backend=FakeZone(content))
        return await judge(fields, blocks_of(body), resolver, now=NOW, terms=RECEIVER, also=[chain])

    return chain, asyncio.run(inside())


@pytest.mark.parametrize("times", [1, 2, 3, 7])
def test_a_good_chain_passes_here_and_at_dkimpy(times: int) -> None:
    zone = {name.encode() + b".": next(iter(texts)) for name, texts in KEYS.items()}
    verdict, _, reason = dkim.arc_verify(sealed(times), dnsfunc=lambda name, timeout=5: zone.get(name))
    assert verdict == b"pass", reason
    chain, _ = judged(sealed(times))
    assert (chain.result, chain.reason) == ("pass", "")
    assert [one.instance for one in chain.sets] == list(range(1, times + 1))
    assert {one.sealer for one in chain.sets} == {b"list.example"}
    assert b"dkim=pass header.d=example.org" in chain.sets[0].results
    assert not chain.sets[0].results.lstrip().startswith(b"i=")


def test_one_pass_of_the_body_serves_signature_and_chain() -> None:
    chain, verified = judged(seal(crafted(), times=2))
    assert chain.result == "pass"
    assert [outcome.passed for outcome in verified.outcomes] == [True]


@pytest.mark.parametrize(
    ("length", "times", "more", "unsigned"),
    [(0, 1, b"", 14), (5, 1, b"", 9), (14, 1, b"and more\r\n", 10), (14, 3, b"<b>buy</b>\r\n", 12), (14, 2, b"", 0)],
)
def test_a_chain_whose_signature_leaves_a_part_of_the_body_out_fails(
    length: int, times: int, more: bytes, unsigned: int
) -> None:
    """What was put behind it, nobody has seen."""
    chain, _ = judged(seal(HEADER + b"\r\n" + BODY, times, length) + more)
    assert chain.result == ("fail" if unsigned else "pass")
    assert (f"l= leaves {unsigned} bytes of the body unsigned" in chain.reason) is bool(unsigned)


def test_a_message_without_a_chain_is_none() -> None:
    for message in (HEADER + b"\r\n" + BODY, b"", b"\r\n", crafted()):
        assert judged(message)[0].result == "none"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"world", b"World", "instance 3: the body hash does not match"),
        (b"Subject: test", b"Subject: toast", "ARC-Message-Signature of instance 3: the signature does not match"),
        (b"header.d=example.org", b"header.d=example.net", "the signature does not match"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=4;", "not complete"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=3;", "occurs twice"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=x;", "i= is not a number"),
        (b"ARC-Seal: i=2;", b"X-Seal: i=2;", "not complete"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: j=1;", "does not begin with i="),
        (b"cv=none", b"cv=pass", "cv= must be none"),
        (b"cv=pass", b"cv=none", "cv= must be pass"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "not a safe algorithm"),
        (b"d=list.example", b"d=other.example", "no key is published"),
        (b"d=list.example", b"d=list.example.", "d= is not a name"),
    ],
)
def test_a_chain_that_was_changed_fails_and_says_where(old: bytes, new: bytes, reason: str) -> None:
    """C07, C13."""
    message = sealed(3)
    assert old in message
    chain, _ = judged(message.replace(old, new, 1))
    assert chain.result == "fail"
    assert reason in chain.reason


MISMATCH = (
    "the signature does not match: a signed header field was changed or added, or the published key is not the one"
    " that signed"
)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=4;", "the sets are not complete, or not numbered from 1 without a gap"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=3;", "ARC-Seal: an instance occurs twice"),
        (b"-Signature: i=2;", b"-Signature: i=3;", "ARC-Message-Signature: an instance occurs twice"),
        (b"-Results: i=2;", b"-Results: i=3;", "ARC-Authentication-Results: an instance occurs twice"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=x;", "ARC-Seal: i= is not a number from 1 to 50"),
        (b"ARC-Seal: i=2;", b"ARC-Seal:", "ARC-Seal: i= is not a number from 1 to 50"),
        (b"-Signature: i=2;", b"-Signature: i=x;", "ARC-Message-Signature: i= is not a number from 1 to 50"),
        (b"-Results: i=1;", b"-Results: j=1;", "ARC-Authentication-Results does not begin with i="),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=2; i=2;", "ARC-Seal: malformed: tag i= occurs twice"),
        (b"-Signature: i=2;", b"-Signature: i=2; =;", "ARC-Message-Signature: malformed: not a tag list"),
        (b"cv=none", b"cv=pass", "ARC-Seal of instance 1: cv= must be none"),
        (b"cv=pass", b"cv=none", "ARC-Seal of instance 3: cv= must be pass"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "ARC-Seal of instance 3: a=rsa-sha1 is not a safe algorithm (RFC 8301)"),
        (b"d=list.example", b"d=list.example.", "ARC-Seal of instance 3: d= is not a name"),
        (b"s=arc", b"s=-", "ARC-Seal of instance 3: s= is not a name"),
        (b" d=list.example; s=arc;", b" d=;", "ARC-Seal of instance 3: d= and s= is missing or empty"),
        (b"cv=pass; b=", b"b=", "ARC-Seal of instance 3: cv= is missing or empty"),
        (b"t=1700000000", b"t=now", "ARC-Seal of instance 3: malformed: t= is not a time"),
        (b"cv=pass; b=", b"cv=pass; b=!", "ARC-Seal of instance 3: malformed: b= is not base64"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=1; h=from;", "ARC-Seal of instance 1: it must not have h="),
        (b"h=from:to:subject", b"h=from:arc-seal", "ARC-Message-Signature: h= must not name ARC-Seal"),
        (b"h=from:to:subject", b"h=to:subject", "ARC-Message-Signature: From is not signed, h= lacks it"),
        (b"h=from:to:subject", b"h=", "ARC-Message-Signature: h= is missing or empty"),
        (b"bh=", b"x=", "ARC-Message-Signature: bh= is missing or empty"),
        (b"bh=", b"bh=!", "malformed: bh= is not base64"),
        (b"c=relaxed/relaxed;", b"c=odd;", "malformed: unknown canonicalization in c="),
        (b"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=x;", "malformed: l= is not a number"),
        (b"header.d=example.org", b"header.d=example.net", f"ARC-Seal of instance 3: {MISMATCH}"),
        (b"Subject: test", b"Subject: toast", f"ARC-Message-Signature of instance 3: {MISMATCH}"),
        (
            b"world",
            b"World",
            "ARC-Message-Signature of instance 3: the body hash does not match: the body was changed after signing",
        ),
    ],
)
def test_the_first_fault_of_a_chain_is_named_in_full(old: bytes, new: bytes, reason: str) -> None:
    message = sealed(3)
    assert old in message
    chain, _ = judged(message.replace(old, new, 1))
    assert (chain.result, chain.reason) == ("fail", reason)


def test_a_seal_of_an_older_set_that_does_not_hold_is_named() -> None:
    message = sealed(3)
    at = message.index(b"ARC-Authentication-Results: i=1;")
    changed = message[:at] + message[at:].replace(b"dkim=pass", b"dkim=none", 1)
    chain, _ = judged(changed)
    assert chain.reason == f"ARC-Seal of instance 3: {MISMATCH}", "the newest covers the older ones"


def test_there_are_fifty_sets_at_most() -> None:
    for number, reason in ((50, "ARC-Authentication-Results does not begin with i="), (51, "more than 50 sets")):
        chain, _ = judged(b"ARC-Authentication-Results: x\r\n" * number + HEADER + b"\r\n" + BODY)
        assert (chain.result, chain.reason, chain.sets) == ("fail", reason, [])


def test_a_key_of_1024_bits_is_long_enough_unless_more_are_asked_for() -> None:
    message, published = seal(HEADER + b"\r\n" + BODY, key=rsa_key(1024)), {LIST: [record(rsa_key(1024))]}
    assert judged(message, published)[0].result == "pass"
    chain = ArcChain(split(message)[0], 1025)
    resolver = Resolver(backend=FakeZone({(LIST, "TXT"): published[LIST]}))
    asyncio.run(judge(split(message)[0], [split(message)[1]], resolver, now=NOW, also=[chain]))
    problem = "the published key has 1024 bits only (RFC 8301)"
    assert chain.reason == f"ARC-Message-Signature of instance 1: {problem}"


def test_where_the_canonical_forms_are_missing_they_are_relaxed() -> None:
    message = seal((HEADER + b"\r\n" + BODY).replace(b"Subject: test", b"Subject:  te\tst "), forms=b"")
    assert judged(message)[0].reason == ""
    assert judged(message)[0].result == "pass"


def test_the_loop_has_its_turn_after_each_seal_and_no_time_passes() -> None:
    fields, body = split(sealed(3))
    chain = ArcChain(fields)
    content = {(name, "TXT"): list(texts) for name, texts in KEYS.items()}

    async def inside() -> float:
        await judge(fields, blocks_of(body), Resolver(backend=FakeZone(content)), now=NOW, also=[chain])
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        assert runner.run(inside()) == 0.0
    assert chain.result == "pass"


def test_of_a_set_the_payload_the_sealer_and_the_field_are_told() -> None:
    [one] = judged(sealed(1))[0].sets
    assert (one.instance, one.sealer) == (1, b"list.example")
    assert one.results == b" list.example;\r\n\tdkim=pass header.d=example.org\r\n"
    assert one.results_field == b"ARC-Authentication-Results: i=1;" + one.results
    more = sealed(1).replace(b"dkim=pass", b"dkim=pass (a: b) i=2; i=3;", 1)
    assert judged(more)[0].sets[0].results.startswith(b" list.example;\r\n\tdkim=pass (a: b) i=2; i=3; header.d")


def test_a_chain_that_had_failed_before_asks_for_no_key() -> None:
    message = sealed(2).replace(b"cv=pass", b"cv=fail", 1)
    chain, _ = judged(message, {LIST: Status.TEMPFAIL})
    assert (chain.result, chain.reason) == ("fail", "the chain had failed before: cv=fail")


def test_a_key_that_cannot_be_had_is_a_fail_that_names_it() -> None:
    chain, _ = judged(sealed(2), {LIST: Status.TEMPFAIL})
    assert chain.result == "fail"
    assert LIST in chain.reason


def test_each_key_of_a_selector_is_tried() -> None:
    chain, _ = judged(sealed(2), {LIST: [record(ed25519_key()), record(rsa_key(2048, 1)), record(rsa_key())]})
    assert chain.result == "pass"


def test_the_order_of_the_fields_does_not_matter() -> None:
    fields, body = split(sealed(3))
    assert judged(b"".join(raw for _, raw in reversed(fields[:9])) + HEADER + b"\r\n" + body)[0].result == "pass"


@pytest.mark.timed
def test_fifty_sets_are_judged_and_one_more_is_a_fail() -> None:
    """C06."""
    message = sealed(bounds.MAX_ARC_SETS)
    began = time.process_time()
    assert judged(message)[0].result == "pass"
    assert time.process_time() - began < 0.5
    chain, _ = judged(b"ARC-Seal: i=51; cv=pass\r\n" + message)
    assert (chain.result, chain.reason) == ("fail", "more than 50 sets")


HUGE = [
    b"ARC-Seal: i=1; " + b"x=;" * 100_000 + b"\r\n",
    b"ARC-Seal: x\r\n" * 20_000,
    b"ARC-Authentication-Results: i=1; " + b"(" * 300_000 + b"\r\n",
    b"ARC-Authentication-Results:" + b" \r\n\t" * 75_000 + b"\r\n",
    b"ARC-Message-Signature: i=1; h=" + b"a:" * 150_000 + b"\r\n",
    b"".join(b"ARC-Seal: i=%d; b=%s\r\n" % (number, b"A" * 6_000) for number in range(1, 51)),
]


@pytest.mark.timed
@pytest.mark.parametrize("fields", [*HUGE, b"ARC-Seal:" + b"; \t" * 60_000 + b"\r\n", b"ARC-Seal: " + b"i" * 200_000])
def test_the_place_of_a_new_set_is_found_at_once_whatever_is_there(fields: bytes) -> None:
    raws, _ = split(fields + sealed(1))
    began = time.process_time()
    with suppress(Unsealable):
        assert next_link(raws, "pass").verdict == "fail"
    assert time.process_time() - began < 0.15


@pytest.mark.timed
@pytest.mark.parametrize("fields", HUGE)
def test_huge_arc_fields_fail_at_once(fields: bytes) -> None:
    """C12."""
    began = time.process_time()
    chain, _ = judged(fields + sealed(1))
    assert chain.result == "fail"
    assert chain.reason.isprintable()
    assert time.process_time() - began < 0.15
