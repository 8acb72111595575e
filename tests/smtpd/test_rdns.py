"""filter-rdns under real daemons, with a name server in the room: smtpd's words, our lookups, every phase."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.private_smtpd import Gone, Smtpd, Trouble, Zone

PLAIN, FORWARD, CONNECT, RCPT, MARK, LENIENT = 25, 2501, 2502, 2503, 2504, 2505
OPTIONS = {
    PLAIN: "",
    FORWARD: "-f -H -S -v",
    CONNECT: "-f -H -p connect",
    RCPT: "-f -H -S -p rcpt-to",
    MARK: "-m",
    LENIENT: "-f -S -F accept",
}
CONFIG = (
    "".join(f'filter "f{port}" proc-exec "filter-rdns {words}"\n' for port, words in OPTIONS.items())
    + "".join(f'listen on 0.0.0.0 port {port} filter "f{port}" hostname mx.example.org\n' for port in OPTIONS)
    + 'action "local" maildir\nmatch from any for domain "example.org" action "local"\n'
)

GOOD, BARE, LITERAL, LIAR, DOWN, HALF, LONG, ODD, CROWD = (f"192.0.2.{n}" for n in range(10, 100, 10))
LONG_NAME = "mail-with-a-name-of-more-than-sixty-four-bytes.rack-17.hall-3.somewhere.example.net"
ZONE: Zone = {
    GOOD: "mx.example.net",
    "mx.example.net": [f"A {GOOD}"],
    LITERAL: LITERAL,
    LIAR: "www.example.net",
    "www.example.net": ["A 198.51.100.1"],
    DOWN: Trouble.SERVFAIL,
    HALF: "half.example",
    "half.example": Trouble.REFUSED,
    LONG: LONG_NAME,
    LONG_NAME: [f"A {LONG}"],
    ODD: ["PTR a\\032b|c\\010d.example.net."],
    CROWD: [f"PTR host{n}.example.net." for n in range(40)],
    "example.net": ["MX 10 mx.example.net."],
    "null.example": ["MX 0 ."],
    "broken.example": Trouble.SERVFAIL,
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, zone=ZONE, users=("bob", "carol", "postmaster", "abuse")) as daemon:
        yield daemon
        assert daemon.alive(), daemon.log()


def mail(smtpd: Smtpd, port: int, source: str, sender: str = "joe@example.net", helo: str = "mx.example.net") -> str:
    """The first refusal in a whole mail, or the last reply."""
    with smtpd.client(source, port=port) as client:
        client.ehlo(helo)
        for reply in (client.mail_from(sender), client.rcpt_to()):
            if reply.code >= 400:
                return str(reply)
        return str(client.message(b"Subject: x\r\n\r\nx\r\n"))


@pytest.mark.parametrize(
    ("source", "plain", "forward"),
    [
        (GOOD, "250", "250"),
        (BARE, "550 5.7.25", "550 5.7.25"),
        (LITERAL, "550 5.7.25", "550 5.7.25"),  # smtpd says pass
        (LIAR, "250", "550 5.7.25"),
        (DOWN, "451 4.7.25", "451 4.7.25"),  # smtpd says <unknown>, as for BARE
        (HALF, "250", "451 4.7.25"),  # smtpd says fail, as for LIAR
        (LONG, "250", "250"),  # smtpd says fail: it cuts the name
        (ODD, "250", "550 5.7.25"),
        (CROWD, "250", "451 4.7.25"),  # more names than are looked up
    ],
)
def test_clients(smtpd: Smtpd, source: str, plain: str, forward: str) -> None:
    assert mail(smtpd, PLAIN, source).startswith(plain)
    assert mail(smtpd, FORWARD, source).startswith(forward)
    assert mail(smtpd, RCPT, source).startswith(forward)


@pytest.mark.parametrize(
    ("sender", "helo", "reply"),
    [
        ("joe@example.net", "localhost", "550 5.7.1"),
        ("joe@example.net", "mx.example.org", "550 5.7.1"),
        ("joe@example.net", "[192.0.2.99]", "550 5.7.1"),
        ("joe@example.net", f"[{GOOD}]", "250"),
        ("joe@null.example", "mx.example.net", "550 5.7.27"),
        ("joe@gone.example", "mx.example.net", "550 5.1.8"),
        ("joe@broken.example", "mx.example.net", "451 4.1.8"),
        ("", "mx.example.net", "250"),
    ],
)
def test_helo_and_sender(smtpd: Smtpd, sender: str, helo: str, reply: str) -> None:
    assert mail(smtpd, FORWARD, GOOD, sender, helo).startswith(reply)
    assert mail(smtpd, RCPT, GOOD, sender, helo).startswith(reply)


def test_at_connect_a_client_is_disconnected(smtpd: Smtpd) -> None:
    assert mail(smtpd, CONNECT, GOOD).startswith("250")
    assert mail(smtpd, CONNECT, GOOD, helo="localhost").startswith("550 5.7.1")
    with smtpd.connection(BARE, port=CONNECT) as connection:
        connection.settimeout(10)
        told = b""
        while more := connection.recv(4096):
            told += more
    assert told == f"550 5.7.25 no reverse DNS for {BARE}\r\n".encode()


def test_somebody_always_hears_everybody(smtpd: Smtpd) -> None:
    with smtpd.client(BARE, port=RCPT) as client:
        client.ehlo("mx.example.net")
        assert client.mail_from("joe@gone.example").code == 250
        assert client.rcpt_to("bob@example.org").code == 550
        assert client.rcpt_to("postmaster@example.org").code == 250
        assert client.rcpt_to("abuse@example.org").code == 250


def test_a_mark_reaches_the_mailbox(smtpd: Smtpd) -> None:
    with smtpd.client(BARE, port=MARK) as client:
        assert client.deliver(b"Subject: marked\r\n\r\nx\r\n", recipient="carol@example.org").code == 250
    assert b"X-Spam: Yes" in smtpd.wait_mail("carol")[0]


def test_doubt_may_be_accepted(smtpd: Smtpd) -> None:
    for source in (DOWN, HALF):
        assert mail(smtpd, LENIENT, source).startswith("250")
    assert mail(smtpd, LENIENT, GOOD, "joe@broken.example").startswith("250")
    assert mail(smtpd, LENIENT, BARE).startswith("550 5.7.25")
    assert "action=proceed reason=dns " in smtpd.log()


def test_a_client_that_goes_while_the_dns_is_asked(smtpd: Smtpd) -> None:
    for _ in range(5):
        with smtpd.client(DOWN, port=FORWARD) as client:
            client.ehlo()
            client.send(b"MAIL FROM:<joe@broken.example>\r\n")
    assert mail(smtpd, FORWARD, GOOD).startswith("250")


def test_a_name_server_that_says_nothing_costs_seconds_and_no_mail(version: str) -> None:
    zone: Zone = {GOOD: "mx.example.net", "mx.example.net": [f"A {GOOD}"], "silent.example": Trouble.DROP}
    with Smtpd(version, CONFIG, zone=zone) as daemon:
        assert mail(daemon, FORWARD, GOOD, "joe@silent.example").startswith("451 4.1.8")
        with pytest.raises(Gone), daemon.client(BARE, port=CONNECT) as client:
            client.ehlo()
        assert daemon.alive(), daemon.log()
