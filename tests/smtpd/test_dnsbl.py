"""filter-dnsbl under real daemons, with lists in the name server of the room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.private_smtpd import Smtpd, Zone

PLAIN, CONNECT, RCPT, MARK, SENDER, WELCOME, AUTHOR = 25, 2501, 2502, 2503, 2504, 2505, 2506
OPTIONS = {
    PLAIN: "-b bl.test",
    CONNECT: "-p connect -b bl.test -r 'see https://example.org/?%A'",
    RCPT: "-p rcpt-to -b bl.test",
    MARK: "-am -b bl.test",
    SENDER: "-m -b dbl.test/s",
    WELCOME: "-s -:-:3 -b 'bl.test=127.0.0.[2..11]*3' -b 'wl.test*-2'",
    AUTHOR: "-a -b dbl.test/a",
}
CONFIG = (
    "".join(f'filter "f{port}" proc-exec "filter-dnsbl {words}"\n' for port, words in OPTIONS.items())
    + "".join(f'listen on 0.0.0.0 port {port} filter "f{port}" hostname mx.example.org\n' for port in OPTIONS)
    + 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
)
LISTED, FREE, WELCOMED = "192.0.2.10", "192.0.2.20", "192.0.2.30"
REFUSED = "550 5.7.1 192.0.2.10 is listed by bl.test"
ZONE: Zone = {
    **{f"2.0.0.127.{zone}.test": ["A 127.0.0.2"] for zone in ("bl", "wl")},
    "test.dbl.test": ["A 127.0.1.2"],
    "10.2.0.192.bl.test": ["A 127.0.0.2"],
    "30.2.0.192.bl.test": ["A 127.0.0.2"],
    "30.2.0.192.wl.test": ["A 127.0.5.1"],
    "bad.example.dbl.test": ["A 127.0.1.2"],
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, zone=ZONE, users=("bob", "carol", "dave", "postmaster")) as daemon:
        yield daemon
        assert daemon.alive(), daemon.log()


def mail(
    smtpd: Smtpd,
    port: int,
    source: str,
    recipient: str = "bob@example.org",
    *,
    sender: str = "joe@example.net",
    text: bytes = b"Subject: x\r\n\r\nx\r\n",
) -> str:
    """The first refusal in a whole mail, or the last reply."""
    with smtpd.client(source, port=port) as client:
        client.ehlo("mx.example.net")
        for reply in (client.mail_from(sender), client.rcpt_to(recipient)):
            if reply.code >= 400:
                return str(reply)
        return str(client.message(text))


@pytest.mark.parametrize(
    ("port", "source", "reply"),
    [
        (PLAIN, LISTED, REFUSED),
        (PLAIN, FREE, "250"),
        (RCPT, LISTED, REFUSED),
        (RCPT, FREE, "250"),
        (WELCOME, LISTED, REFUSED),
        (WELCOME, WELCOMED, "250"),
    ],
)
def test_clients(smtpd: Smtpd, port: int, source: str, reply: str) -> None:
    assert mail(smtpd, port, source).startswith(reply)


def test_at_connect_a_client_is_disconnected(smtpd: Smtpd) -> None:
    with smtpd.connection(LISTED, port=CONNECT) as connection:
        connection.settimeout(10)
        told = b""
        while more := connection.recv(4096):
            told += more
    assert told == b"550 5.7.1 see https://example.org/?192.0.2.10\r\n"


def test_postmaster_hears_everybody(smtpd: Smtpd) -> None:
    assert mail(smtpd, RCPT, LISTED, "postmaster@example.org").startswith("250")


def test_a_mark_of_the_client_reaches_the_mailbox(smtpd: Smtpd) -> None:
    assert mail(smtpd, MARK, LISTED, "carol@example.org").startswith("250")
    assert smtpd.wait_mail("carol")[0].count(b"X-Spam: Yes") == 1


def test_a_listed_sender_marks_its_own_mail_and_not_the_next(smtpd: Smtpd) -> None:
    with smtpd.client(FREE, port=SENDER) as client:
        client.ehlo("mx.example.net")
        for sender, subject in (("joe@bad.example", b"first"), ("joe@good.example", b"second")):
            assert client.mail_from(sender).code == 250
            assert client.rcpt_to("dave@example.org").code == 250
            assert client.message(b"Subject: %b\r\n\r\nx\r\n" % subject).code == 250
    mails = smtpd.wait_mail("dave", 2)
    assert {b"Subject: first" in text: b"X-Spam: Yes" in text for text in mails} == {True: True, False: False}


def test_a_listed_author_is_refused_at_the_end_of_the_message(smtpd: Smtpd) -> None:
    bad, good = (b"From: joe@%b\r\n\r\nx\r\n" % domain for domain in (b"bad.example", b"good.example"))
    assert mail(smtpd, AUTHOR, FREE, text=good).startswith("250")
    assert mail(smtpd, AUTHOR, FREE, text=bad).startswith("550 5.7.1 192.0.2.20 is listed by dbl.test")
