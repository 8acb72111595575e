"""Read records from Redis beside the pump: one by one, all of a kind, and what was changed lately."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from filter_greylist.rules.records import Kind, Record
from filter_greylist.store.redis.link import BadEntry, Link
from filter_greylist.store.redis.values import literal, read_record

PAGE = 500
"""Names looked at in one step of a scan."""

CHANGES = 500
"""Changes read at a time."""

BEGINNING = b"0-0"

_KINDS = {kind.value.encode("ascii"): kind for kind in Kind}

Name = tuple[Kind, bytes]


class Changes(NamedTuple):
    """What was changed behind a place of the log; where to go on; whether some of it is not in the log any more."""

    names: list[Name]
    last: bytes
    gap: bool


class Reader:
    """Reads with a link. `shift`: by how many seconds the server's time is ahead of ours."""

    def __init__(self, link: Link, prefix: bytes, shift: Callable[[], int]) -> None:
        self._link = link
        self._prefix = prefix
        self._shift = shift

    async def get_many(self, names: Sequence[Name]) -> list[Record | None]:
        """Several records; None for what is not there, or is none of ours."""
        if not names:
            return []
        keys = [self._prefix + kind.value.encode("ascii") + b":" + name for kind, name in names]
        values = await self._link.command("MGET", *keys)
        shift = self._shift()
        return [read_record(kind, name, value, shift) for (kind, name), value in zip(names, values, strict=True)]

    async def scan(self, letters: str) -> AsyncIterator[list[Record]]:
        """Every record of the kinds with these letters, a page at a time."""
        cursor = 0
        pattern = literal(self._prefix) + b"[" + letters.encode("ascii") + b"]:*"
        while True:
            cursor, page = await self.step(cursor, pattern)
            yield page
            if cursor == 0:
                return

    async def step(self, cursor: int, pattern: bytes) -> tuple[int, list[Record]]:
        """One step of a scan: where to go on, 0 at the end, and the records found."""
        following, keys = await self._link.command("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE)
        names = [name for key in keys if (name := self._name(key)) is not None]
        records = await self.get_many(names)
        return int(following), [record for record in records if record is not None]

    def _name(self, key: bytes) -> Name | None:
        letter, colon, name = key[len(self._prefix) :].partition(b":")
        kind = _KINDS.get(letter)
        return (kind, name) if colon and kind is not None else None

    async def changes(self, last: bytes | None) -> Changes:
        """What was changed since; with None, nothing, but where to begin."""
        log = self._prefix + b"log"
        try:
            if last is None:
                newest = await self._link.command("XREVRANGE", log, "+", "-", "COUNT", 1)
                return Changes([], newest[0][0] if newest else BEGINNING, gap=False)
            entries = await self._link.command("XRANGE", log, last, "+", "COUNT", CHANGES)
        except BadEntry:
            return Changes([], BEGINNING, gap=last not in {None, BEGINNING})
        if last != BEGINNING:
            if not entries or entries[0][0] != last:
                return Changes([], BEGINNING if not entries else entries[-1][0], gap=True)
            entries = entries[1:]
        names = [name for _, fields in entries if (name := _changed(fields)) is not None]
        return Changes(names, entries[-1][0] if entries else last, gap=False)


def _changed(fields: object) -> Name | None:
    """The name in one entry of the log: ``k`` and its letter, ``n`` and the rest."""
    words = list(fields.values()) if isinstance(fields, dict) else fields
    if isinstance(words, list) and len(words) == 4:
        words = words[1::2]
    if not isinstance(words, list) or len(words) != 2 or not all(isinstance(word, bytes) for word in words):
        return None
    kind = _KINDS.get(words[0])
    return None if kind is None or kind is Kind.GREY else (kind, words[1])
