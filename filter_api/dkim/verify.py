"""The verifier (RFC 6376 §6), for ``filterctl dkim verify`` and for filters: results of RFC 8601, with reasons.

    for outcome in await verify(message, resolver): print(outcome)              # a message in memory, LF or CRLF
    verified = await judge(fields, blocks, resolver, terms=RECEIVER)            # a stream; CRLF line ends
    verified.outcomes, verified.left_out

What it promises: it never raises for what a stranger wrote; the body is read once, a block of at most 64 KiB at a time,
and hashed once for each canonical form; the event loop has its turn after each block and each signature; at most ten
signatures are judged, those of the author's domain and its relatives first; trouble with one signature is no trouble
for another. It shares the canonical forms with the signer, so it is no proof that those are right; the tests have two
foreign verifiers for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from filter_api import bounds
from filter_api.dkim.body import BodyHashes
from filter_api.dkim.canonical import CRLF
from filter_api.dkim.fields import Signature, split
from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.dkim.published import Keys, prove
from filter_api.dkim.record import without_blanks
from filter_api.dkim.results import PLAIN, Outcome, Result, Terms, Unfit
from filter_api.dkim.signature import RawField
from filter_api.dkim.syntax import check_tags, is_name
from filter_api.net.dns import Resolver
from filter_api.text.addresses import domain_of
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels

SIGNATURE: Final = b"dkim-signature"
_PARSED_AT_ONCE: Final = 50
_START: Final = 64  # bytes of b= in which its first characters are looked for


@dataclass(slots=True)
class _Candidate:
    """A signature on its way to its outcome."""

    place: int  # among all signatures, from the top
    signature: Signature | None = None
    problem: Unfit | None = None

    def outcome(self) -> Outcome:
        problem = self.problem
        result, reason = (problem.result, str(problem)) if problem else (Result.PASS, "")
        if self.signature is None:
            return Outcome("?", "?", "?", result, reason)
        domain, selector, algorithm = map(self.signature.text, (b"d", b"s", b"a"))
        owner = a_labels(self.signature.tags.get(b"d", b""))
        name = owner.decode("ascii") if is_name(owner) else ""
        start = printable(without_blanks(self.signature.tags.get(b"b", b"")[:_START])[:8])
        return Outcome(domain, selector, algorithm, result, reason, tuple(self.signature.notes), name, start)


class Companion(Protocol):
    """Who wants hashes of the same body, and keys."""

    def want(self, bodies: BodyHashes) -> None:
        """Ask for body hashes, before the body."""

    async def conclude(self, bodies: BodyHashes, keys: Keys) -> None:
        """After the body: come to a result. Never raises."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcomes of the signatures that were judged, from the top; how many more there are."""

    outcomes: list[Outcome] = field(default_factory=list)
    left_out: int = 0


async def verify(
    message: bytes, resolver: Resolver, now: float | None = None, terms: Terms = PLAIN, deadline: float | None = None
) -> list[Outcome]:
    """The outcome of every signature that is judged, from the top. Line ends may be LF or CRLF. Never raises."""
    fields, body = split(with_crlf(message))
    return (await judge(fields, blocks_of(body), resolver, now=now, terms=terms, deadline=deadline)).outcomes


def with_crlf(message: bytes) -> bytes:
    """A message whose lines end with CRLF, be they LF before."""
    return message.replace(CRLF, b"\n").replace(b"\n", CRLF)


def blocks_of(body: bytes) -> Iterator[bytes]:
    """A body in blocks the verifier takes."""
    return (body[start : start + bounds.BLOCK] for start in range(0, len(body), bounds.BLOCK))


async def judge(
    fields: Sequence[RawField],
    body: Iterable[bytes],
    resolver: Resolver,
    *,
    now: float | None = None,
    terms: Terms = PLAIN,
    deadline: float | None = None,
    also: Sequence[Companion] = (),
    authors: Iterable[str] = (),
) -> Verified:
    """Judge the signatures of a message.

    fields: the header, `(name in lower case, raw bytes with CRLF)`. body: blocks with CRLF line ends, of at most
    64 KiB; read only if a signature needs it. now: seconds since the epoch. deadline: time of the event loop by which
    the DNS must have answered; what is not known then is a temperror. also: others that want hashes of this body, such
    as an `ArcChain`. authors: domains of the author that a laxer reading of From has found, as A-labels.
    """
    raws = [raw for name, raw in fields if name == SIGNATURE]
    candidates = await _parse(raws[: bounds.MAX_SIGNATURE_FIELDS])
    chosen = _nearest(candidates, _authors(fields) | {name.encode("ascii") for name in authors})
    bodies = BodyHashes()
    for candidate in chosen:
        _check_syntax(candidate, bodies, time.time() if now is None else now, terms)
    for companion in also:
        companion.want(bodies)
    if bodies.start():
        for block in body:
            bodies.update(block)
            await asyncio.sleep(0)
        bodies.finish()
    keys = Keys(resolver, deadline)
    await keys.fetch(each.signature for each in chosen if each.signature is not None and each.problem is None)
    for candidate in chosen:
        await _check_proofs(candidate, fields, bodies, keys, terms)
        await asyncio.sleep(0)
    for companion in also:
        await companion.conclude(bodies, keys)
    return Verified([candidate.outcome() for candidate in chosen], len(raws) - len(chosen))


