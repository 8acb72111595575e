"""Blocks to lines: however they are cut, packed or not, and never too many."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_lists.tool.published import ListRefused
from filter_lists.tool.streams import bounded, lines_of, unpacked
from tests.support.peak import PEAK

TEXT = b"".join(b"192.0.2.%d\r\n" % number for number in range(200))


@given(st.lists(st.integers(1, 400), max_size=8), st.booleans())
def test_lines_do_not_depend_on_how_the_blocks_are_cut(cuts: list[int], packed: bool) -> None:
    data = gzip.compress(TEXT, mtime=0) if packed else TEXT
    blocks, at = [], 0
    for cut in cuts:
        blocks.append(data[at : at + cut])
        at += cut
    blocks.append(data[at:])
    assert [line and line.strip() for line in lines_of(unpacked(blocks))] == [f"192.0.2.{n}" for n in range(200)]


def test_the_last_line_needs_no_end_and_several_members_are_one_file() -> None:
    data = gzip.compress(b"a\nb") + gzip.compress(b"\nc")
    assert list(lines_of(unpacked([data]))) == ["a", "b", "c"]
    assert list(lines_of(unpacked([]))) == []


def test_a_line_that_is_too_long_is_one_bad_line() -> None:
    blocks = [b"a\n" + b"x" * 3_000, b"x" * 70_000, b"x\nb\n", b"y" * 5_000 + b"\nc\n", b"z" * 5_000]
    assert list(lines_of(blocks)) == ["a", None, "b", None, "c", None]


@pytest.mark.parametrize("keep", [3, 12, 60, -1])
def test_a_gzip_file_that_is_cut_short_is_refused(keep: int) -> None:
    with pytest.raises(ListRefused, match="cut short"):
        list(unpacked([gzip.compress(TEXT)[:keep]]))


def test_a_damaged_gzip_file_is_refused() -> None:
    data = bytearray(gzip.compress(TEXT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ListRefused, match=r"damaged|cut short"):
        list(unpacked([bytes(data)]))


def test_more_bytes_than_the_bound_are_refused() -> None:
    assert list(bounded([b"ab", b"c"], 3, "x")) == [b"ab", b"c"]
    with pytest.raises(ListRefused, match="larger than 3 bytes x"):
        list(bounded([b"ab", b"cd"], 3, "x"))


BOMB = f"""{PEAK}
import zlib
from filter_lists.tool.published import ListRefused, read_published
from filter_lists.tool.streams import lines_of, unpacked

def bomb():
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(1024):
        yield packer.compress(bytes(1 << 20))

before = peak()
try:
    read_published(lines_of(unpacked(bomb())))
except ListRefused as error:
    print(error)
print(peak() - before < 32)
"""


def test_a_file_of_a_megabyte_that_unpacks_to_a_gigabyte_is_stopped() -> None:
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, timeout=60)
    assert done.stdout == "larger than 268435456 bytes unpacked\nTrue\n"
