"""filter-dkimsign beside the C filter-dkimsign of Debian: CPU time per message, memory, start.

Both sign the same messages with the same RSA key of 2048 bits; the driver takes them as clients of ours.

Small messages are held to a bound on one CPU: on two that are idle a process is charged for waking up, and for the
caches it finds cold, as much as for a tenth of its work; how much is the machine's business.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench import endtoend, measure
from bench.build import CannotBuild
from bench.figures import Figure
from bench.measure import Contender, drive, installed, interleave
from bench.process import start_of

PEER = Path("/usr/libexec/opensmtpd/filter-dkimsign")
ADDED = ("DKIM-Signature",)
MANY = 10_000
DOMAIN = "example.net"

# The files of a private smtpd are readable for all, so the filter is given a copy of the key that is its own.
OWN_COPY = """
import os, sys
key = f"/tmp/bench-key.{os.getpid()}"
with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
    copy.write(open("/opt/bench/key.pem", "rb").read())
sys.argv = ["filter-dkimsign", *sys.argv[1:], "-k", key]
from filter_dkimsign.__main__ import run
run()
"""


@contextmanager
def signing_key() -> Iterator[str]:
    """A private key in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.pem"
        keygen = installed("filterctl", "dkim", "keygen", "-d", DOMAIN, "-s", "bench", str(path))
        subprocess.run(keygen.command, check=True, capture_output=True)
        yield str(path)


def _contenders(key: str, forms: str) -> tuple[Contender, Contender]:
    signing = ("-d", DOMAIN, "-s", "bench", "-k", key, "-c", forms)
    ours = installed("filter-dkimsign", *signing, "-N", "0.0.0.0/0,::/0")
    if not PEER.exists():
        raise CannotBuild("the C filter-dkimsign is missing (Debian: opensmtpd-filter-dkimsign)")
    return (
        Contender(ours.name, ours.command, ADDED),
        Contender("C", [str(PEER), *signing], ADDED),
    )


def figures() -> list[Figure]:
    """All of them."""
    found: list[Figure] = []
    with signing_key() as key:
        small = ("-b", "5120", "-s", "1000")
        for what, forms, options, bounds in (
            ("5 KB, relaxed, one CPU", "relaxed/relaxed", (*small, "-1"), (0.55, 0.40)),
            ("5 KB, simple, one CPU", "simple/simple", (*small, "-1"), (0.55, 0.40)),
            ("5 KB, relaxed, two CPUs", "relaxed/relaxed", small, (None, None)),
            ("5 KB, simple, two CPUs", "simple/simple", small, (None, None)),
            ("1 MB, relaxed", "relaxed/relaxed", ("-b", "1048576", "-s", "20", "-w", "3"), (0.20, 0.12)),
            ("1 MB, simple", "simple/simple", ("-b", "1048576", "-s", "20", "-w", "3"), (0.12, 0.06)),
        ):
            found.append(_ratio(what, key, forms, options, bounds))
        ours, peer = _contenders(key, "relaxed/relaxed")
        found += _memory(ours)
        found += _start(ours, peer)
        found.append(_table(Path(key)))
        found += _under_smtpd(Path(key))
    return found


def _under_smtpd(key: Path) -> list[Figure]:
    """Messages per second through a real smtpd, beside the C filter."""
    signing = f"-d {DOMAIN} -s bench"
    command, files = endtoend.copied(PEER)
    content: dict[str, str | bytes] = {"/opt/bench/key.pem": key.read_bytes()}
    ours = endtoend.Chain(
        "python",
        [f"bench-dkimsign {signing} -N 0.0.0.0/0"],
        {"bench-dkimsign": endtoend.PATHS + OWN_COPY},
        content,
    )
    peer = endtoend.Chain(
        "C", [f"{command} {signing} -k /opt/bench/key.pem -c relaxed/relaxed"], files={**content, **files}
    )
    found = []
    for version in ("6.8", "7"):
        rounds = [(endtoend.run(ours, version), endtoend.run(peer, version)) for _ in range(min(3, measure.ROUNDS))]
        ratio = median(one.per_second / other.per_second for one, other in rounds)
        speeds = [median(pair[index].per_second for pair in rounds) for index in (0, 1)]
        note = f"{speeds[0]:.0f} of {speeds[1]:.0f} messages/s"
        found.append(Figure(f"smtpd {version}: messages/s, of C's", ratio, "x", 1, 1.2, higher=True, note=note))
    return found


def _ratio(
    what: str, key: str, forms: str, options: tuple[str, ...], bounds: tuple[float | None, float | None]
) -> Figure:
    ours, peer = _contenders(key, forms)
    rounds = interleave((ours, peer), *options)
    cpu = [rounds.median(contender.name, lambda result: result.us_per_message) for contender in (ours, peer)]
    ratio = rounds.ratio(ours.name, peer.name, lambda result: result.us_per_message)
    return Figure(f"{what}: CPU per message, of C's", ratio, "", *bounds, note=f"{cpu[0]:.0f} us of {cpu[1]:.0f} us")


def _memory(ours: Contender) -> list[Figure]:
    large = [drive(ours, "-b", "26214400", "-s", "1", "-w", "2") for _ in range(3)]
    growth = median((result["rss_peak_kb"] - result["rss_before_kb"]) / 1024 for result in large)
    usual = drive(ours, "-b", "5120", "-s", "500")
    return [
        Figure("resident memory, 5 KB messages", usual["rss_peak_kb"] / 1024, "MB", 36),
        Figure("growth on a 25 MB message", growth, "MB", 3, 1),
    ]


def _start(ours: Contender, peer: Contender) -> list[Figure]:
    return [start_of(f"start, {each.name}", each, must)[0] for each, must in ((ours, 3.0), (peer, None))]


def _table(key: Path) -> Figure:
    """A key file for each of ten thousand domains."""
    folder = key.parent / "many"
    folder.mkdir()
    lines = []
    for number in range(MANY):
        shutil.copy(key, folder / str(number))
        lines.append(f"domain{number}.example bench {folder}/{number}\n")
    (key.parent / "table").write_text("".join(lines), encoding="ascii")
    contender = installed("filter-dkimsign", "-K", str(key.parent / "table"))
    figure, result = start_of("start with 10,000 domains and keys", contender, 30, starts=1)
    return replace(figure, note=f"{figure.note}; {result['ready_rss_kb'] / 1024:.0f} MB")


def main() -> int:
    """Print the table; the exit status is 1 if a figure is beyond its bound."""
    from bench.figures import failed, table

    found = figures()
    print(table("filter-dkimsign", found))
    return 1 if failed(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
