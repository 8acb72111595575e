"""filter-auth: CPU time of one message, all checks together, beside mailauth of npm and dkimpy (signatures only).

The zone is in memory, so what is measured is the filter's own work: header, body, signatures, records, field.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench import large, mailauth
from bench.figures import Figure
from filter_api.decision import Verdict
from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.session import Session, Transaction
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_api.trust import client_at
from filter_auth.filter import Authenticate, build

SIZES: Final = ((5_000, 200, 0.6), (1_000_000, 10, 6.0))
"""Bytes of the message, messages of a round, milliseconds it may take."""
ROUNDS: Final = 5
CROWD: Final = 200
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


def _session(sender: bytes = b"a@example.org") -> Session:
    session = client_at(ip_address("192.0.2.1"))
    session.identity = b"mx.example.org"
    session.transaction = Transaction()
    session.transaction.sender = sender
    return session


def _texts(record: bytes) -> dict[str, list[bytes]]:
    """TXT records of the domain that has sent it."""
    return {
        "one._domainkey.example.org": [record],
        "two._domainkey.example.org": [record],
        "_dmarc.example.org": [b"v=DMARC1; p=reject"],
        "example.org": [b"v=spf1 ip4:192.0.2.0/24 -all"],
    }


def _zone(record: bytes) -> FakeZone:
    return FakeZone({(name, "TXT"): texts for name, texts in _texts(record).items()})


def _ours(text: bytes, record: bytes, count: int) -> float:
    """Milliseconds of CPU for one message."""
    filter_ = build([], Resolver(backend=_zone(record)))

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


def _mailauth(text: bytes, record: bytes, count: int) -> float:
    """The same checks by the npm package."""
    return mailauth.milliseconds(text, {name: texts[0] for name, texts in _texts(record).items()}, count)


def _cpu(key: RSAPrivateKey, record: bytes) -> list[Figure]:
    """Of one message, side by side."""
    found = []
    for size, count, must in SIZES:
        text = _message(key, size)
        what = f"CPU of a message of {size:,} bytes with two signatures"
        found.append(Figure(what, _best(_ours, text, record, count), "ms", must=must))
        peer = _best(_dkimpy, text, record, max(1, count // 20))
        found.append(Figure("  dkimpy", peer, "ms", note="the signatures alone"))
        try:
            found.append(
                Figure("  mailauth (npm)", _best(_mailauth, text, record, count), "ms", note="the same checks")
            )
        except mailauth.NotMeasured as why:
            found[0] = replace(found[0], note=f"mailauth not measured: {why}")
    return found


def _memory(key: RSAPrivateKey, record: bytes) -> Figure:
    """Over a message of 50 MB, signed twice, that the library holds on disk."""
    with NamedTemporaryFile() as file:
        file.write(_message(key, 50_000_000))
        file.flush()
        growth = large.growth(Path(file.name), record)
    return Figure("growth of memory on a message of 50 MB", growth, "MB", must=10)


async def _judge(filter_: Authenticate, message: Message) -> Verdict:
    return await filter_.on_message(_session(), message)


def _questions(key: RSAPrivateKey, record: bytes) -> list[Figure]:
    """Questions to the DNS for a message that needs many: SPF to its limit, long names, two signatures."""
    deep = "a.b.c.d.e.f.g.h.example.org"
    zone = _zone(record)
    zone.content["example.org", "TXT"] = [
        b"v=spf1 " + b" ".join(b"a:h%d.example.org" % n for n in range(10)) + b" -all"
    ]
    for number in range(10):
        zone.content[f"h{number}.example.org", "A"] = ["198.51.100.1"]
    text = _message(key, 5_000).replace(b"From: a@example.org", f"From: a@{deep}".encode())
    message = Message()
    message.append(text.replace(b"\r\n", b"\n").removesuffix(b"\n"))
    asyncio.run(_judge(build([], Resolver(backend=zone)), message))
    walk = sum(name.startswith("_dmarc.") for name, _ in zone.asked)
    return [
        Figure("questions to the DNS for a message with SPF at its limit and a long name", len(zone.asked), must=40),
        Figure("  of them for the walk of the author's name", walk, must=8),
    ]


def _crowd(key: RSAPrivateKey, record: bytes) -> list[Figure]:
    """Messages of as many domains at once, whose every answer takes 50 ms."""
    content: dict[tuple[str, str], Content | Slow] = {}
    messages = []
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for number in range(CROWD):
        domain = f"d{number}.example"
        text = HEADER.replace(b"example.org", domain.encode()) + b"\r\nhello\r\n" * 300
        text = dkim.sign(text, b"one", domain.encode(), private, linesep=b"\r\n") + text
        message = Message()
        message.append(text.replace(b"\r\n", b"\n").removesuffix(b"\n"))
        messages.append(message)
        for name, texts in _texts(record).items():
            content[name.replace("example.org", domain), "TXT"] = Slow(0.05, texts)
    filter_ = build([], Resolver(backend=FakeZone(content)))

    async def judge() -> list[Verdict]:
        sessions = [_session(f"a@d{number}.example".encode()) for number in range(CROWD)]
        pairs = zip(sessions, messages, strict=True)
        return await asyncio.gather(*(filter_.on_message(session, message) for session, message in pairs))

    cpu, wall = time.process_time(), time.perf_counter()
    verdicts = asyncio.run(judge())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if any(verdict.facts["result"] != "pass" for verdict in verdicts):
        raise RuntimeError("a message of the crowd does not pass")
    what = f"{CROWD} messages of as many domains at once, nothing cached"
    return [
        Figure(what, wall * 1e3, "ms", must=1_000, note="each answer of the DNS takes 50 ms"),
        Figure("  CPU of each", cpu / CROWD * 1e3, "ms"),
    ]


def figures() -> list[Figure]:
    """All of them."""
    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    return [*_cpu(key, record), _memory(key, record), *_questions(key, record), *_crowd(key, record)]
