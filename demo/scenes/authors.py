"""Mail in the name of a bank whose domain asks to refuse what it did not send: filter-auth."""

from __future__ import annotations

from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from demo import zone
from demo.stage import Scene, Seen, Stage, mail, send

BANK: Final = "service@bank.example"
SEALER: Final = "lists.example.net"
"""In examples/tables/arc-sealers."""


def aligned(stage: Stage) -> Seen:
    """From the bank's own server, as its SPF record says."""
    return send(stage, zone.GOOD, sender=BANK)


def bank_mail(stage: Stage, mime: str = "") -> tuple[str, bytes]:
    """A mail in the name of the bank, and its subject."""
    subject = stage.subject("your account")
    return subject, mail(subject, sender=BANK, mime=mime)


def forged(stage: Stage) -> Seen:
    """SPF passes, but for the domain of somebody else."""
    subject, text = bank_mail(stage)
    return send(stage, zone.POOL[0], helo="out1.pool.example", sender="x@pool.example", text=text, subject=subject)


def claimed(stage: Stage) -> Seen:
    """The same, and it brings our own results along."""
    subject, text = bank_mail(stage)
    text = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n" + text
    return send(stage, zone.POOL[0], helo="out1.pool.example", sender="x@pool.example", text=text, subject=subject)


def listed(stage: Stage) -> Seen:
    """A list has sent it on: its signature would be broken, if it had one."""
    subject, text = bank_mail(stage, "List-Id: <talk.pool.example>\n")
    return send(stage, zone.POOL[0], helo="out1.pool.example", sender="talk@pool.example", text=text, subject=subject)


def sealed(stage: Stage) -> Seen:
    """A list whose seal we believe has seen that it was the bank's."""
    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    record = "k=rsa; p=" + "".join(public.decode().splitlines()[1:-1])
    strings = " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
    stage.smtpd.dns.zone = {**stage.smtpd.dns.zone, f"s._domainkey.{SEALER}": [f"TXT {strings}"]}
    subject, text = bank_mail(stage)
    seen = b"Authentication-Results: lists.example.net; dmarc=pass header.from=bank.example; arc=none\r\n"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    name = SEALER.encode()
    fields = dkim.arc_sign(seen + text, b"s", name, private, name, include_headers=[b"from", b"subject"])
    text = b"".join(field.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for field in fields) + text
    return send(stage, zone.POOL[0], helo="out1.pool.example", sender="x@pool.example", text=text, subject=subject)


AUTHORS: Final = (
    Scene("the bank's server", zone.GOOD, "a mail of the bank", aligned, 250),
    Scene("a stranger", zone.POOL[0], "a mail of the bank", forged, 250),
    Scene("a stranger", zone.POOL[0], "and our own Authentication-Results", claimed, 250),
    Scene("a list", zone.POOL[0], "a mail of the bank, sent on", listed, 250),
    Scene("a list we trust", zone.POOL[0], "the same, with its ARC seal", sealed, 250),
)
