"""Samples of the filters of a room: memory, descriptors, threads, processor time, stores."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from .beside import Beside
from .room import Room
from .senders import Senders

TICK: Final = os.sysconf("SC_CLK_TCK")
MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one time. resident: bytes; cpu: seconds."""

    resident: int
    descriptors: int
    threads: int
    cpu: float


def sample(proc: Path) -> Sample:
    """From a folder of proc(5). OSError if the process is gone."""
    status = (proc / "status").read_text()
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    numbers = {key: int(value) for key, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.M)}
    return Sample(
        resident=numbers["VmRSS"] * 1024,
        descriptors=len(os.listdir(proc / "fd")),
        threads=numbers["Threads"],
        cpu=(int(fields[11]) + int(fields[12])) / TICK,
    )


def title(command: str) -> str:
    """filter-rdns, of the whole command line."""
    return command.split()[1].rpartition("/")[2]


@dataclass(slots=True)
class Watch(Beside):
    """Samples of a room every `every` seconds, and one more at the end; `began` is the zero of their time.

    to: a file that gets each of them.
    """

    room: Room
    senders: Senders
    every: float
    to: TextIO
    began: float = field(default_factory=time.monotonic)
    samples: dict[str, list[tuple[float, Sample]]] = field(default_factory=dict)
    stores: list[tuple[float, float]] = field(default_factory=list)
    redis: list[tuple[float, float]] = field(default_factory=list)
    sent: list[tuple[float, float]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def run(self) -> None:
        """One sample after the other."""
        last = False
        while not last:
            last = self.over(self.every)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - reported at the end
                self.broken.append(repr(error))

    def look(self) -> None:
        """Take one sample of everything, and empty the mailboxes."""
        now = time.monotonic() - self.began
        for pid, command in self.room.filters.items():
            with suppress(OSError):
                one = sample(self.room.smtpd.room.top / f"proc/{pid}")
                self.samples.setdefault(title(command), []).append((now, one))
                words = (self.room.name, title(command), one.resident, one.descriptors, one.threads, one.cpu)
                self.to.write(f"{now:.0f}\t" + "\t".join(str(word) for word in words) + "\n")
        self.stores.append((now, self.room.store_bytes() / MB))
        if size := self.room.redis_bytes():
            self.redis.append((now, size / MB))
        self.sent.append((now, self.senders.books.tries))
        self.room.empty_mailboxes()
        self.senders.books.close(self.room.arrived)
        self.room.smtpd.dns.asked.clear()
        self.to.flush()

    def cpu_per_try(self) -> list[tuple[float, float]]:
        """Milliseconds of processor time of all filters for one session, between two samples."""
        totals = []
        for number, (when, tries) in enumerate(self.sent):
            cpu = sum(series[number][1].cpu for series in list(self.samples.values()) if number < len(series))
            totals.append((when, tries, cpu))
        pairs = zip(totals, totals[6::6], strict=False) if len(totals) > 6 else []
        return [(b[0], 1000 * (b[2] - a[2]) / (b[1] - a[1])) for a, b in pairs if b[1] > a[1]]
