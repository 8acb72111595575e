"""Records as Redis keeps them, and back. Nothing that comes from there is believed: see `rules.checking`."""

from __future__ import annotations

from collections.abc import Sequence

from filter_greylist.rules.checking import checked, life_of
from filter_greylist.rules.records import FOREVER, GROUP_BYTES, Details, Kind, Life, Record

_LONGEST = 5 * 16 + 4
"""Bytes of five numbers of 16 figures."""


def moved(life: Life, by: int) -> Life:
    """A life in the time of a clock that is so many seconds ahead; what never ends goes on for ever."""
    if not by:
        return life
    first, passes, expires, blocked, passed = life
    end = expires if expires >= FOREVER else max(0, expires + by)
    return Life(max(0, first + by), max(0, passes + by), end, blocked, passed)


def read_life(text: bytes, shift: int) -> Life | None:
    """Five numbers as a life in our time; None if they are not."""
    if len(text) > _LONGEST:
        return None
    try:
        life = life_of([int(word) for word in text.split(b" ")])
    except ValueError:
        return None
    return life if life is None or not shift else moved(life, -shift)


def read_record(kind: Kind, name: bytes, value: object, shift: int) -> Record | None:
    """A value as a record in our time; None for one that is none of ours."""
    if type(value) is not bytes:
        return None
    words = value.split(b" ", 5)
    if not all(word.isdigit() for word in words[:5]):
        return None
    life = read_life(b" ".join(words[:5]), shift)
    if life is None:
        return None
    details = _details(words[5]) if len(words) == 6 else None
    return None if len(words) == 6 and details is None else checked(Record(kind, name, life, details))


def pack_details(details: Details | None) -> bytes:
    """What stands behind the numbers: the group, the lengths of the other parts, and those."""
    if details is None:
        return b""
    group, *shown = details
    return b" " + pack_group(group) + pack_shown(shown)


def pack_group(group: bytes) -> bytes:
    """The group in its fixed length."""
    return group.ljust(GROUP_BYTES, b"\0")


def pack_shown(shown: Sequence[bytes]) -> bytes:
    """The shown details as one string: their lengths, then themselves."""
    return b",".join([b"%d" % len(part) for part in shown]) + b":" + b"".join(shown)


def _details(text: bytes) -> Details | None:
    lengths, colon, shown = text[GROUP_BYTES:].partition(b":")
    words = lengths.split(b",")
    if not colon or len(words) != 4 or not all(word.isdigit() and len(word) <= 4 for word in words):
        return None
    pieces, start = [], 0
    for length in map(int, words):
        pieces.append(shown[start : start + length])
        start += length
    group = text[:GROUP_BYTES]
    return Details(group if group.strip(b"\0") else b"", *pieces) if start == len(shown) else None


def literal(text: bytes) -> bytes:
    """Text as a pattern of Redis that matches itself."""
    for special in (b"\\", b"*", b"?", b"[", b"]"):
        text = text.replace(special, b"\\" + special)
    return text
