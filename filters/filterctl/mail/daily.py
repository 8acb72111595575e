"""The summary of ``filterctl report messages -d``: for each day counts, a small plot of scores, and who is on top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Final

from filterctl.mail.maillog import Message
from filterctl.mail.mailtext import shown

BOUNDS: Final = (-inf, -5.0, -2.0, 0.0, 2.0, 5.0, 8.0, 15.0, inf)
"""Between these scores messages are counted together."""

_WIDTH: Final = 50


def summary(messages: Iterable[Message], top: int) -> Iterator[str]:
    """The lines, days in the order of the log; `top` bounds the lists of senders, recipients and viruses."""
    days: dict[str, list[Message]] = {}
    for message in messages:
        days.setdefault(message.day, []).append(message)
    for day, of_day in days.items():
        yield f"{day}: {_many(len(of_day))}, {_bytes(sum(message.size for message in of_day))}"
        yield "  " + ", ".join(f"{count} {result}" for result, count in _results(of_day).most_common())
        yield from plot([message.score for message in of_day if message.score is not None])
        yield from _top("senders", (message.sender or "<>" for message in of_day), top)
        yield from _top("recipients", (to for message in of_day for to in message.recipients), top)
        yield from _top("viruses", (message.pairs["virus"] for message in of_day if "virus" in message.pairs), top)
        yield ""


def _many(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def _results(messages: Sequence[Message]) -> Counter[str]:
    counted = Counter(message.result for message in messages)
    counted["refused by scanners"] = sum(message.refused for message in messages)
    counted["refusals only observed"] = sum(message.observed for message in messages)
    return +counted  # without what is zero


def plot(scores: Sequence[float]) -> Iterator[str]:
    """A histogram: a range of scores, a bar, a number in each line."""
    if not scores:
        return
    counts = [sum(low <= score < high for score in scores) for low, high in pairwise(BOUNDS)]
    most = max(counts)
    yield "  scores"
    for (low, high), count in zip(pairwise(BOUNDS), counts, strict=True):
        bar = "#" * (-(-count * _WIDTH // most))
        yield f"    {range_of(low, high):>9} {bar} {count}" if count else f"    {range_of(low, high):>9}"


def range_of(low: float, high: float) -> str:
    """A range of points in words."""
    if low == -inf:
        return f"< {high:g}"
    return f">= {low:g}" if high == inf else f"{low:g} .. {high:g}"


def _top(what: str, values: Iterable[str], top: int) -> Iterator[str]:
    counted = Counter(value.lower() if "@" in value else value for value in values).most_common(top)
    if counted:
        yield f"  {what}"
        for value, count in counted:
            yield f"    {count:>6} {shown(value, 100)}"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
