"""Tag lists and key records: what they say, and what is said of those that are wrong."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from filter_api.bounds import MAX_BASE64, MAX_KEY_RECORD, MAX_TAGS
from filter_api.dkim.keys import parse_key
from filter_api.dkim.record import KeyRecord, decode_base64, parse_tags, public_data, record_text, zone_lines
from tests.filter_dkimsign.keyring import ed25519_key, pem, record, rsa_key

ED = record(ed25519_key()).partition(b"p=")[2]
RSA = record(rsa_key()).partition(b"p=")[2]
CURVE = generate_private_key(SECP256R1()).public_key()
ELLIPTIC = base64.b64encode(CURVE.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"v=DKIM2; p=x", "the record is not of version DKIM1"),
        (b"p=x; v=DKIM1", "the record is not of version DKIM1"),
        (b"v=DKIM1; k=rsa", "the record holds no key"),
        (b"v=DKIM1; p=", "the key was revoked: its p= is empty"),
        (b"v=DKIM1; h=sha1; p=x", "the record does not allow sha256"),
        (b"v=DKIM1; s=other; p=x", "the record is not for mail"),
        (b"v=DKIM1; k=dsa; p=AAAA", "unknown key type dsa"),
        (b"v=DKIM1; k=ed25519; p=AAAA", "an Ed25519 key has 32 bytes"),
        (b"v=DKIM1; p=AAAA", "the p= of the record is not a key"),
        (b"v=DKIM1; p=" + ELLIPTIC, "the p= of the record is not an RSA key"),
        (b"v=DKIM1; p=A", "not base64"),
        (b"v=DKIM1; p=" + b" " * MAX_KEY_RECORD, f"the record has more than {MAX_KEY_RECORD} bytes"),
        (b"v=DKIM1; p", "not a tag list"),
        (b"v=DKIM1; =x", "not a tag list"),
        (b"v=DKIM1; p=x; p=y", "tag p= occurs twice"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(text: bytes, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - all of its text is compared below
        KeyRecord.parse(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("tags", "algorithm", "strict", "testing"),
    [
        (b"p=" + RSA, "rsa-sha256", False, False),
        (b"v=DKIM1; k=rsa; p=" + RSA + b";", "rsa-sha256", False, False),
        (b"v=DKIM1; k=ed25519; h=sha1 : sha256; s=x:email; t=s; p=" + ED, "ed25519-sha256", True, False),
        (b" v = DKIM1 ; k=ed25519; s=*; t = y : s ;\r\n n=note; p=" + ED, "ed25519-sha256", True, True),
        (b"v=DKIM1; k=ed25519; t=y; p=" + ED[:20] + b" \r\n\t" + ED[20:], "ed25519-sha256", False, True),
    ],
    ids=["a key", "rsa", "strict", "strict and in test", "folded and in test"],
)
def test_what_a_record_says(tags: bytes, algorithm: str, strict: bool, testing: bool) -> None:
    found = KeyRecord.parse(tags)
    assert (found.algorithm, found.strict, found.testing) == (algorithm, strict, testing)
    key = ED if algorithm.startswith("ed") else RSA
    assert public_data(found.key) == base64.b64decode(key)


def test_tags_and_base64_are_bounded() -> None:
    assert len(parse_tags(b";".join(b"x%d=y" % number for number in range(MAX_TAGS)) + b"; ")) == MAX_TAGS
    with pytest.raises(ValueError, match=f"^a tag list of more than {MAX_TAGS} tags$"):
        parse_tags(b";".join(b"x%d=y" % number for number in range(MAX_TAGS + 2)))
    assert decode_base64(b"AA==" + b" " * (MAX_BASE64 - 4)) == b"\0"
    with pytest.raises(ValueError, match=f"^base64 of more than {MAX_BASE64} bytes$"):
        decode_base64(b"AA==" + b" " * (MAX_BASE64 - 3))


def test_a_record_for_a_zone_file_has_strings_of_255_bytes() -> None:
    assert zone_lines("s._domainkey.example.org", "x" * 255 + "yz") == (
        's._domainkey.example.org. IN TXT (\n\t"' + "x" * 255 + '"\n\t"yz" )\n'
    )


def test_what_is_published_for_a_key_says_its_kind_and_its_public_half() -> None:
    key = parse_key(pem(ed25519_key()))
    text = record_text(key)
    assert text == "v=DKIM1; k=ed25519; p=" + base64.b64encode(key.public_data()).decode()
    assert record_text(parse_key(pem(rsa_key()))) == "v=DKIM1; k=rsa; p=" + RSA.decode()
    published = KeyRecord.parse(text.encode())
    assert published.is_of(key)
    assert not published.is_of(parse_key(pem(ed25519_key(1))))
    assert not published.is_of(parse_key(pem(rsa_key())))


def test_a_name_of_a_tag_that_occurs_twice_is_shown_in_part() -> None:
    name = b"x" * 33
    with pytest.raises(ValueError, match="^tag " + "x" * 29 + r"\.\.\.= occurs twice$"):
        parse_tags(name + b"=1; " + name + b"=2")


def test_tags_and_a_last_empty_one_may_have_blanks_around_them() -> None:
    assert parse_tags(b" a \r\n = b c ;\t") == {b"a": b"b c"}
    assert parse_tags(b"") == {}
    with pytest.raises(ValueError, match=r"^not a tag list$"):
        parse_tags(b"a=b;;c=d")


def test_a_record_may_be_as_long_as_its_bound() -> None:
    text = b"v=DKIM1; k=ed25519; p=" + ED + b"; n="
    assert KeyRecord.parse(text + b"x" * (MAX_KEY_RECORD - len(text))).algorithm == "ed25519-sha256"


@pytest.mark.parametrize("blank", [b"\x0b", b"\x0c", b"\xa0"])
def test_only_blanks_line_ends_and_tabs_may_stand_around_a_word(blank: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the record does not allow sha256$"):
        KeyRecord.parse(b"h=sha256" + blank + b":sha1; k=ed25519; p=" + ED)
    assert KeyRecord.parse(b"h= sha256\t\r\n:sha1; k=ed25519; p=" + ED).algorithm == "ed25519-sha256"


def test_other_white_space_belongs_to_a_tag() -> None:
    assert parse_tags(b"a= b\x0c ;") == {b"a": b"b\x0c"}
    for text in (b"a=b;\x0c", b"\x0ca=b", b"a\x0b=b"):
        with pytest.raises(ValueError, match=r"^not a tag list$"):
            parse_tags(text)
