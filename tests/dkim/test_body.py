"""The hashes of one body for several signatures: of the whole, and of as much as each l= says."""

from __future__ import annotations

import hashlib

import pytest

from filter_api.dkim.body import BodyHashes

BODY = b"one  two\r\nthree\r\n\r\n"
SIMPLE = b"one  two\r\nthree\r\n"
RELAXED = b"one two\r\nthree\r\n"


def hashed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_each_length_has_the_hash_of_its_bytes_wherever_blocks_end(size: int) -> None:
    bodies = BodyHashes()
    lengths = (8, 0, 3, 16, 3)
    for length in (*lengths, 500, None):
        bodies.want("relaxed", length)
    bodies.want("simple", 5)
    bodies.want("simple", 17)
    assert bodies.start()
    for start in range(0, len(BODY), size):
        bodies.update(BODY[start : start + size])
    bodies.finish()
    assert (bodies.digest("relaxed", None), bodies.digest("simple", None)) == (hashed(RELAXED), hashed(SIMPLE))
    assert [bodies.digest("relaxed", length) for length in lengths] == [hashed(RELAXED[:length]) for length in lengths]
    assert [bodies.digest("simple", length) for length in (5, 17)] == [hashed(SIMPLE[:5]), hashed(SIMPLE)]
    assert bodies.digest("relaxed", 500) is None
    assert (bodies.size("relaxed"), bodies.size("simple")) == (16, 17)


def test_where_nobody_wants_a_hash_the_body_is_not_looked_at() -> None:
    assert not BodyHashes().start()


def test_of_an_empty_body_the_first_no_bytes_can_be_signed() -> None:
    bodies = BodyHashes()
    bodies.want("relaxed", 0)
    bodies.start()
    bodies.finish()
    assert bodies.digest("relaxed", 0) == bodies.digest("relaxed", None) == hashed(b"")
    assert bodies.size("relaxed") == 0
