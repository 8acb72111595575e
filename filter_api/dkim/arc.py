"""The verifier of ARC chains (RFC 8617 §5.2), on the same body hashes and keys as the one of DKIM.

    chain = ArcChain(fields)
    await judge(fields, blocks, resolver, also=[chain])
    chain.result, chain.reason          # "none", "pass" or "fail"
    chain.sets[0].results               # the payload of ARC-Authentication-Results, instance 1

A chain passes if its sets are complete, numbered from 1 without a gap, every seal holds, and so does the newest message
signature. Anything else is a fail, also that the DNS did not answer (§5.2.1: a chain is judged as it is now). The order
of the fields in the message does not matter. At most 50 sets are looked at, and the loop has its turn after each seal.

Two decisions are stricter than the public test suite: a message signature whose h= is empty or lacks From fails, since
it vouches for no author (RFC 6376 §5.4; the suite lets an empty one pass), and so does one whose l= leaves a part of
the body out, since anybody could have written that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from filter_api import bounds
from filter_api.dkim.body import BodyHashes
from filter_api.dkim.canonical import relaxed_field
from filter_api.dkim.fields import Signature
from filter_api.dkim.keys import ALGORITHMS
from filter_api.dkim.published import Keys, prove
from filter_api.dkim.results import RECEIVER, Unfit
from filter_api.dkim.signature import RawField
from filter_api.dkim.syntax import is_name
from filter_api.dkim.verify import check_body, check_length

RESULTS: Final = b"arc-authentication-results"
MESSAGE_SIGNATURE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
KINDS: Final = (RESULTS, MESSAGE_SIGNATURE, SEAL)
_FORMS: Final = b"relaxed/relaxed"  # where c= is missing, as the public test suite has it

_INSTANCE: Final = re.compile(rb"[0-9]{1,2}\Z")
_RESULTS_INSTANCE: Final = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;")
_SEAL_TAGS: Final = (b"a", b"b", b"cv", b"d", b"s")
_SIGNATURE_TAGS: Final = (b"a", b"b", b"bh", b"d", b"h", b"s")


Field = TypeVar("Field")


class Broken(Exception):
    """Why a chain fails."""


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One set: the fields of an instance. `results` is the payload of ARC-Authentication-Results after ``i=…;``."""

    instance: int
    results_field: bytes
    results: bytes
    signature: Signature
    seal: Signature

    @property
    def sealer(self) -> bytes:
        """The domain that made the seal."""
        return self.seal.tags.get(b"d", b"")


class ArcChain:
    """The chain of a message. `result` is none, pass or fail; `reason` says why it fails, as printable ASCII."""

    def __init__(self, fields: Sequence[RawField], bits: int = 1024) -> None:
        """fields: the header, `(name in lower case, raw bytes with CRLF)`. bits: size of the shortest RSA key."""
        self._fields = fields
        self._bits = bits
        self.sets: list[ArcSet] = []
        self.result = "none"
        self.reason = ""
        try:
            self.sets = _sets(fields)
            for one in self.sets:
                _check_seal(one, len(self.sets))
            if self.sets:
                self.result = "unknown"
                _check_signature(self.sets[-1].signature)
        except (Broken, Unfit) as problem:
            self._fail(problem)

    def want(self, bodies: BodyHashes) -> None:
        """Ask for the body hash of the newest set, before the body."""
        if self.result == "unknown":
            signature = self.sets[-1].signature
            bodies.want(signature.forms[1], signature.number(b"l", "a number"))

    async def conclude(self, bodies: BodyHashes, keys: Keys) -> None:
        """Judge the newest message signature, then the seals from the newest to the oldest. Never raises."""
        if self.result != "unknown":
            return
        try:
            newest = self.sets[-1]
            await self._prove_signature(newest, bodies, keys)
            text, ends = covered(self.sets)
            for one in reversed(self.sets):
                await self._prove_seal(one, text[: ends[one.instance - 1]], keys)
                await asyncio.sleep(0)
            self.result = "pass"
        except (Broken, Unfit) as problem:
            self._fail(problem)

    async def _prove_signature(self, newest: ArcSet, bodies: BodyHashes, keys: Keys) -> None:
        """Raises Broken and Unfit."""
        signature = newest.signature
        try:
            check_body(signature, bodies)
            check_length(signature, bodies, RECEIVER)
            others = [(name, raw) for name, raw in self._fields if raw is not signature.raw]
            prove(await keys.of(signature), signature, signature.signed_data(others), self._bits)
        except Unfit as problem:
            raise Broken(f"ARC-Message-Signature of instance {newest.instance}: {problem}") from None

    async def _prove_seal(self, one: ArcSet, before: bytes, keys: Keys) -> None:
        """Raises Broken. before: the canonical fields that the seal covers, without the seal itself."""
        seal = one.seal
        try:
            own = relaxed_field(seal.emptied()).removesuffix(b"\r\n")
            prove(await keys.of(seal), seal, before + own, self._bits)
        except Unfit as problem:
            raise Broken(f"ARC-Seal of instance {one.instance}: {problem}") from None

    def _fail(self, problem: Exception) -> None:
        self.result, self.reason = "fail", str(problem)


