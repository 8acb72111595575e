"""filter-dkimsign between two real daemons: what one smtpd sends out and another delivers must still verify.

The first smtpd signs and relays everything for example.net to the second one, through a bridge between their two
private networks; bounces come back to it. Both foreign verifiers judge what lies in the mailboxes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.filter_dkimsign.keyring import ed25519_key, pem, rsa_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import ZONE
from tools.private_smtpd import Smtpd

NEXT_HOP = "192.0.2.200"
OURS, STRANGER = "192.0.2.7", "198.51.100.7"
USERS = ("alice", "bob", "carol", "_sign")
EMPTY = "listen on 127.0.0.1 port 2500\naction a maildir\nmatch from local for local action a\n"
SIGNING = """
filter "sign" proc-exec "filter-dkimsign -t -K /etc/mail/dkim/keys -N 192.0.2.0/24,127.0.0.1" \
    user _sign group _sign
listen on socket filter "sign"
listen on 0.0.0.0 port 25 filter "sign" hostname mx.example.org
listen on 127.0.0.1 port 10026 filter "sign" hostname mx.example.org
action "local" maildir
action "out" relay host smtp://192.0.2.200:2525
match from any for domain "example.org" action "local"
match from any for any action "out"
"""
SUBMISSION = """
pki mx.example.org cert "/etc/mail/cert.pem"
pki mx.example.org key "/etc/mail/key.pem"
table creds file:/etc/mail/creds
listen on 0.0.0.0 port 587 tls-require pki mx.example.org auth <creds> filter "sign" hostname mx.example.org
listen on 0.0.0.0 port 465 smtps pki mx.example.org auth <creds> filter "sign" hostname mx.example.org
"""
RECEIVING = """
listen on 0.0.0.0
action "local" maildir
match from any for domain "example.net" action "local"
"""
TEXT = (
    b"From: Alice <alice@example.org>\r\n"
    b'To: bob,\r\n\t"Doe, J." <carol@example.net>\r\n'
    b"cc: dave\r\n"
    b"Bcc: secret@example.net\r\n"
    b"Subject: caf\xe9 \t folded\r\n\t  twice \r\n"
    b"\r\n"
    b"..two dots\r\n.\r\nblanks \t here \r\n\x0c form feed\r\ncaf\xe9\r\n\r\n\r\n"
)


class Bridge:
    """Listens where the first smtpd relays to, and passes each connection on to the second."""

    def __init__(self, sending: Smtpd, receiving: Smtpd) -> None:
        self._receiving = receiving
        self._listener = sending.room.socket(bind=(NEXT_HOP, 2525), backlog=16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, self._receiving.connection("203.0.113.5") as far:
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()


def write_keys(smtpd: Smtpd) -> None:
    """Keys as the manual page says: owned by root, readable for the filter's group."""
    folder = smtpd.room.path("/etc/mail/dkim")
    folder.mkdir(parents=True, exist_ok=True)
    group = 2000 + USERS.index("_sign")
    for name, key in (("rsa", rsa_key()), ("ed", ed25519_key())):
        (folder / name).write_bytes(pem(key))
        os.chown(folder / name, 0, group)
        (folder / name).chmod(0o640)
    (folder / "keys").write_text("example.org rsa rsa\nexample.org ed ed\n")


