"""A signed submission, from the making of the key to a verifier that is not ours.

    python -m demo.signing

A private smtpd with the lines of filter-dkimsign(8); a user logs in over TLS and sends a mail; what lies in the
recipient's mailbox is verified by dkimpy, then tampered with and verified again. The exit status is 1 if any of it
came out otherwise than it should, 2 if the demo cannot run here.
"""

from __future__ import annotations

import datetime
import os
import re
import sys

import dkim
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tools.private_smtpd import Smtpd, Unavailable

VERSION = "7"  # 6.8 of Debian 12 cannot do TLS with its OpenSSL
SIGNER = "_signer"
CONFIG = f"""
table passwd file:/etc/mail/passwd
pki "mx.example.org" cert "/etc/mail/cert.pem"
pki "mx.example.org" key "/etc/mail/key.pem"
filter "dkimsign" proc-exec "filter-dkimsign -t -K /etc/mail/dkim/keys" user {SIGNER} group {SIGNER}
listen on socket filter "dkimsign"
listen on 0.0.0.0 port 587 tls-require pki "mx.example.org" auth <passwd> filter "dkimsign"
action "local" maildir
match from any auth for domain "example.org" action "local"
"""
BEFORE = 'listen on 127.0.0.1 port 2500\naction "local" maildir\nmatch from local for local action "local"\n'
MAIL = b"From: Alice <alice@example.org>\r\nTo: bob\r\nSubject: contract\r\n\r\nWe pay 100.\r\n"
FILTERCTL = "/usr/libexec/opensmtpd/filterctl"
RECORD = re.compile(r"(\S+)\. IN TXT \((.*?) \)", re.DOTALL)
KEYS = (("2026a", "rsa"), ("2026e", "ed25519"))


def tell(what: str, text: str = "") -> None:
    """One step, and what it printed."""
    print(f"\n* {what}" + "".join(f"\n    {line}" for line in text.strip().splitlines()))


def run(smtpd: Smtpd, *argv: str) -> str:
    """Run a command inside; its output. RuntimeError if it fails."""
    code, output = smtpd.room.run(list(argv))
    if code:
        raise RuntimeError(f"{' '.join(argv)}: {output}")
    return output


def publish(smtpd: Smtpd) -> None:
    """Make the keys with filterctl and put what it prints into the zone."""
    folder = smtpd.room.path("/etc/mail/dkim")
    folder.mkdir(parents=True)
    table = ""
    for selector, algorithm in KEYS:
        path = f"/etc/mail/dkim/{selector}.key"
        printed = run(smtpd, FILTERCTL, "dkim", "keygen", "-a", algorithm, "-d", "example.org", "-s", selector, path)
        tell(f"filterctl dkim keygen -a {algorithm}", printed)
        name, strings = RECORD.findall(printed)[0]
        smtpd.dns.zone = {**smtpd.dns.zone, name: ["TXT " + " ".join(strings.split())]}
        run(smtpd, "chgrp", SIGNER, path)
        run(smtpd, "chmod", "0640", path)
        table += f"example.org {selector} {selector}.key\n"
    (folder / "keys").write_text(table)
    tell("filterctl dkim check", run(smtpd, FILTERCTL, "dkim", "check", "-K", "/etc/mail/dkim/keys"))


def allow_submission(smtpd: Smtpd) -> None:
    """A certificate for the server, and a password for alice."""
    key = generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    smtpd.room.write("/etc/mail/cert.pem", made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    smtpd.room.write("/etc/mail/key.pem", secret, 0o600)
    smtpd.room.write("/etc/mail/passwd", f"alice {run(smtpd, 'smtpctl', 'encrypt', 'secret').strip()}\n")


def submit(smtpd: Smtpd) -> bytes:
    """Alice sends, bob gets."""
    with smtpd.client("198.51.100.7", port=587) as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        client.auth_plain("alice", "secret")
        client.mail_from("alice@example.org")
        client.rcpt_to("bob@example.org")
        tell("alice logs in from 198.51.100.7 and sends", str(client.message(MAIL)))
    arrived = smtpd.wait_mail("bob")[0]
    tell("in bob's mailbox lies", arrived.decode())
    return arrived


def verdicts(smtpd: Smtpd, message: bytes) -> list[bool]:
    """What dkimpy says of each signature, asking the private name server's zone."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        record = str(smtpd.dns.zone[name.decode().rstrip(".")])
        return "".join(re.findall(r'"([^"]*)"', record)).encode()

    found = []
    for index in range(message.count(b"DKIM-Signature:")):
        try:
            found.append(bool(dkim.DKIM(message).verify(idx=index, dnsfunc=look_up)))
        except dkim.ValidationError:
            found.append(False)
    return found


def demonstrate() -> bool:
    """Play it; whether everything came out as it should."""
    with Smtpd(VERSION, BEFORE, users=("alice", "bob", SIGNER), port=2500) as smtpd:
        publish(smtpd)
        allow_submission(smtpd)
        smtpd.restart(CONFIG, port=587)
        arrived = submit(smtpd)
        smtpd.room.write("/home/message.eml", arrived)
        tell("filterctl dkim verify message.eml", run(smtpd, FILTERCTL, "dkim", "verify", "/home/message.eml"))
        good = verdicts(smtpd, arrived)
        tell("dkimpy, which shares no code with us, says", str(good))
        forged = verdicts(smtpd, arrived.replace(b"We pay 100.", b"We pay 900."))
        tell("and of a message that says 900", str(forged))
        return good == [True, True] and forged == [False, False]


def main() -> int:
    """Run the demo; give the exit status."""
    try:
        return 0 if demonstrate() else 1
    except Unavailable as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(main())
