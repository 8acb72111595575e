"""What the protocol costs: data-lines, interleaved sessions, events, latency; against the C echo filter.

All in the closed loop: a session waits for each answer, as smtpd does. CPU per data-line holds everything the filter
did for the session, its reports and requests included; both sides are given the lines they registered for.
"""

from __future__ import annotations

from bench.figures import Figure
from bench.measure import EVENTS, PROCEED, Result, Rounds, floor, interleave, peer

_SIDE_BY_SIDE = (PROCEED.name, "C echo", "floor")


def _note(rounds: Rounds, names: tuple[str, ...], value: str, unit: str = "ns") -> str:
    def of(result: Result) -> float:
        return float(getattr(result, value))

    return ", ".join(f"{name} {rounds.median(name, of):.0f}" for name in names) + f" {unit}"


def _data(what: str, options: str, must: float | None, aim: float | None) -> Figure:
    rounds = interleave([PROCEED, peer(), floor()], *options.split())
    ratio = rounds.ratio(PROCEED.name, "C echo", lambda result: result.ns_per_data_line)
    return Figure(what, ratio, "of C", must, aim, note=_note(rounds, _SIDE_BY_SIDE, "ns_per_data_line"))


def datalines() -> list[Figure]:
    """CPU per data-line by size of the message, twenty sessions at a time."""
    return [
        _data("data-line, 5 KB messages with their events", "-b 5120 -k 20 -s 2000", 0.11, 0.08),
        _data("data-line, 100 KB messages", "-b 102400 -k 20 -s 100", 0.06, 0.05),
        _data("data-line, 10 MB messages", "-b 10485760 -k 1 -s 2 -w 1", 0.06, 0.05),
        _data("the same, 5 KB, one session at a time", "-b 5120 -k 1 -s 1000", None, None),
        _data("the same, 100 KB, one session at a time", "-b 102400 -k 1 -s 100", None, None),
    ]


def interleaved() -> list[Figure]:
    """Two hundred sessions at a time, their messages of 20 KB mixed line by line or run by run."""
    return [
        _data("200 sessions, runs of 50 lines", "-b 20480 -k 200 -s 800 -w 200 -r 50", 0.07, 0.06),
        _data("200 sessions, runs of 1 line", "-b 20480 -k 200 -s 800 -w 200 -r 1", 0.20, 0.12),
    ]


def events() -> list[Figure]:
    """CPU per line of sessions without a message: seven requests registered on both sides, all session facts kept."""
    figures = []
    for what, options, must, aim in (
        ("events, 200 sessions at a time", "-b 0 -k 200 -s 20000 -w 1000", 0.85, 0.60),
        ("events, one session at a time", "-b 0 -k 1 -s 5000 -w 500", None, None),
    ):
        rounds = interleave([EVENTS, peer(), floor()], *options.split())
        ratio = rounds.ratio(EVENTS.name, "C echo", lambda result: result.ns_per_line)
        figures.append(Figure(what, ratio, "of C", must, aim, note=_note(rounds, _SIDE_BY_SIDE, "ns_per_line")))
    return figures


def latency() -> list[Figure]:
    """From a request to its answer, one session at a time."""
    figures = []
    for where, options, p50_must, p99_must in (
        ("one CPU", "-b 0 -k 1 -s 5000 -w 500 -1", 1.1, 1.4),
        ("two CPUs", "-b 0 -k 1 -s 5000 -w 500", None, None),
    ):
        rounds = interleave([EVENTS, peer()], *options.split())
        for share, must, aim in (("p50", p50_must, 1.0), ("p99", p99_must, 1.1)):
            key = f"ask_{share}_us"
            ours, theirs = (rounds.median(name, Result.of(key)) for name in (EVENTS.name, "C echo"))
            ratio = rounds.ratio(EVENTS.name, "C echo", Result.of(key))
            note = f"python {ours:.1f}, C echo {theirs:.1f} us"
            figures.append(Figure(f"latency {share}, {where}", ratio, "of C", must, aim if must else None, note=note))
    rounds = interleave([PROCEED, peer()], "-b", "5120", "-k", "1", "-s", "1000")
    for share in ("p50", "p99"):
        key = f"turn_{share}_us"
        ours, theirs = (rounds.median(name, Result.of(key)) for name in (PROCEED.name, "C echo"))
        note = f"python {ours:.0f}, C echo {theirs:.0f} us"
        figures.append(Figure(f"the dot to our dot, 5 KB, {share}", ours / theirs, "of C", note=note))
    return figures
