"""What the process costs: start, memory at rest, with large messages, with many sessions, under a flood."""

from __future__ import annotations

from statistics import median

from bench.figures import Figure
from bench.measure import EVENTS, PROCEED, Contender, Result, drive, installed, peer


def _starts(contender: Contender) -> Result:
    return drive(contender, "-S", "15")


def start() -> list[Figure]:
    """From fork to register|ready, and the memory then."""
    figures = []
    for what, contender, must, memory in (
        ("start of a small filter", PROCEED, 60, 22),
        ("start of filter-rdns", installed("filter-rdns"), 60, 22),
        ("start of filter-dyndns", installed("filter-dyndns"), 60, 22),
        ("start of filter-auth", installed("filter-auth"), 120, 36),
        ("start of the C echo filter", peer(), None, None),
    ):
        result = _starts(contender)
        wall, cpu = result["ready_p50_us"] / 1e3, result["ready_cpu_p50_us"] / 1e3
        figures.append(Figure(what, wall, "ms", must, note=f"CPU {cpu:.1f} ms"))
        figures.append(Figure("  resident memory then", result["ready_rss_kb"] / 1024, "MB", memory))
    return figures


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
