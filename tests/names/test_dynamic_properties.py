"""`score` takes anything, and twice the name takes twice the time, whatever is in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.names.dynamic import score
from filter_api.names.rules import OwnRules, glob, parse_rules
from filter_api.text.lines import content_lines

ADDRESSES = st.one_of(st.none(), st.ip_addresses())
OWN = parse_rules(
    content_lines(b"1 *a*a*a*a*b\n1 *-1-*-1-*x.example.net\n2 dyn\n-1 1-1-1\n1 *.1*1*1*.1*2.example.net\n")
)

PIECES = (
    b"1-",
    b"a",
    b"dyn.",
    b"dyn-",
    b"0",
    b"f-",
    b".",
    b"1.1.1.",
    b"dsl",
    b"ff",
    b"-",
    b"1x",
    b"\xff",
    b"a1",
    b"255.",
)
CLIENTS = ("192.0.2.1", "1.1.1.1", "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1")


@given(st.binary(max_size=300), ADDRESSES)
def test_any_bytes(name: bytes, address: IPv4Address | IPv6Address | None) -> None:
    evidence = score(name, address, OWN)
    assert evidence.total == sum(item.weight for item in evidence.items)
    assert all(item.detail.isascii() and item.detail.isprintable() for item in evidence.items)


@given(st.text(max_size=100), ADDRESSES)
def test_any_text(name: str, address: IPv4Address | IPv6Address | None) -> None:
    assert score(name, address) == score(name.encode("utf-8", "surrogatepass"), address)


@given(
    st.ip_addresses(v=4),
    st.sampled_from(
        ["{0}-{1}-{2}-{3}", "x{3}.{2}.{1}.{0}", "{0:03}{1:03}{2:03}{3:03}", "p{0:02x}{1:02x}{2:02x}{3:02x}"]
    ),
)
def test_every_ipv4_address_is_found(address: IPv4Address, form: str) -> None:
    name = form.format(*address.packed)
    assert score(f"{name}.example.net", address).kinds == "address+5"


@given(st.integers(2**64, 2**128 - 1).map(IPv6Address), st.booleans())
def test_every_ipv6_address_is_found(address: IPv6Address, reverse: bool) -> None:
    nibbles = address.packed.hex()
    name = ".".join(reversed(nibbles)) if reverse else address.exploded.replace(":", "-")
    assert score(f"{name}.example.net", address).total >= 5


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("piece", PIECES)
def test_time_is_linear(piece: bytes, client: str) -> None:
    """Ten times the name, ten times the time; squared it would be a hundred times."""
    address = ip_address(client)

    def judge(count: int) -> Callable[[], object]:
        name = piece * count + b".example.net"
        return lambda: score(name, address, OWN)

    short, long = _fastest(judge(700)), _fastest(judge(7_000))
    assert long <= 35 * max(short, 1e-4)


@pytest.mark.timed
@pytest.mark.parametrize("text", [b"a" * 255, b"1-" * 120, b"-1" * 120 + b"b", b"aab" * 80])
def test_no_pattern_explodes(text: bytes) -> None:
    """The longest names there are, against patterns that kill backtracking matchers."""
    rules = parse_rules(content_lines(b"1 " + b"*a" * 30 + b"*c\n1 " + b"*-1" * 20 + b"*x\n1 " + b"?*" * 30 + b"z\n"))
    start = time.process_time()
    assert not [item for item in score(text + b".example.net", None, rules).items if item.kind == "own"]
    assert time.process_time() - start < 0.1


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_glob_is_what_it_says(pattern: str, text: str) -> None:
    assert glob(pattern.encode(), text.encode()) == _slow_glob(pattern, text)


def _slow_glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_slow_glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and _slow_glob(pattern[1:], text[1:])


def _fastest(work: Callable[[], object], rounds: int = 3) -> float:
    """Processor seconds of the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def test_own_rules_may_be_none() -> None:
    assert score("a.example.net", None, OwnRules()).items == ()
