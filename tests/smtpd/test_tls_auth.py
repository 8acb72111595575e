"""TLS and AUTH as smtpd tells them: the session knows, and who is authenticated is one of ours.

Only under the newer smtpd: the TLS of Debian's 6.8 fails every handshake with OpenSSL 3 ("missing private key").
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.private_smtpd import Smtpd
from tools.private_smtpd.tls import certificate

CONFIG = """
pki mx.example.org cert "/etc/ssl/mx.pem"
pki mx.example.org key "/etc/ssl/mx.key"
table users file:/etc/users
filter "show" proc-exec "show"
filter "rdns" proc-exec "filter-rdns"
filter "dyndns" proc-exec "filter-dyndns"
listen on 0.0.0.0 tls pki mx.example.org auth-optional <users> filter "show"
listen on 0.0.0.0 port 465 smtps pki mx.example.org auth-optional <users> filter "show"
listen on 0.0.0.0 port 587 tls pki mx.example.org auth-optional <users> filter { "rdns", "dyndns" }
action "local" maildir
match from any for domain "example.org" action "local"
match auth from any for any action "local"
"""
SHOW = """
from filter_api import Filter, Reject, main

class Show(Filter):
    def on_mail_from(self, session, sender):
        tls = (session.tls or b"no").decode().split(":")[0]
        user = (session.user or b"no").decode("latin-1")
        return Reject(550, None, f"tls={tls} user={user} ours={self.ours(session)} ehlo={session.ehlo}")

main(Show())
"""
ODD_USER = "o'neil|smith"


@pytest.fixture(scope="module")
def smtpd(newest: str) -> Iterator[Smtpd]:
    pem, key = certificate("mx.example.org")
    files = {"/etc/ssl/mx.pem": pem, "/etc/ssl/mx.key": key, "/etc/users": ""}
    with Smtpd(newest, CONFIG, filters={"show": SHOW}, files=files, port=None) as running:
        running.process.stop()
        code, secret = running.room.run(["smtpctl", "encrypt", "secret"])
        assert code == 0, secret
        running.room.write("/etc/users", f"alice {secret.strip()}\n{ODD_USER} {secret.strip()}\n")
        running.restart()
        yield running


def test_a_plain_session(smtpd: Smtpd) -> None:
    with smtpd.client() as client:
        client.helo()
        assert client.mail_from().text == "tls=no user=no ours=False ehlo=False"


def test_starttls_and_a_second_ehlo(smtpd: Smtpd) -> None:
    with smtpd.client() as client:
        client.ehlo()
        assert client.starttls().code == 220
        client.ehlo()
        assert client.mail_from().text == "tls=TLSv1.3 user=no ours=False ehlo=True"


@pytest.mark.parametrize("user", ["alice", ODD_USER])
def test_an_authenticated_user_is_one_of_ours(smtpd: Smtpd, user: str) -> None:
    with smtpd.client(port=465, tls=True) as client:
        client.ehlo()
        assert client.auth_plain(user, "secret").code == 235
        assert client.mail_from().text == f"tls=TLSv1.3 user={user} ours=True ehlo=True"


def test_a_failed_authentication_is_none(smtpd: Smtpd) -> None:
    with smtpd.client(port=465, tls=True) as client:
        client.ehlo()
        assert client.auth_plain("alice", "wrong").code == 535
        assert client.mail_from().text == "tls=TLSv1.3 user=no ours=False ehlo=True"


def test_a_traveller_on_a_residential_line_sends_through_us(smtpd: Smtpd) -> None:
    """The address has no reverse DNS: refused as a stranger, welcome as alice."""
    with smtpd.client("198.51.100.77", port=587) as client:
        client.ehlo()
        assert str(client.mail_from()).startswith("550 5.7.25")
    with smtpd.client("198.51.100.77", port=587) as client:
        client.ehlo()
        client.starttls()
        client.ehlo("[198.51.100.77]")
        assert client.auth_plain("alice", "secret").code == 235
        assert client.mail_from().code == 250
