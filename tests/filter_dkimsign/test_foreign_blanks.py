"""Bytes that RFC 6376 §2.8 calls text and some verifier calls a blank: signed so that all of them agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.testing.player import Player
from tests.dkim.crafted import judged
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, signatures, submit


def signed(folder: Path, subject: bytes, *options: str) -> bytes:
    with Player(both_keys(folder, *options)) as smtpd:
        return submit(smtpd, MAIL.replace(b"Subject: test", b"Subject: " + subject))


@pytest.mark.parametrize(
    "subject",
    [
        "voilà".encode(),
        "Рассылка".encode(),
        "a\u00a0b".encode(),
        b"latin\xa0one",
        "a\u2003 b".encode(),
        "a\u2028b".encode(),
        "a\u202fb".encode(),
        "\ufeffBOM".encode(),
        "a\u3000 b".encode(),
        "a\u1680b".encode(),
        "a\u205fb".encode(),
        "zero\u200bwidth".encode(),
        b"nel \x85 here",
        "Schluß … \u0085".encode(),
        b"unit\x1fseparator",
        b"form\x0cfeed",
        b"x \x0b y",
    ],
)
def test_a_blank_to_some_verifiers_makes_the_header_form_simple(tmp_path: Path, subject: bytes) -> None:
    text = signed(tmp_path, subject)
    assert {tags[b"c"] for tags in signatures(text)} == {b"simple/relaxed"}
    assert both(text, ZONE) == [True, True]
    assert all(outcome.passed for outcome in judged(text, {name: [value] for name, value in ZONE.items()}))


@pytest.mark.parametrize(
    "subject", ["Grüße".encode(), "日本語".encode(), "é — ñ …".encode(), b"caf\xe9", b"a\x00b\x7f", b"\t a  b"]
)
def test_other_text_keeps_the_relaxed_form(tmp_path: Path, subject: bytes) -> None:
    text = signed(tmp_path, subject)
    assert {tags[b"c"] for tags in signatures(text)} == {b"relaxed/relaxed"}
    assert all(outcome.passed for outcome in judged(text, {name: [value] for name, value in ZONE.items()}))


def test_a_field_that_is_not_signed_changes_nothing(tmp_path: Path) -> None:
    with Player(both_keys(tmp_path)) as smtpd:
        text = submit(smtpd, b"X-Note: voil\xc3\xa0\r\n" + MAIL)
    assert {tags[b"c"] for tags in signatures(text)} == {b"relaxed/relaxed"}
    assert both(text, ZONE) == [True, True]
