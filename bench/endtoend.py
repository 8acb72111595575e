"""Messages per second through a private smtpd, with one filter and with several, beside the C peers.

Each figure is from a smtpd of its own: 2,000 messages of 5 KB over 20 connections from one client address, the queue in
memory, deliveries paused, so that what is measured is the way of a message into the queue. Deliveries, disks and DNS
would only hide the filters.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import build, measure
from bench.figures import Figure
from tools.private_smtpd import SERVER, Smtpd

FOREIGN = "/opt/bench"
FUTURE = "from __future__ import annotations\n"  # nothing may stand before it
BESIDE = ("unshare", "python3 /opt/", str(build.OUT))
"""How the commands of processes begin that are neither smtpd nor filters: the client, and scanners."""
PATHS = "import sys\nsys.path[:0] = ['/opt/opensmtpd-filters', '/opt/opensmtpd-filters/filters']\n"


@dataclass(frozen=True)
class Chain:
    """A name for the table; the commands of the filters, in order; executables to put beside them (name → Python)."""

    name: str
    commands: Sequence[str] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What one run showed. CPU in microseconds per message, of smtpd's own processes and of the filters."""

    per_second: float
    p50_ms: float
    p99_ms: float
    smtpd_us: float
    filters_us: float
    accepted: int
    refusal: str


def configuration(commands: Sequence[str], listen: str = "") -> str:
    """An smtpd.conf with these filters on its one listener."""
    lines = [f'filter f{number} proc-exec "{command}"' for number, command in enumerate(commands)]
    chain = f"filter {{ {', '.join(f'f{number}' for number in range(len(commands)))} }}" if commands else ""
    lines += [
        f"listen on 0.0.0.0 port 25 {listen or chain}",
        'action "local" maildir',
        'match from any for any action "local"',
    ]
    return "\n".join(lines) + "\n"


def copied(program: Path) -> tuple[str, dict[str, bytes]]:
    """A program of this machine for use inside: its command there, and its files, shared libraries included.

    The inner systems carry their own C library, which the programs use; what they lack goes beside the program. The
    dynamic linker starts it, as a file written there is not executable.
    """
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    libraries = [Path(path) for path in re.findall(r"=> (/\S*(?:opensmtpd|event)\S*) ", listed)]
    files = {f"{FOREIGN}/{each.name}": each.read_bytes() for each in (program, *libraries)}
    linker = re.findall(r"^\s*(/\S*ld-linux\S*) ", listed, re.MULTILINE)[0]
    return f"{linker} --library-path {FOREIGN} {FOREIGN}/{program.name}", files


def run(chain: Chain, version: str, *options: str) -> Run:
    """Send mail through one chain."""
    with Smtpd(version, configuration(chain.commands), filters=chain.scripts, files=chain.files) as smtpd:
        return load(smtpd, *options)


def load(smtpd: Smtpd, *options: str, warm: int = 100) -> Run:
    """Send mail to a smtpd that runs, after `warm` messages that do not count."""
    smtpd.room.run(["smtpctl", "pause", "mda"])
    command = [str(build.load()), "-a", SERVER, "-n", "2000", *options]
    smtpd.room.run([*command, "-n", str(warm)], inside=False)
    before = _cpu(smtpd)
    code, text = smtpd.room.run(command, inside=False, timeout=300)
    if code != 0:
        raise measure.DriverFailed(f"{text}\n{smtpd.log()[-2000:]}")
    said: dict[str, Any] = json.loads(text)
    done = max(1, said["messages"])
    own, foreign = ((now - then) * 1e6 / done for now, then in zip(_cpu(smtpd), before, strict=True))
    return Run(said["per_second"], said["p50_ms"], said["p99_ms"], own, foreign, said["messages"], said["refusal"])


def _cpu(smtpd: Smtpd) -> tuple[float, float]:
    """Seconds used by smtpd's own processes, and by the filters."""
    own = foreign = 0.0
    for each in smtpd.processes():
        if each.command.startswith("smtpd"):
            own += each.cpu
        elif not each.command.startswith(BESIDE):
            foreign += each.cpu
    return own, foreign


def chains() -> list[Chain]:
    """The chains to compare."""
    peer, peer_files = copied(build.echo())
    floor, floor_files = copied(build.minimal())
    proceed = (build.HERE / "filters" / "proceed.py").read_text().replace(FUTURE, FUTURE + PATHS)
    scripts = {"bench-proceed": proceed}
    return [
        Chain("no filter"),
        Chain("C echo", [peer], files=peer_files),
        Chain("python", ["bench-proceed"], scripts),
        Chain("floor", [floor], files=floor_files),
    ]


def figures() -> list[Figure]:
    """Messages per second with one filter; both smtpds."""
    found: list[Figure] = []
    for version in ("6.8", "7"):
        runs: dict[str, list[Run]] = {}
        for _ in range(measure.ROUNDS):
            for chain in chains():
                runs.setdefault(chain.name, []).append(run(chain, version))
        pairs = zip(runs["python"], runs["C echo"], strict=True)
        ratio = median(ours.per_second / theirs.per_second for ours, theirs in pairs)
        note = _all(runs, "per_second") + " messages/s"
        found.append(Figure(f"smtpd {version}: messages/s, one filter", ratio, "x C", higher=True, note=note))
        pairs = zip(runs["python"], runs["floor"], strict=True)
        share = median(ours.per_second / theirs.per_second for ours, theirs in pairs)
        found.append(Figure("  of what a filter that costs nothing gives", share, "x floor", 0.93, higher=True))
        ours = median(each.filters_us for each in runs["python"])
        found.append(Figure("  CPU of the filter per message", ours, "us", note=_all(runs, "filters_us") + " us"))
        smtpd = median(each.smtpd_us for each in runs["python"])
        found.append(Figure("  CPU of smtpd per message", smtpd, "us", note=_all(runs, "smtpd_us") + " us"))
    return found


def _all(runs: Mapping[str, Sequence[Run]], what: str) -> str:
    medians = {name: median(float(getattr(each, what)) for each in each_run) for name, each_run in runs.items()}
    return ", ".join(f"{name} {value:.0f}" for name, value in medians.items())
