"""The fields of a header, and a signature field without its signature."""

from __future__ import annotations

import pytest

from filter_api.dkim.fields import Signature, split, split_header

TAGS = b"v=1; a=rsa-sha256; d=example.org; s=s; h=from:to; bh=AA==;"


@pytest.mark.parametrize(
    ("value", "emptied"),
    [
        (TAGS + b" b=AA==\r\n", TAGS + b" b=\r\n"),
        (b"b=AA==; " + TAGS + b"\r\n", b"b=; " + TAGS + b"\r\n"),
        (b"v=1; b = A\r\n A=; " + TAGS[5:] + b"\r\n", b"v=1; b =; " + TAGS[5:] + b"\r\n"),
    ],
)
def test_what_is_signed_is_the_field_with_the_value_of_b_taken_out(value: bytes, emptied: bytes) -> None:
    assert Signature(b"DKIM-Signature: " + value).emptied() == b"DKIM-Signature: " + emptied


def test_a_message_is_its_fields_with_their_folds_and_its_body() -> None:
    text = b"From: a\r\nSubject : b\r\n\tc\r\n\r\nbody\r\n\r\nmore\r\n"
    fields = [(b"from", b"From: a\r\n"), (b"subject", b"Subject : b\r\n\tc\r\n")]
    assert split(text) == (fields, b"body\r\n\r\nmore\r\n")
    assert split(b"\r\nbody") == ([], b"body")
    assert split(b"From: a\r\n") == ([(b"from", b"From: a\r\n")], b"")
    assert split_header(b"From: a") == [(b"from", b"From: a\r\n")]


def test_a_name_ends_before_the_blanks_in_front_of_its_colon() -> None:
    header = b"FAX \t: a\r\nOdd\x0c: b\r\n"
    assert split_header(header) == [(b"fax", b"FAX \t: a\r\n"), (b"odd\x0c", b"Odd\x0c: b\r\n")]


def test_what_a_signature_does_not_say_has_a_default() -> None:
    signature = Signature(b"DKIM-Signature: v=1\r\n")
    assert signature.forms == ("simple", "simple")
    assert Signature(b"DKIM-Signature: v=1; c=relaxed\r\n").forms == ("relaxed", "simple")
    assert signature.text(b"d") == "?"
    assert signature.number(b"l", "a number") is None
    assert signature.names == [b""]
