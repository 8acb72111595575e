"""Beside release 1.0.0, whose sources come out of the history of this checkout: nothing may cost 3 % more than there.

Only a decision of the greylist may cost 10 %: it is counted, watched for stalls, and the clock is checked for each.

Both run under the same interpreter and libraries, interleaved in both orders; each figure is the median of the ratios
within a round, of CPU time but for latency.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import build, measure
from bench.dkimsign import ADDED, DOMAIN, signing_key
from bench.figures import Figure
from bench.measure import Contender, DriverFailed, Result, Rounds, drive

RELEASE = "ce629f4549cefd2f1b3cd2e611884b5ddc3613aa"
"""The commit of release 1.0.0."""

ROUNDS = 6 * measure.ROUNDS
"""What takes less than a second is moved by a tenth by the neighbours of the machine: a few rounds do not tell 3 %."""

MUST = 1.03
MUST_OF_GREYLIST = 1.1
_PROGRAM = (
    "import sys; sys.path[:0] = ['{top}', '{top}/filters']; sys.argv[0] = '{name}';"
    " from filter_{short}.__main__ import run; run()"
)


def released() -> Path:
    """The sources of the release, unpacked once. Raises DriverFailed where there is no history."""
    folder = build.OUT / f"release-{RELEASE[:7]}"
    if not folder.exists():
        build.OUT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build.OUT) as made:
            tar = Path(made) / "release.tar"
            command = ["git", "-C", str(build.HERE.parent), "archive", "-o", str(tar), RELEASE]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise DriverFailed(f"release 1.0.0 is not in the history of this checkout: {done.stderr.strip()}")
            (Path(made) / "tree").mkdir()
            subprocess.run(["tar", "-xf", str(tar), "-C", f"{made}/tree"], check=True)
            (Path(made) / "tree").rename(folder)
    return folder


def _bench(script: str) -> Callable[[Path], list[str]]:
    """A filter of the benchmarks, which finds the library beside it."""
    return lambda top: [
        sys.executable,
        "-c",
        f"import runpy, sys; sys.path[:0] = ['{top}', '{top}/filters'];"
        f" runpy.run_path('{top}/bench/filters/{script}', run_name='__main__')",
    ]


def _filter(short: str, *arguments: str) -> Callable[[Path], list[str]]:
    """A filter of the suite."""

    def command(top: Path) -> list[str]:
        program = _PROGRAM.format(top=top, name=f"filter-{short}", short=short)
        return [sys.executable, "-c", program, *(each.replace("TOP", top.name) for each in arguments)]

    return command


def _rounds(command: Callable[[Path], list[str]], options: Sequence[str], added: Sequence[str] = ()) -> Rounds:
    contenders = [
        Contender("now", command(build.HERE.parent), added),
        Contender("1.0.0", command(released()), added),
    ]
    results: dict[str, list[Result]] = {"now": [], "1.0.0": []}
    for number in range(ROUNDS):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            results[contender.name].append(drive(contender, *options))
    return Rounds(results)


def _figure(what: str, rounds: Rounds, value: Callable[[Result], float], unit: str, must: float = MUST) -> Figure:
    now, then = rounds.median("now", value), rounds.median("1.0.0", value)
    ratio = rounds.ratio("now", "1.0.0", value)
    return Figure(what, ratio, "x 1.0.0", must, 0.95, note=f"{now:.4g}, {then:.4g} {unit}")


def _per_request(result: Result) -> float:
    return result["cpu_ms"] * 1e3 / result["requests"]


def figures() -> list[Figure]:
    """All of them."""
    found = []
    for what, options in (
        ("data-line, 5 KB messages", "-b 5120 -k 20 -s 2000"),
        ("data-line, 100 KB messages", "-b 102400 -k 20 -s 100"),
        ("data-line, 10 MB messages", "-b 10485760 -k 1 -s 2 -w 1"),
    ):
        rounds = _rounds(_bench("proceed.py"), options.split())
        found.append(_figure(what, rounds, lambda result: result.ns_per_data_line, "ns"))
    rounds = _rounds(_bench("events.py"), ["-b", "0", "-k", "200", "-s", "20000", "-w", "1000"])
    found.append(_figure("events, 200 sessions at a time", rounds, lambda result: result.ns_per_line, "ns"))
    rounds = _rounds(_bench("events.py"), ["-b", "0", "-k", "1", "-s", "5000", "-w", "500", "-1"])
    found.append(_figure("latency p50, one CPU", rounds, Result.of("ask_p50_us"), "us"))
    with signing_key() as key:
        sign = _filter("dkimsign", "-d", DOMAIN, "-s", "bench", "-k", key, "-N", "0.0.0.0/0,::/0")
        rounds = _rounds(sign, ["-b", "5120", "-k", "20", "-s", "500"], ADDED)
    found.append(_figure("filter-dkimsign, 5 KB", rounds, lambda result: result.us_per_message, "us"))
    with _store() as folder:
        grey = _filter("greylist", "-G", "0:4:864", "-f", f"{folder}/TOP.db")
        rounds = _rounds(grey, ["-b", "0", "-k", "20", "-s", "3000"])
    found.append(_figure("filter-greylist, a request", rounds, _per_request, "us", MUST_OF_GREYLIST))
    return found


@contextmanager
def _store() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield folder
