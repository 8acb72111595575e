"""The most memory that a process of its own had, in MB, for programs that tests and benchmarks give to Python.

    program = PEAK + "print(peak())"

Not ru_maxrss: a child begins with what its parent had, so that a large parent hides whatever a small child takes.
"""

from __future__ import annotations

from typing import Final

PEAK: Final = """
def peak():
    with open("/proc/self/status") as about:
        return int(next(line for line in about if line.startswith("VmHWM")).split()[1]) / 1024
"""