def covered(sets: Sequence[ArcSet]) -> tuple[bytes, list[int]]:
    """The canonical fields of all sets in their order, and how many bytes each seal covers before itself (§5.1.1)."""
    pieces: list[bytes] = []
    ends: list[int] = []
    size = 0
    for one in sets:
        fields = [relaxed_field(one.results_field), relaxed_field(one.signature.raw), relaxed_field(one.seal.raw)]
        ends.append(size + len(fields[0]) + len(fields[1]))
        size += sum(map(len, fields))
        pieces += fields
    return b"".join(pieces), ends


def _sets(fields: Sequence[RawField]) -> list[ArcSet]:
    """The sets in their order; none where there is no ARC field at all. Raises Broken and Unfit."""
    raws = {kind: [raw for name, raw in fields if name == kind] for kind in KINDS}
    longest = max(map(len, raws.values()))
    if not longest:
        return []
    if longest > bounds.MAX_ARC_SETS:
        raise Broken(f"more than {bounds.MAX_ARC_SETS} sets")
    results = _numbered([(_results_instance(raw), raw) for raw in raws[RESULTS]], "ARC-Authentication-Results")
    signatures = _signatures(raws[MESSAGE_SIGNATURE], "ARC-Message-Signature")
    seals = _signatures(raws[SEAL], "ARC-Seal")
    if not results.keys() == signatures.keys() == seals.keys() == set(range(1, longest + 1)):
        raise Broken("the sets are not complete, or not numbered from 1 without a gap")
    return [
        ArcSet(number, results[number], _payload(results[number]), signatures[number], seals[number])
        for number in range(1, longest + 1)
    ]


def _results_instance(raw: bytes) -> int:
    match = _RESULTS_INSTANCE.match(raw.partition(b":")[2])
    if match is None:
        raise Broken("ARC-Authentication-Results does not begin with i=")
    return int(match[1])


def _payload(raw: bytes) -> bytes:
    """What ARC-Authentication-Results says after its instance: an Authentication-Results value (RFC 8601)."""
    return _RESULTS_INSTANCE.sub(b"", raw.partition(b":")[2], count=1)


def _signatures(raws: Sequence[bytes], what: str) -> dict[int, Signature]:
    """Raises Broken and Unfit."""
    found = []
    for raw in raws:
        try:
            signature = Signature(raw, _FORMS)
        except Unfit as problem:
            raise Broken(f"{what}: {problem}") from None
        instance = signature.tags.get(b"i", b"")
        if not _INSTANCE.match(instance):
            raise Broken(f"{what}: i= is not a number from 1 to {bounds.MAX_ARC_SETS}")
        found.append((int(instance), signature))
    return _numbered(found, what)


def _numbered(pairs: Sequence[tuple[int, Field]], what: str) -> dict[int, Field]:
    """The fields by instance. Raises Broken."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Broken(f"{what}: an instance occurs twice")
    return found


def _check_present(signature: Signature, names: Sequence[bytes], what: str) -> None:
    tags: Mapping[bytes, bytes] = signature.tags
    lacking = [name.decode() for name in names if not tags.get(name)]
    if lacking:
        raise Broken(f"{what}: {'= and '.join(lacking)}= is missing or empty")
    if signature.text(b"a") not in ALGORITHMS:
        raise Broken(f"{what}: a={signature.text(b'a')} is not a safe algorithm (RFC 8301)")
    for tag in (b"d", b"s"):
        if not is_name(tags[tag]):
            raise Broken(f"{what}: {tag.decode()}= is not a name")
    try:
        signature.number(b"t", "a time")
        signature.data(b"b")
    except Unfit as problem:
        raise Broken(f"{what}: {problem}") from None


def _check_seal(one: ArcSet, newest: int) -> None:
    """Raises Broken."""
    what = f"ARC-Seal of instance {one.instance}"
    tags = one.seal.tags
    verdict = tags.get(b"cv", b"")
    if one.instance == newest and verdict == b"fail":
        raise Broken("the chain had failed before: cv=fail")
    _check_present(one.seal, _SEAL_TAGS, what)
    if b"h" in tags:
        raise Broken(f"{what}: it must not have h=")
    if verdict != (b"none" if one.instance == 1 else b"pass"):
        raise Broken(f"{what}: cv= must be {'none' if one.instance == 1 else 'pass'}")


def _check_signature(signature: Signature) -> None:
    """The newest message signature: the older ones need not hold any more. Raises Broken and Unfit."""
    what = "ARC-Message-Signature"
    _check_present(signature, _SIGNATURE_TAGS, what)
    _ = signature.forms
    signature.number(b"l", "a number")
    signature.data(b"bh")
    names = signature.names
    if SEAL in names:
        raise Broken(f"{what}: h= must not name ARC-Seal")
    if b"from" not in names:
        raise Broken(f"{what}: From is not signed, h= lacks it")
