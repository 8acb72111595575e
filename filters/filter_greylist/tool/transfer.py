"""Listings in and addresses out: ``filterctl greylist import`` and ``export``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.policy import alive
from filter_greylist.rules.records import Record, Timers, merged
from filter_greylist.store.base import Store
from filter_greylist.tool.listing import from_line

BATCH = 500

Lines = Iterable[tuple[str, str]]


def open_listings(paths: list[str]) -> list[tuple[str, TextIO]]:
    """Open them all now, while there is still the right to; standard input where none is named. Raises OSError."""
    if not paths:
        return [("standard input", sys.stdin)]
    return [(path, open(path, encoding="latin-1")) for path in paths]


def lines_of(listings: list[tuple[str, TextIO]]) -> Iterator[tuple[str, str]]:
    """Place and text of every line that holds something."""
    for name, file in listings:
        with file:
            for number, line in enumerate(file, 1):
                if text := line.strip():
                    yield f"{name}:{number}", text


async def take_over(
    store: Store, lines: Lines, timers: Timers, prefixes: Prefixes, complain: Callable[[str], None]
) -> int:
    """Import entries; a bad line is told and left out, what has expired is counted and left out. The exit status."""
    now, bad, expired, done = int(time.time()), 0, 0, 0
    batch: list[Record] = []
    for place, line in lines:
        try:
            record = from_line(line, now, timers, prefixes)
        except ValueError as error:
            complain(f"{place}: {error}")
            bad += 1
            continue
        if alive(record.life, now):
            batch.append(record)
        else:
            expired += 1
        if len(batch) >= BATCH:
            done += await _write(store, batch)
            batch = []
    done += await _write(store, batch)
    left_out = [f"{expired} left out: expired"] if expired else []
    left_out += [f"{bad} left out: not to be read"] if bad else []
    print(", ".join([f"{done} entries imported", *left_out]))
    return 1 if bad else 0


async def _write(store: Store, batch: list[Record]) -> int:
    """Write records; one that is there keeps its larger counters, so that importing twice counts nothing twice."""
    for index, record in enumerate(batch):
        old = await store.get(record.kind, record.name)
        if old is not None:
            blocked = max(old.life.blocked, record.life.blocked)
            passed = max(old.life.passed, record.life.passed)
            life = merged(old.life, record.life)._replace(blocked=blocked, passed=passed)
            batch[index] = old._replace(life=life)
    await store.put(batch)
    return len(batch)
