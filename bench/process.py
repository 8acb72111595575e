"""What the process costs: start, memory at rest, with large messages, with many sessions, under a flood."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from bench import measure
from bench.figures import Figure
from bench.measure import EVENTS, PROCEED, Contender, Result, drive, installed, peer

_STARTS = 5
"""Starts of a filter, and of bare asyncio, in one round."""


def _asyncio() -> float:
    """Milliseconds of CPU of ``python3 -c "import asyncio"``, the least of some runs: what no filter can go below."""
    used = []
    for _ in range(_STARTS):
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", "import asyncio"], os.environ)
        about = os.wait4(child, 0)[2]
        used.append(about.ru_utime + about.ru_stime)
    return 1e3 * min(used)


def start_of(what: str, contender: Contender, must: float | None, starts: int = _STARTS) -> tuple[Figure, Result]:
    """The ratio holds on any machine, however fast and however busy it is."""
    ratios = []
    for _ in range(measure.ROUNDS):
        result, bare = drive(contender, "-S", str(starts)), _asyncio()
        ratios.append(result["ready_cpu_min_us"] / 1e3 / bare)
    cpu, wall = result["ready_cpu_min_us"] / 1e3, result["ready_p50_us"] / 1e3
    note = f"CPU {cpu:.1f} of {bare:.1f} ms; {wall:.1f} ms by the clock"
    return Figure(what, median(ratios), "of import asyncio", must, note=note), result


def start() -> list[Figure]:
    """From fork to register|ready, and the memory then."""
    figures = []
    bare = _asyncio_memory()
    for what, contender, must, most in (
        ("start of a small filter", PROCEED, 1.5, 1.25),
        ("start of filter-rdns", installed("filter-rdns"), 1.5, 1.25),
        ("start of filter-dyndns", installed("filter-dyndns"), 1.5, 1.25),
        ("start of filter-auth", installed("filter-auth"), 3, 2),
        ("start of the C echo filter", peer(), None, None),
    ):
        figure, result = start_of(what, contender, must)
        figures.append(figure)
        memory = result["ready_rss_kb"] / 1024
        note = f"{memory:.1f} of {bare:.1f} MB"
        figures.append(Figure("  resident memory then", memory / bare, "of import asyncio", most, note=note))
    return figures


def _asyncio_memory() -> float:
    """MB that ``import asyncio`` alone keeps resident."""
    show = "import asyncio; print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')))"
    told = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
    return int(told.split()[1]) / 1024


def memory() -> list[Figure]:
    """Growth on a 25 MB message, and what an idle session keeps."""
    large = [drive(PROCEED, "-b", "26214400", "-W", "5120", "-k", "1", "-s", "1", "-w", "200") for _ in range(3)]
    growth = median((result["rss_peak_kb"] - result["rss_before_kb"]) / 1024 for result in large)
    peak = median(result["rss_peak_kb"] / 1024 for result in large)
    idle = drive(EVENTS, "-o", "-k", "5000", "-s", "5000", "-w", "0")
    crowd = drive(EVENTS, "-o", "-k", "20000", "-s", "20000", "-w", "0")
    per_session = (crowd["rss_after_kb"] - idle["rss_after_kb"]) * 1024 / 15000
    flood = drive(PROCEED, "-b", "102400", "-k", "500", "-s", "1000", "-w", "1")
    return [
        Figure("growth on a 25 MB message", growth, "MB", 3, 1, note=f"peak {peak:.1f} MB"),
        Figure("idle session, after RCPT", per_session, "bytes", 2048, 1024, note="20,000 open against 5,000"),
        Figure("peak with 500 messages of 100 KB in flight", flood["rss_peak_kb"] / 1024, "MB"),
        Figure("  CPU per message then", flood.us_per_message, "us"),
    ]
