"""What the verifier says, word for word: result and reason are what a person and the log get to see."""

from __future__ import annotations

import asyncio
import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from filter_api.dkim.results import PLAIN, RECEIVER, Outcome, Result, Terms
from filter_api.dkim.verify import verify
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone
from tests.dkim.crafted import BODY, GOOD, HEADER, NAME, NOW, crafted, judged
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key

MISMATCH = (
    "the signature does not match: a signed header field was changed or added, or the published key is not the one"
    " that signed"
)
NEUTRAL, PERMERROR, POLICY, FAIL = Result.NEUTRAL, Result.PERMERROR, Result.POLICY, Result.FAIL


def said(outcome: Outcome) -> tuple[Result, str]:
    return outcome.result, outcome.reason


def with_tag(tag: str) -> str:
    return GOOD.replace("bh=", f"{tag}; bh=")


@pytest.mark.parametrize(
    ("tags", "result", "reason"),
    [
        (with_tag("t=abc"), NEUTRAL, "malformed: t= is not a time"),
        (with_tag("t=" + "9" * 20), NEUTRAL, "malformed: t= is not a time"),
        (with_tag("x=soon"), NEUTRAL, "malformed: x= is not a time"),
        (with_tag("l=x"), NEUTRAL, "malformed: l= is not a number"),
        (with_tag("t=1699999999; x=1699999999"), NEUTRAL, "malformed: x= is not after t="),
        (with_tag("x=1699999999"), POLICY, "expired"),
        (with_tag("i=example.org"), NEUTRAL, "malformed: i= has no @"),
        (with_tag("i=@example.net"), PERMERROR, "malformed: i= is not in the domain d="),
        (with_tag("i=@-.example.org"), NEUTRAL, "malformed: i= is not in a domain name"),
        (with_tag("q=http"), NEUTRAL, "q= has no method that is known, dns/txt is the only one"),
        (
            GOOD.replace("=example.org", "=example.org."),
            NEUTRAL,
            "malformed: d= is not a domain name: it ends with a dot",
        ),
        (GOOD.replace("=example.org", "=-"), NEUTRAL, "malformed: d= is not a domain name"),
        (GOOD.replace("s=rsa;", "s=rsa.;"), NEUTRAL, "malformed: s= is not a selector: it ends with a dot"),
        (GOOD.replace("s=rsa;", "s=-;"), NEUTRAL, "malformed: s= is not a selector"),
        (GOOD.replace("v=1", "v=2"), NEUTRAL, "malformed: not version 1 in v="),
        (GOOD.replace("v=1; a=rsa-sha256; ", ""), NEUTRAL, "malformed: v= and a= is missing"),
        (GOOD.replace("bh=BH", "bh=").replace("s=rsa", "s="), NEUTRAL, "malformed: bh= and s= is empty"),
        (GOOD.replace("bh=BH", "bh=!"), NEUTRAL, "malformed: bh= is not base64"),
        (GOOD.replace("-sha256", "-md5"), NEUTRAL, "a=rsa-md5: rsa-md5 is not a safe algorithm (RFC 8301)"),
        (GOOD.replace("-sha256", "-sha1"), POLICY, "a=rsa-sha1: rsa-sha1 is not a safe algorithm (RFC 8301)"),
        (GOOD.replace("relaxed/relaxed", "x"), NEUTRAL, "malformed: unknown canonicalization in c="),
        (GOOD.replace("h=from:", "h="), PERMERROR, "malformed: From is not signed, h= lacks it"),
        (GOOD.replace("h=from:", "h=" + "x:" * 2000), NEUTRAL, "malformed: h= has more than 2000 names"),
        (with_tag("l=15"), PERMERROR, "l= is 15, and the body has 14 bytes only"),
        (with_tag("v=1"), NEUTRAL, "malformed: tag v= occurs twice"),
        (with_tag("l=x").replace("relaxed/relaxed", "x"), NEUTRAL, "malformed: unknown canonicalization in c="),
        (with_tag("l=x").replace("bh=BH", "bh=!"), NEUTRAL, "malformed: l= is not a number"),
        (with_tag("q=dns/txt\x0c"), NEUTRAL, "q= has no method that is known, dns/txt is the only one"),
        (GOOD.replace("s=rsa", "s=gone"), PERMERROR, "no key is published at gone._domainkey.example.org"),
    ],
)
def test_what_is_wrong_with_a_signature_is_said(tags: str, result: Result, reason: str) -> None:
    [outcome] = judged(crafted(tags))
    assert said(outcome) == (result, reason)


