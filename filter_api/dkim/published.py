"""The keys the DNS publishes for a selector, and whether one of them made a signature (RFC 6376 §6.1.2, §6.1.3).

    texts = await key_texts(resolver, b"2026a", b"example.org")        # Unfit: temperror, permerror
    prove(texts, signature, data, bits=1024)                           # returns if one of them fits, else Unfit

Several records of one selector are tried one after the other: RFC 6376 leaves open which one counts, and a domain may
publish one for each algorithm. A record of another kind beside them (SPF, a token of some service) does no harm.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from filter_api import bounds
from filter_api.dkim.fields import Signature
from filter_api.dkim.record import KeyRecord, parse_tags, without_blanks
from filter_api.dkim.results import Result, Unfit
from filter_api.net.dns import Resolver, Status
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels

_DKIM_VERSION: Final = re.compile(rb"[ \t\r\n]*v[ \t\r\n]*=[ \t\r\n]*DKIM1")
_WORST_FIRST: Final = (Result.FAIL, Result.POLICY, Result.PERMERROR)
_MISMATCH: Final = (
    "the signature does not match: a signed header field was changed or added, or the published key is not the one"
    " that signed"
)


def record_name(selector: bytes, domain: bytes) -> bytes:
    """Where a key is published, with A-labels (RFC 8616 §3)."""
    return a_labels(selector) + b"._domainkey." + a_labels(domain)


async def key_texts(
    resolver: Resolver, selector: bytes, domain: bytes, deadline: float | None = None
) -> tuple[bytes, ...]:
    """The TXT records at the name of a key, never none. Raises Unfit."""
    name = record_name(selector, domain)
    answer = await resolver.resolve(name, "TXT", deadline=deadline)
    if answer.status is Status.TEMPFAIL:
        raise Unfit(Result.TEMPERROR, f"DNS does not answer for {printable(name)}: {answer.why}")
    texts = tuple(bytes(text) for text in answer.records if isinstance(text, bytes))
    if answer.status is not Status.OK or not texts:
        raise Unfit(Result.PERMERROR, f"no key is published at {printable(name)}")
    return texts


class Keys:
    """Where the keys for the signatures of one message come from."""

    def __init__(self, resolver: Resolver, deadline: float | None = None) -> None:
        """`deadline` is a time of the event loop: what the DNS has not said by then is a temperror."""
        self._resolver = resolver
        self._deadline = deadline
        self._known: dict[bytes, tuple[bytes, ...] | Unfit] = {}

    async def of(self, signature: Signature) -> tuple[bytes, ...]:
        """As `key_texts`, for s= and d= of a signature; what was fetched is not asked for again."""
        known = self._known.get(record_name(signature.tags[b"s"], signature.tags[b"d"]))
        if isinstance(known, Unfit):
            raise known.kept()
        return await self._ask(signature) if known is None else known

    async def fetch(self, signatures: Iterable[Signature]) -> None:
        """Ask for the keys of several signatures together: a name server that is silent costs its time once."""
        wanted = {record_name(each.tags[b"s"], each.tags[b"d"]): each for each in signatures}

        async def fetch_one(name: bytes, signature: Signature) -> None:
            try:
                self._known[name] = await self._ask(signature)
            except Unfit as problem:
                self._known[name] = problem.kept()

        await asyncio.gather(*(fetch_one(name, signature) for name, signature in wanted.items()))

    async def _ask(self, signature: Signature) -> tuple[bytes, ...]:
        return await key_texts(self._resolver, signature.tags[b"s"], signature.tags[b"d"], self._deadline)


def is_key_text(text: bytes) -> bool:
    """Whether a TXT record is meant to be a key, be it a bad one: it says v=DKIM1, or no version and a p=."""
    if _DKIM_VERSION.match(text):
        return True
    try:
        tags = parse_tags(text[: bounds.MAX_KEY_RECORD])
    except ValueError:
        return False
    return b"p" in tags and tags.get(b"v", b"DKIM1") == b"DKIM1"


def prove(texts: Sequence[bytes], signature: Signature, data: bytes, bits: int) -> None:
    """Return if one of the keys made the signature of `data`. Raises Unfit, of the key that came closest.

    bits: size of the shortest RSA key that counts.
    """
    problems: list[Unfit] = []
    tried = sorted(texts, key=is_key_text, reverse=True)[: bounds.MAX_KEY_RECORDS]
    for text in tried:
        try:
            _prove_one(text, signature, data, bits)
        except Unfit as problem:
            problems.append(problem.kept())
        else:
            return
    if sum(map(is_key_text, texts)) > bounds.MAX_KEY_RECORDS:
        reason = (
            f"more than {bounds.MAX_KEY_RECORDS} keys are published at {_where(signature)}, and those tried do not fit"
        )
        raise Unfit(Result.PERMERROR, reason)
    raise min(problems, key=lambda problem: _WORST_FIRST.index(problem.result)).kept()


def _prove_one(text: bytes, signature: Signature, data: bytes, bits: int) -> None:
    """The same for one record. Raises Unfit: permerror, policy or fail."""
    try:
        record = KeyRecord.parse(text)
    except ValueError as error:
        raise Unfit(Result.PERMERROR, f"{_where(signature)}: {error}") from None
    if record.algorithm != signature.text(b"a"):
        raise Unfit(Result.PERMERROR, f"the published key is for {record.algorithm}")
    identity = signature.tags.get(b"i", b"")
    if record.strict and b"@" in identity and not same_domain(identity.rpartition(b"@")[2], signature.tags[b"d"]):
        raise Unfit(Result.PERMERROR, "the published key (t=s) allows no i= below the domain")
    value = signature.data(b"b")
    try:
        if isinstance(record.key, Ed25519PublicKey):
            record.key.verify(value, hashlib.sha256(data).digest())  # RFC 8463 §3
        else:
            _check_size(record.key, bits)
            record.key.verify(value, data, PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise Unfit(Result.FAIL, _MISMATCH) from None
    if record.testing:
        signature.notes.append("the domain is testing, t=y")


def _check_size(key: RSAPublicKey, bits: int) -> None:
    """Refuse a key that is too weak, and one whose arithmetic takes too long. Raises Unfit (policy)."""
    size = key.key_size
    if size < bits:
        raise Unfit(Result.POLICY, f"the published key has {size} bits only (RFC 8301)")
    if size > bounds.MAX_RSA_BITS:
        raise Unfit(Result.POLICY, f"the published key has {size} bits, more than {bounds.MAX_RSA_BITS}")
    if key.public_numbers().e.bit_length() > bounds.MAX_RSA_EXPONENT_BITS:
        raise Unfit(Result.POLICY, "the exponent of the published key is too large")


def same_domain(one: bytes, other: bytes) -> bool:
    """Whether two names are one, be they written with U-labels or A-labels, in upper or lower case."""
    return a_labels(without_blanks(one)) == a_labels(without_blanks(other))


def _where(signature: Signature) -> str:
    return printable(record_name(signature.tags[b"s"], signature.tags[b"d"]))
