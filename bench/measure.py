"""Runs filters under the driver, in interleaved rounds, and gives medians.

Machines change speed while a benchmark runs; so every round runs each filter once, one after the other, and what is
reported is the median over the rounds: of a value, or of the ratio within a round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import build

HERE = Path(__file__).resolve().parent
ROUNDS = 5


class DriverFailed(Exception):
    """The driver found a wrong answer, or the filter died; holds what it said."""


@dataclass(frozen=True)
class Contender:
    """A filter to measure: a name for the table and the command that starts it; added: headers it may add."""

    name: str
    command: Sequence[str]
    added: Sequence[str] = ()


@dataclass(frozen=True)
class Result:
    """What the driver said of one run, see bench/driver/main.c."""

    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> float:
        return float(self.values[key])

    @staticmethod
    def of(key: str) -> Callable[[Result], float]:
        """Give what reads one value of a result, for `Rounds`."""
        return lambda result: result[key]

    @property
    def ns_per_line(self) -> float:
        """CPU time of the filter per line sent, in nanoseconds."""
        return self["cpu_ms"] * 1e6 / self["lines"]

    @property
    def ns_per_data_line(self) -> float:
        """CPU time of the filter per data-line, all it did for the session included, in nanoseconds."""
        return self["cpu_ms"] * 1e6 / self["data_lines"]

    @property
    def us_per_message(self) -> float:
        """CPU time of the filter per message, in microseconds."""
        return self["cpu_ms"] * 1e3 / self["messages"]


@dataclass
class Rounds:
    """Results of several filters over the same rounds."""

    results: dict[str, list[Result]] = field(default_factory=dict)

    def median(self, name: str, value: Callable[[Result], float]) -> float:
        """Give the median of a value of one filter."""
        return median(value(result) for result in self.results[name])

    def ratio(self, name: str, peer: str, value: Callable[[Result], float]) -> float:
        """Give the median of the ratios of two filters, each taken within its round."""
        pairs = zip(self.results[name], self.results[peer], strict=True)
        return median(value(ours) / value(theirs) for ours, theirs in pairs)


def python_filter(path: str) -> list[str]:
    """Give the command that runs a Python filter of this directory with the interpreter of this run."""
    return [sys.executable, str(HERE / path)]


def installed(name: str, *arguments: str) -> Contender:
    """Give an installed filter of this interpreter."""
    return Contender(name, [str(Path(sys.executable).parent / name), *arguments])


PROCEED = Contender("python", python_filter("filters/proceed.py"))
EVENTS = Contender("python", python_filter("filters/events.py"))


def peer() -> Contender:
    """Give the echo filter on libopensmtpd."""
    return Contender("C echo", [str(build.echo())])


def floor() -> Contender:
    """Give the echo filter that only moves bytes."""
    return Contender("floor", [str(build.minimal())])


def environment() -> dict[str, str]:
    """As an installed filter has it: its modules compiled before."""
    kept = {
        key: value for key, value in os.environ.items() if key not in {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    }
    return {**kept, "PYTHONPYCACHEPREFIX": str(build.OUT / "pycache")}


def drive(contender: Contender, *options: str, timeout: float = 600) -> Result:
    """Run one filter once under the driver."""
    added = [word for name in contender.added for word in ("-a", name)]
    command = [str(build.driver()), *options, *added, *contender.command]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, env=environment(), cwd=build.OUT
    )
    if done.returncode != 0:
        raise DriverFailed(f"{contender.name}: {done.stderr.strip()[-2000:]}")
    result = Result(json.loads(done.stdout))
    if result["exit_status"] != 0:
        raise DriverFailed(f"{contender.name} ended with status {result['exit_status']:.0f}")
    return result


def interleave(contenders: Sequence[Contender], *options: str) -> Rounds:
    """Run each filter once a round."""
    gathered = Rounds()
    for _ in range(ROUNDS):
        for contender in contenders:
            gathered.results.setdefault(contender.name, []).append(drive(contender, *options))
    return gathered
