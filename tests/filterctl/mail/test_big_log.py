"""A log of 200,000 lines is read in little more time than it takes to unpack it, and not kept in memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.peak import PEAK

LINES = (
    "Nov 20 {time} mx smtpd[8]: {session} smtp connected address=192.0.2.{low} host=mx{low}.good.example\n"
    "Nov 20 {time} mx smtpd[8]: greylist: {session} rcpt-to action=reject reply="
    '"451 4.7.1 greylisted, please try again in 25 minutes" reason=new wait=1500 client=192.0.2.{low} '
    "rdns=mx{low}.good.example helo=mx.good.example from=<joe{number}@good.example> to=<bob@example.org>\n"
    'Nov 20 {time} mx smtpd[8]: {session} smtp failed-command command="RCPT TO:<bob@example.org>" result='
    '"451 4.7.1 greylisted, please try again in 25 minutes"\n'
    "Nov 20 {time} mx smtpd[8]: {session} smtp disconnected reason=quit\n"
)
PROGRAM = f"""{PEAK}
import sys, time
from filterctl.__main__ import main
began = time.process_time()
main(sys.argv[1:])
print(time.process_time() - began, int(peak() * 1024), file=sys.stderr)
"""


def write(path: Path, count: int) -> Path:
    """A packed log of so many lines."""
    with gzip.open(path, "wt", compresslevel=1) as log:
        for number in range(count // 4):
            clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
            log.write(LINES.format(time=clock, session=f"{number:016x}", low=number % 250, number=number))
    return path


def measured(*arguments: object) -> tuple[float, int]:
    """Seconds of CPU and KB of memory of a verb."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seconds, memory = done.stderr.split()
    return float(seconds), int(memory)


def unpacking(path: Path) -> float:
    """Seconds of CPU to unpack a log and count its lines, the best of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        with gzip.open(path) as log:
            assert sum(1 for _ in log) == 200_000
        times.append(time.process_time() - began)
    return min(times)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("logs")
    return write(folder / "small.gz", 40_000), write(folder / "large.gz", 200_000)


@pytest.mark.timed
@pytest.mark.parametrize(
    "arguments", [["why", "nobody@example.net"], ["why", "joe77@good.example"], ["report", "decisions"]], ids=" ".join
)
def test_it_is_read_fast_and_in_bounded_memory(logs: tuple[Path, Path], arguments: list[str]) -> None:
    small, large = logs
    _, little = measured(*arguments, small)
    seconds, much = measured(*arguments, large)
    assert seconds < 40 * unpacking(large)
    assert much - little < 8_000
