"""The answers of the last minutes: how long they are believed, which go first, and what they take."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from filter_api.net.dns import Answer, Status
from filter_api.net.dns.cache import AnswerCache

MX = ip_address("192.0.2.1")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("status", "longest"), [(Status.OK, 3600), (Status.NXDOMAIN, 900), (Status.NODATA, 900), (Status.TEMPFAIL, 5)]
)
def test_nothing_is_believed_for_too_long(status: Status, longest: int) -> None:
    clock = Clock()
    cache = AnswerCache(clock=clock)
    cache.put(("a.example", "A"), Answer(status, ttl=2**31 - 1))
    clock.now += longest - 1
    assert cache.get(("a.example", "A")) == Answer(status, ttl=1)
    clock.now += 1
    assert cache.get(("a.example", "A")) is None
    assert len(cache) == 0


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    cache = AnswerCache(capacity=32)
    for number in range(32):
        cache.put((f"{number}.example", "A"), Answer(Status.OK, (MX,), ttl=60))
    assert cache.get(("0.example", "A")) is not None
    cache.put(("new.example", "A"), Answer(Status.OK, (MX,), ttl=60))
    assert cache.get(("1.example", "A")) is None
    assert cache.get(("0.example", "A")) is not None
    assert len(cache) == 32


def test_large_answers_take_more_room_and_huge_ones_are_not_kept() -> None:
    cache = AnswerCache(capacity=320)
    cache.put(("small.example", "TXT"), Answer(Status.OK, (b"x",), ttl=60))
    cache.put(("huge.example", "TXT"), Answer(Status.OK, (b"x" * 11000,), ttl=60))
    assert cache.get(("huge.example", "TXT")) is None
    for number in range(20):
        cache.put((f"{number}.example", "TXT"), Answer(Status.OK, (b"x" * 9000,), ttl=60))
    assert 15 <= len(cache) <= 18


SHAPES: dict[str, Callable[[int], tuple[str, Answer]]] = {
    "one address": lambda n: (f"{n}.example", Answer(Status.OK, (IPv4Address(n),), ttl=60)),
    "long names": lambda n: (f"{n:0240}.example", Answer(Status.NXDOMAIN, ttl=60)),
    "many addresses": lambda n: (f"{n}.example", Answer(Status.OK, tuple(map(IPv4Address, range(n, n + 400))), ttl=60)),
    "many IPv6 addresses": lambda n: (
        f"{n}.example",
        Answer(Status.OK, tuple(IPv6Address((n << 80) + k) for k in range(300)), ttl=60),
    ),
    "small texts": lambda n: (f"{n}.example", Answer(Status.OK, tuple(b"%d %d" % (n, k) for k in range(250)), ttl=60)),
    "mail servers": lambda n: (
        f"{n}.example",
        Answer(Status.OK, tuple((n * 1000 + k, f"{k}.{n}.example") for k in range(100)), ttl=60),
    ),
    "doubt": lambda n: (f"{n}.example", Answer(Status.TEMPFAIL, ttl=5, why=f"{n:0200}")),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_full_cache_takes_the_memory_that_is_counted(shape: str) -> None:
    """What CPython takes for an entry beside its records is more than one unit of 512 bytes, but not twice as much."""
    units = 2000
    cache = AnswerCache(units, clock=lambda: 1000.0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2 * units):
            name, answer = SHAPES[shape](number + 1000)
            cache.put((name, "A"), answer)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(cache) > 1
    assert taken < 2 * 512 * units
