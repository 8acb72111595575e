"""What the greylist costs: decisions a second on both stores, a million tuples, CPU and memory of the filter.

    python -m bench.greylist [-q]         -q: a tenth of everything, to see that it runs

The clients are 200 sessions at a time, each offering mail for one recipient after the other, a new connection every
ten. A decision is what a store does for one RCPT: `known` for a client that is white, `attempt` for the look-up and the
write of a tuple, `stranger` for both, one after the other. `mixed` is more like a mail server's day: of ten decisions
five are for clients that are known, and five are strangers'. All tuples are new, which is what costs most.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from bench import build
from bench.figures import Figure, table
from filter_greylist.deciding.upkeep import PAUSE
from filter_greylist.rules.key import (
    Prefixes,
    details_of,
    group_of,
    network_name,
    normal_recipient,
    normal_sender,
    tuple_for,
)
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple, address_name, pair_name
from filter_greylist.store.base import Question, Store
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.store import SqliteStore
from filter_greylist.store.target import parse_target
from tests.support.peak import PEAK

SESSIONS = 200
DECISIONS = 80_000
ROUNDS = 4
"""Runs of each kind, of which the best is told: the others tell what else the machine did."""

MILLION = 1_000_000
TIMERS = Timers()
NOW = int(time.time())


class Run(NamedTuple):
    """How a run went: decisions a second, and milliseconds of a decision."""

    rate: float
    p50: float
    p99: float
    longest: float


class Case(NamedTuple):
    """One RCPT."""

    question: Question
    tuple: Tuple


def case(address: IPv4Address, number: int) -> Case:
    """What the filter makes of a client, a sender and a recipient, by its own functions."""
    sender, recipient = b"user%d@s%d.example.net" % (number, number % 977), b"rcpt%d@example.org" % (number % 101)
    network = network_name(address, Prefixes())
    to, from_ = normal_recipient(recipient), normal_sender(sender)
    details = details_of(group_of(network), address, b"mail.example.net", sender, recipient)
    question = Question(address_name(address), to, pair_name(from_, to), b"s%d.example.net" % (number % 977))
    return Case(question, tuple_for(network, from_, to, details))


async def known(store: Store, one: Case) -> None:
    """A client that is white."""
    await store.consult(one.question)


async def attempt(store: Store, one: Case) -> None:
    """The tuple alone."""
    await store.attempt(one.tuple, NOW, TIMERS)


async def stranger(store: Store, one: Case) -> None:
    """All that a client costs that nobody knows."""
    await store.consult(one.question)
    await store.attempt(one.tuple, NOW, TIMERS)


async def mixed(store: Store, one: Case) -> None:
    """Half of the clients are known."""
    lot = one.tuple.key[-1] % 10
    await store.consult(one.question)
    if lot >= 5:
        await store.attempt(one.tuple, NOW, TIMERS)


Decide = Callable[[Store, Case], Awaitable[None]]


async def measure(store: Store, kind: Decide, count: int, first: int = 0, seed: int = 1) -> Run:
    """Run `count` decisions in `SESSIONS` sessions. What the filter does itself is measured by `process`."""
    times: list[float] = []
    clock = time.perf_counter

    def cases(number: int) -> list[Case]:
        lots = random.Random(seed * 1000 + number)
        clients = [IPv4Address(lots.getrandbits(31)) for _ in range(count // SESSIONS // 10 + 1)]
        return [case(clients[turn // 10], first + number * 1_000_003 + turn) for turn in range(count // SESSIONS)]

    async def session(cases: list[Case]) -> None:
        for one in cases:
            begun = clock()
            await kind(store, one)
            times.append(clock() - begun)

    everything = [cases(number) for number in range(SESSIONS)]
    begun = clock()
    await asyncio.gather(*map(session, everything))
    took = clock() - begun
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    return Run(len(times) / took, p50, p99, times[-1] * 1000)


def _figures(name: str, run: Run, must: float | None) -> list[Figure]:
    note = f"p50 {run.p50:.1f} ms, longest {run.longest:.1f} ms"
    limit = 10.0 if must is not None else None
    return [
        Figure(name, run.rate, "/s", must, higher=True),
        Figure("  p99", run.p99, "ms", limit, note=note),
    ]


@contextlib.contextmanager
def sqlite_store() -> Iterator[SqliteStore]:
    """A new file."""
    with tempfile.TemporaryDirectory(prefix="bench-greylist-") as directory:
        yield SqliteStore(f"{directory}/greylist.db", print)


@contextlib.contextmanager
def redis_store() -> Iterator[RedisStore]:
    """A Redis server of its own on loopback, with its append-only file."""
    with tempfile.TemporaryDirectory(prefix="bench-greylist-") as directory:
        from tests.filter_greylist.servers import RedisServer

        server = RedisServer(Path(directory), None, "--appendonly", "yes")
        server.start()
        try:
            yield RedisStore(parse_target(parse_spec(server.url("bench", Path(directory) / "x.db"))), print)
        finally:
            server.kill()


def decisions(scale: float = 1.0) -> list[Figure]:
    """Decisions a second on both stores."""
    figures: list[Figure] = []
    count, seeds = int(DECISIONS * scale), itertools.count(1)

    async def run(name: str, store: Store) -> None:
        await store.open()
        await measure(store, attempt, count // 10, first=10**9)
        for kind, must in ((known, 40_000.0), (attempt, 40_000.0), (mixed, None), (stranger, None)):
            runs = [await measure(store, kind, count // ROUNDS, seed=next(seeds)) for _ in range(ROUNDS)]
            figures.extend(_figures(f"{name}, {kind.__name__}", max(runs), must))
        await store.close()

    with sqlite_store() as sqlite:
        asyncio.run(run("SQLite", sqlite))
    if shutil.which("redis-server"):
        with redis_store() as redis:
            asyncio.run(run("Redis", redis))
    return figures


async def _fill(store: Store, count: int) -> None:
    """Tuples, as many of them expired as will be swept."""
    for start in range(0, count, 2000):
        records = []
        for number in range(start, min(start + 2000, count)):
            one = case(IPv4Address(number * 2654435761 % 2**31), number)
            ends = NOW - 10 if number % 2 else NOW + 9000
            life = Life(NOW - 9000, NOW - 7500, ends, 1, 0)
            records.append(Record(Kind.GREY, one.tuple.key, life, one.tuple.details))
        await store.put(records)


def million(scale: float = 1.0) -> list[Figure]:
    """A file of a million tuples: looking up, listing, expiring half of them beside decisions."""
    count = int(MILLION * scale)
    figures: list[Figure] = []

    async def run(store: SqliteStore) -> None:
        await store.open()
        await _fill(store, count)
        figures.append(Figure("size of a tuple in the file", _size(store.path) / count, "bytes"))
        figures.extend(await _lookups(store, count))
        figures.append(_listing(store.path, count))
        figures.extend(await _expiry(store))
        await store.close()

    with sqlite_store() as store:
        asyncio.run(run(store))
    return figures


def _size(path: str) -> int:
    return Path(path).stat().st_size


async def _lookups(store: Store, count: int) -> list[Figure]:
    """One at a time, at random: what a decision waits for on a server with little to do."""
    times = []
    lots = random.Random(5)
    for _ in range(3000):
        number = lots.randrange(count)
        one = case(IPv4Address(number * 2654435761 % 2**31), number)
        begun = time.perf_counter()
        await store.get(Kind.GREY, one.tuple.key)
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    return [Figure("look-up among them, p99", times[int(len(times) * 0.99)], "ms", 1.0, note=f"p50 {times[1500]:.2f}")]


def _listing(path: str, count: int) -> Figure:
    """The memory `filterctl greylist` needs to list it all, over what it needs for an empty one."""
    empty = _listed(path + ".empty")
    peak = _listed(path)
    return Figure("growth of filterctl greylist listing them", peak - empty, "MB", 3, note=f"{count:,} lines")


def _listed(path: str) -> float:
    code = (
        f"{PEAK}\nimport sys; from filterctl.__main__ import main; main(['greylist', '-f', sys.argv[1]]);"
        "print(peak(), file=sys.stderr)"
    )
    if not Path(path).exists():
        asyncio.run(_make_empty(path)) if not _in_loop() else _make_empty_elsewhere(path)
    done = subprocess.run(
        [sys.executable, "-c", code, path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    return float(done.stderr.split()[-1])


async def _make_empty(path: str) -> None:
    store = SqliteStore(path, print)
    await store.open()
    await store.note("made", b"1")
    await store.close()


def _in_loop() -> bool:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop() is not None
    return False


def _make_empty_elsewhere(path: str) -> None:
    import threading

    maker = threading.Thread(target=lambda: asyncio.run(_make_empty(path)))
    maker.start()
    maker.join()


async def _expiry(store: SqliteStore) -> list[Figure]:
    """Decisions, one at a time, during some seconds of a sweep that removes every other tuple at the filter's pace."""
    quiet = await _waits(store, asyncio.Event())
    done = asyncio.Event()
    steps: list[float] = []

    async def sweep() -> None:
        going = True
        while going:
            begun = time.perf_counter()
            going = await store.sweep(NOW)
            steps.append((time.perf_counter() - begun) * 1000)
            going = going and len(steps) < 200
            await asyncio.sleep(PAUSE)
        done.set()

    sweeping = asyncio.create_task(sweep())
    busy = await _waits(store, done)
    await sweeping
    steps.sort()
    step, with_it, without = (waits[int(len(waits) * 0.99)] for waits in (steps, busy, quiet))
    note = f"{with_it:.1f} of {without:.1f} ms"
    return [
        Figure("a decision during expiry, p99", with_it / without, "of one without", 2, 1.5, note=note),
        Figure("  a step of expiry then, p99", step, "ms", note=f"p50 {statistics.median(steps):.1f} ms"),
    ]


