"""What it costs to be confined: once at start, and for each call of the kernel that moves bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

from bench import measure
from bench.figures import Figure

_CALLS = 20_000

_CHILD = """
import asyncio, gc, json, socket, time
import filter_api, filter_rdns.__main__
from filter_api.confinement.needs import Needs

def per_call():
    one, other = socket.socketpair()
    line = b"x" * 100
    began = time.process_time()
    for _ in range({calls}):
        one.send(line)
        other.recv(200)
    return 1e9 * (time.process_time() - began) / {calls}

gc.set_threshold(50_000, 20, 20)
before = min(per_call() for _ in range(3))
began = time.process_time()
from filter_api.confinement.system import confine
found = confine(Needs(dns=True, reads=frozenset({{"/etc/mail/exempt"}})))
took = 1e3 * (time.process_time() - began)
print(json.dumps([took, before, min(per_call() for _ in range(3)), found.summary()]))
"""


def figures() -> list[Figure]:
    """Of a filter that asks the DNS and follows a table, in a process of its own each time."""
    runs = [_run() for _ in range(3 * measure.ROUNDS)]
    took = min(run[0] for run in runs)
    more = median(run[2] - run[1] for run in runs)
    pair = median(run[1] for run in runs)
    return [
        Figure("confining a filter at its start", took, "ms of CPU", 5, note=runs[0][3]),
        Figure("a send and a recv, beside an unconfined one", more, "ns", note=f"of {pair:.0f} ns"),
    ]


def _run() -> tuple[float, float, float, str]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(calls=_CALLS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=measure.environment(),
    )
    took, before, after, summary = json.loads(done.stdout)
    return took, before, after, summary
