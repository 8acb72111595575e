"""A signing filter for tests, with its keys, its DNS zone and a client that may use it."""

from __future__ import annotations

from pathlib import Path

from filter_api.testing.client import Client
from filter_api.testing.player import Player
from filter_dkimsign.filter import DkimSign, build
from tests.filter_dkimsign.keyring import ed25519_key, record, rsa_key, write_key

DOMAIN = "example.org"
ZONE = {
    "rsa._domainkey.example.org": record(rsa_key()),
    "ed._domainkey.example.org": record(ed25519_key()),
}
MAIL = (
    b"From: Alice <alice@example.org>\r\n"
    b"To: bob@example.net\r\n"
    b"Subject: test\r\n"
    b"Date: Fri, 20 Nov 2026 08:08:08 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"\r\n"
    b"hello\r\n"
)


def write_table(folder: Path) -> str:
    """A key table that makes an RSA and an Ed25519 signature for example.org."""
    write_key(folder / "rsa.pem", rsa_key())
    write_key(folder / "ed.pem", ed25519_key())
    table = folder / "keys"
    table.write_text("example.org rsa rsa.pem\nexample.org ed ed.pem ed25519-sha256\n")
    return str(table)


def both_keys(folder: Path, *options: str) -> DkimSign:
    """A filter that signs twice."""
    return build(["-K", write_table(folder), *options])


def one_key(folder: Path, *options: str) -> DkimSign:
    """A filter that signs for example.org with RSA."""
    key = write_key(folder / "rsa.pem", rsa_key())
    return build(["-d", DOMAIN, "-s", "rsa", "-k", key, *options])


def submit(smtpd: Player, text: bytes, sender: str = "alice@example.org", user: str = "alice") -> bytes:
    """What leaves when an authenticated client sends this."""
    client = login(smtpd, user)
    outcome = client.mail(text, "bob@example.net", sender=sender)
    assert outcome.ok, outcome
    client.quit()
    return outcome.text


def login(smtpd: Player, user: str = "alice") -> Client:
    """A client that has logged in."""
    client = smtpd.connect()
    client.helo()
    client.auth(user)
    return client


def signatures(text: bytes) -> list[dict[bytes, bytes]]:
    """The tags of every DKIM-Signature on top of a message."""
    from filter_api.dkim.record import parse_tags
    from filter_api.dkim.verify import split

    return [parse_tags(raw.partition(b":")[2]) for name, raw in split(text)[0] if name == b"dkim-signature"]