async def _parse(raws: Sequence[bytes]) -> list[_Candidate]:
    """The signatures, those that are none included; the loop has its turn now and then."""
    candidates = []
    for place, raw in enumerate(raws):
        candidate = _Candidate(place)
        try:
            candidate.signature = Signature(raw)
        except Unfit as problem:
            candidate.problem = problem.kept()
        candidates.append(candidate)
        if not place % _PARSED_AT_ONCE:
            await asyncio.sleep(0)
    return candidates


def _authors(fields: Sequence[RawField]) -> set[bytes]:
    """The domains of the From addresses, as A-labels; none where From is malformed."""
    found: set[bytes] = set()
    values = [raw.partition(b":")[2] for name, raw in fields if name == b"from"]
    for value in values[: bounds.MAX_SIGNATURES]:
        addresses = parse_mailboxes(value, groups=True) or []
        found.update(a_labels(domain_of(address)) for address in addresses[: bounds.MAX_SIGNATURES])
    return found


def _nearest(candidates: list[_Candidate], authors: set[bytes]) -> list[_Candidate]:
    """Those to judge, in their order in the message: the author's domain first, then names above and below it."""
    if len(candidates) <= bounds.MAX_SIGNATURES:
        return candidates

    def distance(candidate: _Candidate) -> int:
        if candidate.signature is None:
            return 3
        domain = a_labels(candidate.signature.tags.get(b"d", b"")[: bounds.MAX_NAME_TEXT])
        if domain in authors:
            return 0
        return 1 if any(_related(domain, author) for author in authors) else 2

    nearest = sorted(candidates, key=distance)[: bounds.MAX_SIGNATURES]
    return sorted(nearest, key=lambda candidate: candidate.place)


def _related(one: bytes, other: bytes) -> bool:
    """Whether one name is below the other."""
    return bool(one and other) and (one.endswith(b"." + other) or other.endswith(b"." + one))


def _check_syntax(candidate: _Candidate, bodies: BodyHashes, now: float, terms: Terms) -> None:
    """All that can be said before the body and the key are known; what is right so far wants a body hash."""
    signature = candidate.signature
    if signature is None:
        return
    try:
        check_tags(signature, now, terms)
        bodies.want(signature.forms[1], signature.number(b"l", "a number"))
    except Unfit as problem:
        candidate.problem = problem.kept()


async def _check_proofs(
    candidate: _Candidate,
    fields: Sequence[RawField],
    bodies: BodyHashes,
    keys: Keys,
    terms: Terms,
) -> None:
    """Body hash, key and signature."""
    signature = candidate.signature
    if signature is None or candidate.problem is not None:
        return
    try:
        check_body(signature, bodies)
        texts = await keys.of(signature)
        others = [(name, raw) for name, raw in fields if raw is not signature.raw]
        prove(texts, signature, signature.signed_data(others), terms.bits)
        check_length(signature, bodies, terms)
    except Unfit as problem:
        candidate.problem = problem.kept()


def check_body(signature: Signature, bodies: BodyHashes) -> None:
    """Compare the body hash. Raises Unfit."""
    form, length = signature.forms[1], signature.number(b"l", "a number")
    wanted = signature.data(b"bh")
    found = bodies.digest(form, length)
    if found is None:
        raise Unfit(Result.PERMERROR, f"l= is {length}, and the body has {bodies.size(form)} bytes only")
    if found != wanted:
        raise Unfit(Result.FAIL, "the body hash does not match: the body was changed after signing")


def check_length(signature: Signature, bodies: BodyHashes, terms: Terms) -> None:
    """What an honest l= leaves out. Raises Unfit (policy) where the terms allow no such thing."""
    length = signature.number(b"l", "a number")
    if length is None:
        return
    beyond = bodies.size(signature.forms[1]) - length
    text = f"l= leaves {beyond} bytes of the body unsigned"
    if beyond and not terms.partial:
        raise Unfit(Result.POLICY, text)
    signature.notes.append(text)


__all__ = ["Outcome", "Result", "Signature", "Verified", "blocks_of", "judge", "split", "verify", "with_crlf"]
