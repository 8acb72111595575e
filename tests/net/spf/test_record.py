"""Parsed records: each is parsed once, and what is kept of them is bounded by what it takes."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from ipaddress import ip_address

import pytest

from filter_api.net.dns import Resolver
from filter_api.net.spf import check_sender
from filter_api.net.spf import record as records
from filter_api.net.spf.macro import SpfSyntaxError
from filter_api.net.spf.record import KnownRecords, parse_record
from filter_api.testing.dns import FakeZone

CLIENT = ip_address("192.0.2.1")


def full(term: str, size: int, end: str = "-all") -> str:
    """A record of that size made of one term again and again."""
    room = size - len("v=spf1 ") - len(end)
    return "v=spf1 " + (term + " ") * (room // (len(term) + 1)) + end


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that were really parsed."""
    seen: list[bytes] = []
    parse = records._parse

    def note(raw: bytes) -> records.Record:
        seen.append(raw)
        return parse(raw)

    monkeypatch.setattr(records, "_parse", note)
    monkeypatch.setattr(records, "_known", KnownRecords())
    return seen


def test_a_record_is_parsed_once_and_not_once_a_sender(parsed: list[bytes]) -> None:
    zone = FakeZone({("evil.example", "TXT"): [full("ip4:10.0.0.0/8", 5_000)], ("bad.example", "TXT"): ["v=spf1 %"]})

    async def run() -> None:
        resolver = Resolver(backend=zone)
        for number in range(20):
            for domain in (b"evil.example", b"bad.example"):
                await check_sender(resolver, CLIENT, b"%d@%s" % (number, domain), b"h")

    asyncio.run(run())
    assert len(parsed) == 2


@pytest.mark.parametrize(
    "term", ["a", "ip4:10.0.0.{}/31", "ip6:2001:db8:{}::/99", "a:%{{d}}%{{i}}{}.example", "x{}=%", "?"]
)
def test_records_that_are_kept_take_the_memory_that_is_counted(term: str) -> None:
    known = KnownRecords(500_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(300):
            raw = full(term.format(number % 250), 4_000, f"x={number}").encode()
            with contextlib.suppress(SpfSyntaxError):
                known.parse(raw)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0 < known.used <= 500_000
    assert taken < 1.5 * 500_000


def test_the_record_that_was_not_used_for_longest_goes_first(parsed: list[bytes]) -> None:
    known = KnownRecords(8_000)
    often, once = b"v=spf1 ip4:192.0.2.1 -all", b"v=spf1 ip4:192.0.2.2 -all"
    known.parse(often)
    known.parse(once)
    for number in range(20):
        known.parse(b"v=spf1 ip4:10.0.0.%d -all" % number)
        known.parse(often)
    known.parse(once)
    assert (parsed.count(often), parsed.count(once)) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 " + "a" * 5_000,
        "v=spf1 a:" + "%" * 5_000,
        "v=spf1 ip4:" + "1" * 5_000,
        "v=spf1 a/" + "9" * 5_000,
        "v=spf1 " + "a:" + "b\x7f" * 9,
    ],
)
def test_an_error_is_told_in_a_few_words(text: str) -> None:
    with pytest.raises(SpfSyntaxError) as caught:
        parse_record(text.encode())
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