async def _waits(store: Store, until: asyncio.Event) -> list[float]:
    times = []
    begun_all = time.perf_counter()
    number = 0
    while not until.is_set() and time.perf_counter() - begun_all < 5:
        number += 1
        one = case(IPv4Address(number * 48271 % 2**31), 10**8 + number)
        begun = time.perf_counter()
        await stranger(store, one)
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0)
    times.sort()
    return times


def process(scale: float = 1.0) -> list[Figure]:
    """CPU and memory of the filter itself, spoken with as smtpd does, beside one that lets everything pass."""
    with tempfile.TemporaryDirectory(prefix="bench-greylist-") as directory:
        ours = _spoken(["-m", "filter_greylist", "-f", f"{directory}/greylist.db"], directory, scale)
        bare = _spoken([str(build.HERE / "filters" / "events.py")], directory, scale)
    cpu, memory = f"{ours.cpu:.0f} of {bare.cpu:.0f} us", f"{ours.open:.1f} of {bare.open:.1f} MB"
    what = "of what one costs that lets all pass"
    return [
        Figure("CPU of the filter for a decision", ours.cpu / bare.cpu, what, 12, note=f"{cpu}, strangers"),
        Figure("memory with 10,000 open sessions", ours.open / bare.open, what, 1.5, note=memory),
        Figure("  after 12,000 decisions", ours.after, "MB", note="with DNS and SPF loaded"),
    ]


