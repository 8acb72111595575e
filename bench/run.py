#!/usr/bin/env python3
"""Runs the benchmarks: all of them, or those named, and prints a table of figures with their bounds.

    python -m bench.run [-q] [part ...]

-q: one round instead of five, to see that everything runs. The exit status is 1 if a figure is beyond its bound.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import measure
from bench.build import CannotBuild
from bench.figures import Figure, failed, table
from tools.private_smtpd import Unavailable

#: Name → title and the function that measures; imported when it is wanted, as each needs other things.
PARTS = {
    "datalines": ("Message text", "protocol:datalines"),
    "interleaved": ("Interleaved sessions", "protocol:interleaved"),
    "events": ("Events", "protocol:events"),
    "latency": ("Latency", "protocol:latency"),
    "growth": ("Growth with the input", "growth:figures"),
    "start": ("Start", "process:start"),
    "confinement": ("Confinement", "confinement:figures"),
    "process": ("Memory of the process", "process:memory"),
    "memory": ("Memory for what is held", "memory:figures"),
    "endtoend": ("Under a real smtpd", "endtoend:figures"),
    "dyndns": ("Residential clients by name", "dyndns:figures"),
    "lists": ("Lists of addresses", "lists:figures"),
    "dnsbl": ("Lists in the DNS", "dnsbl:figures"),
    "logs": ("Logs of 200,000 lines", "logs:figures"),
    "clamav": ("filter-clamav", "scanners:clamav"),
    "spamassassin": ("filter-spamassassin", "scanners:spamassassin"),
    "auth": ("filter-auth", "auth:figures"),
    "dkimsign": ("filter-dkimsign", "dkimsign:figures"),
    "greylist": ("Greylist", "greylist:figures"),
    "since": ("Beside release 1.0.0", "since:figures"),
    "onechain": ("Six filters in one process", "onechain:figures"),
    "chain": ("The whole chain, delivered", "chain:figures"),
}


def _part(where: str) -> Callable[[], list[Figure]]:
    module, _, function = where.partition(":")
    found: Callable[[], list[Figure]] = getattr(importlib.import_module(f"bench.{module}"), function)
    return found


def _machine() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="ascii", errors="replace").splitlines() if about.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, {python}, {time.strftime('%Y-%m-%d')}"


def run(arguments: list[str]) -> int:
    """Run the named parts; give the exit status."""
    if "-q" in arguments:
        arguments.remove("-q")
        measure.ROUNDS = 1
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(_machine() + "\n")
    bad: list[Figure] = []
    for name in arguments or PARTS:
        title, where = PARTS[name]
        try:
            figures = _part(where)()
        except (
            CannotBuild,
            measure.DriverFailed,
            Unavailable,
            OSError,
            RuntimeError,
            ImportError,
            subprocess.SubprocessError,
        ) as error:
            print(f"## {title}\n\nnot measured: {error}\n")  # something is not installed: the other parts go on
            bad.append(Figure(name, 0.0))
            continue
        print(table(title, figures), flush=True)
        bad += failed(figures)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
