"""A chain overrides DMARC only by the word of listed sealers (C01 to C05, C08, C09, C13)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import dkim
import pytest

from filter_api.net.dns import Status
from filter_api.testing.client import Outcome
from filter_api.testing.dns import Content, Slow
from tests.filter_auth.mail import PLAIN, dmarc, marked, results, sent
from tests.filter_dkimsign.keyring import pem, record, rsa_key

Zone: TypeAlias = "dict[tuple[str, str], Content | Slow]"
PASSED = b"mx.list.example; dmarc=pass header.from=example.org"
FAILED = b"mx.list.example; dmarc=fail header.from=example.org"


def sealed(message: bytes, domain: bytes, said: bytes, verdict: bytes = b"none") -> bytes:
    """The message with one more set on top, made by another implementation."""
    host = said.partition(b";")[0]
    with_results = b"Authentication-Results: " + said + b"; arc=" + verdict + b"\r\n" + message
    fields = dkim.arc_sign(
        with_results, b"s", domain, pem(rsa_key()), host, include_headers=[b"from", b"to", b"subject"], linesep=b"\r\n"
    )
    assert fields
    return b"".join(fields) + message


def zone(*sealers: str) -> Zone:
    keys: Zone = {(f"s._domainkey.{name}", "TXT"): [record(rsa_key())] for name in sealers}
    return {**dmarc("p=reject"), **keys}


def outcome_of(
    path: Path, text: bytes, *trusted: str, sealers: tuple[str, ...] = ("list.example", "fwd.example")
) -> Outcome:
    (path / "sealers").write_text("".join(f"{name}\n" for name in trusted))
    return sent(zone(*sealers), text, options=["-p", "strict", "-c", str(path / "sealers")])


def overridden(outcome: Outcome) -> bool:
    return outcome.ok and not marked(outcome) and "by arc" in results(outcome)[0]


def test_a_listed_sealer_that_saw_a_pass_overrides(tmp_path: Path) -> None:
    """C01."""
    outcome = outcome_of(tmp_path, sealed(PLAIN, b"list.example", PASSED), "list.example")
    assert overridden(outcome)
    assert "arc=pass" in results(outcome)[0]


def test_a_sealer_that_is_not_listed_does_not(tmp_path: Path) -> None:
    """C02."""
    outcome = outcome_of(tmp_path, sealed(PLAIN, b"list.example", PASSED), "other.example")
    assert outcome.reply.startswith("550 5.7.26 ")


@pytest.mark.parametrize("said", [FAILED, PASSED.replace(b"example.org", b"example.com"), b"mx.list.example; spf=pass"])
def test_what_the_sealer_saw_must_be_a_pass_of_this_author(tmp_path: Path, said: bytes) -> None:
    """C03."""
    assert not overridden(outcome_of(tmp_path, sealed(PLAIN, b"list.example", said), "list.example"))


def test_what_an_unlisted_sealer_says_below_a_listed_one_counts_for_nothing(tmp_path: Path) -> None:
    """C04."""
    text = sealed(sealed(PLAIN, b"fwd.example", PASSED), b"list.example", FAILED, b"pass")
    outcome = outcome_of(tmp_path, text, "list.example")
    assert not overridden(outcome)


def test_two_listed_sealers_and_the_first_saw_the_pass(tmp_path: Path) -> None:
    """C05."""
    text = sealed(sealed(PLAIN, b"fwd.example", PASSED), b"list.example", FAILED, b"pass")
    assert overridden(outcome_of(tmp_path, text, "list.example", "fwd.example"))


def test_a_chain_that_failed_before_or_whose_key_cannot_be_had_never_overrides(tmp_path: Path) -> None:
    """C08, C09: the reason names the key."""
    text = sealed(PLAIN, b"list.example", PASSED)
    failed = re.sub(rb"cv=none", b"cv=fail", text)
    assert not overridden(outcome_of(tmp_path, failed, "list.example"))
    (tmp_path / "sealers").write_text("list.example\n")
    dead: Zone = {**zone(), ("s._domainkey.list.example", "TXT"): Status.TEMPFAIL}
    outcome = sent(dead, text, options=["-c", str(tmp_path / "sealers")])
    assert marked(outcome)
    assert "arc=fail reason=" in results(outcome)[0]
    assert "s._domainkey.list.example" in results(outcome)[0]


def test_a_body_changed_after_the_seal_never_overrides(tmp_path: Path) -> None:
    """C13."""
    text = sealed(PLAIN, b"list.example", PASSED).replace(b"hello", b"jello")
    assert not overridden(outcome_of(tmp_path, text, "list.example"))


def test_without_option_c_a_chain_is_told_and_overrides_nothing() -> None:
    outcome = sent(zone("list.example"), sealed(PLAIN, b"list.example", PASSED), options=["-p", "reject"])
    assert "arc=pass" in results(outcome)[0]
    assert marked(outcome)
