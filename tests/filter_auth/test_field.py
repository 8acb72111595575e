"""The Authentication-Results field: what is written, read back by another reader; what is taken out and what stays."""

from __future__ import annotations

import authres
import pytest

from filter_api.testing.client import Outcome
from tests.filter_auth.mail import PLAIN, dmarc, keys, results, sent, signed


def read(outcome: Outcome) -> authres.AuthenticationResultsHeader:
    return authres.AuthenticationResultsHeader.parse("Authentication-Results: " + results(outcome)[0])


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.org; dmarc=pass",
        "MX.Example.ORG; dmarc=pass",
        '"mx.example.org"; dmarc=pass',
        "(c (n)) mx.example.org; dmarc=pass",
        "\r\n\tmx.example.org; dmarc=pass",
        "mx.example.org 1; dmarc=pass",
        "other.example 2; dmarc=pass",
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org",
        "; dmarc=pass",
        "other.example (; dmarc=pass",
        'other.example; dmarc="pass',
        "old.example; dmarc=pass",
    ],
)
@pytest.mark.parametrize("name", ["Authentication-Results", "authentication-results \t"])
def test_a_field_that_claims_to_be_ours_or_cannot_be_read_is_removed(name: str, value: str) -> None:
    """A01, A04, A05, A06."""
    field = f"{name}: {value}\r\n".encode()
    outcome = sent({}, field + field + PLAIN, options=["-i", "old.example"])
    assert b"dmarc=pass" not in outcome.text
    assert b'dmarc="pass' not in outcome.text
    assert len(results(outcome)) == 1


@pytest.mark.parametrize(
    "id_",
    [
        "mx.example.org\0",
        "mx.example.org\x0b",
        "mx.example.org\x1f",
        "mx.example.org\x7f",
        "mx.example.org\u00a0",
        "mx.example.org\u00ad",
        "mx.example.org\u200b",
        "\ufeffmx.example.org",
        "\uff4dx.example.org",
        "mx\uff0eexample.org",
        "mx.example.org/1",
        "mx.example.org,",
        "mx.example.org:",
        "<mx.example.org>",
        "x@mx.example.org",
        "[mx.example.org]",
        '" mx.example.org"',
        '"mx.example.org\\\\"',
    ],
)
def test_an_id_that_some_readers_would_take_for_ours_is_removed(id_: str) -> None:
    """Some stop at NUL, strip what they hold for blanks, or show nothing of a character."""
    outcome = sent({}, f"Authentication-Results: {id_}; dmarc=pass\r\n".encode() + PLAIN)
    assert b"dmarc=pass" not in outcome.text
    assert b"\xa0" not in sent({}, b"Authentication-Results: mx.example.org\xa0; dmarc=pass\r\n" + PLAIN).text


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: other.example; spf=pass",
        b"Authentication-Results: evil.mx.example.org; spf=pass",
        b"Authentication-Results: mx.example.org.evil.example; spf=pass",
        b"Authentication-Results: xmx.example.org; spf=pass",
        b"Authentication-Results: mx-1_a.other.example 1; spf=pass",
        b"Authentication-Results: mx.b\xc3\xbccher.example; spf=pass",
        b"Authentication-Results: mx.bu\xcc\x88cher.example; spf=pass",
        b"Authentication-Results: \xe0\xa4\x95\xe0\xa4\xbf.example; spf=pass",
        b"ARC-Authentication-Results: i=1; mx.example.org; spf=pass",
        b"X-Original-Authentication-Results: mx.example.org; spf=pass",
    ],
)
def test_fields_of_others_stay(field: bytes) -> None:
    """A02, A03, A09."""
    assert field in sent({}, b"Authentication-Results: mx.example.org; dmarc=pass\r\n" + field + b"\r\n" + PLAIN).lines


def test_mail_of_a_user_is_not_judged_but_carries_no_forged_field() -> None:
    """A07, X01."""
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" + PLAIN
    outcome = sent(dmarc("p=reject"), forged, options=["-p", "strict"], user="alice")
    assert outcome.ok
    assert results(outcome) == []


