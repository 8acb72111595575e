"""The shared store: Redis 7 or Valkey, for all the servers that receive a domain's mail.

One pump sends what has gathered as one call of the script (`script`), waits for the reply and hands out the answers: a
batch costs one round trip, however many operations are in it. Any trouble with the server fails the batch; the store
that carries on meanwhile is the business of `fallback`.

redis-py is imported when the store is opened. Its own retries are switched off: a caller's deadline is near.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Details, Kind, Life, Record, Timers, Tuple
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds, Log, Question, Store, StoreError
from filter_greylist.store.redis.connect import make_client
from filter_greylist.store.redis.script import SCRIPT, SHA, SPAN
from filter_greylist.store.target import Target

BATCH = 256
WAITING = 20_000
REPLY_SECONDS = 2.0
COUNT_SECONDS = 5.0
PAGE = 500


class _Job(NamedTuple):
    arguments: tuple[bytes | str | int, ...]
    future: asyncio.Future[bytes]


class RedisStore(Store):
    """The records in a Redis server."""

    def __init__(self, target: Target, log: Log, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._target = target
        self._log = log
        self._bounds = bounds
        self._client: Any = None
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._now = 0
        self._grey = 0
        self._total = 0
        self._counted = float("-inf")

    async def open(self) -> None:
        self._client = make_client(self._target)
        self._pump = asyncio.create_task(self._run())

    async def close(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            await asyncio.gather(*(job.future for job in self._jobs), return_exceptions=True)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        if self._client is not None:
            await _close(self._client)

    async def consult(self, question: Question) -> Known:
        reply = await self._submit("c", *question)
        return Known(*(_life(value) if value else None for value in reply.split(b"|")))

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        self._now, self._grey = now, timers.grey
        key, (group, *shown) = attempt
        reply = await self._submit("a", key, now, timers.passes, timers.grey, group, _pack(shown))
        return _life(reply) if reply else None

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        return [_life(reply) for reply in await asyncio.gather(*(self._store("m", record) for record in records))]

    async def put(self, records: Sequence[Record]) -> None:
        await asyncio.gather(*(self._store("p", record) for record in records))

    async def delete(self, kind: Kind, name: bytes) -> bool:
        return bool(await self._submit("d", kind.value, name))

    async def get(self, kind: Kind, name: bytes) -> Record | None:
        value = await self._command("GET", self._name(kind, name))
        return None if value is None else _record(kind, name, value)

    async def scan(self, kind: Kind) -> AsyncIterator[Record]:
        prefix = self._name(kind, b"")
        cursor: Any = 0
        while True:
            cursor, names = await self._command("SCAN", cursor, "MATCH", _literal(prefix) + b"*", "COUNT", PAGE)
            values = await self._command("MGET", *names) if names else []
            for name, value in zip(names, values, strict=True):
                if value is not None and (record := _record(kind, name[len(prefix) :], value)) is not None:
                    yield record
            if int(cursor) == 0:
                return

    async def sweep(self, now: int) -> bool:
        return False  # Redis forgets by itself

    async def note(self, name: str, value: bytes) -> None:
        await self._command("SET", self._note(name), value)

    async def noted(self, name: str) -> bytes | None:
        value: bytes | None = await self._command("GET", self._note(name))
        return value

    async def mark(self, name: str, now: int) -> None:
        await self.note(name, b"%d" % now)

    async def marked(self, name: str) -> int | None:
        value = await self.noted(name)
        return int(value) if value is not None and value.isdigit() and len(value) < 16 else None

    async def ping(self) -> None:
        """Whether the server is there and takes writes; StoreError if not."""
        await self._command("SET", self._note("ping"), b"1", "EX", 60)

    def _name(self, kind: Kind, name: bytes) -> bytes:
        return self._target.prefix + kind.value.encode("ascii") + b":" + name

    def _note(self, name: str) -> bytes:
        return self._target.prefix + b"note:" + name.encode("ascii")

    async def _store(self, operation: str, record: Record) -> bytes:
        details = b""
        if record.details is not None:
            group, *shown = record.details
            details = b" " + group + _pack(shown)
        return await self._submit(operation, record.kind.value, record.name, *record.life, details)

    async def _command(self, *arguments: bytes | str | int) -> Any:  # noqa: ANN401 - as redis-py has it
        """One command of its own, beside the pump."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await self._client.execute_command(*arguments)
        except Exception as error:
            raise _trouble(error) from error

    def _submit(self, *arguments: bytes | str | int) -> asyncio.Future[bytes]:
        if self._pump is None:
            raise StoreError("the store is closed")
        if len(self._jobs) >= WAITING:
            raise StoreError("overloaded: too many operations wait for Redis")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(arguments, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                batch = [self._jobs.popleft() for _ in range(min(BATCH, len(self._jobs)))]
                await self._carry_out([job for job in batch if not job.future.cancelled()])

    async def _carry_out(self, batch: list[_Job]) -> None:
        """Send a batch and hand out its replies; whatever happens, every future is done then.

        What waits behind a batch that failed is not tried: each of them would wait as long, one after the other.
        """
        replies: list[bytes] | StoreError
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await self._count()
                replies = await self._call(batch)
        except asyncio.CancelledError:
            _answer(batch, StoreError("the store is closed"))
            raise
        except Exception as error:  # noqa: BLE001 - redis-py has no common base for what a broken server does to it
            replies = _trouble(error)
            batch += self._jobs
            self._jobs.clear()
        _answer(batch, replies)

    async def _call(self, batch: list[_Job]) -> list[bytes]:
        arguments: list[bytes | str | int] = [
            0,
            self._target.prefix,
            self._bounds.network,
            int(self._total >= self._bounds.total),
        ]
        for job in batch:
            arguments += job.arguments
        try:
            reply = await self._client.execute_command("EVALSHA", SHA, *arguments)
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
            reply = await self._client.execute_command("EVAL", SCRIPT, *arguments)
        replies: list[bytes] = reply.split(b"\n") if batch else []
        if len(replies) != len(batch):
            raise StoreError(f"{len(replies)} replies to {len(batch)} operations")
        return replies

    async def _count(self) -> None:
        """Learn every few seconds how many tuples there are, from the counters of the spans that are still to end."""
        now = asyncio.get_running_loop().time()
        if not self._grey or now - self._counted < COUNT_SECONDS:
            return
        self._counted = now
        spans = range(self._now // SPAN, (self._now + self._grey) // SPAN + 1)
        counts = await self._client.execute_command("MGET", *(self._target.prefix + b"c:%d" % span for span in spans))
        self._total = sum(int(count) for count in counts if count)


async def _close(client: Any) -> None:  # noqa: ANN401 - no type is common to the versions of redis-py
    """Close the connections; the method was renamed in redis-py 5.0.1."""
    close = getattr(client, "aclose", None) or client.close
    with contextlib.suppress(Exception):  # the server is gone: so are the connections
        await close()


def _answer(batch: Sequence[_Job], replies: list[bytes] | StoreError) -> None:
    for index, job in enumerate(batch):
        if job.future.done():
            continue
        if isinstance(replies, StoreError):
            job.future.set_exception(replies)
        elif replies[index].startswith(b"!"):
            job.future.set_exception(StoreError(replies[index][1:].decode("utf-8", "replace")))
        else:
            job.future.set_result(replies[index])


def _trouble(error: Exception) -> StoreError:
    """Any error as ours, with its text but never with an address that holds a password."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return StoreError("Redis does not answer")
    return StoreError(f"Redis: {error}" if str(error) else f"Redis: {type(error).__name__}")


def _life(text: bytes) -> Life:
    return Life(*map(int, text.split()))


def _pack(shown: Sequence[bytes]) -> bytes:
    """The shown details as one string: their lengths, then themselves."""
    lengths = b",".join(b"%d" % len(part) for part in shown)
    return lengths + b":" + b"".join(shown)


def _record(kind: Kind, name: bytes, value: bytes) -> Record | None:
    """A value as a record; None for one that is none: somebody else's, or damaged."""
    numbers, space, rest = _split_life(value)
    try:
        life = Life(*map(int, numbers))
        if not space:
            return Record(kind, name, life)
        lengths, _, shown = rest[6:].partition(b":")
        pieces, start = [], 0
        for length in map(int, lengths.split(b",")):
            pieces.append(shown[start : start + length])
            start += length
        return Record(kind, name, life, Details(rest[:6], *pieces))
    except (ValueError, TypeError):
        return None


def _split_life(value: bytes) -> tuple[list[bytes], bytes, bytes]:
    numbers = value.split(b" ", 5)
    return (numbers[:5], b" ", numbers[5]) if len(numbers) == 6 else (numbers, b"", b"")


def _literal(text: bytes) -> bytes:
    """Text as a pattern of Redis that matches itself."""
    for special in (b"\\", b"*", b"?", b"[", b"]"):
        text = text.replace(special, b"\\" + special)
    return text
