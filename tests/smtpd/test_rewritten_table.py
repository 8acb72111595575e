"""The file of our domains is rewritten in place while mail comes in: nobody is trapped, and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smtpd.greylisting import STORE, greylisting, let_in
from tests.smtpd.honest import HONEST, slowest
from tools.private_smtpd import Smtpd, Zone

pytestmark = pytest.mark.timed

STRANGERS = tuple(f"192.0.{n}.66" for n in range(60, 66))
ALLOWED = "/etc/mail/allowed"
DOMAINS = "example.org\nexample.com\n"
START = 'listen on 203.0.113.25\naction "local" maildir\nmatch from any for domain "example.org" action "local"\n'
CONFIG = f"""
filter "greylist" proc-exec "filter-greylist -G 0:4:864 -f {STORE} -a {ALLOWED}"
listen on 203.0.113.25 filter "greylist"
action "local" maildir
match from any for any action "local"
"""
ZONE: Zone = {HONEST: "mx.honest.example", "mx.honest.example": [f"A {HONEST}"]}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with greylisting(version, START, CONFIG, zone=ZONE, files={ALLOWED: DOMAINS}) as running:
        let_in(running)
        yield running


def offered(smtpd: Smtpd, address: str, recipient: str = "carol@example.org") -> str:
    """The reply to a recipient."""
    with smtpd.client(address) as client:
        client.ehlo("mx.stranger.example")
        client.mail_from("x@stranger.example")
        reply = client.rcpt_to(recipient)
        return f"{reply.code} {reply.text}"


@pytest.mark.parametrize("meanwhile", ["", "# nothing yet\n", "example.com\n", "not a domain\n"])
def test_a_file_of_domains_in_the_making_traps_nobody(smtpd: Smtpd, meanwhile: str) -> None:
    allowed = Path(smtpd.room.path(ALLOWED))
    with smtpd.client(HONEST) as honest:
        allowed.write_text(meanwhile)
        time.sleep(1.1)  # the file is looked at once a second
        during = [offered(smtpd, address) for address in STRANGERS]
        assert slowest(honest) < 1.0
        allowed.write_text(DOMAINS)
        time.sleep(1.1)
    assert all(reply.startswith(("250", "451")) for reply in during), during
    assert all(offered(smtpd, address).startswith("250") for address in STRANGERS)


def test_who_tries_a_foreign_domain_is_trapped_all_the_same(smtpd: Smtpd) -> None:
    """The good twin: none of the passing versions was taken, so nothing has changed."""
    assert "trapped" in offered(smtpd, "192.0.90.66", "x@relay.example")
    assert "trapped" in offered(smtpd, "192.0.90.66")