def test_what_does_not_match_is_said() -> None:
    body = "the body hash does not match: the body was changed after signing"
    assert said(judged(crafted().replace(b"world", b"World"))[0]) == (FAIL, body)
    assert said(judged(crafted().replace(b"test", b"toast"))[0]) == (FAIL, MISMATCH)
    assert said(judged(crafted(hashed=SHA1()))[0])[0] is FAIL
    assert said(judged(crafted().replace(b"; b=", b"; b=!", 1))[0]) == (NEUTRAL, "malformed: b= is not base64")


def key_of(exponent: int, modulus: int) -> bytes:
    key = RSAPublicNumbers(exponent, modulus).public_key()
    return b"v=DKIM1; p=" + base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


NUMBERS = rsa_key().public_key().public_numbers()


@pytest.mark.parametrize(
    ("texts", "result", "reason"),
    [
        ([record(rsa_key(2048, 1))], FAIL, MISMATCH),
        ([record(ed25519_key())], PERMERROR, "the published key is for ed25519-sha256"),
        ([b"v=DKIM1; p="], PERMERROR, f"{NAME}: the key was revoked: its p= is empty"),
        ([key_of(65537, (1 << 16384) + 1)], POLICY, "the published key has 16385 bits, more than 16384"),
        ([key_of((1 << 64) + 1, NUMBERS.n)], POLICY, "the exponent of the published key is too large"),
        ([record(ed25519_key()), b"v=DKIM1; p=", record(rsa_key(2048, 1))], FAIL, MISMATCH),
        (
            [record(ed25519_key()), key_of((1 << 64) + 1, NUMBERS.n)],
            POLICY,
            "the exponent of the published key is too large",
        ),
        (
            [record(ed25519_key())] * 11,
            PERMERROR,
            f"more than 10 keys are published at {NAME}, and those tried do not fit",
        ),
        ([record(ed25519_key())] * 10, PERMERROR, "the published key is for ed25519-sha256"),
        ([record(ed25519_key())] * 10 + [b"v=spf1 -all"], PERMERROR, "the published key is for ed25519-sha256"),
    ],
    ids=["other", "kind", "revoked", "long", "exponent", "nearest", "policy", "many", "ten", "beside"],
)
def test_what_is_wrong_with_a_key_is_said_and_the_one_that_comes_closest_counts(
    texts: list[bytes], result: Result, reason: str
) -> None:
    assert said(judged(crafted(), {NAME: texts})[0]) == (result, reason)


def test_a_key_that_is_too_short_for_the_terms_is_said_to_be() -> None:
    short, texts = crafted(key=rsa_key(1024)), {NAME: [record(rsa_key(1024))]}
    assert judged(short, texts)[0].passed, "1024 bits are enough for RFC 8301"
    reason = "the published key has 1024 bits only (RFC 8301)"
    assert said(judged(short, texts, terms=Terms(bits=1025))[0]) == (POLICY, reason)


def test_a_strict_key_says_why_it_does_not_count() -> None:
    strict = {NAME: [record(rsa_key()).replace(b"v=DKIM1;", b"v=DKIM1; t=s;")]}
    reason = "the published key (t=s) allows no i= below the domain"
    assert said(judged(crafted(with_tag("i=@a.example.org")), strict)[0]) == (PERMERROR, reason)
    assert judged(crafted(with_tag("i=a@EXAMPLE.org")), strict)[0].passed
    assert judged(crafted(with_tag('i="a@b"@example.org')), strict)[0].passed
    assert judged(crafted(), strict)[0].passed, "i= is @d= where it is missing"


def test_dns_in_trouble_is_said_with_the_name_and_the_reason() -> None:
    [outcome] = judged(crafted(), {NAME: Status.TEMPFAIL})
    reason = f"DNS does not answer for {NAME}: as the test says"
    assert said(outcome) == (Result.TEMPERROR, reason)
    assert outcome.passed is None
    assert str(outcome) == f"unknown d=example.org s=rsa a=rsa-sha256: {reason}"


