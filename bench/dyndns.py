"""How well filter-dyndns tells homes from servers: recall and false positives on the labelled reverse DNS names.

    python -m bench.dyndns [-v]         -v also prints every name that is judged wrongly

Two files: the rules were tuned with ptr_names.txt, so its figures are what the rules can do at best; nothing was tuned
with ptr_names_heldout.txt, so its figures are what to expect elsewhere. The held-out part is hard on purpose: it has
access lines that their providers call static, which no rule here will ever refuse.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure
from filter_api.names.dynamic import DEFAULT_REFUSE, score

SAMPLE = Path(__file__).with_name("ptr_names.txt")
HELD_OUT = Path(__file__).with_name("ptr_names_heldout.txt")


class Entry(NamedTuple):
    """A line of a sample."""

    label: str
    address: IPv4Address | IPv6Address
    name: str


@dataclass(slots=True)
class Result:
    """Counts, and the names judged wrongly with their signs."""

    access: int = 0
    servers: int = 0
    unsure: int = 0
    missed: list[str] = field(default_factory=list)
    refused_servers: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """The share of the access lines that are refused."""
        return 1 - len(self.missed) / self.access


def read_sample(path: Path) -> list[Entry]:
    """The entries of a file; ValueError for a line that is none."""
    entries = []
    for line in path.read_text(encoding="ascii").splitlines():
        if line.strip() and not line.startswith("#"):
            label, address, name = line.split()
            entries.append(Entry(label, ip_address(address), name))
    return entries


def measure(entries: Sequence[Entry], refuse: int = DEFAULT_REFUSE) -> Result:
    """Judge every entry."""
    result = Result()
    for entry in entries:
        evidence = score(entry.name, entry.address)
        refused = evidence.total >= refuse
        shown = f"{entry.name} {entry.address} {evidence.total} {evidence.kinds}"
        if entry.label == "access":
            result.access += 1
            result.missed += [] if refused else [shown]
        elif entry.label == "server":
            result.servers += 1
            result.refused_servers += [shown] if refused else []
        else:
            result.unsure += 1
    return result


def seconds_per_name(entries: Sequence[Entry], rounds: int = 20) -> float:
    """Processor seconds for one judgement."""
    start = time.process_time()
    for _ in range(rounds):
        for entry in entries:
            score(entry.name, entry.address)
    return (time.process_time() - start) / (rounds * len(entries))


def figures() -> list[Figure]:
    """The table of `make bench`."""
    entries = read_sample(SAMPLE)
    tuned, held_out = measure(entries), measure(read_sample(HELD_OUT))
    return [
        Figure("access lines refused", 100 * tuned.recall, "%", must=95, higher=True, note=f"{tuned.access} names"),
        Figure("servers refused", len(tuned.refused_servers), must=0, note=f"of {tuned.servers} names"),
        Figure("access lines refused, held out", 100 * held_out.recall, "%", note=f"{held_out.access} names"),
        Figure("servers refused, held out", len(held_out.refused_servers), note=f"of {held_out.servers} names"),
        Figure("time for one name", 1e6 * seconds_per_name(entries), "us"),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the figures, and with -v what is judged wrongly."""
    for figure in figures():
        print(f"{figure.what:32} {figure.value:8.1f} {figure.unit:3} {figure.note}")
    if "-v" in arguments:
        for path in (SAMPLE, HELD_OUT):
            result = measure(read_sample(path))
            for kind, names in (("missed", result.missed), ("refused server", result.refused_servers)):
                for name in names:
                    print(f"{path.name}: {kind}: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
