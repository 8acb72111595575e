"""Who is ours, exempt, vouched for and signed for, under a real smtpd; beside each attack an honest client is answered.

The attacks are in the envelope: addresses that smtpd does not report, a login in capitals, a sender somebody else's, a
message that comes back; and clients whose address smtpd cannot tell.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_dkimsign.keyring import pem, rsa_key
from tools.private_smtpd import Smtpd, Unavailable
from tools.private_smtpd.backends import EICAR, FOLDER, start_clamd
from tools.private_smtpd.client import Client
from tools.private_smtpd.tls import certificate

ATTACKER, PARTNER, HONEST = "198.51.100.66", "203.0.113.77", "203.0.113.50"
SCANNING, SIGNING, LISTS, SUBMISSION, PROXIED = 2501, 10026, 10027, 465, 2505
STORE, QUARANTINE = "/var/lib/greylist/greylist.db", "/var/spool/quarantine"
LONG = "l" * 244 + "@example.org"  # 256 bytes; all names that nobody has are carol's
ROUTED = "@" + "r" * 235 + ".example:lab@example.org"
START = 'listen on 0.0.0.0\naction "local" maildir\nmatch from any for domain "example.org" action "local"\n'
CONFIG = f"""
table everybody {{ "bob@example.org" = "bob", "lab@example.org" = "alice", "@example.org" = "carol" }}
filter "greylist" proc-exec "filter-greylist -F accept -G 0:4:864 -f {STORE}"
filter "clamav" proc-exec "filter-clamav -a {FOLDER}/clamd.sock -q {QUARANTINE} -W /etc/mail/exempt"
filter "sign" proc-exec "filter-dkimsign -K /etc/mail/dkim/keys -m /etc/mail/dkim/users -R :{LISTS}" \\
    user _sign group _sign
filter "rdns" proc-exec "filter-rdns"
listen on socket filter "sign"
listen on 0.0.0.0 port 25 filter "greylist" hostname mx.example.org
listen on 0.0.0.0 port {SCANNING} filter "clamav" hostname mx.example.org
listen on 127.0.0.1 port {SIGNING} filter "sign" hostname mx.example.org
listen on 127.0.0.1 port {LISTS} filter "sign" hostname mx.example.org
listen on 0.0.0.0 port {PROXIED} proxy-v2 filter {{ "rdns", "sign" }} hostname mx.example.org
action "local" maildir virtual <everybody>
match from any for domain "example.org" action "local"
match from any auth for any action "local"
"""
TLS = f"""
pki mx.example.org cert "/etc/ssl/mx.pem"
pki mx.example.org key "/etc/ssl/mx.key"
table passwords file:/etc/mail/passwords
listen on 0.0.0.0 port {SUBMISSION} smtps pki mx.example.org auth-optional <passwords> \\
    filter {{ "clamav", "sign" }} hostname mx.example.org
