"""A large message with many signatures: its body is read once, a block at a time, and others have their turn (X14)."""

from __future__ import annotations

import asyncio
import tracemalloc
from ipaddress import ip_address

import pytest

from filter_api.message.message import Message
from filter_api.net.dns import Resolver
from filter_api.session import Transaction
from filter_api.testing.dns import FakeZone
from filter_api.trust import client_at
from filter_auth.filter import build
from tests.dkim.crafted import GOOD
from tests.filter_auth.mail import dmarc, keys

MEGABYTES = 50
LINE = b"a line of seventy bytes, which many letters and reports are made of..."


def large() -> Message:
    """50 MB with ten signatures, of two canonical forms of the body, none of which holds."""
    message = Message()
    for number in range(10):
        forms = "relaxed/simple" if number % 2 else "relaxed/relaxed"
        tags = GOOD.replace("relaxed/relaxed", forms).replace("BH", "A" * 43 + "=")
        message.append(b"DKIM-Signature: " + tags.encode() + b"AAAA")
    message.append(b"From: jane@example.org\n")
    block = b"\n".join([LINE] * 900)
    for _ in range(MEGABYTES * 1_000_000 // len(block)):
        message.append(block)
    return message


def test_fifty_megabytes_need_no_memory_and_leave_others_their_turn() -> None:
    session = client_at(ip_address("192.0.2.1"))
    session.transaction = Transaction()
    session.transaction.sender = b""
    message = large()
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def inside() -> int:
        ticking = asyncio.get_running_loop().create_task(tick())
        filter_ = build([], Resolver(backend=FakeZone({**dmarc("p=reject"), **keys()})))
        tracemalloc.start()
        verdict = await filter_.on_message(session, message)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        ticking.cancel()
        assert verdict.facts["dkim"] == ",".join(["fail:example.org"] * 10)
        return peak

    try:
        assert asyncio.run(inside()) < 10_000_000
        assert turns > MEGABYTES * 1_000_000 // 65_536
    finally:
        message.close()


@pytest.mark.parametrize(("fields", "size"), [(60, 4_090), (900, 200), (500, 500)])
def test_many_fields_of_results_leave_others_their_turn(fields: int, size: int) -> None:
    """As many as a header has room for, none of which is long."""
    message = Message()
    for _ in range(fields):
        message.append(b"Authentication-Results: mx.example.org; " + b"a" * (size - 40))
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def inside() -> int:
        filter_ = build(["-a", "mx.example.org"], Resolver(backend=FakeZone({})))
        ticking = asyncio.get_running_loop().create_task(tick())
        removed = await filter_._removals(message)
        ticking.cancel()
        return len(removed)

    try:
        assert asyncio.run(inside()) == fields
        assert turns > 25
    finally:
        message.close()