class Spoken(NamedTuple):
    """cpu: us for a mail that is offered. open, after: MB with all sessions open, and after the decisions."""

    cpu: float
    open: float
    after: float


def _spoken(options: list[str], directory: str, scale: float) -> Spoken:
    """What a filter takes for ten strangers' mails in each of its sessions."""
    from tests.filter_greylist.load import Session, Wire
    from tests.support.filter_process import FilterProcess

    crowd, recipients = int(10_000 * scale), 10

    async def run(smtpd: FilterProcess) -> Spoken:
        async with Wire(smtpd) as wire:
            sessions = [Session(wire, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(crowd)]
            for each in sessions:
                await each.connect()
            await wire.ask(sessions[0].id, b"mail-from", b"x@example.net")
            opened = smtpd.rss() / 2**20

            async def offer(number: int) -> None:
                for count in range(recipients):
                    await sessions[number].offer(b"user%d@example.net" % number, b"rcpt%d@example.org" % count)
                    await sessions[number].reset()

            await asyncio.gather(*(offer(number) for number in range(SESSIONS)))
            costs = []
            for start in range(SESSIONS, min(crowd, 6 * SESSIONS), SESSIONS):
                before = smtpd.cpu()
                await asyncio.gather(*(offer(number) for number in range(start, min(start + SESSIONS, crowd))))
                costs.append((smtpd.cpu() - before) * 1e6 / (SESSIONS * recipients))
            return Spoken(min(costs), opened, smtpd.rss() / 2**20)

    with open(f"{directory}/log", "wb") as log, FilterProcess(options, stderr=log.fileno()) as smtpd:
        smtpd.handshake()
        return asyncio.run(run(smtpd))


def figures(scale: float = 1.0) -> list[Figure]:
    """All of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard) if soft < 65536 else (soft, hard))
    return [*decisions(scale), *million(scale), *process(scale)]


if __name__ == "__main__":
    print(table("Greylist", figures(0.1 if "-q" in sys.argv else 1.0)))