"""
USERS = ("alice", "bob", "carol", "_sign")
EXEMPT = "to:lab@example.org\nfrom:partner.example\n"
ZONE = {"partner.example": [f'TXT "v=spf1 ip4:{PARTNER} -all"'], HONEST: "mx.honest.example"}
MAIL = b"From: Alice <alice@example.org>\r\nTo: bob@example.org\r\nSubject: %s\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, START, zone=ZONE, users=USERS, files={"/etc/mail/exempt": EXEMPT}) as running:
        try:
            start_clamd(running.room)
        except Unavailable as error:
            pytest.skip(str(error))
        for folder in (Path(STORE).parent, QUARANTINE):
            code, output = running.room.run(["install", "-d", "-o", "opensmtpd", "-m", "700", str(folder)])
            assert code == 0, output
        write_keys(running)
        if version != "6.8":  # its TLS fails with OpenSSL 3, see test_tls_auth.py
            write_submission(running)
        running.restart(CONFIG if version == "6.8" else CONFIG + TLS)
        for _ in range(2):  # the honest client is asked to come back, and back
            with running.client(HONEST) as client:
                client.deliver(b"Subject: first\r\n\r\nx\r\n", sender="joe@honest.example")
        yield running
        assert running.alive(), running.log()
        assert "Traceback" not in running.log()


def write_keys(smtpd: Smtpd) -> None:
    folder = smtpd.room.path("/etc/mail/dkim")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rsa").write_bytes(pem(rsa_key()))
    os.chown(folder / "rsa", 0, 2000 + USERS.index("_sign"))
    (folder / "rsa").chmod(0o640)
    (folder / "keys").write_text("example.org rsa rsa\nexample.net rsa rsa\n")
    (folder / "users").write_text("alice example.net\nBob@Example.ORG example.org\n* nothing.example\n")


def write_submission(smtpd: Smtpd) -> None:
    certificate_, key = certificate("mx.example.org")
    smtpd.room.write("/etc/ssl/mx.pem", certificate_)
    smtpd.room.write("/etc/ssl/mx.key", key, 0o600)
    code, crypted = smtpd.room.run(["smtpctl", "encrypt", "secret"])
    assert code == 0, crypted
    smtpd.room.write("/etc/mail/passwords", f"alice {crypted.strip()}\nbob@example.org {crypted.strip()}\n")


def virus(mark: str) -> bytes:
    return b"Subject: " + mark.encode() + b"\r\n\r\n" + EICAR + b"\r\n"


def offer(client: Client, message: bytes, sender: str, *recipients: str) -> str:
    """The reply to a message, or the first refusal before it."""
    client.ehlo()
    reply = client.mail_from(sender)
    for recipient in recipients:
        if reply.code < 400:
            reply = client.rcpt_to(recipient)
    return str(client.message(message) if reply.code < 400 else reply)


def honest_client(smtpd: Smtpd, port: int = 25) -> None:
    """Answered within a second, and accepted."""
    began = time.monotonic()
    with smtpd.client(HONEST, port=port) as client:
        assert offer(client, b"Subject: honest\r\n\r\nx\r\n", "joe@honest.example", "bob@example.org")[:3] == "250"
    assert time.monotonic() - began < 1


def delivered(smtpd: Smtpd, user: str, mark: str) -> bytes:
    """The one message with this mark in its subject."""
    for count in range(1, 80):
        for text in smtpd.wait_mail(user, count, timeout=20):
            if f"\nSubject: {mark}\n".encode() in text:
                return text
    raise AssertionError(mark)


def is_signed(text: bytes) -> bool:
    return b"\nDKIM-Signature:" in b"\n" + text.partition(b"\n\n")[0]


# --- addresses that smtpd does not report (R9) -----------------------------------------------------------------------


@pytest.mark.timed
@pytest.mark.parametrize("hidden", [LONG, ROUTED, "m" * 250 + "@example.org"], ids=["256", "route", "262"])
def test_a_null_sender_to_an_address_that_is_not_reported_is_greylisted(smtpd: Smtpd, hidden: str) -> None:
    for number, others in enumerate([(), ("postmaster@example.org",)]):
        with smtpd.client(f"198.51.{len(hidden) % 100 + number}.66") as client:  # none knows the networks of the others
            assert offer(client, b"Subject: x\r\n\r\nx\r\n", "", *others, hidden).startswith("451 4.7.1 greylisted")
    honest_client(smtpd)
    with smtpd.client(HONEST) as client:
        assert offer(client, b"Subject: x\r\n\r\nx\r\n", "", hidden)[:3] == "250", "who is white never waits"


@pytest.mark.timed
@pytest.mark.parametrize("hidden", [LONG, ROUTED, "m" * 250 + "@example.org"], ids=["256", "route", "262"])
def test_a_virus_does_not_pass_behind_an_exempt_recipient(smtpd: Smtpd, hidden: str) -> None:
    for recipients in (("lab@example.org", hidden), (hidden, "lab@example.org"), (hidden,)):
        with smtpd.client(ATTACKER, port=SCANNING) as client:
            reply = offer(client, virus("hidden"), "a@evil.example", *recipients)
        assert reply.startswith("554 5.7.1 virus found"), recipients
    honest_client(smtpd, SCANNING)
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        assert offer(client, virus("to-the-lab"), "a@evil.example", "lab@example.org")[:3] == "250"
    assert b"not scanned (exempt)" in delivered(smtpd, "alice", "to-the-lab")
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        client.ehlo()
        client.mail_from("a@evil.example")
        assert client.rcpt_to("u" * 244 + "@example.com").code == 550, "nobody here has that address"
        assert client.rcpt_to("lab@example.org").code == 250
        assert client.message(virus("refused-one")).code == 250, "who was refused gets nothing"


def test_what_was_kept_with_a_gap_is_not_released_to_half_of_its_recipients(smtpd: Smtpd) -> None:
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        reply = offer(client, virus("kept"), "a@evil.example", "bob@example.org", LONG)
    name = reply.rpartition("id ")[2]
    filterctl = ["/usr/libexec/opensmtpd/filterctl", "quarantine", "-q", QUARANTINE]
    code, output = smtpd.room.run([*filterctl, "release", name])
    assert code == 1
    assert "smtpd did not report its whole envelope" in output
    code, output = smtpd.room.run([*filterctl, "list", "-1"])
    assert "complete=no" in next(line for line in output.splitlines() if name in line)


def test_a_sender_that_is_not_reported_is_known_all_the_same(smtpd: Smtpd) -> None:
    sender = "s" * 244 + "@partner.example"
    with smtpd.client(PARTNER, port=SCANNING) as client:
        assert offer(client, virus("long-sender"), sender, "bob@example.org")[:3] == "250", "SPF vouches for it"
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        assert offer(client, virus("forged"), sender, "bob@example.org").startswith("554 5.7.1 virus found")


# --- logins (R10, C1) ------------------------------------------------------------------------------------------------


def submitted(smtpd: Smtpd, user: str, message: bytes, sender: str) -> str:
    with smtpd.client(ATTACKER, port=SUBMISSION, tls=True) as client:
        client.ehlo()
        assert client.auth_plain(user, "secret").code == 235
        return offer(client, message, sender, "bob@example.org")


@pytest.mark.parametrize(
    ("user", "domain", "signed"),
    [
        ("alice", b"example.org", False),
        ("ALICE", b"example.org", False),
        ("Alice", b"example.org", False),
        ("alice", b"example.net", True),
        ("ALICE", b"example.net", True),
        ("bob@example.org", b"example.org", True),
        ("BOB@EXAMPLE.ORG", b"example.org", True),
        ("BOB@EXAMPLE.ORG", b"example.net", False),
    ],
)
def test_a_login_is_the_same_in_capitals(smtpd: Smtpd, user: str, domain: bytes, signed: bool) -> None:
    if smtpd.version == "6.8":
        pytest.xfail("smtpd 6.8 of Debian 12 fails every TLS handshake with OpenSSL 3")
    mark = f"login-{user}-{domain.decode()}"
    message = MAIL.replace(b"alice@example.org", b"x@" + domain) % mark.encode()
    assert submitted(smtpd, user, message, "alice@example.org")[:3] == "250"
    assert is_signed(delivered(smtpd, "bob", mark)) is signed


@pytest.mark.timed
@pytest.mark.parametrize("user", ["alice", "bob@example.org"])
def test_a_login_exempts_nobody_from_the_scanner(smtpd: Smtpd, user: str) -> None:
    if smtpd.version == "6.8":
        pytest.xfail("smtpd 6.8 of Debian 12 fails every TLS handshake with OpenSSL 3")
    reply = submitted(smtpd, user, virus("login"), "ceo@partner.example")
    assert reply.startswith("554 5.7.1 virus found")
    honest_client(smtpd, SCANNING)


def test_an_exempt_sender_needs_spf(smtpd: Smtpd) -> None:
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        reply = offer(client, virus("forged-partner"), "ceo@partner.example", "bob@example.org")
    assert reply.startswith("554 5.7.1 virus found")
    with smtpd.client(PARTNER, port=SCANNING) as client:
        assert offer(client, virus("partner"), "ceo@partner.example", "bob@example.org")[:3] == "250"


# --- mail that comes back (K1) ---------------------------------------------------------------------------------------


def sendmail(smtpd: Smtpd, message: bytes, sender: str = "alice@example.org") -> None:
    smtpd.room.write("/tmp/mail", message.replace(b"\r\n", b"\n"))
    code, output = smtpd.room.run(["sh", "-c", f"sendmail -f {sender} bob@example.org < /tmp/mail"])
    assert code == 0, output


def outsiders_mail(smtpd: Smtpd, mark: str) -> bytes:
    """A stranger's message with our From, as it lies in a mailbox here."""
    with smtpd.client(ATTACKER, port=SCANNING) as client:
        assert offer(client, MAIL % mark.encode(), "alice@example.org", "carol@example.org")[:3] == "250"
    return delivered(smtpd, "carol", mark)


