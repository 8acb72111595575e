"""filter-auth: CPU time of one message, all checks together, beside dkimpy, which looks at the signatures only.

The zone is in memory, so what is measured is the filter's own work: header, body, signatures, records, field.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from ipaddress import ip_address
from statistics import median
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.figures import Figure
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.session import Session, Transaction
from filter_api.testing.dns import FakeZone
from filter_api.trust import client_at
from filter_auth.filter import build

SIZES: Final = ((5_000, 200, 0.6), (1_000_000, 10, 6.0))
"""Bytes of the message, messages of a round, milliseconds it may take."""
ROUNDS: Final = 5
HEADER: Final = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: minutes\r\n"


def _message(key: RSAPrivateKey, size: int) -> bytes:
    """Twice signed."""
    text = (
        HEADER + b"\r\n" + (b"seventy bytes of a text that is neither short nor long, as most are..\r\n" * (size // 72))
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for selector in (b"one", b"two"):
        text = dkim.sign(text, selector, b"example.org", private, linesep=b"\r\n") + text
    return text


def _session() -> Session:
    session = client_at(ip_address("192.0.2.1"))
    session.identity = b"mx.example.org"
    session.transaction = Transaction()
    session.transaction.sender = b"a@example.org"
    return session


def _ours(text: bytes, record: bytes, count: int) -> float:
    """Milliseconds of CPU for one message."""
    names = ("one._domainkey.example.org", "two._domainkey.example.org")
    zone = FakeZone(
        {
            **{(name, "TXT"): [record] for name in names},
            ("_dmarc.example.org", "TXT"): [b"v=DMARC1; p=reject"],
            ("example.org", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
        }
    )
    filter_ = build([], Resolver(backend=zone))

    async def judge() -> float:
        messages = [Message() for _ in range(count)]
        for message in messages:
            message.append(text.replace(b"\r\n", b"\n").removesuffix(b"\n"))
        await filter_.on_message(_session(), messages[0])
        started = time.process_time()
        for message in messages:
            verdict = await filter_.on_message(_session(), message)
        spent = time.process_time() - started
        if verdict.facts["dkim"] != "pass:example.org,pass:example.org" or verdict.facts["result"] != "pass":
            raise RuntimeError(f"the message does not pass: {verdict.facts}")
        return spent / count * 1e3

    return asyncio.run(judge())


def _dkimpy(text: bytes, record: bytes, count: int) -> float:
    """The same, for the two signatures alone."""

    def published(name: bytes, timeout: int = 5) -> bytes:
        return record

    started = time.process_time()
    for _ in range(count):
        for index in (0, 1):
            if not dkim.DKIM(text).verify(index, dnsfunc=published):
                raise RuntimeError("dkimpy does not believe the signature")
    return (time.process_time() - started) / count * 1e3


def _best(measure: Callable[[bytes, bytes, int], float], text: bytes, record: bytes, count: int) -> float:
    return median(measure(text, record, count) for _ in range(ROUNDS))


def figures() -> list[Figure]:
    """All of them."""
    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    found = []
    for size, count, must in SIZES:
        text = _message(key, size)
        peer = _best(_dkimpy, text, record, max(1, count // 20))
        note = f"dkimpy {peer:.3g} ms for the signatures alone"
        what = f"CPU of a message of {size:,} bytes with two signatures"
        found.append(Figure(what, _best(_ours, text, record, count), "ms", must=must, note=note))
    return found
