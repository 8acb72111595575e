"""A little signer for tests that writes whatever tags it is told to, well or badly, and signs them properly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from filter_api.dkim.results import PLAIN, Outcome, Terms
from filter_api.dkim.verify import verify
from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone
from tests.filter_dkimsign.keyring import record, rsa_key

NOW = 1_700_000_000
HEADER = (
    b"From: Alice <alice@example.org>\r\n"
    b"To: bob@example.net\r\n"
    b"Subject: test\r\n"
    b"Date: Fri, 20 Nov 2026 08:08:08 +0000\r\n"
)
BODY = b"hello\r\nworld\r\n"
NAME = "rsa._domainkey.example.org"
GOOD = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=from:to:subject; bh=BH; b="


def _relaxed(raw: bytes) -> bytes:
    name, _, value = raw.partition(b":")
    return name.strip().lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n"


def crafted(
    tags: str = GOOD,
    *,
    header: bytes = HEADER,
    body: bytes = BODY,
    signed_names: Sequence[bytes] = (b"from", b"to", b"subject"),
    key: RSAPrivateKey | None = None,
    length: int | None = None,
    hashed: HashAlgorithm | None = None,
) -> bytes:
    """The message with a signature on top whose tags are these; BH and the value of the last tag, b=, are filled in.

    Header and body are simple enough for their canonical forms to be obvious: relaxed for both.
    """
    digest = hashlib.new("sha1" if isinstance(hashed, SHA1) else "sha256", body[:length]).digest()
    field = b"DKIM-Signature: " + tags.replace("BH", base64.b64encode(digest).decode()).encode() + b"\r\n"
    fields = dict(re.findall(rb"(?m)^([A-Za-z-]+)(:.*\r\n)", header))
    lower = {name.lower(): name + rest for name, rest in fields.items()}
    data = b"".join(_relaxed(lower[name]) for name in signed_names) + _relaxed(field)[:-2]
    secret = rsa_key() if key is None else key
    signature = base64.b64encode(secret.sign(data, PKCS1v15(), hashed or SHA256()))
    return field[:-2] + signature + b"\r\n" + header + b"\r\n" + body


Published = Mapping[str, Iterable[bytes] | Status]


def judged(
    message: bytes, published: Published | None = None, *, terms: Terms = PLAIN, now: float = NOW
) -> list[Outcome]:
    """What the verifier says where the DNS holds these TXT records, by default the key of `crafted`."""
    zone = {NAME: [record(rsa_key())]} if published is None else published
    content = {(name, "TXT"): list(value) if not isinstance(value, Status) else value for name, value in zone.items()}

    async def inside() -> list[Outcome]:
        return await verify(message, Resolver(backend=FakeZone(content)), now=now, terms=terms)

    return asyncio.run(inside())
