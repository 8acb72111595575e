"""The canonical forms, against the definition read line by line, in any cut."""

from __future__ import annotations

import hashlib
import itertools
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.dkim.canonical import body_canonicalizer, relaxed_field, simple_field


class Recorder:
    """A digest that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def update(self, data: bytes, /) -> None:
        self.data += data

    def digest(self) -> bytes:
        return self.data


def canonical(form: str, *blocks: bytes) -> bytes:
    body = body_canonicalizer(form, Recorder())
    for block in blocks:
        body.update(block)
    return body.digest()


def by_the_book(form: str, body: bytes) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4, a line at a time."""
    lines = body.split(b"\r\n")
    if form == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    text = b"".join(line + b"\r\n" for line in lines)
    return text or (b"\r\n" if form == "simple" else b"")


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n\r\n", b"\r\n", b""),
        (b" \t\r\n\r\n", b" \t\r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a \r\n", b"a \r\n", b"a\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # §3.4.5
        (b"\r\n\r\na\r\n\r\nb\r\n\r\n", b"\r\n\r\na\r\n\r\nb\r\n", b"\r\n\r\na\r\n\r\nb\r\n"),
        (b"a\x0c b\x0b \r\n", b"a\x0c b\x0b \r\n", b"a\x0c b\x0b\r\n"),
        (b"caf\xe9\t\t\xa0\r\n", b"caf\xe9\t\t\xa0\r\n", b"caf\xe9 \xa0\r\n"),
    ],
)
def test_body(body: bytes, simple: bytes, relaxed: bytes) -> None:
    """K24."""
    assert canonical("simple", body) == simple
    assert canonical("relaxed", body) == relaxed


BODIES = st.lists(
    st.sampled_from([b"\r\n", b"\r\n\r\n", b" ", b"\t", b"  ", b"a", b"bc", b"\x0c", b"\xe9", b".", b"\r", b"\n"])
).map(b"".join)


@given(body=BODIES, cuts=st.lists(st.integers(min_value=0, max_value=60)), form=st.sampled_from(["simple", "relaxed"]))
def test_any_cut_gives_the_same(body: bytes, cuts: list[int], form: str) -> None:
    places = [0, *sorted(cut for cut in cuts if cut <= len(body)), len(body)]
    blocks = [body[start:end] for start, end in itertools.pairwise(places)]
    assert canonical(form, *blocks) == by_the_book(form, body)


@given(body=BODIES)
def test_byte_by_byte(body: bytes) -> None:
    for form in ("simple", "relaxed"):
        assert canonical(form, *(body[index : index + 1] for index in range(len(body)))) == by_the_book(form, body)


@pytest.mark.parametrize("filling", [b" ", b"\t", b"\r\n", b" \r\n", b"\t\t\r\n"])
@pytest.mark.parametrize("form", ["simple", "relaxed"])
def test_memory_is_bounded_whatever_the_body(form: str, filling: bytes) -> None:
    block = filling * (65536 // len(filling))
    body = body_canonicalizer(form, hashlib.sha256())
    tracemalloc.start()
    try:
        for _ in range(64):
            body.update(block)
        body.update(b"end\r\n")
        body.digest()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "relaxed"),
    [
        (b"A: X\r\n", b"a:X\r\n"),  # §3.4.5
        (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (b"Subject:\r\n", b"subject:\r\n"),
        (b"Subject: \r\n \t x\r\n", b"subject:x\r\n"),
        (b"SuBJect:a:b \x0c\r\n", b"subject:a:b \x0c\r\n"),
        (b"X-\xc4: \xe9\xa0 \r\n", b"x-\xc4:\xe9\xa0\r\n"),
        (b"A: b  c\r\n", b"a:b c\r\n"),
        (b"A:  b  c\r\n", b"a:b c\r\n"),
        (b"FAX: b\r\n", b"fax:b\r\n"),
        (b"Odd\x0c\t : b\r\n", b"odd\x0c:b\r\n"),
    ],
)
def test_fields(raw: bytes, relaxed: bytes) -> None:
    assert relaxed_field(raw) == relaxed
    assert simple_field(raw) == raw
