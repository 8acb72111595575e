"""A verifier (RFC 6376 §6), for ``filterctl dkim verify``: not only whether a signature holds, but what broke it.

    for outcome in await verify(message, resolver): print(outcome)

It shares the canonical forms with the signer, so it is no proof that those are right; the tests have two foreign
verifiers for that.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from filter_api.dkim.canonical import CRLF, FIELD_FORMS, Digest, body_canonicalizer
from filter_api.dkim.keys import ALGORITHMS, MIN_BITS
from filter_api.dkim.record import KeyRecord, decode_base64, parse_tags, without_blanks
from filter_api.dkim.signature import RawField
from filter_api.net.dns import Resolver, Status
from filter_api.text.escape import printable

SIGNATURE: Final = b"dkim-signature"
_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
_B_VALUE: Final = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_FORMS: Final = re.compile(rb"(simple|relaxed)(?:/(simple|relaxed))?\Z")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one signature. `passed` is None where DNS could not tell; `notes` are worth a look anyway."""

    domain: str
    selector: str
    algorithm: str
    passed: bool | None
    reason: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = {True: "pass", False: "fail", None: "unknown"}[self.passed]
        reason = f": {self.reason}" if self.reason else ""
        notes = "".join(f" ({note})" for note in self.notes)
        return f"{word} d={self.domain} s={self.selector} a={self.algorithm}{reason}{notes}"


class Broken(ValueError):
    """Why a signature does not hold."""


class Doubt(Exception):
    """Why nobody can tell now."""


class _Limited:
    """A digest that takes so many bytes (tag l=) and counts the others."""

    def __init__(self, digest: Digest, room: int | None) -> None:
        self._digest = digest
        self._room = room
        self.beyond = 0

    def update(self, data: bytes, /) -> None:
        if self._room is not None:
            self.beyond += max(0, len(data) - self._room)
            data = data[: self._room]
            self._room -= len(data)
        self._digest.update(data)

    def digest(self) -> bytes:
        return self._digest.digest()


