"""From blocks of bytes to lines: unpacked if they are packed, and never more of anything than its bound.

A list may be compressed whatever its name and its type say: the first bytes tell.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from filter_api.bounds import BLOCK, MAX_LIST_FETCHED, MAX_LIST_LINE, MAX_LIST_PLAIN
from filter_lists.tool.published import ListRefused

_GZIP = b"\x1f\x8b"
_WITH_HEADER = 31  # zlib: gzip format, largest window


def bounded(blocks: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    """The same blocks. Raises ListRefused when they are more than `most` bytes."""
    total = 0
    for block in blocks:
        total += len(block)
        if total > most:
            raise ListRefused(f"larger than {most} bytes {what}")
        yield block


def unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of blocks that may be gzip, in blocks of 64 KB at most. Raises ListRefused."""
    stream = bounded(blocks, MAX_LIST_FETCHED, "as it was fetched")
    head = b""
    for block in stream:
        head += block
        if len(head) >= len(_GZIP):
            break
    joined = _joined(head, stream)
    return bounded(_gunzipped(joined) if head.startswith(_GZIP) else joined, MAX_LIST_PLAIN, "unpacked")


def _joined(head: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from stream


def _gunzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Of one or several gzip members, one behind the other."""
    member = zlib.decompressobj(_WITH_HEADER)
    try:
        for block in blocks:
            rest = block
            while rest:
                if member.eof:
                    member = zlib.decompressobj(_WITH_HEADER)
                yield member.decompress(rest, BLOCK)
                rest = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error:
        raise ListRefused("damaged: it is no whole gzip file") from None
    if not member.eof:
        raise ListRefused("cut short: the end of the gzip file is missing")


def lines_of(blocks: Iterable[bytes]) -> Iterator[str | None]:
    """The lines; None for one that is longer than any entry."""
    pending, skipping = b"", False
    for block in blocks:
        *whole, rest = (pending + block).split(b"\n")
        for line in whole:
            if skipping or len(line) > MAX_LIST_LINE:
                skipping = False
                yield None
            else:
                yield line.decode("utf-8", "replace")
        if skipping or len(rest) > MAX_LIST_LINE:
            skipping, rest = True, b""
        pending = rest
    if skipping:
        yield None
    elif pending:
        yield pending.decode("utf-8", "replace")
