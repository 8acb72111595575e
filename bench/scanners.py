"""filter-clamav and filter-spamassassin with a real clamd and spamd, and with daemons that hang.

The daemons are those of the tests: local rules only, and a signature database of two lines, so that what is measured is
the way to the daemon and back. CPU time is the filter's; the daemon's own is not counted.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from string import ascii_lowercase

from bench import measure
from bench.build import CannotBuild
from bench.figures import Figure
from bench.measure import PROCEED, Contender, drive, installed
from tests.support.clamd import running_clamd
from tests.support.spamd import running_spamd

MARKS = ("X-Spam-Status", "X-Spam-Score", "X-Spam-Level", "X-Spam-Checker-Version", "X-Spam-Flag")
ALL = "0.0.0.0/0"


@contextmanager
def _folder(program: str) -> Iterator[Path]:
    """A short path that a daemon's user can walk to; CannotBuild where the daemon is missing."""
    if shutil.which(program, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin") is None:
        raise CannotBuild(f"{program} is not installed; tools/daemons installs it on Debian")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def clamav() -> list[Figure]:
    """filter-clamav beside clamdscan, and beside a filter that only holds the message."""
    with _folder("clamd") as folder, running_clamd(folder) as path:
        ours = installed("filter-clamav", "-a", str(path))
        patient = Contender("filter-clamav", [*ours.command, "-F", "accept"], ("X-Virus-Status",))
        return [_growth(ours), *_cpu_of_5_mb(ours), _beside_clamdscan(ours, folder), _crowd(patient)]


def spamassassin() -> list[Figure]:
    """filter-spamassassin with spamd, and with one that hangs."""
    with _folder("spamd") as folder, running_spamd(folder) as path:
        ours = Contender("filter-spamassassin", installed("filter-spamassassin", "-a", str(path)).command, MARKS)
        results = [drive(ours, "-b", "5120", "-s", "40", "-w", "5") for _ in range(measure.ROUNDS)]
        small = median(result.us_per_message / 1e3 for result in results)
        waited = median(result["turn_p50_us"] / 1e3 for result in results)
        share = median(result.us_per_message / result["turn_p50_us"] for result in results)
        note = f"{small:.2f} ms of {waited:.0f} ms"
        found = [Figure("CPU per 5 KB message, of the time spamd takes", share, "", 0.03, note=note)]
        found.append(_crowd(ours))
    with _hanging() as path:
        found += _deadline(path)
    return found


def _growth(ours: Contender) -> Figure:
    result = drive(ours, "-b", "26214400", "-W", "5120", "-s", "1", "-w", "100")
    growth = (result["rss_peak_kb"] - result["rss_before_kb"]) / 1024
    return Figure("growth on a 25 MB message", growth, "MB", 3, note=f"peak {result['rss_peak_kb'] / 1024:.1f} MB")


def _cpu_of_5_mb(ours: Contender) -> list[Figure]:
    """Whole, and without what holding and giving back costs any filter."""
    options = ("-b", "5242880", "-W", "5120", "-s", "4", "-w", "50")
    rounds = measure.interleave([ours, PROCEED], *options)
    whole = rounds.median(ours.name, lambda result: result.us_per_message / 1e3)
    held = rounds.median(PROCEED.name, lambda result: result.us_per_message / 1e3)
    note = f"{whole:.1f} ms; {held:.1f} ms for 70,000 lines held and given back"
    ratio = rounds.ratio(ours.name, PROCEED.name, lambda result: result.us_per_message)
    return [
        Figure("CPU per 5 MB, of what a filter takes that only holds them", ratio, "", 2, 1.5, note=note),
        Figure("  the conversation with clamd", whole - held, "ms"),
    ]


def _beside_clamdscan(ours: Contender, folder: Path) -> Figure:
    """The time from the dot to the filter's dot, and that of clamdscan for as many bytes."""
    if shutil.which("clamdscan") is None:
        return Figure("verdict on 5 MB: not measured", 0.0, note="clamdscan is not installed: tools/daemons bench")
    options = ("-b", "5242880", "-W", "5120", "-s", "5", "-w", "50")
    sample = folder / "sample.eml"
    sample.write_text(
        "Received: from a\r\nFrom: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\n" + _prose(5242880)
    )
    os.chmod(sample, 0o644)
    scan = ["clamdscan", f"--config-file={folder / 'clamd.conf'}", "--stream", "--no-summary", str(sample)]
    ratios, note = [], ""
    for _ in range(measure.ROUNDS):
        began = time.monotonic()
        subprocess.run(scan, check=True, capture_output=True)
        theirs = time.monotonic() - began
        mine = drive(ours, *options)["turn_p50_us"] / 1e6
        ratios.append(mine / theirs)
        note = f"{mine * 1e3:.0f} ms, clamdscan {theirs * 1e3:.0f} ms"
    return Figure("verdict on 5 MB", median(ratios), "of clamdscan", 1.2, note=note)


def _prose(size: int) -> str:
    """Text like that of the driver's messages."""
    words = random.Random(1)
    return "".join(
        " ".join("".join(words.choices(ascii_lowercase, k=5)) for _ in range(12)) + "\r\n" for _ in range(size // 73)
    )


def _crowd(ours: Contender) -> Figure:
    """A hundred messages of 10 MB at a time."""
    options = ("-b", "10485760", "-W", "5120", "-s", "100", "-k", "100", "-w", "50", "-r", "400")
    result = drive(ours, *options, timeout=1800)
    each = (result["rss_peak_kb"] - result["rss_before_kb"]) / 1024 / 100
    return Figure("100 messages of 10 MB at a time: memory of each", each, "MB", 2)


@contextmanager
def _hanging() -> Iterator[str]:
    """A server that takes connections, reads, and never answers."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/hangs.sock"
        listener.bind(path)
        listener.listen(512)
        kept: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    kept.append(listener.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield path
        for connection in kept:
            connection.close()


def _deadline(path: str) -> list[Figure]:
    """Two hundred messages wait for a daemon that hangs: when they are answered, and what is left over."""
    seconds = 5
    command = installed("filter-spamassassin", "-a", path, "-T", str(seconds), "-P", "200").command
    result = drive(Contender("hanging", command, MARKS), "-b", "5120", "-s", "200", "-k", "200", "-w", "0", timeout=60)
    late = max(abs(result[f"turn_{share}_us"] / 1e3 - seconds * 1e3) for share in ("min", "max"))
    return [
        Figure("200 messages, spamd hangs: furthest from the deadline", late, "ms", 250, note=f"deadline {seconds} s"),
        Figure("  descriptors left over", result["more_descriptors"], "", 1, note="whether it answers is still asked"),
    ]