class Signature:
    """One DKIM-Signature field, its syntax checked. Raises Broken."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.tags: dict[bytes, bytes] = {}
        self.notes: list[str] = []
        try:
            self.tags = parse_tags(raw.partition(b":")[2])
        except ValueError as error:
            raise Broken(f"malformed: {error}") from None

    def text(self, tag: bytes) -> str:
        """A tag for showing."""
        return printable(self.tags.get(tag, b"?"))

    def check_tags(self, now: float) -> None:
        """Everything that can be said without looking at message or key."""
        tags = self.tags
        missing = [name.decode() for name in _REQUIRED if name not in tags]
        if missing:
            raise Broken(f"malformed: {'= and '.join(missing)}= is missing")
        if tags[b"v"] != b"1":
            raise Broken("malformed: not version 1")
        if self.text(b"a") not in ALGORITHMS:
            raise Broken(f"{self.text(b'a')} is not a safe algorithm (RFC 8301)")
        if b"from" not in self.names:
            raise Broken("malformed: From is not signed")
        if not _FORMS.match(tags.get(b"c", b"simple")):
            raise Broken("malformed: unknown canonicalization")
        domain, identity = tags[b"d"].lower(), tags.get(b"i", b"@" + tags[b"d"]).lower().rpartition(b"@")[2]
        if identity != domain and not identity.endswith(b"." + domain):
            raise Broken("malformed: i= is not in the domain d=")
        expiry = tags.get(b"x", b"")
        if expiry and not (expiry.isdigit() and len(expiry) < 20):
            raise Broken("malformed: x= is not a time")
        if expiry and int(expiry) < now:
            raise Broken("expired")

    @property
    def names(self) -> list[bytes]:
        """The names in h=, in lower case."""
        return [name.strip(b" \t\r\n").lower() for name in self.tags.get(b"h", b"").split(b":")]

    @property
    def forms(self) -> tuple[str, str]:
        """The canonical forms of header and body."""
        match = _FORMS.match(self.tags.get(b"c", b"simple"))
        header, body = match.groups() if match else (b"simple", None)
        return header.decode(), (body or b"simple").decode()

    def check_body(self, body: bytes) -> None:
        """Compare the body hash."""
        length = self.tags.get(b"l")
        if length is not None and not (length.isdigit() and len(length) < 20):
            raise Broken("malformed: l= is not a number")
        digest = _Limited(hashlib.sha256(), None if length is None else int(length))
        canonicalizer = body_canonicalizer(self.forms[1], digest)
        canonicalizer.update(body)
        found = canonicalizer.digest()
        if length is not None:
            self.notes.append(f"l= leaves {digest.beyond} bytes of the body unsigned")
        if found != _bytes(self.tags[b"bh"], "bh="):
            raise Broken("the body hash does not match: the body was changed after signing")

    def signed_data(self, fields: list[RawField]) -> bytes:
        """What the signature signs."""
        form = FIELD_FORMS[self.forms[0]]
        rest: dict[bytes, list[bytes]] = {}
        for name, raw in fields:
            rest.setdefault(name, []).append(raw)
        chosen = [rest[name].pop() for name in self.names if rest.get(name)]
        head, _, value = self.raw.partition(b":")
        emptied = head + b":" + _B_VALUE.sub(rb"\1", value, count=1)
        if not emptied.endswith(CRLF):  # b= was the last tag, and the line end went with it
            emptied += CRLF
        return b"".join(map(form, chosen)) + form(emptied).removesuffix(CRLF)

    def check_key(self, record: KeyRecord, data: bytes) -> None:
        """Compare the signature."""
        if record.algorithm != self.text(b"a"):
            raise Broken(f"the published key is for {record.algorithm}")
        identity = self.tags.get(b"i", b"@" + self.tags[b"d"]).lower().rpartition(b"@")[2]
        if record.strict and identity != self.tags[b"d"].lower():
            raise Broken("the published key (t=s) allows no i= below the domain")
        signature = _bytes(self.tags[b"b"], "b=")
        try:
            if isinstance(record.key, Ed25519PublicKey):
                record.key.verify(signature, hashlib.sha256(data).digest())
            elif record.key.key_size < MIN_BITS:
                raise Broken(f"the published key has {record.key.key_size} bits only (RFC 8301)")
            else:
                record.key.verify(signature, data, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise Broken(
                "the signature does not match: a signed header field was changed or added, or the published key is"
                " not the one that signed"
            ) from None
        if record.testing:
            self.notes.append("the domain is testing, t=y")


async def verify(message: bytes, resolver: Resolver, now: float | None = None) -> list[Outcome]:
    """The outcome of every signature, from the top. Line ends may be LF or CRLF. Never raises."""
    text = message.replace(CRLF, b"\n").replace(b"\n", CRLF)
    fields, body = split(text)
    at = time.time() if now is None else now
    signatures = [raw for name, raw in fields if name == SIGNATURE]
    return [await _verify_one(raw, fields, body, resolver, at) for raw in signatures]


async def _verify_one(raw: bytes, fields: list[RawField], body: bytes, resolver: Resolver, now: float) -> Outcome:
    signature: Signature | None = None
    passed: bool | None = True
    reason = ""
    try:
        signature = Signature(raw)
        signature.check_tags(now)
        signature.check_body(body)
        record = await fetch_record(resolver, signature.tags[b"s"], signature.tags[b"d"])
        others = [(name, field) for name, field in fields if field is not raw]
        signature.check_key(record, signature.signed_data(others))
    except Broken as error:
        passed, reason = False, str(error)
    except Doubt as error:
        passed, reason = None, str(error)
    if signature is None:
        return Outcome("?", "?", "?", passed, reason)
    domain, selector, algorithm = map(signature.text, (b"d", b"s", b"a"))
    return Outcome(domain, selector, algorithm, passed, reason, tuple(signature.notes))


async def fetch_record(resolver: Resolver, selector: bytes, domain: bytes) -> KeyRecord:
    """The key DNS publishes. Raises Broken where there is none to use, Doubt where DNS does not say."""
    name = f"{printable(selector)}._domainkey.{printable(domain)}"
    answer = await resolver.resolve(name, "TXT")
    if answer.status is Status.TEMPFAIL:
        raise Doubt(f"DNS does not answer for {name}: {answer.why}")
    if answer.status is not Status.OK:
        raise Broken(f"no key is published at {name}")
    reason = ""
    for text in answer.records:
        try:
            return KeyRecord.parse(bytes(text) if isinstance(text, bytes) else b"")
        except ValueError as error:
            reason = reason or str(error)
    raise Broken(f"{name}: {reason}")


def split(text: bytes) -> tuple[list[RawField], bytes]:
    """The header fields and the body of a message with CRLF line ends."""
    if text.startswith(CRLF):
        return [], text[2:]
    header, _, body = text.partition(CRLF + CRLF)
    raws = re.split(rb"\r\n(?![ \t])", header)
    return [(raw.partition(b":")[0].rstrip(b" \t").lower(), raw + CRLF) for raw in raws if raw], body


def _bytes(value: bytes, what: str) -> bytes:
    try:
        return decode_base64(without_blanks(value))
    except ValueError:
        raise Broken(f"malformed: {what} is not base64") from None
