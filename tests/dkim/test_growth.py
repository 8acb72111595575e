"""Nothing a stranger writes costs more than in proportion to its length."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable

import pytest

from filter_api.dkim.canonical import body_canonicalizer, relaxed_field
from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.dkim.record import parse_tags
from filter_api.dkim.results import RECEIVER
from filter_api.dkim.verify import blocks_of, judge, split
from filter_api.net.dns import Resolver
from filter_api.testing.dns import FakeZone
from tests.dkim.crafted import BODY, GOOD, HEADER, NAME, NOW, crafted
from tests.filter_dkimsign.keyring import record, rsa_key
from tests.support.growth import grows_in_proportion

SHAPES = [
    b"a,",
    b"(",
    b"((a)",
    b'"',
    b'\\"',
    b"a ",
    b" \t",
    b"<",
    b"@a.",
    b"a@b,",
    b"=?a?q?@",
    b"a.",
    b"[",
    b"x:",
    b";",
    b"\r\n ",
]


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_mailboxes(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        value = shape * (size // len(shape)) + b"<a@example.org>"
        return lambda: parse_mailboxes(value)

    assert grows_in_proportion(work, 6_000)


@pytest.mark.timed
@pytest.mark.parametrize(
    "shape", [b"a", b" ", b"\t \t", b"\r\n", b"\r", b" \r\n", b"\n", b"x \r\n\r\n", b".\r\n", b"\r\r\n"]
)
@pytest.mark.parametrize("form", ["simple", "relaxed"])
def test_canonical_bodies(form: str, shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        body = shape * (size // len(shape))

        def run() -> None:
            canonicalizer = body_canonicalizer(form, hashlib.sha256())
            for block in blocks_of(body):
                canonicalizer.update(block)
            canonicalizer.digest()

        return run

    assert grows_in_proportion(work, 300_000)


@pytest.mark.timed
@pytest.mark.parametrize("shape", [b" ", b"\t ", b"\r\n ", b"a\r\n\t", b"x", b" \r\n"])
def test_relaxed_fields(shape: bytes) -> None:
    assert grows_in_proportion(
        lambda size: lambda: relaxed_field(b"a:" + shape * (size // len(shape)) + b"\r\n"), 25_000
    )


@pytest.mark.timed
@pytest.mark.parametrize("shape", [b"a=;", b";", b"a", b" ", b"=", b"a=b ", b"\r\n ;"])
def test_tag_lists(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        text = shape * (size // len(shape))

        def run() -> None:
            try:
                parse_tags(text)
            except ValueError:
                return

        return run

    assert grows_in_proportion(work, 25_000)


def message_of(kind: str, size: int) -> bytes:
    good = crafted()
    signature, rest = good[: good.index(HEADER)], good[good.index(HEADER) :]
    match kind:
        case "fields":
            return signature + b"X: y\r\n" * (size // 6) + rest
        case "signatures":
            return signature * (size // len(signature)) + rest
        case "names":
            tags = GOOD.replace("h=from", "h=" + "x:" * (size // 2) + "from")
            return b"DKIM-Signature: " + tags.encode() + b"QUFB\r\n" + rest
        case "bad signatures":
            return b"DKIM-Signature: x\r\n" * (size // 19) + rest
        case "long field":
            return signature + b"X: " + b" y" * (size // 2) + b"\r\n" + rest
        case "semicolons":
            return b"DKIM-Signature: " + GOOD.encode() + b"QUFB" + b"; b " * (size // 4) + b"\r\n" + rest
        case _:
            return signature + HEADER + b"\r\n" + BODY + b" \r\n" * (size // 3)


KINDS = ["fields", "signatures", "names", "bad signatures", "long field", "semicolons", "body"]


@pytest.mark.timed
@pytest.mark.parametrize("kind", KINDS)
def test_verifying(kind: str) -> None:
    resolver = Resolver(backend=FakeZone({(NAME, "TXT"): [record(rsa_key())]}))

    def work(size: int) -> Callable[[], object]:
        message = message_of(kind, size)
        fields, body = split(message)
        return lambda: asyncio.run(judge(fields, blocks_of(body), resolver, now=NOW, terms=RECEIVER))

    assert grows_in_proportion(work, 25_000)


@pytest.mark.timed
@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_is_never_held_for_long(kind: str) -> None:
    """The largest header there is, ten signatures, a body of 20 MB: no stretch beyond 50 ms."""
    message = message_of(kind, 20_000_000 if kind == "body" else 250_000)
    if kind in {"body", "fields"}:
        signature = message[: message.index(b"\r\nFrom") + 2 if kind == "body" else message.index(b"X: y")]
        message = signature * 9 + message
    fields, body = split(message)
    resolver = Resolver(backend=FakeZone({(NAME, "TXT"): [record(rsa_key())]}))
    longest = 0.0

    async def inside() -> None:
        nonlocal longest
        task = asyncio.create_task(_judge())
        last = time.process_time()
        while not task.done():
            await asyncio.sleep(0)
            now = time.process_time()
            longest, last = max(longest, now - last), now
        await task

    async def _judge() -> None:
        await judge(fields, blocks_of(body), resolver, now=NOW, terms=RECEIVER)

    asyncio.run(inside())
    assert longest < 0.05, longest
