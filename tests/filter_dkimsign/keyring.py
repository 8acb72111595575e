"""Keys for tests: made once a process, written where a test wants them, with the DNS records that go with them."""

from __future__ import annotations

import base64
import functools
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from filter_api.dkim.keys import parse_key

PKCS1 = PrivateFormat.TraditionalOpenSSL
PKCS8 = PrivateFormat.PKCS8


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> RSAPrivateKey:
    """An RSA key; another `number` gives another key."""
    return generate_private_key(65537, bits)


@functools.cache
def ed25519_key(number: int = 0) -> Ed25519PrivateKey:
    """An Ed25519 key."""
    return Ed25519PrivateKey.generate()


def pem(key: RSAPrivateKey | Ed25519PrivateKey, form: PrivateFormat = PKCS8) -> bytes:
    """A key as a file holds it."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def write_key(path: Path, key: RSAPrivateKey | Ed25519PrivateKey, form: PrivateFormat = PKCS8) -> str:
    """A key file with a safe mode."""
    path.write_bytes(pem(key, form))
    path.chmod(0o600)
    return str(path)


def record(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    """The TXT record of its public half."""
    signing = parse_key(pem(key))
    kind = signing.algorithm.partition("-")[0].encode()
    return b"v=DKIM1; k=" + kind + b"; p=" + base64.b64encode(signing.public_data())