@pytest.mark.parametrize(
    ("tag", "terms", "result", "notes"),
    [
        (f"t={NOW + 300}", RECEIVER, Result.PASS, ()),
        (f"t={NOW + 301}", RECEIVER, POLICY, ()),
        (f"t={NOW}", PLAIN, Result.PASS, ()),
        (f"t={NOW + 1}", PLAIN, Result.PASS, ("t= is 1 seconds in the future",)),
        (f"x={NOW}", PLAIN, Result.PASS, ()),
        ("l=14", RECEIVER, Result.PASS, ("l= leaves 0 bytes of the body unsigned",)),
        ("l=13", RECEIVER, POLICY, ()),
        ("l=13", PLAIN, Result.PASS, ("l= leaves 1 bytes of the body unsigned",)),
    ],
)
def test_what_is_worth_a_look_is_a_note(tag: str, terms: Terms, result: Result, notes: tuple[str, ...]) -> None:
    length = int(tag[2:]) if tag.startswith("l=") else None
    [outcome] = judged(crafted(with_tag(tag), length=length), terms=terms)
    assert (outcome.result, outcome.notes) == (result, notes)


def test_why_a_receiver_takes_no_signature_of_a_part_or_of_tomorrow() -> None:
    part = crafted(with_tag("l=13"), length=13)
    assert said(judged(part, terms=RECEIVER)[0]) == (POLICY, "l= leaves 1 bytes of the body unsigned")
    ahead = crafted(with_tag(f"t={NOW + 301}"))
    assert said(judged(ahead, terms=RECEIVER)[0]) == (POLICY, "t= is 301 seconds in the future")


def test_a_domain_that_tests_is_a_note() -> None:
    testing = {NAME: [record(rsa_key()).replace(b"v=DKIM1;", b"v=DKIM1; t=y;")]}
    [outcome] = judged(crafted(), testing)
    assert outcome.notes == ("the domain is testing, t=y",)
    assert str(outcome) == "pass d=example.org s=rsa a=rsa-sha256 (the domain is testing, t=y)"


def test_an_outcome_names_the_domain_as_the_dns_has_it_and_the_start_of_the_signature() -> None:
    message = crafted(GOOD.replace("d=example.org", "d=Example.ORG"))
    start = message.partition(b"; b=")[2][:8].decode()
    [outcome] = judged(message)
    assert (outcome.domain, outcome.name, outcome.selector, outcome.algorithm) == (
        *("Example.ORG", "example.org"),
        *("rsa", "rsa-sha256"),
    )
    assert outcome.start == start
    [nameless] = judged(crafted(GOOD.replace("d=example.org", "d=-")))
    assert (nameless.domain, nameless.name) == ("-", "")


def test_what_is_no_tag_list_has_no_names() -> None:
    [outcome] = judged(b"DKIM-Signature: nonsense\r\n" + HEADER + b"\r\n" + BODY)
    assert outcome == Outcome("?", "?", "?", NEUTRAL, "malformed: not a tag list")
    assert str(outcome) == "fail d=? s=? a=?: malformed: not a tag list (dkim=neutral)"


def test_what_a_signature_does_not_say_is_shown_as_unknown() -> None:
    [outcome] = judged(b"DKIM-Signature: v=1\r\n" + HEADER + b"\r\n" + BODY)
    missing = "malformed: a= and b= and bh= and d= and h= and s= is missing"
    assert outcome == Outcome("?", "?", "?", NEUTRAL, missing, (), "", "")


def test_where_no_time_is_given_it_is_now() -> None:
    content = {(NAME, "TXT"): [record(rsa_key())]}

    async def inside(tag: str) -> Outcome:
        [outcome] = await verify(crafted(with_tag(tag)), Resolver(backend=FakeZone(content)))
        return outcome

    assert asyncio.run(inside("t=1700000000; x=99999999999")).passed
    assert said(asyncio.run(inside("t=1500000000; x=1600000000"))) == (POLICY, "expired")
