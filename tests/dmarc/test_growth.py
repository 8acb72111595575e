"""What a stranger writes into From, a record or Authentication-Results costs no more than in proportion to its size."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from filter_api.dmarc.author import Unusable, author_domains
from filter_api.dmarc.record import parse_record
from filter_api.message.results import parse_results
from tests.support.growth import grows_in_proportion

SHAPES = [
    b"a,",
    b"@",
    b"@a,",
    b"a@b,",
    b"@ ",
    b"<",
    b">",
    b"(",
    b"((a)",
    b'"',
    b'\\"',
    b"=",
    b";",
    b"a=b;",
    b"\xc3\xbc",
    b"@\xc3\xbc,",
]


def author(value: bytes) -> object:
    with suppress(Unusable):
        return author_domains([value])
    return None


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_an_author(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: author(shape * (size // len(shape)))

    assert grows_in_proportion(work, 6_000)


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_results(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: parse_results(b"mx.example.org; " + shape * (size // len(shape)))

    assert grows_in_proportion(work, 6_000)


@pytest.mark.timed
@pytest.mark.parametrize("shape", [b";", b"=", b"a=b;", b"rua=mailto:a@b,", b",", b" "])
def test_reading_a_record(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        return lambda: parse_record(b"v=DMARC1; rua=" + shape * (size // len(shape)))

    assert grows_in_proportion(work, 400)
