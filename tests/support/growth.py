"""Whether work grows in proportion to what a stranger gives it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AT_MOST = 20
"""Times the cost for ten times the input. On a quiet machine bench.run growth asks for 13; in the midst of the other
tests what has fallen out of the processor's cache costs up to twice as much. What grows by the square costs 100 times.
"""

LEAST = 0.004
"""Seconds; what is faster at the large size is not measured, but noise."""


@contextmanager
def without_collector() -> Iterator[None]:
    """As timeit does: after thousands of tests each round of the collector goes through what they left."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def best(work: Callable[[], object]) -> float:
    """Seconds of CPU of the fastest of five."""
    times = []
    with without_collector():
        for _ in range(5):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
    return min(times)


def grows_in_proportion(work: Callable[[int], Callable[[], object]], small: int) -> bool:
    """Whether ten times the input costs at most AT_MOST times as much. work: makes the work for an input of a size.

    Asked some times at most, as something else may run on the machine meanwhile: what grows faster never passes.
    """

    def in_proportion() -> bool:
        large = best(work(10 * small))
        return large < LEAST or large <= AT_MOST * best(work(small))

    return any(in_proportion() for _ in range(8))
