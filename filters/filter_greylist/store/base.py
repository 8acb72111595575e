"""What a store of greylist records is, and which one option -f names.

    store = open_spec(parse_spec("/var/lib/greylist/greylist.db"), log)     # see `opening` and `spec`
    store.clock = clock                                                     # unless the host's own is good enough
    await store.open()
    known = await store.consult(Question(...))
    life = await store.attempt(tuple, now, timers)
    await store.close()

Times are seconds of `clock`; a store that others use, too, may keep another time inside.

Every method raises `StoreError` when the store cannot do it now; the filter then lets the mail in. An answer means that
the record is stored durably, as far as the store promises that at all.
"""

from __future__ import annotations

import abc
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol

from filter_api.bounds import MAX_HOSTS, MAX_LEARNED, MAX_NETWORK_TUPLES, MAX_TUPLES
from filter_api.figures import Figure, gauge
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Move, Record, Timers, Tuple

Log = Callable[[str], None]


class StoreError(Exception):
    """The store could not do it: its text says why, for the log."""


class Clock(Protocol):
    """What tells a store the time: the filter's `SteadyClock`, or `HostClock`."""

    @property
    def source(self) -> tuple[object, float]:
        """Which clock it is, and when it began, in its monotonic seconds: a filter's is another one once it started."""
        ...

    def time(self) -> float:
        """Seconds since the epoch, as the records have them."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""
        ...


class HostClock:
    """The clock of the host, as it is."""

    @property
    def source(self) -> tuple[object, float]:
        """Always the same."""
        return None, 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


HOST_CLOCK = HostClock()


class Bounds(NamedTuple):
    """How many records are kept (option -b): tuples of a client network, tuples in all, white addresses and as many
    trapped ones, learned pairs and as many learned domains.
    """

    network: int = MAX_NETWORK_TUPLES
    total: int = MAX_TUPLES
    hosts: int = MAX_HOSTS
    learned: int = MAX_LEARNED


DEFAULT_BOUNDS = Bounds()


class Question(NamedTuple):
    """The names of what may be known about a delivery; an empty one is not looked up."""

    address: bytes
    recipient: bytes
    pair: bytes
    domain: bytes


def entries(kind: Kind, count: int, limit: int) -> list[Figure]:
    """The figures of one kind of records."""
    own = {"kind": kind.name.lower()}
    return [
        gauge("greylist_entries", "Records of a greylist, by kind.", count, **own),
        gauge("greylist_entries_limit", "How many of them there may be.", limit, **own),
    ]


class Store(abc.ABC):
    """Records, kept somewhere. One event loop uses it; several processes and hosts may share what is behind it."""

    clock: Clock = HOST_CLOCK
    #: Whether each write costs a commit to a disk, and nobody else waits for it: several are better written together.
    commits: ClassVar[bool] = False

    def preload(self) -> None:
        """Import what is used later; called in a thread, before `open`."""
        return

    @abc.abstractmethod
    async def open(self) -> None:
        """Make ready. Never raises for trouble that may pass: the first question will."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Finish what was begun and let go."""

    @abc.abstractmethod
    async def consult(self, question: Question) -> Known:
        """What there is about a client, a recipient, a pair and a domain, expired or not."""

    @abc.abstractmethod
    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        """Carry out `policy.advance` on a tuple, atomically; None where it is new and the store is full."""

    @abc.abstractmethod
    async def merge(self, records: Sequence[Record]) -> list[Life]:
        """Add records, or `records.merged` with those that are there; returns what they are then."""

    @abc.abstractmethod
    async def put(self, records: Sequence[Record]) -> None:
        """Write records, whatever was there."""

    @abc.abstractmethod
    async def get(self, kind: Kind, name: bytes) -> Record | None:
        """One record, expired or not."""

    @abc.abstractmethod
    async def delete(self, kind: Kind, name: bytes) -> bool:
        """Remove one record; False where there was none."""

    @abc.abstractmethod
    def scan(self, kind: Kind) -> AsyncIterator[Record]:
        """Every record of a kind, in no order, with flat memory; what changes meanwhile may be missed."""

    @abc.abstractmethod
    async def sweep(self, now: int) -> bool:
        """Take one step through the records and remove what expired before `now`; False when the round is finished."""

    @abc.abstractmethod
    async def note(self, name: str, value: bytes) -> None:
        """Keep a note for the other users of the store: the settings, the primary's heartbeat."""

    @abc.abstractmethod
    async def noted(self, name: str) -> bytes | None:
        """Read a note."""

    @abc.abstractmethod
    async def mark(self, name: str, now: int) -> None:
        """Note that something happens now, such as a sign of life, for all users of the store."""

    @abc.abstractmethod
    async def marked(self, name: str) -> int | None:
        """When it happened last, in our time; None if never."""

    async def witness(self, now: int) -> None:
        """Keep the time of this host's clock with what is stored on this host; a store elsewhere has no use for it."""
        del now

    async def witnessed(self) -> int | None:
        """The last time kept by `witness`: a clock that is behind it was wrong then, or is now."""
        return None

    async def redate(self, move: Move, timers: Timers) -> None:
        """Carry out a step of our clock on the records that have its times; a store with a time of its own has none."""
        del move, timers

    def figures(self) -> Sequence[Figure]:
        """How much there is in it, as far as that is known without asking it."""
        return ()

    @property
    def falling_back(self) -> bool:
        """Whether the shared store is away, so that what other hosts know is not known here."""
        return False