@pytest.mark.timed
@pytest.mark.parametrize("sender", ["alice@example.org", "a@evil.example", "bounces@lists.example.org"])
def test_an_outsiders_mail_that_comes_back_is_not_signed(smtpd: Smtpd, sender: str) -> None:
    """A content filter, Sieve redirect or procmail hands it back, with the envelope the outsider chose."""
    mark = f"back-{sender}"
    mail = outsiders_mail(smtpd, mark)
    assert mail.count(b"\nReceived:") == 1
    with smtpd.client("127.0.0.1", "127.0.0.1", port=SIGNING) as client:
        assert offer(client, mail.replace(b"\n", b"\r\n"), sender, "bob@example.org")[:3] == "250"
    assert not is_signed(delivered(smtpd, "bob", mark))
    sendmail(smtpd, mail.replace(mark.encode(), b"socket-" + mark.encode()), sender)
    assert not is_signed(delivered(smtpd, "bob", "socket-" + mark))
    assert "result=unsigned reason=re-injected" in smtpd.log()
    honest_client(smtpd)


def test_a_program_that_is_named_may_hand_mail_back(smtpd: Smtpd) -> None:
    mail = outsiders_mail(smtpd, "list").replace(b"\n", b"\r\n")
    for sender, signed in (("bounces@example.org", True), ("a@evil.example", False)):
        mark = f"list-{sender}"
        with smtpd.client("127.0.0.1", "127.0.0.1", port=LISTS) as client:
            again = mail.replace(b"Subject: list", b"Subject: " + mark.encode())
            assert offer(client, again, sender, "bob@example.org")[:3] == "250"
        assert is_signed(delivered(smtpd, "bob", mark)) is signed


