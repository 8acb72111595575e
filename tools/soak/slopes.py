"""Whether a figure grows: the slope of the lowest values of equal stretches of time, and the judgement of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

BINS: Final = 120
"""Stretches at most: as many slopes of pairs as are cheap."""
JUDGED: Final = 600.0
"""Seconds without the warm-up that a series must span to be judged; a shorter one shows how a process warms up."""

Points = Sequence[tuple[float, float]]
"""(seconds, value), in the order of time."""


def lowest(points: Points) -> list[tuple[float, float]]:
    """The lowest value of each stretch. What leaks raises it; what is in use for a moment does not."""
    if not points:
        return []
    begin, end = points[0][0], points[-1][0]
    width = (end - begin) / BINS or 1.0
    found: dict[int, tuple[float, float]] = {}
    for when, value in points:
        index = min(int((when - begin) / width), BINS - 1)
        if index not in found or value < found[index][1]:
            found[index] = (when, value)
    return list(found.values())


def slope(points: Points) -> float:
    """What is gained in an hour: the median of the slopes of all pairs (Theil, Sen), which few odd values do not move.

    0.0 for fewer than two points.
    """
    rises = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
        if later[0] > earlier[0]
    ]
    return 3600 * median(rises) if rises else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A figure over the time: its first and last value, and the slope. bound: of the slope, in units an hour."""

    name: str
    unit: str
    first: float
    last: float
    hourly: float
    seconds: float
    bound: float
    least: float
    """What has to be gained in all before a slope counts: less is how finely the figure is measured."""

    @property
    def judged(self) -> bool:
        return self.seconds >= JUDGED and self.bound > 0

    @property
    def grows(self) -> bool:
        """Whether it is too much."""
        return self.judged and self.hourly >= self.bound and self.hourly * self.seconds / 3600 >= self.least

    def __str__(self) -> str:
        word = "GROWS" if self.grows else "ok" if self.judged else "-"
        bound = f"< {self.bound:g}" if self.bound else ""
        return (
            f"{self.name:34} {self.first:10.2f} {self.last:10.2f} {self.unit:8} {self.hourly:+10.3f} {bound:>9} {word}"
        )


HEADING: Final = f"{'':34} {'first':>10} {'last':>10} {'unit':8} {'an hour':>10} {'bound':>9}"


def judge(
    name: str, unit: str, points: Points, *, after: float, bound: float = 0.0, least: float = 0.0, share: float = 0.0
) -> Judgement:
    """Judge what comes `after` (seconds, as in the points). share: a bound as a part of the first value, instead."""
    kept = lowest([point for point in points if point[0] >= after])
    if not kept:
        return Judgement(name, unit, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    few = max(1, len(kept) // 10)
    first, last = median(value for _, value in kept[:few]), median(value for _, value in kept[-few:])
    seconds = kept[-1][0] - kept[0][0]
    if share:
        bound = share * first * 3600 / max(seconds, 1.0)
    return Judgement(name, unit, first, last, slope(kept), seconds, bound, least)