def test_mail_of_a_host_of_ours_is_left_as_it_is() -> None:
    """A08, X01, X17."""
    forged = b"Authentication-Results: mx.example.org; dmarc=pass\r\n" + PLAIN
    outcome = sent(dmarc("p=reject"), forged, options=["-p", "strict", "-N", "192.0.2.0/24"])
    assert results(outcome) == ["mx.example.org; dmarc=pass"]


@pytest.mark.parametrize(
    "sender",
    ["x; dmarc=pass@evil.example", '"x; dmarc=pass"@evil.example', 'x@"evil;dmarc=pass".example', 'x@u";('],
)
def test_nothing_a_sender_says_becomes_a_result(sender: str) -> None:
    """A10."""
    outcome = sent({}, PLAIN, sender=sender)
    assert [each.method for each in read(outcome).results] == ["iprev", "spf", "dkim", "arc", "dmarc"]
    assert results(outcome)[0].isascii()
    assert "x;" not in results(outcome)[0]


def test_an_ipv6_client_is_quoted() -> None:
    """A11."""
    assert 'iprev=pass policy.iprev="2001:db8::1"' in results(sent({}, PLAIN, address="2001:db8::1"))[0]


def test_ten_signatures_with_long_domains_are_one_field_in_short_lines() -> None:
    """A12."""
    domain = ".".join(["d" * 61] * 4)
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s={'s' * 60}; h=from; bh=aaaa; b=abcdefghijkl\r\n".encode()
    outcome = sent({}, field * 12 + PLAIN)
    assert max(map(len, outcome.lines)) < 998
    assert len([each for each in read(outcome).results if each.method == "dkim"]) == 10


def test_nothing_is_signed_and_nobody_has_a_record() -> None:
    """A13."""
    [said] = results(sent({("none.example", "A"): ["192.0.2.9"]}, PLAIN, sender="x@none.example"))
    assert said == (
        "mx.example.org; iprev=pass policy.iprev=192.0.2.1; spf=none smtp.mailfrom=none.example; dkim=none; arc=none;"
        " dmarc=none header.from=example.org"
    )


def test_the_field_is_above_smtpds_received() -> None:
    """A14."""
    assert sent({}, PLAIN).lines[0].startswith(b"Authentication-Results: mx.example.org;")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("p=reject", 'dmarc=fail reason="p=reject, marked" header.from=example.org policy.dmarc=reject'),
        ("p=reject; t=y", 'dmarc=fail reason="p=reject, t=y, marked" header.from=example.org policy.dmarc=reject'),
        ("p=none", 'dmarc=fail reason="p=none, accepted" header.from=example.org policy.dmarc=none'),
    ],
)
def test_a_failure_says_what_was_asked_for_and_what_was_done(record: str, said: str) -> None:
    """A15."""
    assert results(sent(dmarc(record), PLAIN))[0].endswith(said)


def test_a_message_that_passes_says_by_what() -> None:
    outcome = sent({**dmarc("p=reject"), **keys()}, signed())
    [said] = results(outcome)
    assert "dkim=pass header.d=example.org header.s=rsa header.a=rsa-sha256 header.b=" in said
    assert said.endswith("dmarc=pass header.from=example.org")
    assert [each.result for each in read(outcome).results] == ["pass", "pass", "pass", "none", "pass"]


def test_the_id_is_the_one_of_option_a() -> None:
    assert results(sent({}, PLAIN, options=["-a", "mail.example.com"]))[0].startswith("mail.example.com; ")


@pytest.mark.parametrize("address", ["fe80::1%em0", "fe80::1%2", "fe80::1%vlan.100", "fe80::1"])
def test_a_link_local_client_is_judged_and_named_without_its_link(address: str) -> None:
    log: list[str] = []
    outcome = sent({("evil.example", "TXT"): [b"v=spf1 ip6:fe80::1 -all"]}, address=address, log=log)
    (field,) = results(outcome)
    assert 'policy.iprev="fe80::1"; spf=pass smtp.mailfrom=evil.example;' in field
    assert "%" not in field + "".join(log)
