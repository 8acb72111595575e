"""The DNS side of a key: the TXT record that publishes it (RFC 6376 §3.6.1), written and read.

record_text(key)                  # "v=DKIM1; k=rsa; p=MIIB…"
zone_lines("a._domainkey.x", text)  # ready for a zone file
KeyRecord.parse(b"v=DKIM1; …")    # ValueError that says why it is no usable key
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from filter_api import bounds
from filter_api.dkim.keys import SigningKey
from filter_api.text.escape import printable

PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey

STRING_SIZE: Final = 255  # bytes of one string in a TXT record (RFC 1035 §3.3.14)
_TAG_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
BLANKS: Final = b" \t\r\n"


def parse_tags(text: bytes) -> dict[bytes, bytes]:
    """A tag list (RFC 6376 §3.2). Raises ValueError for bad syntax and for a tag that occurs twice."""
    tags: dict[bytes, bytes] = {}
    specs = text.split(b";", bounds.MAX_TAGS + 1)
    if len(specs) > bounds.MAX_TAGS + 1:
        raise ValueError(f"a tag list of more than {bounds.MAX_TAGS} tags")
    if not specs[-1].strip(BLANKS):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name = name.strip(BLANKS)
        if not equals or not _TAG_NAME.match(name):
            raise ValueError("not a tag list")
        if name in tags:
            raise ValueError(f"tag {printable(name, 32)}= occurs twice")
        tags[name] = value.strip(BLANKS)
    return tags


def without_blanks(value: bytes) -> bytes:
    """A value whose white space means nothing."""
    return value.translate(None, BLANKS)


def decode_base64(value: bytes) -> bytes:
    """Base64 with white space in it. Raises ValueError."""
    if len(value) > bounds.MAX_BASE64:
        raise ValueError(f"base64 of more than {bounds.MAX_BASE64} bytes")
    try:
        return base64.b64decode(without_blanks(value), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A published key. `strict`: i= must be exactly d= (t=s). `testing`: the domain is trying DKIM out (t=y)."""

    algorithm: str
    key: PublicKey
    strict: bool
    testing: bool

    @classmethod
    def parse(cls, text: bytes) -> KeyRecord:
        """Read a TXT record, its strings joined. Raises ValueError."""
        if len(text) > bounds.MAX_KEY_RECORD:
            raise ValueError(f"the record has more than {bounds.MAX_KEY_RECORD} bytes")
        tags = parse_tags(text)
        if tags.get(b"v", b"DKIM1") != b"DKIM1" or (b"v" in tags and next(iter(tags)) != b"v"):
            raise ValueError("the record is not of version DKIM1")
        if b"p" not in tags:
            raise ValueError("the record holds no key")
        if not tags[b"p"]:
            raise ValueError("the key was revoked: its p= is empty")
        if not {b"sha256"} & _words(tags, b"h", b"sha256"):
            raise ValueError("the record does not allow sha256")
        if not {b"*", b"email"} & _words(tags, b"s", b"*"):
            raise ValueError("the record is not for mail")
        kind = tags.get(b"k", b"rsa")
        flags = _words(tags, b"t", b"")
        return cls(
            f"{printable(kind)}-sha256",
            _public_key(kind, decode_base64(tags[b"p"])),
            strict=b"s" in flags,
            testing=b"y" in flags,
        )

    def is_of(self, key: SigningKey) -> bool:
        """Whether this is the public half of that key."""
        return self.algorithm == key.algorithm and public_data(self.key) == key.public_data()


def public_data(key: PublicKey) -> bytes:
    """The canonical bytes of a public key, as `SigningKey.public_data` gives them."""
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _words(tags: Mapping[bytes, bytes], name: bytes, default: bytes) -> set[bytes]:
    return {word.strip(BLANKS) for word in tags.get(name, default).split(b":")}


def _public_key(kind: bytes, data: bytes) -> PublicKey:
    if kind == b"ed25519":
        if len(data) != 32:
            raise ValueError("an Ed25519 key has 32 bytes")
        return Ed25519PublicKey.from_public_bytes(data)
    if kind != b"rsa":
        raise ValueError(f"unknown key type {printable(kind)}")
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the p= of the record is not a key") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the p= of the record is not an RSA key")  # noqa: TRY004 - the record is wrong, not a type
    return key


def record_text(key: SigningKey) -> str:
    """The content of the TXT record for a key."""
    kind = key.algorithm.partition("-")[0]
    return f"v=DKIM1; k={kind}; p={base64.b64encode(key.public_data()).decode()}"


def zone_lines(name: str, text: str) -> str:
    """A record for a zone file (RFC 1035 §5.1), its text in strings of at most 255 bytes."""
    strings = [text[start : start + STRING_SIZE] for start in range(0, len(text), STRING_SIZE)]
    quoted = "\n".join(f'\t"{string}"' for string in strings)
    return f"{name}. IN TXT (\n{quoted} )\n"
