"""The command: python -m tools.mutants [-t] [-s] [-n size] [part ...]."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import equivalent
from .parts import PARTS, Part
from .results import Module, modules, tests_have_changed
from .room import ROOMS, lay, made

WANTED = 0.9
"""The share of the mutants of each part that its tests have to tell of."""
NICENESS = 15
MUTMUT = os.path.join(os.path.dirname(sys.executable), "mutmut")
WIDTH = 42
AT_ONCE = 1_000
"""Mutants of one run of mutmut: their names stand on its command line."""


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; usage errors end with status 2, as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("-t", action="store_true", help="only the table of what has been tried so far")
    parser.add_argument(
        "-s", action="store_true", help="also what each survivor has changed that is not known as equivalent"
    )
    parser.add_argument("-n", metavar="size", type=int, help="so many mutants of each module, drawn by chance; all")
    parser.add_argument("part", nargs="*", help="one of: " + " ".join(part.name for part in PARTS))
    options = parser.parse_args(arguments)
    if unknown := set(options.part) - {part.name for part in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def try_part(part: Part, size: int | None) -> None:
    """Tries what was not tried before; what is interrupted goes on from there.

    Twice, as mutmut forgets what has come of a function that has changed, or of all with other settings.
    """
    room = lay(part)
    mutants = made(part, room)
    again = tests_have_changed(room)
    if again:  # mutmut would not ask what a known test calls now
        (room / "mutants/mutmut-stats.json").unlink(missing_ok=True)
    for retried in (again, False):
        run(part, room, chosen(part, mutants, size, retried))


def chosen(part: Part, mutants: dict[str, list[str]], size: int | None, retried: bool) -> list[str]:
    """The mutants to try: the untried of each module, or of its sample, and, if `retried`, all survivors."""
    known = {module.path: module.statuses for module in modules(part)}
    names = []
    for path, made_of_it in mutants.items():
        module = Module(path, {name: known.get(path, {}).get(name) for name in made_of_it})
        names += [name for name in module.sample(size) if module.statuses[name] is None]
        names += module.alive() if retried else []
    return names


def run(part: Part, room: Path, names: Sequence[str]) -> None:
    """mutmut's run over these mutants, with one worker. What it says is in mutmut.log of the room."""
    environment = {**os.environ, "PYTHONPATH": str(room / "mutants"), "CI": "", "COLUMNS": "120"}
    for first in range(0, len(names), AT_ONCE):
        print(f"{part.name}: {first} of {len(names)} mutants tried", flush=True)
        command = [MUTMUT, "run", "--max-children", "1", *names[first : first + AT_ONCE]]
        with open(room / "mutmut.log", "a") as log:
            done = subprocess.run(command, cwd=room, env=environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"{part.name}: mutmut ended with status {done.returncode}, see {log.name}")


def row(name: str, found: Sequence[Module]) -> str:
    """A line of the table: how many mutants there are, were tried, were killed, and the share of the last two."""
    mutants = sum(len(module.statuses) for module in found)
    tried = sum(module.tried for module in found)
    killed = sum(module.killed for module in found)
    ratio = f"{100 * killed / tried:6.1f} %" if tried else "     -  "
    return f"{name:{WIDTH}}{mutants:8}{tried:8}{killed:8}{tried - killed:10}  {ratio}"


def good(found: Sequence[Module]) -> bool:
    """Something was tried, and the tests told of enough of it."""
    tried = sum(module.tried for module in found)
    return tried > 0 and sum(module.killed for module in found) >= WANTED * tried


def table(parts: Sequence[Part], survivors: bool) -> bool:
    """Prints what is known of each module and part; whether all of it is as wanted."""
    print(f"{'':{WIDTH}}{'mutants':>8}{'tried':>8}{'killed':>8}{'survived':>10}  {'killed':>8}")
    fine = True
    for part in parts:
        found = modules(part)
        for module in found:
            print(row("  " + module.path, [module]))
            if survivors:
                print(*gaps(part, module), sep="\n", end="")
        print(row(part.name, found))
        fine = fine and good(found)
    return fine


def gaps(part: Part, module: Module) -> Iterator[str]:
    """What each survivor has changed, as mutmut shows it; of those that are equivalent only how many they are."""
    known = equivalent.read()
    explained = 0
    for name in module.alive():
        command = [MUTMUT, "show", name]
        diff = subprocess.run(command, cwd=ROOMS / part.name, capture_output=True, text=True, check=False).stdout
        if equivalent.reason_for(known, module.path, diff):
            explained += 1
        else:
            yield diff
    if explained:
        yield f"    and {explained} that tools/mutants/equivalent.toml explains\n"


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    parts = [part for part in PARTS if not options.part or part.name in options.part]
    if not options.t:
        os.nice(NICENESS - os.nice(0))
        for part in parts:
            try_part(part, options.n)
    return 0 if table(parts, options.s) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
