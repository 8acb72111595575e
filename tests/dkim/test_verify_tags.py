"""Tags of a signature, each wrong in its own way on a signature that holds otherwise (RFC 6376 §3.5, §6.1.1)."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim import sign as dkim_sign

from filter_api import bounds
from filter_api.dkim.results import PLAIN, RECEIVER, Result, Terms
from filter_api.net.dns import Status
from tests.dkim.crafted import BODY, GOOD, HEADER, NAME, NOW, Published, crafted, judged
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key


def with_tag(tag: str) -> str:
    return GOOD.replace("bh=", f"{tag}; bh=")


@pytest.mark.parametrize(
    "tags",
    [
        GOOD,
        with_tag("t=1699999999"),
        with_tag("t=1699999999; x=1700000001"),
        with_tag("q=dns/txt"),
        with_tag("q=http:dns/txt"),
        with_tag("q=DNS/TXT"),
        with_tag("i=@example.org"),
        with_tag("i=alice@Mail.Example.ORG"),
        with_tag('i="a@b"@example.org'),
        with_tag("l=14"),
        with_tag("z=From:x|To:y"),
        with_tag("r=y; unknown=whatever"),
        GOOD.replace("d=example.org", "d=Example.ORG"),
        GOOD.replace("; ", ";\r\n\t"),
        GOOD.replace("h=from:to:subject", "h=from : to : subject : from"),
    ],
)
@pytest.mark.parametrize("terms", [PLAIN, RECEIVER])
def test_what_is_well_formed_passes(tags: str, terms: Terms) -> None:
    [outcome] = judged(crafted(tags), terms=terms)
    assert outcome.passed, outcome


@pytest.mark.parametrize(
    ("tags", "result", "reason"),
    [
        (with_tag("t=abc"), Result.NEUTRAL, "t="),
        (with_tag("t="), Result.NEUTRAL, "t="),
        (with_tag("t=-5"), Result.NEUTRAL, "t="),
        (with_tag("t=12 34"), Result.NEUTRAL, "t="),
        (with_tag("t=1e9"), Result.NEUTRAL, "t="),
        (with_tag("t=" + "9" * 30), Result.NEUTRAL, "t="),
        (with_tag("x=soon"), Result.NEUTRAL, "x="),
        (with_tag("x="), Result.NEUTRAL, "x="),
        (with_tag("t=1699999999; x=1699999999"), Result.NEUTRAL, "x= is not after t="),
        (with_tag("t=1800000000; x=1750000000"), Result.NEUTRAL, "x= is not after t="),
        (with_tag("x=1699999999"), Result.POLICY, "expired"),
        (with_tag("i=example.org"), Result.NEUTRAL, "i="),
        (with_tag("i="), Result.NEUTRAL, "i="),
        (with_tag("i=@example.net"), Result.PERMERROR, "i="),
        (with_tag("i=a@badexample.org"), Result.PERMERROR, "i="),
        (with_tag("i=@"), Result.PERMERROR, "i="),
        (with_tag("i=@.example.org"), Result.NEUTRAL, "i="),
        (with_tag("q=http"), Result.NEUTRAL, "q="),
        (with_tag("q="), Result.NEUTRAL, "q="),
        (with_tag("q=dns/txtx:http"), Result.NEUTRAL, "q="),
        (GOOD.replace("d=example.org", "d=example.org."), Result.NEUTRAL, "d="),
        (GOOD.replace("d=example.org", "d=.example.org"), Result.NEUTRAL, "d="),
        (GOOD.replace("d=example.org", "d=example..org"), Result.NEUTRAL, "d="),
        (GOOD.replace("s=rsa", "s=rsa."), Result.NEUTRAL, "s="),
        (with_tag("l=15"), Result.PERMERROR, "l="),
        (with_tag("l=114"), Result.PERMERROR, "l="),
        (with_tag("l="), Result.NEUTRAL, "l="),
        (with_tag("l=1.5"), Result.NEUTRAL, "l="),
        (with_tag("l=" + "9" * 18), Result.PERMERROR, "l="),
        (GOOD.replace("v=1", "v=2"), Result.NEUTRAL, "v="),
        (GOOD.replace("v=1; ", "v=1; v=1; "), Result.NEUTRAL, "v="),
        (GOOD.replace("bh=BH", "bh="), Result.NEUTRAL, "bh="),
        (GOOD.replace("bh=BH; ", ""), Result.NEUTRAL, "bh="),
        (GOOD.replace("rsa-sha256", "rsa-md5"), Result.NEUTRAL, "a="),
        (GOOD.replace("relaxed/relaxed", "nofws"), Result.NEUTRAL, "c="),
        (GOOD.replace("relaxed/relaxed", "relaxed/"), Result.NEUTRAL, "c="),
        (with_tag("; ".join(f"x{number}=1" for number in range(70))), Result.NEUTRAL, "tags"),
    ],
)
def test_what_is_wrong_is_no_pass_and_names_the_tag(tags: str, result: Result, reason: str) -> None:
    [outcome] = judged(crafted(tags))
    assert outcome.result is result, outcome
    assert outcome.passed is False
    assert reason in outcome.reason
    assert f"dkim={result.value}" in str(outcome)


def test_a_signature_without_a_value_is_neutral() -> None:
    [outcome] = judged(b"DKIM-Signature: " + GOOD.encode() + b"\r\n" + HEADER + b"\r\n" + BODY)
    assert (outcome.result, outcome.reason) == (Result.NEUTRAL, "malformed: b= is empty")


def test_from_must_be_signed() -> None:
    [outcome] = judged(crafted(GOOD.replace("h=from:to:subject", "h=to:subject"), signed_names=(b"to", b"subject")))
    assert outcome.result is Result.PERMERROR
    assert "From is not signed" in outcome.reason


def test_a_right_signature_by_sha1_does_not_count() -> None:
    [outcome] = judged(crafted(GOOD.replace("rsa-sha256", "rsa-sha1"), hashed=SHA1()))
    assert outcome.result is Result.POLICY


def test_a_time_ahead_of_our_clock_is_a_note_for_people_and_no_pass_for_receivers() -> None:
    hour = crafted(with_tag(f"t={NOW + 3600}"))
    [outcome] = judged(hour)
    assert outcome.passed
    assert outcome.notes == ("t= is 3600 seconds in the future",)
    assert judged(hour, terms=RECEIVER)[0].result is Result.POLICY
    assert judged(crafted(with_tag(f"t={NOW + 299}")), terms=RECEIVER)[0].passed


def test_a_length_below_that_of_the_body_is_a_note_for_people_and_no_pass_for_receivers() -> None:
    message = crafted(with_tag("l=7"), length=7) + b"appended\r\n"
    [outcome] = judged(message)
    assert outcome.passed
    assert outcome.notes == ("l= leaves 17 bytes of the body unsigned",)
    assert judged(message, terms=RECEIVER)[0].result is Result.POLICY
    assert judged(message.replace(b"hello", b"hallo"), terms=RECEIVER)[0].result is Result.FAIL


@pytest.mark.parametrize(("cut", "passes"), [(0, True), (1, True), (14, True), (15, False)])
def test_every_length_is_hashed_as_it_says(cut: int, passes: bool) -> None:
    [outcome] = judged(crafted(with_tag(f"l={cut}"), length=cut))
    assert outcome.passed is passes


def test_the_whole_of_an_empty_body_may_be_signed_by_length() -> None:
    [outcome] = judged(crafted(with_tag("l=0"), body=b""), terms=RECEIVER)
    assert outcome.passed, outcome


@pytest.mark.parametrize("receiver", [False, True])
def test_body_and_header_that_were_changed_fail(receiver: bool) -> None:
    terms = RECEIVER if receiver else PLAIN
    good = crafted()
    assert judged(good.replace(b"world", b"World"), terms=terms)[0].result is Result.FAIL
    assert judged(good.replace(b"Subject: test", b"Subject: toast"), terms=terms)[0].result is Result.FAIL


def test_a_second_from_breaks_an_oversigned_one() -> None:
    good = crafted(GOOD.replace("h=from:", "h=from:from:"))
    assert judged(good)[0].passed
    assert judged(good.replace(b"From: Alice", b"From: evil@example.net\r\nFrom: Alice"))[0].result is Result.FAIL


def test_each_key_record_of_a_selector_is_tried() -> None:
    """RFC 6376 §6.1.2: one for each algorithm, or the old one beside the new."""
    message = crafted()
    right, other, kind = record(rsa_key()), record(rsa_key(2048, 1)), record(ed25519_key())
    for texts in ([kind, right], [right, kind], [other, right], [b"v=DKIM1; p=", right], [b"v=spf1 -all", right]):
        assert judged(message, {NAME: texts})[0].passed, texts
    assert judged(message, {NAME: [kind, other]})[0].result is Result.FAIL
    assert judged(message, {NAME: [kind]})[0].result is Result.PERMERROR
    many = [record(ed25519_key(number)) for number in range(bounds.MAX_KEY_RECORDS)]
    assert judged(message, {NAME: [*many, right]})[0].result is Result.PERMERROR
    spf = [b"v=spf1 exists:%d.example -all" % number for number in range(20)]
    assert judged(message, {NAME: [*spf, right]})[0].passed


RIGHT = {"rsa": record(rsa_key()), "ed25519": record(ed25519_key())}
BESIDE = {
    "the other algorithm": [record(ed25519_key()), record(rsa_key())],
    "others of both": [record(rsa_key(2048, 1)), record(ed25519_key(1))],
    "a short one": [record(rsa_key(1024))],
    "a revoked one": [b"v=DKIM1; p=", b"v=DKIM1; k=ed25519; p="],
    "a broken one": [b"v=DKIM1; k=rsa; p=AAAA", b"v=DKIM1; k=ed25519; p=AAAA", b"v=DKIM1; p=%%%"],
    "one of a future kind": [b"v=DKIM1; k=mldsa44; p=AAAA", b"v=DKIM2; k=rsa; p=AAAA"],
    "one for another use": [b"v=DKIM1; s=tlsrpt; " + record(rsa_key(2048, 1))[9:]],
    "no key at all": [b"v=spf1 -all", b"", b"google-site-verification=x"],
}


def by_ed25519() -> bytes:
    """A message with one signature, by `ed25519_key()`."""
    made = dkim_sign(
        HEADER + b"\r\n" + BODY,
        b"rsa",
        b"example.org",
        base64.b64encode(ed25519_key().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
        signature_algorithm=b"ed25519-sha256",
        linesep=b"\r\n",
    )
    return bytes(made) + HEADER + b"\r\n" + BODY


@pytest.mark.parametrize("algorithm", RIGHT)
@pytest.mark.parametrize("others", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("first", [True, False])
def test_a_key_beside_the_right_one_does_no_harm(algorithm: str, others: list[bytes], first: bool) -> None:
    """Of a domain that publishes one for each algorithm, or has more than one at a time, in whatever order."""
    message = crafted() if algorithm == "rsa" else by_ed25519()
    texts = [RIGHT[algorithm], *others] if first else [*others, RIGHT[algorithm]]
    [outcome] = judged(message, {NAME: texts}, now=time.time() + 60)
    assert outcome.passed, outcome
    assert outcome.algorithm == f"{algorithm}-sha256"
    rest = [text for text in others if text != RIGHT[algorithm]]
    assert judged(message, {NAME: rest}, now=time.time() + 60)[0].passed is False


@pytest.mark.parametrize("change", [b"h=sha1; ", b"s=tlsrpt; ", b"h=sha1:sha512; ", b"v=DKIM2; "])
def test_a_key_for_something_else_is_a_permerror(change: bytes) -> None:
    [outcome] = judged(crafted(), {NAME: [b"v=DKIM1; " * (change[:1] != b"v") + change + record(rsa_key())[9:]]})
    assert outcome.result is Result.PERMERROR


@pytest.mark.parametrize("change", [b"t=y; ", b"h=sha1:sha256; ", b"s=email:tlsrpt; ", b"n=note; g=*; ", b"t=s; "])
def test_a_key_with_harmless_tags_counts(change: bytes) -> None:
    text = b"v=DKIM1; " + change + record(rsa_key())[9:]
    spaced = text[:60] + b" \t " + text[60:]
    assert judged(crafted(), {NAME: [text]})[0].passed
    assert judged(crafted(), {NAME: [spaced]})[0].passed


def test_a_strict_key_allows_no_subdomain() -> None:
    strict = record(rsa_key()).replace(b"v=DKIM1;", b"v=DKIM1; t=s;")
    assert judged(crafted(with_tag("i=@a.example.org")), {NAME: [strict]})[0].result is Result.PERMERROR
    assert judged(crafted(with_tag("i=@Example.org")), {NAME: [strict]})[0].passed


def test_a_key_that_is_long_or_has_a_long_exponent_is_policy_at_once() -> None:
    numbers = rsa_key().public_key().public_numbers()
    large = RSAPublicNumbers((1 << 200) + 1, numbers.n).public_key()
    data = large.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    [outcome] = judged(crafted(), {NAME: [b"v=DKIM1; p=" + base64.b64encode(data)]})
    assert outcome.result is Result.POLICY
    assert "exponent" in outcome.reason
    short = crafted(key=rsa_key(1024))
    assert judged(short, {NAME: [record(rsa_key(1024))]})[0].passed
    [outcome] = judged(short, {NAME: [record(rsa_key(1024))]}, terms=Terms(bits=2048))
    assert outcome.result is Result.POLICY


@pytest.mark.timed
def test_the_largest_key_and_exponent_that_are_used_take_no_time() -> None:
    """K23: whoever publishes such a key must not hold us up; measured are 4.5 ms."""
    numbers = RSAPublicNumbers((1 << 63) - 25, (1 << 16_383) + (1 << 9_000) + 1)
    data = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = b"v=DKIM1; p=" + base64.b64encode(data)
    message = crafted().replace(b"; b=", b"; b=" + b"QUFB" * 600, 1)
    began = time.process_time()
    [outcome] = judged(message, {NAME: [text]})
    assert outcome.result in {Result.FAIL, Result.POLICY}, outcome
    assert time.process_time() - began < 0.05 + 0.1  # the loop of the test costs something, too


def test_u_labels_and_a_labels_are_one_domain() -> None:
    """RFC 8616 §3: d= may be written either way, and the key is published under A-labels."""
    zone = {"rsa._domainkey.xn--bcher-kva.example": [record(rsa_key())]}
    for domain, identity in (
        ("bücher.example", "@xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "@a.Bücher.example"),
        ("xn--bcher-kva.example", "ü@bücher.example"),
    ):
        tags = with_tag(f"i={identity}").replace("d=example.org", f"d={domain}")
        assert judged(crafted(tags), zone)[0].passed


@pytest.mark.timed
@pytest.mark.parametrize(
    "field",
    [
        b"h=" + b"from:" * 40_000 + b"to",
        b"h=from; " + b"x=;" * 60_000,
        b"h=from; z=" + b"=20" * 60_000,
        b"h=from; b=" + b"QUFB" * 50_000,
        b";" * 200_000,
        b"\r\n\t" * 60_000,
        b"h=from; bh=" + b" \r\n\t" * 50_000,
    ],
)
def test_a_huge_signature_costs_little(field: bytes) -> None:
    raw = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; bh=QUFB; b=QUFB; " + field
    message = raw + b"\r\n" + HEADER + b"\r\n" + BODY
    began = time.process_time()
    [outcome] = judged(message)
    assert not outcome.passed
    assert time.process_time() - began < 0.05 + 0.1  # the loop of the test costs something, too


def test_only_ten_of_many_signatures_are_judged_those_of_the_author_first() -> None:
    good = crafted()
    strange = b"".join(
        b"DKIM-Signature: " + GOOD.replace("example.org", f"d{number}.example").encode() + b"QUFB\r\n"
        for number in range(100)
    )
    own = good.index(HEADER)
    found = judged(strange + good[:own] + good[own:])
    assert len(found) == bounds.MAX_SIGNATURES
    assert [outcome.domain for outcome in found if outcome.passed] == ["example.org"]
    parent = crafted(header=HEADER.replace(b"alice@example.org", b"alice@mail.example.org"))
    assert [outcome.domain for outcome in judged(strange + parent) if outcome.passed] == ["example.org"]
    assert not any(outcome.passed for outcome in judged(good[:own] * 1 + strange + HEADER.replace(b"org", b"net")))


def test_trouble_with_one_key_is_no_trouble_for_another_signature() -> None:
    lost = crafted(GOOD.replace("s=rsa", "s=lost"))
    good = crafted()
    both = lost[: lost.index(HEADER)] + good
    zone: Published = {NAME: [record(rsa_key())], "lost._domainkey.example.org": Status.TEMPFAIL}
    assert [outcome.result for outcome in judged(both, zone)] == [Result.TEMPERROR, Result.PASS]
