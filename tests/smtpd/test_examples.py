"""Every example configuration is one that smtpd takes and `filterctl check` finds nothing wrong with."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from tools.private_smtpd import Smtpd

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONFIGURATIONS = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("smtpd.conf")) + sorted(
    str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*.conf") if path.name not in {"smtpd.conf", "lists.conf"}
)
USERS = ("alice", "bob", "carol", "_greylist", "_mailscan", "_dkimsign", "_mailfilter")
IDLE = "listen on 127.0.0.1\naction a maildir\nmatch from any for any action a\n"


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=2))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem(key)


def files() -> dict[str, str | bytes]:
    cert, key = certificate()
    signing = pem(rsa.generate_private_key(65537, 2048))
    found: dict[str, str | bytes] = {
        "/etc/mail/aliases": "root: carol\n",
        "/etc/mail/passwd": "carol $2b$09$M1451uuhfn6ZD0Gafd3NPOWioR3gdEodzXn/ZI/Y4sSdjbkm74DNi\n",
        "/etc/mail/relay-recipients": "bob@example.com\n",
        "/etc/mail/greylist-store": "redis://:secret@10.0.0.2:6379/0\n",
        "/etc/mail/mysql.conf": "host 127.0.0.1\n",
        "/etc/mail/common_domains": (EXAMPLES / "common_domains").read_bytes(),
        "/etc/mail/sender-scores": (EXAMPLES / "tables" / "sender-scores").read_bytes(),
        "/etc/mail/arc-sealers": (EXAMPLES / "tables" / "arc-sealers").read_bytes(),
        "/etc/mail/our_domains": (EXAMPLES / "tables" / "our_domains").read_bytes(),
        "/etc/mail/filters": (EXAMPLES / "tables" / "filters").read_bytes(),
        "/etc/mail/dnsbl": (EXAMPLES / "tables" / "dnsbl").read_bytes(),
        "/etc/mail/traps": (EXAMPLES / "tables" / "traps").read_bytes(),
        "/etc/mail/exempt": (EXAMPLES / "tables" / "exempt").read_bytes(),
        "/etc/mail/our-networks": (EXAMPLES / "tables" / "our-networks").read_bytes(),
        "/etc/mail/blacklist": (EXAMPLES / "tables" / "blacklist").read_bytes(),
        "/etc/mail/nospamd": (EXAMPLES / "tables" / "nospamd").read_bytes(),
        "/etc/mail/lists.conf": (EXAMPLES / "lists.conf").read_bytes(),
        "/etc/mail/blocklist": (EXAMPLES / "tables" / "blocklist").read_bytes(),
        "/etc/mail/dkim/keys": (EXAMPLES / "tables" / "dkim-keys").read_bytes(),
        "/etc/mail/dkim/example.org.key": signing,
        "/etc/mail/dkim/example.net.key": signing,
        "/etc/mail/dkim/mail.key": signing,
        "/etc/mail/dkim/example.org.ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
    }
    for name in ("example.com", "mx.example.org", "mail.example.com", "mx.example.org.fullchain"):
        found[f"/etc/ssl/{name}.crt"] = found[f"/etc/ssl/{name}.pem"] = cert
        found[f"/etc/ssl/private/{name}.key"] = key
    return found


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    # smtpd -n looks whether the program of a table exists, and does not run it
    programs = {"table-mysql": "raise SystemExit('not asked')"}
    with Smtpd(version, IDLE, files=files(), filters=programs, users=USERS) as running:
        room = running.room
        install = ("install", "-d", "-m", "700", "-o")
        for command in (
            ["chmod", "600", "/etc/mail/greylist-store", "/etc/mail/passwd", *_keys(room.path("/etc/mail/dkim"))],
            ["sh", "-c", "chmod 600 /etc/ssl/private/*"],
            ["chown", "_greylist:_greylist", "/etc/mail/greylist-store"],
            ["chown", "-R", "_dkimsign:_dkimsign", "/etc/mail/dkim"],
            ["chown", "_mailfilter:_mailfilter", "/etc/mail/dkim/mail.key"],
            ["mount", "-t", "tmpfs", "tmpfs", "/var/lib"],
            ["mkdir", "-p", "/var/spool/quarantine", "/var/lib/opensmtpd-filters"],
            [*install, "_greylist", "-g", "_greylist", "/var/lib/opensmtpd-filters/greylist"],
            [*install, "_mailfilter", "-g", "_mailfilter", "/var/lib/opensmtpd-filters/mail"],
            [*install, "_mailfilter", "-g", "_mailfilter", "/var/spool/quarantine/mail"],
            [*install, "_mailscan", "-g", "_mailscan", "/var/spool/quarantine/virus"],
            [*install, "_mailscan", "-g", "_mailscan", "/var/spool/quarantine/spam"],
        ):
            assert room.run(command) == (0, ""), command
        yield running


def _keys(folder: Path) -> list[str]:
    return [f"/etc/mail/dkim/{path.name}" for path in sorted(folder.iterdir()) if path.name != "keys"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_smtpd_takes_it(smtpd: Smtpd, name: str) -> None:
    smtpd.room.write("/etc/mail/example.conf", (EXAMPLES / name).read_bytes(), 0o600)
    assert smtpd.room.run(["smtpd", "-n", "-f", "/etc/mail/example.conf"]) == (0, "configuration OK\n")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_filterctl_finds_nothing_wrong(smtpd: Smtpd, name: str) -> None:
    smtpd.room.write("/etc/mail/example.conf", (EXAMPLES / name).read_bytes(), 0o600)
    libexec = "/usr/libexec/opensmtpd"
    code, output = smtpd.room.run([f"{libexec}/filterctl", "check", "-l", libexec, "/etc/mail/example.conf"])
    assert code == 0, output
