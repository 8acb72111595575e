"""filterctl init on a Debian with an smtpd and this suite: what it leaves to do is done, and mail is looked after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tools.private_smtpd import Smtpd, wait_until
from tools.private_smtpd.backends import EICAR, GTUBE, start_clamd, start_spamd
from tools.private_smtpd.tls import certificate

FILTERCTL = "/usr/libexec/opensmtpd/filterctl"
#: What Debian's package of smtpd puts there.
DEBIAN = """
table aliases file:/etc/aliases
listen on localhost
action "local" maildir alias <aliases>
action "relay" relay
match for local action "local"
match from local for any action "relay"
"""
ZONE = {
    "192.0.2.10": "mx1.example.net",
    "mx1.example.net": ["A 192.0.2.10"],
    "192.0.2.11": "mx2.example.net",
    "mx2.example.net": ["A 192.0.2.11"],
    "example.net": ["MX 10 mx1.example.net."],
}
INIT = [FILTERCTL, "init", "-d", "example.org", "-H", "mx.example.org", "-N", "198.51.100.0/24", "-k", "s1"]
STORE = "/var/lib/opensmtpd-filters/mail/greylist.db"
MAIL = b"From: joe@example.net\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\n%s\r\n"


class Server(NamedTuple):
    """A server that init has set up, and what it said."""

    smtpd: Smtpd
    said: str


@pytest.fixture(scope="module")
def server(version: str) -> Iterator[Server]:
    """Three commands: init, what it tells to move, and the restart."""
    with Smtpd(version, DEBIAN, zone=dict(ZONE)) as smtpd:
        start_clamd(smtpd.room)
        start_spamd(smtpd.room, configuration="required_score 9\n")
        code, said = smtpd.room.run(INIT)
        assert code == 0, said
        (move,) = re.findall(r"^  (cp -p .*)$", said, re.MULTILINE)
        assert move == "cp -p /etc/smtpd.conf /etc/smtpd.conf.old && mv /etc/smtpd.conf.new /etc/smtpd.conf"
        assert smtpd.room.run(["sh", "-c", move]) == (0, "")
        smtpd.restart()
        yield Server(smtpd, said)


def test_what_was_there_is_there(server: Server) -> None:
    assert server.smtpd.room.path("/etc/smtpd.conf.old").read_text() == DEBIAN
    assert "making file /etc/smtpd.conf.new, as /etc/smtpd.conf is there\n" in server.said


def test_it_finds_both_scanners(server: Server) -> None:
    chain = server.smtpd.room.path("/etc/mail/filters").read_text()
    assert "\nclamav -a 127.0.0.1:3310\n" in chain
    assert "\nspamassassin -r 12 -a 127.0.0.1:783\n" in chain


def test_what_it_wrote_was_checked_by_smtpd_and_by_check(server: Server) -> None:
    assert "filter-chain as _mailfilter registers" in server.said
    assert not re.search(r"^smtpd: |: error: ", server.said, re.MULTILINE), server.said


def test_keys_and_state_are_the_filters_alone(server: Server) -> None:
    code, listed = server.smtpd.room.run(
        ["stat", "-c", "%U %a", "/etc/mail/dkim/s1.example.org.key", "/var/lib/opensmtpd-filters/mail"]
    )
    assert (code, listed) == (0, "_mailfilter 600\n_mailfilter 700\n")


def test_where_no_package_made_a_directory_for_control_sockets_there_is_one_and_status_needs_no_path(
    server: Server,
) -> None:
    assert "making directory /var/opensmtpd-filters/_mailfilter, mode 0755, owner _mailfilter\n" in server.said
    code, listed = server.smtpd.room.run(
        ["stat", "-c", "%U %a", "/var/opensmtpd-filters", "/var/opensmtpd-filters/_mailfilter"]
    )
    assert (code, listed) == (0, "root 755\n_mailfilter 755\n")
    wait_until(lambda: server.smtpd.room.run([FILTERCTL, "ready"])[0] == 0, 20, "no control socket")
    code, said = server.smtpd.room.run([FILTERCTL, "status"])
    assert (code, said.startswith("filter-chain")) == (0, True), said


def test_a_stranger_waits_and_one_whom_the_greylist_knows_is_scanned(server: Server) -> None:
    with server.smtpd.client("192.0.2.10") as client:
        assert client.deliver(MAIL % b"hello", sender="joe@example.net").code == 451
    assert server.smtpd.room.run([FILTERCTL, "greylist", "-f", STORE, "-a", "192.0.2.11"])[0] == 0
    with server.smtpd.client("192.0.2.11") as client:
        assert client.deliver(MAIL % b"hello", sender="joe@example.net").code == 250
    got = server.smtpd.wait_mail("bob")[-1]
    assert b"\nX-Spam-Status: No" in got
    assert b"\nAuthentication-Results: mx.example.org;" in got
    assert server.smtpd.alive(), server.smtpd.log()


def test_viruses_spam_and_strangers_without_a_name_are_refused(server: Server) -> None:
    assert server.smtpd.room.run([FILTERCTL, "greylist", "-f", STORE, "-a", "192.0.2.11"])[0] == 0
    for source, text, said in (
        ("192.0.2.11", EICAR, "554 5.7.1 virus found"),
        ("192.0.2.11", GTUBE, "550 5.7.1 "),
        ("192.0.2.99", b"hello", "550 5.7.25 "),
    ):
        with server.smtpd.client(source) as client:
            assert str(client.deliver(MAIL % text, sender="joe@example.net")).startswith(said)


def test_mail_of_our_networks_is_signed_with_the_key_whose_record_was_told(server: Server) -> None:
    record = re.search(r"^s1\._domainkey\.example\.org\..*?\)", server.said, re.MULTILINE | re.DOTALL)
    assert record, server.said
    text = " ".join(re.findall(r'"[^"]*"', record[0]))
    server.smtpd.dns.zone = {**ZONE, "s1._domainkey.example.org": [f"TXT {text}"]}
    with server.smtpd.client("198.51.100.7") as client:
        ours = (MAIL % b"from us").replace(b"joe@example.net", b"alice@example.org")
        assert client.deliver(ours, sender="alice@example.org", recipient="carol@example.org").code == 250
    server.smtpd.room.write("/tmp/mail", server.smtpd.wait_mail("carol")[-1])
    code, said = server.smtpd.room.run([FILTERCTL, "dkim", "verify", "/tmp/mail"])
    assert code == 0, said


def test_a_second_time_makes_nothing_and_another_domain_stands_beside(server: Server) -> None:
    code, said = server.smtpd.room.run([FILTERCTL, "init", "-n", *INIT[2:]])
    assert (code, said.partition("\n")[0]) == (0, ""), said
    code, said = server.smtpd.room.run([FILTERCTL, "init", "-n", *INIT[2:], "-d", "example.com"])
    assert [line for line in said.splitlines() if line.startswith("would make")] == [
        "would make DKIM key /etc/mail/dkim/s1.example.com.key; publish:",
        "would make file /etc/mail/dkim/keys.new, as /etc/mail/dkim/keys is there",
        "would make file /etc/smtpd.conf.new, as /etc/smtpd.conf is there",
    ]
    assert not server.smtpd.room.path("/etc/smtpd.conf.new").exists()


def test_a_certificate_of_the_host_is_used_and_taken_by_smtpd(server: Server) -> None:
    for path, text in zip(
        ("/etc/ssl/mail.example.org.crt", "/etc/ssl/private/mail.example.org.key"),
        certificate("mail.example.org"),
        strict=True,
    ):
        server.smtpd.room.write(path, text, 0o600)
    secured = [FILTERCTL, "init", "-c", "/etc/secured.conf", "-d", "example.org", "-H", "mail.example.org", "-k", "s1"]
    code, said = server.smtpd.room.run(secured)
    assert code == 0, said
    assert "note: no certificate" not in said
    assert (
        'port 587 hostname "mail.example.org" tls-require pki'
        in server.smtpd.room.path("/etc/secured.conf").read_text()
    )
