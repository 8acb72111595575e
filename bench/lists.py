"""What lists of a million addresses cost: a filter that holds one, and `filterctl lists update` that takes it in.

Each is measured in a process of its own, as memory that Python once had tells nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import measure
from bench.figures import Figure
from tests.support.peak import PEAK

COUNT = 1_000_000

WRITE = """
import random, sys
from ipaddress import IPv4Address
random.seed(1)
with open(sys.argv[1], "w") as file:
    for number in random.sample(range(0x0B000000, 0x64000000), int(sys.argv[2])):
        print(IPv4Address(number), file=file)
"""

UPDATE = f"""{PEAK}
import json, sys, time
from filter_api.text.lines import content_lines
from filter_lists.conf import parse_conf
from filter_lists.tool.update import Job, update
conf = parse_conf(content_lines(f"big black file:{{sys.argv[1]}} every=1h\\norder big\\n".encode()))
began = time.process_time()
status = update(conf.used, Job(sys.argv[2], run=None))
seconds = time.process_time() - began
print(json.dumps([status, seconds, peak()]))
"""

READ = """
import json, random, sys, time
from ipaddress import IPv4Address
from filter_api.files.compiled import read_compiled

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / (1 << 20)

addresses = [IPv4Address(random.randrange(1 << 32)) for _ in range(100_000)]
before = resident()
found = read_compiled(sys.argv[1])
grown = resident() - before
loads = []
for _ in range(9):
    began = time.process_time()
    found = read_compiled(sys.argv[1])
    loads.append(time.process_time() - began)
began = time.process_time()
for address in addresses:
    address in found
lookup = (time.process_time() - began) / len(addresses)
print(json.dumps([len(found), grown, sorted(loads)[4] * 1e3, lookup * 1e6]))
"""


def _run(program: str, *arguments: str) -> list[float]:
    """What a program of its own process says."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    values: list[float] = json.loads(done.stdout or "[]")
    return values


def figures() -> list[Figure]:
    """The table of `make bench`."""
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder) / "list.txt")
        _run(WRITE, text, str(COUNT if measure.ROUNDS > 1 else COUNT // 10))
        status, seconds, peak = _run(UPDATE, text, folder)
        ranges, grown, load, lookup = _run(READ, str(Path(folder) / "big.ranges"))
    return [
        Figure("lists that could not be updated", status, must=0),
        Figure("update of a list of a million addresses", seconds, "s", 10, note="CPU, from its text to the file"),
        Figure("  memory of filterctl then", peak, "MB", 100),
        Figure("memory of a filter with it", grown, "MB", 6, note=f"{ranges:,.0f} ranges"),
        Figure("  a client looked up", lookup, "us", 2),
        Figure("  read again when it changed", load, "ms", 5, note="CPU"),
    ]
