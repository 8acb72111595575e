"""The answers of the last minutes, bounded in number, size and age.

`AnswerCache.put` keeps an answer for its TTL, but never longer than the caps below: a record that says "a week" is
asked for again after an hour, so that a mistake somebody mended is forgotten soon. Answers that nobody gave are kept
for some seconds only (RFC 2308 §7, RFC 9520 §3.2), long enough not to hammer a broken server.

A hostile zone can send answers of 64 KB. So the room is counted in units of about 512 bytes, not in entries, and an
answer that would take more than a sixteenth of it is not kept.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from filter_api.net.dns.answer import Answer, Status

LONGEST = {Status.OK: 3600, Status.NXDOMAIN: 900, Status.NODATA: 900, Status.TEMPFAIL: 5}  # seconds
UNIT = 512  # bytes

Question = tuple[str, str]  # canonical name, kind


class AnswerCache:
    """Least recently used answers go first when the room (`capacity` units) is used up."""

    def __init__(self, capacity: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._used = 0
        self._kept: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Question) -> Answer | None:
        """Return the answer with the seconds it still has to live, or None."""
        entry = self._kept.get(question)
        if entry is None:
            return None
        expires, answer = entry
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
        size = weight(answer)
        if ttl <= 0 or size * 16 > self._capacity:
            return
        self._kept[question] = (self._clock() + ttl, answer)
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
            self._used -= weight(entry[1])


def weight(answer: Answer) -> int:
    """How many units of room an answer takes."""
    size = sum(64 + (len(record) if isinstance(record, str | bytes) else 0) for record in answer.records)
    return 1 + size // UNIT
