"""Writing and reading log lines costs no more than in proportion to what a stranger wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from filter_api.bounds import LOG_LINE
from filter_api.text.escape import format_pairs, one_line, parse_pairs, printable, unescape
from tests.support.growth import grows_in_proportion

SHAPES = [
    b"a",
    b"\xff",
    b"\\",
    b'"',
    b" ",
    b'\\"',
    b"a=",
    b'a="',
    b'a="b" ',
    b'" a=',
    b"=",
    b"\n",
    b'a="\\',
    b"a.",
    b'x"',
]


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("room", [None, LOG_LINE])
def test_writing(shape: bytes, room: int | None) -> None:
    def work(size: int) -> Callable[[], object]:
        value = shape * (size // len(shape))
        return lambda: format_pairs({"subject": value, "text": value.decode("latin-1"), "n": 1}, room)

    assert grows_in_proportion(work, 200_000)


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_escaping_without_a_limit_of_its_own(shape: bytes) -> None:
    def work(size: int) -> Callable[[], object]:
        value = shape * (size // len(shape))
        return lambda: (printable(value, 10 * size), one_line(value.decode("latin-1"), 10 * size))

    assert grows_in_proportion(work, 20_000)


@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", ["", 'a="', 'a=b c="d" "', "a=b"])
def test_reading(shape: bytes, start: str) -> None:
    def work(size: int) -> Callable[[], object]:
        line = start + (shape * (size // len(shape))).decode("latin-1")
        return lambda: (parse_pairs(line), unescape(line))

    assert grows_in_proportion(work, 16_000)


@pytest.mark.timed
def test_many_pairs() -> None:
    def work(size: int) -> Callable[[], object]:
        pairs = {f"key{number}": "x" * (number % 50) for number in range(size)}
        return lambda: parse_pairs(format_pairs(pairs, size * 20))

    assert grows_in_proportion(work, 1_000)
