"""The answers of the last minutes, bounded in number, size and age.

`AnswerCache.put` keeps an answer for its TTL, but never longer than the caps below: a record that says "a week" is
asked for again after an hour, so that a mistake that was corrected is forgotten soon. Answers that nobody gave are kept
for some seconds only (RFC 2308 §7, RFC 9520 §3.2), long enough not to hammer a broken server.

A hostile zone can send answers of 64 KB. So the room is counted in units of 512 bytes, not in entries: what an entry
needs beside its records and its name is one unit, and what those need is counted as Python keeps it. An answer that
would take more than a sixteenth of the room is not kept.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from filter_api.bounds import CACHE_UNIT, MAX_CACHE_UNITS
from filter_api.net.dns.answer import Answer, Record, Status

LONGEST = {Status.OK: 3600, Status.NXDOMAIN: 900, Status.NODATA: 900, Status.TEMPFAIL: 5}  # seconds

# Bytes of Python for a record beside its text, and for an address.
RECORD = 72
ADDRESS = 96

Question = tuple[str, str]  # canonical name, kind


class AnswerCache:
    """Least recently used answers go first when the room (`capacity` units) is used up."""

    def __init__(self, capacity: int = MAX_CACHE_UNITS, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._used = 0
        self._kept: OrderedDict[Question, tuple[float, Answer, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Question) -> Answer | None:
        """Return the answer with the seconds it still has to live, or None."""
        entry = self._kept.get(question)
        if entry is None:
            return None
        expires, answer, _ = entry
        left = expires - self._clock()
        if left <= 0:
            self._drop(question)
            return None
        self._kept.move_to_end(question)
        return replace(answer, ttl=int(left))

    def put(self, question: Question, answer: Answer) -> None:
        """Keep an answer for its TTL; one with a TTL of 0 is not kept."""
        self._drop(question)
        ttl = min(answer.ttl, LONGEST[answer.status])
        size = weight(question, answer)
        if ttl <= 0 or size * 16 > self._capacity:
            return
        self._kept[question] = (self._clock() + ttl, answer, size)
        self._used += size
        while self._used > self._capacity:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget everything, for instance when the name servers changed."""
        self._kept.clear()
        self._used = 0

    def _drop(self, question: Question) -> None:
        entry = self._kept.pop(question, None)
        if entry is not None:
            self._used -= entry[2]


def weight(question: Question, answer: Answer) -> int:
    """How many units of room an answer takes."""
    size = len(question[0]) + len(answer.why) + sum(map(_size, answer.records))
    return 1 + size // CACHE_UNIT


def _size(record: Record) -> int:
    """Bytes that a record takes in memory."""
    match record:
        case str() | bytes():
            return RECORD + len(record)
        case tuple():
            return 2 * RECORD + len(record[1])
    return ADDRESS
