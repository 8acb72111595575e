"""The shared store: Redis 7 or Valkey, for all the servers that receive a domain's mail.

What `pump` gathers goes as one call of the script (`script`): a batch costs one round trip, however many operations are
in it. Any trouble with the server fails the batch; the store that carries on meanwhile is the business of `fallback`.
Times are moved to the server's clock and back (`clock`).

redis-py is imported when the store is opened. Its own retries are switched off: a caller's deadline is near.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds, Log, Question, Store, StoreError
from filter_greylist.store.redis import connect
from filter_greylist.store.redis.clock import ServerClock
from filter_greylist.store.redis.link import BadEntry, Link
from filter_greylist.store.redis.lua_tuples import SPAN
from filter_greylist.store.redis.pump import Argument, Pump
from filter_greylist.store.redis.reading import Reader
from filter_greylist.store.redis.room import Room
from filter_greylist.store.redis.script import SCRIPT, SHA
from filter_greylist.store.redis.values import moved, pack_details, pack_group, pack_shown, read_life
from filter_greylist.store.target import Target

COUNT_SECONDS = 5.0
"""Between two looks at how many tuples all the servers have made."""

RECENT = 5_000
"""Attempts that are repeated when the master was replaced."""

RECENT_SECONDS = 15.0
"""For so long an old master may take writes that the new one never hears of: some ten seconds, and some more."""

UNKNOWN = Known()


class RedisStore(Store):
    """The records in a Redis server. lost: is told when its data are not those it had before."""

    def __init__(self, target: Target, log: Log, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._prefix = target.prefix
        self._log = log
        self.bounds = bounds
        self._clock = ServerClock(log)
        self._link = Link(target, self._reconnected, self._switched)
        self._pump = Pump(self._call)
        self.reader = Reader(self._link, target.prefix, self._shift)
        self._room = Room(self._link, self._pump, target.prefix, bounds, log)
        self._grey = 0
        self.tuples = 0  # as they were counted last
        self._counted = float("-inf")
        self._id = b""
        self._healed = 0
        self._christening: asyncio.Task[None] | None = None
        self._learning = asyncio.Lock()
        self._recent: deque[tuple[float, Record]] | None = None if target.master is None else deque(maxlen=RECENT)
        self._repeating: asyncio.Task[None] | None = None
        self.lost: Callable[[], None] = lambda: None

    def preload(self) -> None:
        connect.load()

    async def open(self) -> None:
        self._link.open()
        self._pump.start()

    async def close(self) -> None:
        await self._pump.stop()
        tasks = [task for task in (self._christening, self._repeating) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._link.close()

    async def consult(self, question: Question) -> Known:
        reply = await self._pump.submit("c", *question)
        if reply == b"||||":
            return UNKNOWN
        shift = self._clock.shift(self.clock)
        lives = [read_life(value, shift) if value else None for value in reply.split(b"|")]
        return Known(*lives) if len(lives) == len(UNKNOWN) else UNKNOWN

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        if not self._clock.known(self.clock):
            await self._know_time()
        shift = self._clock.shift(self.clock)
        key, details = attempt
        group, *shown = details
        self._grey = timers.grey
        operation = ("a", key, now + shift, timers.passes, timers.grey, pack_group(group), pack_shown(shown))
        reply = await self._pump.submit(*operation)
        if reply[:1] == b"#" and await self._room.make(reply, details, self.tuples):
            reply = await self._pump.submit(*operation)
        if reply[:1] == b"#":
            return None
        life = _life(reply, shift)
        if self._recent is not None:
            self._recent.append((self.clock.monotonic(), Record(Kind.GREY, key, life, details)))
        return life

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        lives = await asyncio.gather(*(self._store("m", record) for record in records))
        return [life or record.life for life, record in zip(lives, records, strict=True)]

    async def put(self, records: Sequence[Record]) -> None:
        await asyncio.gather(*(self._store("p", record) for record in records))

    async def restore(self, records: Sequence[Record]) -> list[Life | None]:
        """Give back what the server may have lost; what it is then, None for what was removed or has no room."""
        return await asyncio.gather(*(self._store("r", record) for record in records))

    async def delete(self, kind: Kind, name: bytes) -> bool:
        if not self._clock.known(self.clock):
            await self._know_time()
        return bool(await self._pump.submit("d", kind.value, name))

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        (record,) = await self.get_many([(kind, name)])
        return record

    async def get_many(self, names: Sequence[tuple[Kind, bytes]]) -> list[Record | None]:
        """Several records."""
        if not self._clock.known(self.clock):
            await self._know_time()
        return await self.reader.get_many(names)

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        if not self._clock.known(self.clock):
            await self._know_time()
        async for page in self.reader.scan(kind.value):
            for record in page:
                yield record

    async def sweep(self, now: int) -> bool:
        return False  # Redis forgets by itself

    async def note(self, name: str, value: bytes) -> None:
        await self._link.command("SET", self._note(name), value)

    async def noted(self, name: str) -> bytes | None:
        try:
            value = await self._link.command("GET", self._note(name))
        except BadEntry:
            return None
        return value if isinstance(value, bytes) else None

    async def mark(self, name: str, now: int) -> None:
        if not self._clock.known(self.clock):
            await self._know_time()
        await self.note(name, b"%d" % (now + self._clock.shift(self.clock)))

    async def marked(self, name: str) -> int | None:
        if not self._clock.known(self.clock):
            await self._know_time()
        value = await self.noted(name)
        if value is None or not value.isdigit() or len(value) > 16:
            return None
        return int(value) - self._clock.shift(self.clock)

    async def ping(self) -> None:
        """Whether the server is there and takes writes; StoreError if not."""
        await self._link.command("SET", self._note("ping"), b"1", "EX", 60)
        await self._learn_time()

    def _note(self, name: str) -> bytes:
        return self._prefix + b"note:" + name.encode("ascii")

    def _shift(self) -> int:
        return self._clock.shift(self.clock)

    def _reconnected(self) -> None:
        self._counted = float("-inf")
        self.lost()

    def _switched(self, where: str) -> None:
        """Another server is the master: what the old one took last may never have come to it."""
        self._log(f"the master is {where} now")
        self._reconnected()
        self._repeating = asyncio.create_task(self._repeat())

    async def _repeat(self) -> None:
        """Give the new master the latest tuples."""
        since = self.clock.monotonic() - RECENT_SECONDS
        recent = {record.name: record for when, record in self._recent or () if when >= since}
        with contextlib.suppress(StoreError):  # whoever asks next will see that it is away
            await self.restore(list(recent.values()))

    async def _know_time(self) -> None:
        """Learn it once, however many ask together: each would need a connection of its own."""
        async with self._learning:
            if not self._clock.known(self.clock):
                await self._learn_time()

    async def _learn_time(self) -> None:
        try:
            seconds, micros = await self._link.command("TIME")
            self._clock.heard(int(seconds) + int(micros) / 1e6, self.clock, tell=False)
        except (BadEntry, TypeError, ValueError):
            self._clock.silent()
        except StoreError as error:
            refused = type(error.__cause__).__name__ == "NoPermissionError" or "unknown command" in str(error)
            if not refused:
                raise
            self._clock.silent()

    async def _store(self, how: str, record: Record) -> Life | None:
        if not self._clock.known(self.clock):
            await self._know_time()
        shift = self._clock.shift(self.clock)
        kind, name, life, details = record
        operation = (how, kind.value, name, *moved(life, shift), pack_details(details))
        reply = await self._pump.submit(*operation)
        if reply[:1] == b"#" and how == "m" and await self._room.make_for(reply, record, self.tuples):
            reply = await self._pump.submit(*operation)
        return None if reply[:1] in {b"", b"#"} else _life(reply, shift)

    async def _call(self, operations: list[Argument], count: int) -> Sequence[bytes]:
        """Send operations as one call of the script. Raises whatever goes wrong."""
        if not self._clock.known(self.clock):
            await self._know_time()
        await self._count()
        (network, total, *kinds), now = self.bounds, int(self.clock.time()) + self._clock.shift(self.clock)
        head: list[Argument] = [0, self._prefix, network, total - self.tuples, now, *kinds]
        sent_before = False

        def arguments(again: bool) -> list[Argument]:
            nonlocal sent_before
            sent_before = sent_before or again
            return [*head, int(sent_before), *operations]

        try:
            reply = await self._link.execute(lambda again: ("EVALSHA", SHA, *arguments(again)))
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
            reply = await self._link.execute(lambda again: ("EVAL", SCRIPT, *arguments(again)))
        replies: list[bytes]
        header, *replies = reply.split(b"\n")
        if len(replies) != count:
            raise StoreError(f"{len(replies)} replies to {count} operations")
        self._heard(header)
        return replies

    def _heard(self, header: bytes) -> None:
        time, grown, healed, name = header.split(b" ")
        if time != b"-":
            self._clock.heard(float(time), self.clock, tell=True)
        self.tuples += int(grown)
        self._heal(int(healed))
        if name != self._id:
            self._renamed(name)

    def _heal(self, keys: int) -> None:
        if keys and not self._healed:
            self._log("keys in Redis were not of their kind and were removed: does something else use the prefix?")
        self._healed += keys

    def _renamed(self, name: bytes) -> None:
        """The data have another name than before, or none yet."""
        if name == b"-" and (self._christening is None or self._christening.done()):
            self._christening = asyncio.create_task(self._christen())
        if self._id and name != self._id:
            self._counted = float("-inf")
            self.lost()
        self._id = b"" if name == b"-" else name

    async def _christen(self) -> None:
        """Give the data a name."""
        name = secrets.token_hex(8)
        try:
            if await self._link.command("SET", self._prefix + b"id", name, "NX"):
                self._id = name.encode("ascii")
        except BadEntry:
            await self._link.command("DEL", self._prefix + b"id")
        except StoreError:
            return  # whoever asks next will see that it is away

    async def _count(self) -> None:
        """Learn every few seconds how many tuples there are, from the counters of the spans that are still to end."""
        now = asyncio.get_running_loop().time()
        if not self._grey or now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        here = int(self.clock.time()) + self._clock.shift(self.clock)
        spans = range(here // SPAN, (here + self._grey) // SPAN + 1)
        counts = await self._link.execute(lambda _again: ("MGET", *(self._prefix + b"c:%d" % span for span in spans)))
        self.tuples = sum(max(0, int(count)) for count in counts if count and count.isdigit() and len(count) < 12)
        self._room.counted(self.tuples)


def _life(reply: bytes, shift: int) -> Life:
    life = read_life(reply, shift)
    if life is None:
        raise BadEntry("an entry has no times")
    return life
