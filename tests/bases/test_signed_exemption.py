"""Entries ``dkim:`` of -W: mail that its author's domain has signed, as filter-auth found earlier in the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.authenticated import Authenticated
from filter_api.errors import ConfigError
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_auth.filter import build as build_auth
from filter_clamav.filter import build as build_clamav
from filter_dnsbl.filter import build as build_dnsbl
from filter_rdns.filter import build as build_rdns
from filter_spamassassin.filter import build as build_spamassassin
from tests.filter_auth.mail import PLAIN, STRANGER, connected, keys, signed

NO_SCANNER = "451 4.7.1 message cannot be scanned for viruses now, try again later"


def played(
    folder: Path, text: bytes, entry: str, *, order: str = "auth virus", beside: bool = False
) -> tuple[str, str]:
    """The reply to a message where a scanner that is not there asks for a second try, and the first log lines."""
    (folder / "exempt").write_text(f"{entry}\n")
    resolver = Resolver(backend=FakeZone({**STRANGER, **keys()}))
    scan = ["-a", str(folder / "no-clamd"), "-W", str(folder / "exempt")]
    members = {"auth": build_auth([], resolver), "virus": build_clamav(scan, resolver)}
    with Player({label: members[label] for label in order.split()}, beside=beside) as player:
        reply = connected(player).mail(text, sender="x@evil.example").reply
        return reply, "\n".join(line for line in player.log if " start " in f" {line} ")


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    ("entry", "exempt"),
    [
        ("dkim:example.org", True),
        ("DKIM:Example.ORG", True),
        ("dkim:.org", True),
        ("dkim:example.net", False),
        ("dkim:evil.example", False),
        ("from:example.org", False),
    ],
)
def test_the_authors_domain_must_have_signed(tmp_path: Path, entry: str, exempt: bool, beside: bool) -> None:
    """The sender is a stranger's: what counts is From, and that its very domain has signed."""
    reply, notes = played(tmp_path, signed(), entry, beside=beside)
    assert reply == ("" if exempt else NO_SCANNER)
    assert notes == ""


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        signed().replace(b"hello", b"jello"),
        b"From: ceo@example.org\r\n" + signed(),
        signed().replace(b"From: Alice <alice@example.org>", b"From: x@other.example"),
    ],
)
def test_a_signature_that_does_not_hold_or_is_not_the_authors_exempts_nobody(tmp_path: Path, text: bytes) -> None:
    reply, _ = played(tmp_path, text, "dkim:.org")
    assert reply == NO_SCANNER


def test_a_signature_of_a_parent_or_of_another_domain_is_not_the_authors() -> None:
    for author, signer in (("a.example.org", "example.org"), ("example.org", "a.example.org"), ("", "example.org")):
        assert Authenticated(dkim=frozenset((signer,)), author=author).signed_author == ""
    assert Authenticated(dkim=frozenset(("example.org",)), author="example.org").signed_author == "example.org"


@pytest.mark.parametrize("order", ["virus", "virus auth"])
def test_without_filter_auth_before_it_the_log_warns_and_nobody_is_exempt(tmp_path: Path, order: str) -> None:
    reply, notes = played(tmp_path, signed(), "dkim:example.org", order=order)
    assert reply == NO_SCANNER
    assert "dkim: entries of -W match nothing: filter-auth must be before this filter" in notes


def test_filter_auth_itself_spares_who_signed_though_spf_fails(tmp_path: Path) -> None:
    (tmp_path / "exempt").write_text("dkim:example.org\n")
    zone = {**keys(), ("evil.example", "TXT"): [b"v=spf1 -all"]}
    for options, code in (([], "550 5.7.23"), (["-W", str(tmp_path / "exempt")], "")):
        with Player(build_auth(["-s", *options], Resolver(backend=FakeZone(zone)))) as player:
            assert connected(player).mail(signed(), sender="x@evil.example").reply[:10] == code


def test_who_decides_before_the_message_refuses_such_entries_and_addresses_are_none(tmp_path: Path) -> None:
    path = tmp_path / "exempt"
    path.write_text("192.0.2.1\ndkim:example.org\n")
    for build in (build_rdns, build_dnsbl):
        with pytest.raises(ConfigError, match="exempt:2: dkim: cannot be used here"):
            build(["-W", str(path), *(["-b", "a.example"] if build is build_dnsbl else [])])
    path.write_text("dkim:a@example.org\n")
    with pytest.raises(ConfigError, match=r"exempt:1: .* who signs is a domain, as in dkim:example.org"):
        build_spamassassin(["-W", str(path)])
