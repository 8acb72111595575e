"""Compiles the C programs of the benchmarks into build/bench, when a source is newer than the program.

Needs a C compiler and, for the peer, libopensmtpd with its header (Debian: ``gcc libopensmtpd-dev``).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
FLAGS = ("-O2", "-Wall", "-Wextra", "-std=gnu2x", "-D_GNU_SOURCE")


class CannotBuild(Exception):
    """The compiler is missing, or refused; holds what it said."""


def _stale(program: Path, sources: list[Path]) -> bool:
    return not program.exists() or any(source.stat().st_mtime > program.stat().st_mtime for source in sources)


def _compile(name: str, sources: list[Path], *libraries: str) -> Path:
    program = OUT / name
    if _stale(program, sources):
        OUT.mkdir(parents=True, exist_ok=True)
        files = [str(source) for source in sources if source.suffix == ".c"]
        made = OUT / f".{name}.{os.getpid()}"  # two test processes may build at the same time
        try:
            done = subprocess.run(
                ["cc", *FLAGS, "-o", str(made), *files, *libraries], capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise CannotBuild("no C compiler: install gcc") from error
        if done.returncode != 0:
            raise CannotBuild(f"{name}: {done.stderr.strip()}")
        made.rename(program)
    return program


def driver() -> Path:
    """Give the program that plays smtpd."""
    return _compile("driver", sorted((HERE / "driver").glob("*.[ch]")), "-pthread")


def echo() -> Path:
    """Give the peer: the echo filter on libopensmtpd."""
    return _compile("echo", [HERE / "peers" / "echo.c"], "-lopensmtpd")


def minimal() -> Path:
    """Give the floor: the echo filter that does nothing but move bytes."""
    return _compile("minimal", [HERE / "peers" / "minimal.c"])


def scanners() -> Path:
    """Give the program that answers for clamd and spamd."""
    return _compile("scanners", [HERE / "load" / "scanners.c"], "-pthread")


def load() -> Path:
    """Give the program that sends mail over many connections."""
    return _compile("load", [HERE / "load" / "load.c"])
