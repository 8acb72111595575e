"""A shared store that goes on alone: while Redis is away, a local SQLite file answers and remembers.

When Redis is back, what was learned meanwhile is merged into it, record by record, while decisions already use Redis
again: until the merge is done, each of them first takes along what the local file has on the same tuple. The local
file also has copies of what must not be forgotten (`mirroring`).

    up ──trouble──▶ away ──ping answered──▶ merging ──file empty, copies compared──▶ up

Trouble with the local file is another matter: it is told, and Redis stays in use. So is one key that is unusable.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from filter_api.figures import Figure, gauge
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Move, Record, Timers, Tuple, widest
from filter_greylist.store.background import Background, end
from filter_greylist.store.base import Log, Question, Store, StoreError, entries
from filter_greylist.store.handover import HandOver
from filter_greylist.store.mirroring import Copier, LocalTrouble
from filter_greylist.store.redis.link import BadEntry
from filter_greylist.store.redis.store import RedisStore
from filter_greylist.store.sqlite.store import SqliteStore

PROBE_SECONDS = 0.5
"""How often a server that is away is looked for."""

FOLLOW_SECONDS = 1.0
"""How often changes of others are copied."""

LOCAL_SECONDS = 30.0
"""How often a local file that could not be used is tried again."""

CLOSE_SECONDS = 1.0
"""What the keeper is at may take so long when the store is closed."""

COPIES = 1000
"""Copies that may be under way; more are left to the next comparison."""

Result = TypeVar("Result")


class State(enum.Enum):
    """Who answers."""

    UP = "up"
    AWAY = "away"
    MERGING = "merging"


class FallbackStore(Store):
    """`remote`, with `local` in its place while it is away."""

    def __init__(self, remote: RedisStore, local: SqliteStore, log: Log) -> None:
        self._remote = remote
        self._local = local
        self._log = log
        self._state = State.MERGING  # what an earlier process left behind is merged first
        self._since: float | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._open = True
        self._alone = 0  # operations of the local file that have not ended
        self._hand_over = HandOver(remote, local)
        self._copier = Copier(remote, local.mirror)
        self._copying = Background(COPIES, self._not_copied)
        self._troubles: set[str] = set()
        self._unmerged = False  # there was trouble with the local file
        remote.lost = self._doubt

    def preload(self) -> None:
        self._remote.preload()

    async def open(self) -> None:
        self._remote.clock = self._local.clock = self.clock
        await self._local.open()
        await self._remote.open()
        try:
            await self._remote.ping()
        except StoreError as error:
            self._lost(error)
        self._open = True
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._open = False
            self._changed.set()
            await asyncio.wait({keeper}, timeout=CLOSE_SECONDS)  # a command that is cut off leaves a connection behind
            await end(keeper)
            await self._copying.finish()
        await self._remote.close()
        await self._local.close()

    def figures(self) -> list[Figure]:
        """Of both stores: tuples of the shared one, as long as it is there."""
        there = self._state is not State.AWAY
        local = self._local.figures()
        if there:
            shared = entries(Kind.GREY, self._remote.tuples, self._remote.bounds.total)
            local = [*shared, *(each for each in local if each.labels.get("kind") != "grey")]
        return [*local, gauge("greylist_shared_up", "Whether the shared store is there.", there)]

    @property
    def falling_back(self) -> bool:
        return self._state is State.AWAY

    async def consult(self, question: Question) -> Known:
        merging = self._state is State.MERGING
        known = await self._either(lambda store: store.consult(question))
        if merging or self._state is State.MERGING:  # before or since: the answer may be older than what was given back
            with contextlib.suppress(StoreError):
                local = await self._local.consult(question)
                known = Known(*(_longer(one, other) for one, other in zip(known, local, strict=True)))
        return known

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        if self._state is State.MERGING:
            await self._hand_over.take_along(attempt.key)
        return await self._either(lambda store: store.attempt(attempt, now, timers))

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        lives = await self._either(lambda store: store.merge(records))
        if self._state is not State.AWAY:
            pairs = zip(records, lives, strict=True)
            self._later(self._copier.keep([record._replace(life=life) for record, life in pairs]))
        return lives

    async def put(self, records: Sequence[Record]) -> None:
        await self._either(lambda store: store.put(records))
        if self._state is not State.AWAY:
            self._later(self._copier.keep(records))

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        merging = self._state is State.MERGING
        record = await self._either(lambda store: store.get(kind, name))
        if merging or self._state is State.MERGING:
            with contextlib.suppress(StoreError):
                if (local := await self._local.get(kind, name)) is not None:
                    return local if record is None else record._replace(life=widest(record.life, local.life))
        return record

    async def delete(self, kind: Kind, name: bytes) -> bool:
        local = False
        with contextlib.suppress(StoreError):
            local = await self._local.delete(kind, name)
        return await self._either(lambda store: store.delete(kind, name)) or local

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        store = self._local if self._state is State.AWAY else self._remote
        async for record in store.scan(kind):
            yield record

    async def sweep(self, now: int) -> bool:
        return await self._local.sweep(now)

    async def note(self, name: str, value: bytes) -> None:
        await self._either(lambda store: store.note(name, value))

    async def noted(self, name: str) -> bytes | None:
        return await self._either(lambda store: store.noted(name))

    async def mark(self, name: str, now: int) -> None:
        await self._either(lambda store: store.mark(name, now))

    async def marked(self, name: str) -> int | None:
        return await self._either(lambda store: store.marked(name))

    async def witness(self, now: int) -> None:
        with contextlib.suppress(StoreError):
            await self._local.witness(now)

    async def witnessed(self) -> int | None:
        with contextlib.suppress(StoreError):
            return await self._local.witnessed()
        return None

    async def redate(self, move: Move, timers: Timers) -> None:
        await self._local.redate(move, timers)

    async def _either(self, ask: Callable[[Store], Awaitable[Result]]) -> Result:
        """Ask the server, or the local file if the server is away or turns out to be."""
        if self._state is not State.AWAY:
            try:
                return await ask(self._remote)
            except BadEntry as error:
                self._tell_once("key", f"an entry of the shared store cannot be used ({error}): the local one answers")
            except StoreError as error:
                self._lost(error)
        self._alone += 1
        try:
            return await ask(self._local)
        finally:
            self._alone -= 1

    def _lost(self, error: StoreError) -> None:
        if self._state is State.AWAY:
            return
        self._state, self._since = State.AWAY, time.monotonic()
        self._copier.doubt()
        self._changed.set()
        self._log(f"the shared store is away ({error}): the local one carries on")

    def _doubt(self) -> None:
        """The server may have lost what it had: the copies count until they have been compared."""
        self._copier.doubt()
        if self._state is State.UP:
            self._state = State.MERGING
            self._changed.set()

    async def _keep(self) -> None:
        """Look for a server that is away, merge when it is there, and keep the copies up to date."""
        while self._open:
            try:
                await self._step()
            except LocalTrouble as error:
                self._file_trouble(error)
                if self._state is not State.AWAY:
                    self._state = State.UP
                    await self._pause(LOCAL_SECONDS)
            except StoreError as error:
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - without this task Redis would stay away for ever
                self._tell_once("keeper", f"the shared store: {type(error).__name__}: {error}")
                await self._pause(PROBE_SECONDS)

    async def _step(self) -> None:
        if self._state is State.AWAY:
            await self._pause(PROBE_SECONDS)
            await self._remote.ping()
            self._state = State.MERGING
        if self._state is State.MERGING:
            await self._copier.follow(self.clock)  # what was lost there comes before what is new here
            await self._merge()
            if self._state is State.MERGING:
                self._back(self._hand_over.handed())
        await self._pause(FOLLOW_SECONDS)
        if self._state is State.UP:
            if self._unmerged:
                await self._hand_over.everything()
                self._unmerged = False
                self._troubles.discard("file")
                self._log("the local store can be used again")
            await self._copier.follow(self.clock)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond a change of the state."""
        if self._open:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def _file_trouble(self, error: StoreError) -> None:
        self._unmerged = True
        self._tell_once("file", f"the local store cannot be used ({error}): without Redis there would be none")

    async def _merge(self) -> None:
        """Merge until nothing is left, not even what is still being written: it would lie there to the next outage."""
        await self._hand_over.everything()
        while self._state is State.MERGING:
            busy = self._alone
            more = await self._hand_over.everything()
            if not busy and not more:
                break

    def _back(self, merged: int) -> None:
        self._state = State.UP
        if self._since is not None:
            seconds = round(time.monotonic() - self._since)
            self._since = None
            self._log(f"the shared store is back after {seconds} seconds, {merged} records merged into it")

    def _tell_once(self, what: str, text: str) -> None:
        if what not in self._troubles:
            self._troubles.add(what)
            self._log(text)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Copy without keeping anybody waiting."""
        if not self._copying.begin(work):
            self._copier.doubt()

    def _not_copied(self, error: StoreError) -> None:
        if isinstance(error, LocalTrouble):
            self._file_trouble(error)


def _longer(one: Life | None, other: Life | None) -> Life | None:
    """What two accounts of the same record say, either of which may be the later one."""
    return (one or other) if one is None or other is None else widest(one, other)
