"""Which From fields are signed (what mail programs really write), by the release of smtpd that is known."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from filter_api.testing.player import Player
from filter_dkimsign.filter import build
from filter_dkimsign.policy import Unsigned
from filter_dkimsign.prepare import Outgoing
from filter_dkimsign.rewrite import Unsettled, qualify, releases_of
from tests.filter_dkimsign.keyring import record, rsa_key, write_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, both_keys, login, signatures, submit

HOST = b"mx.example.org"


@pytest.mark.parametrize(
    "value",
    [
        b'"\\"Acme, Inc.\\"" <alice@example.org>',
        b'"Smith \\"Jr\\", John" <alice@example.org>',
        b'"back\\\\slash" <alice@example.org>',
        b'"a \\" b" <alice@example.org>',
        b"alice@example.org <alice@example.org>",
        b'"alice@example.org" <alice@example.org>',
        b"Alice [Acme] <alice@example.org>",
        b"=?utf-8?Q?alice@example.org?= <alice@example.org>",
        b"Alice (the (only) one, of many) <alice@example.org>",
        b"Staff: alice@example.org;",
        b'"alice, b"@example.org',
        b"<alice@example.org>",
        b"alice@EXAMPLE.org.",
    ],
)
def test_signed_by_a_release_that_leaves_it_alone(tmp_path: Path, value: bytes) -> None:
    with Player(both_keys(tmp_path)) as smtpd:
        text = submit(smtpd, MAIL.replace(b"Alice <alice@example.org>", value))
    assert b"From: " + value + b"\r\n" in text
    assert both(text, ZONE) == [True, True]


@pytest.mark.parametrize(
    "value",
    [
        b"boss@example.net <alice@example.org>",
        b"alice@example.org, bob@example.org",
        b"Staff: alice@example.org, bob@example.org;",
        b'"open <alice@example.org>',
        b"Acme, Inc. <alice@example.org>",
    ],
)
def test_doubtful_authors_pass_unsigned(tmp_path: Path, value: bytes) -> None:
    with Player(both_keys(tmp_path)) as smtpd:
        assert not signatures(submit(smtpd, MAIL.replace(b"Alice <alice@example.org>", value)))


ESCAPED = b' "\\"Acme, Inc.\\"" <a@example.org>'


@pytest.mark.parametrize("version", ["7.5.0", "7.6.0-portable", "7.7.0", "7.8.0p1", "7.9.0", "8.0", "10.1"])
def test_releases_from_7_5_leave_escaped_quotes_alone(version: str) -> None:
    assert qualify(ESCAPED, HOST, releases_of(version)) == ESCAPED


@pytest.mark.parametrize("version", ["", "6.8.0p2", "7.4.0p1", "6.4", "unheard of", "OpenSMTPD 7.6", "7.x", "7"])
def test_older_and_unknown_ones_may_not(version: str) -> None:
    with pytest.raises(Unsettled):
        qualify(ESCAPED, HOST, releases_of(version))


def test_what_a_later_release_might_read_otherwise_is_settled_for_known_ones_only() -> None:
    value = b' "a\\", b" <c>, d@e'
    assert qualify(value, HOST, releases_of("7.6.0")) == value  # seen on a real daemon
    with pytest.raises(Unsettled):
        qualify(value, HOST, releases_of("9.0"))


@pytest.mark.parametrize(
    "author",
    ["alice@bücher.example", "alice@BÜCHER.example", "alice@xn--bcher-kva.example", "alice@mail.Bücher.Example."],
)
def test_u_labels_of_from_find_the_entry_with_a_labels(tmp_path: Path, author: str) -> None:
    key = write_key(tmp_path / "rsa.pem", rsa_key())
    (tmp_path / "users").write_text("alice xn--bcher-kva.example *.xn--bcher-kva.example\n")
    domain = "xn--bcher-kva.example"
    with Player(build(["-d", domain, "-s", "rsa", "-k", key, "-m", str(tmp_path / "users")])) as smtpd:
        text = submit(smtpd, MAIL.replace(b"alice@example.org", author.encode()))
    [tags] = signatures(text)
    assert tags[b"d"] == domain.encode()
    assert both(text, {f"rsa._domainkey.{domain}": record(rsa_key())}) == [True]


@pytest.mark.parametrize("author", [b"alice@b\xfccher.example", b"alice@\xff\xfe", b"alice@xn--bcher-kva.example.evil"])
def test_what_is_no_utf_8_is_nobody_s_domain(tmp_path: Path, author: bytes) -> None:
    key = write_key(tmp_path / "rsa.pem", rsa_key())
    with Player(build(["-d", "xn--bcher-kva.example", "-s", "rsa", "-k", key])) as smtpd:
        assert not signatures(submit(smtpd, MAIL.replace(b"alice@example.org", author)))


@pytest.mark.timed
def test_a_header_line_without_a_colon_costs_nothing(tmp_path: Path) -> None:
    """60,000 bytes of it took nine seconds, as the pattern of a field was tried from each of them."""
    with Player(both_keys(tmp_path)) as smtpd:
        client = login(smtpd)
        began = time.process_time()
        client.mail(MAIL.replace(b"Subject: test", b"x" * 60_000), "bob@example.net", sender="alice@example.org")
        assert time.process_time() - began < 0.5


@pytest.mark.timed
@pytest.mark.parametrize("piece", [b" a(b),", b'"a\\"b" <c>,', b"()", b'"",', b"\\\\,"])
def test_addresses_to_be_gone_through_are_bounded_in_their_sum(piece: bytes) -> None:
    value = piece * (15_000 // len(piece))
    header = b"".join(name + b":" + value + b"\r\n" for name in (b"To", b"Cc", b"To", b"Cc", b"To", b"Cc"))
    began = time.process_time()
    with pytest.raises(Unsigned, match="unsettled-addresses"):
        Outgoing(b"From: a@b\r\n" + header, HOST, "7.6.0")
    assert time.process_time() - began < 0.1