def test_our_own_mail_is_signed(smtpd: Smtpd) -> None:
    """What cron, a program on loopback and smtpd itself send."""
    sendmail(smtpd, MAIL % b"own-socket")
    assert is_signed(delivered(smtpd, "bob", "own-socket"))
    sendmail(smtpd, MAIL % b"own-cron", "root@mx.example.org")
    assert is_signed(delivered(smtpd, "bob", "own-cron"))
    with smtpd.client("127.0.0.1", "127.0.0.1", port=SIGNING) as client:
        assert offer(client, MAIL % b"own-loopback", "alice@example.org", "bob@example.org")[:3] == "250"
    assert is_signed(delivered(smtpd, "bob", "own-loopback"))


# --- clients whose address smtpd cannot tell (G14) -------------------------------------------------------------------


def proxied(smtpd: Smtpd, family: int, addresses: bytes, command: int = 1) -> Client:
    """A client behind a proxy (the PROXY protocol, version 2)."""
    connection = smtpd.connection(ATTACKER, port=PROXIED)
    signature = b"\r\n\r\n\x00\r\nQUIT\n"
    connection.sendall(signature + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses)
    return Client(connection)


@pytest.mark.timed
def test_a_client_that_a_proxy_knows_by_a_socket_is_not_ours(smtpd: Smtpd) -> None:
    """smtpd reports it as if it had come over its own socket."""
    path = b"/run/proxy.sock".ljust(108, b"\0")
    with proxied(smtpd, 0x31, path + path) as client:
        reply = offer(client, MAIL % b"proxied", "alice@example.org", "bob@example.org")
    assert reply == "451 4.7.25 reverse DNS cannot be looked up, try again later"
    assert "untold source=unix:" in smtpd.log()
    honest_client(smtpd)


def test_a_client_whose_address_a_proxy_tells_is_judged_by_it(smtpd: Smtpd) -> None:
    def addresses(client: str) -> bytes:
        return socket.inet_aton(client) + socket.inet_aton("203.0.113.25") + struct.pack("!HH", 4711, 25)

    with proxied(smtpd, 0x11, addresses(ATTACKER)) as client:
        assert offer(client, MAIL % b"told", "a@b.example", "bob@example.org").startswith("550 5.7.25 ")
    with proxied(smtpd, 0x11, addresses(HONEST)) as client:
        assert offer(client, MAIL % b"told", "a@b.example", "bob@example.org")[:3] == "250"
    assert not is_signed(delivered(smtpd, "bob", "told"))