def write_submission(smtpd: Smtpd) -> None:
    """A certificate, and alice's password."""
    key = rsa_key(2048, 2)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
    smtpd.room.write("/etc/mail/cert.pem", builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    smtpd.room.write("/etc/mail/key.pem", pem(key), 0o600)
    code, crypted = smtpd.room.run(["smtpctl", "encrypt", "secret"])
    assert code == 0, crypted
    smtpd.room.write("/etc/mail/creds", f"alice {crypted.strip()}\n")


@pytest.fixture(scope="module")
def pair(version: str) -> Iterator[tuple[Smtpd, Smtpd]]:
    """The signing daemon, and the one that gets the mail."""
    with (
        Smtpd(version, EMPTY, users=USERS, port=2500) as sending,
        Smtpd(version, RECEIVING, hostname="mx.example.net") as receiving,
    ):
        write_keys(sending)
        write_submission(sending)
        bridge = Bridge(sending, receiving)
        # 6.8 of Debian 12 cannot do TLS with its OpenSSL, so there is no submission to test there
        sending.restart(SIGNING + SUBMISSION if version != "6.8" else SIGNING)
        try:
            yield sending, receiving
            assert sending.alive(), sending.log()
        finally:
            bridge.close()


def arrived(smtpd: Smtpd, user: str, mark: str) -> bytes:
    """The one message with this mark in its body, as the mailbox holds it, with CRLF line ends."""
    wanted = f"mark-{mark}".encode()
    for count in range(1, 60):
        for text in smtpd.wait_mail(user, count, timeout=30):
            if wanted in text.partition(b"\n\n")[2]:
                return text.replace(b"\n", b"\r\n")
    raise AssertionError(mark)


def marked(mark: str, text: bytes = TEXT) -> bytes:
    return text.replace(b"..two dots", f"mark-{mark}\r\n..two dots".encode())


def test_a_network_of_ours(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    with sending.client(OURS) as client:
        assert client.deliver(marked("net"), "alice@example.org", "bob@example.net").code == 250
    text = arrived(receiving, "bob", "net")
    assert both(text, ZONE) == [True, True]
    assert b"\r\nTo: bob@mx.example.org,\r\n\t" in text
    assert b"\r\ncc: dave@mx.example.org\r\n" in text
    assert b"secret" not in text
    assert text.count(b"\r\nDate: ") == text.count(b"\r\nMessage-ID: ") == 1


@pytest.mark.parametrize("port", [587, 465])
def test_submission(pair: tuple[Smtpd, Smtpd], version: str, port: int) -> None:
    if version == "6.8":
        pytest.xfail("smtpd 6.8 of Debian 12 fails every TLS handshake with OpenSSL 3")
    sending, receiving = pair
    with sending.client(STRANGER, port=port, tls=port == 465) as client:
        client.ehlo()
        client.ehlo()
        if port == 587:
            assert client.starttls().code == 220
            client.ehlo()
        assert client.auth_plain("alice", "secret").code == 235
        assert client.mail_from("alice@example.org").code == client.rcpt_to("bob@example.net").code == 250
        assert client.message(marked(f"port{port}")).code == 250
    assert both(arrived(receiving, "bob", f"port{port}"), ZONE) == [True, True]


def test_sendmail_on_the_socket(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    sending.room.write("/tmp/mail", b"To: bob@example.net\nSubject: x\nBcc: carol@example.net\n\nmark-socket\n..\nx\n")
    code, output = sending.room.run(["sh", "-c", "sendmail -f alice@example.org -F Alice -t < /tmp/mail"])
    assert code == 0, output
    for user in ("bob", "carol"):
        assert both(arrived(receiving, user, "socket"), ZONE) == [True, True]


def test_a_bounce(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, _ = pair
    with sending.client(OURS) as client:
        text = TEXT.replace(b"Subject: ", b"Subject: mark-bounce ")
        assert client.deliver(text, "alice@example.org", "nosuch@example.net").code == 250
    text = arrived(sending, "alice", "bounce")  # smtpd quotes the header of what it could not deliver
    assert b"Return-Path:" not in text.partition(b"\r\n\r\n")[0]  # the null sender
    assert both(text, ZONE) == [True, True]
    assert b"\r\nFrom: Mailer Daemon <MAILER-DAEMON@mx.example.org>\r\n" in text


@pytest.mark.parametrize(("sender", "count"), [("alice@example.org", 2), ("owner@lists.example.org", 0), ("", 0)])
def test_what_comes_back_over_loopback(pair: tuple[Smtpd, Smtpd], sender: str, count: int) -> None:
    sending, receiving = pair
    mark = f"loop{len(sender)}"
    with sending.client("127.0.0.1", "127.0.0.1", port=10026) as client:
        assert client.deliver(marked(mark), sender, "bob@example.net").code == 250
    assert both(arrived(receiving, "bob", mark), ZONE) == [True] * count


def test_strangers_are_not_signed_for(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    with sending.client(STRANGER) as client:
        assert client.deliver(marked("stranger"), "alice@example.org", "bob@example.net").code == 250
    assert b"DKIM-Signature" not in arrived(receiving, "bob", "stranger")
    sending.wait_log(f"-N {STRANGER} would sign it")


def test_a_megabyte(pair: tuple[Smtpd, Smtpd]) -> None:
    sending, receiving = pair
    text = marked("large") + (b"x" * 70 + b" \t\r\n.") * 15_000 + b"\r\n"
    with sending.client(OURS) as client:
        assert client.deliver(text, "alice@example.org", "bob@example.net").code == 250
    assert both(arrived(receiving, "bob", "large"), ZONE) == [True, True]


def test_a_line_smtpd_might_cut(pair: tuple[Smtpd, Smtpd], version: str) -> None:
    """Before 7.4 smtpd cuts what comes back from a filter: such mail is refused, not sent with a broken signature."""
    sending, receiving = pair
    text = marked("longline") + b"x" * 3000 + b"\r\n"
    with sending.client(OURS) as client:
        reply = client.deliver(text, "alice@example.org", "bob@example.net")
    if version == "6.8":
        assert str(reply).startswith("550 5.6.0 ")
    else:
        assert reply.code == 250
        assert both(arrived(receiving, "bob", "longline"), ZONE) == [True, True]


def test_a_new_key_needs_no_restart(pair: tuple[Smtpd, Smtpd]) -> None:
    """The recipe of the manual page: a line of the table is replaced, the next message is signed with it."""
    sending, receiving = pair
    keys = Path(sending.room.path("/etc/mail/dkim/keys"))
    before = keys.read_text()
    keys.write_text("example.org rsa rsa\n")
    try:
        time.sleep(3.2)  # tables are looked at once a second; one that got shorter must have settled for two
        with sending.client(OURS) as client:
            assert client.deliver(marked("rotated"), "alice@example.org", "bob@example.net").code == 250
        assert both(arrived(receiving, "bob", "rotated"), ZONE) == [True]
    finally:
        keys.write_text(before)
        time.sleep(1.1)


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [(0o644, "lets everybody read or write the key"), (0o600, "Permission denied")],
)
def test_a_careless_key_refuses_the_start(version: str, mode: int, complaint: str) -> None:
    with Smtpd(version, EMPTY, users=USERS, port=2500) as smtpd:
        write_keys(smtpd)
        Path(smtpd.room.path("/etc/mail/dkim/ed")).chmod(mode)
        smtpd.restart(SIGNING, port=None)
        assert smtpd.wait_exit() != 0 or "lost processor" in smtpd.log() or "terminat" in smtpd.log()
        assert "/etc/mail/dkim/keys:2: /etc/mail/dkim/ed: " in smtpd.log()
        assert complaint in smtpd.log()
