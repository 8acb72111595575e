"""A shared store that comes and goes at random: nobody is let in early, and nothing that was learned is lost.

The shared store is a second SQLite file here that fails when it is told to: what is tested is who is asked when, in
thousands of orders, and not Redis.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple
from filter_greylist.store import fallback
from filter_greylist.store.base import Question, StoreError
from filter_greylist.store.fallback import FallbackStore
from filter_greylist.store.redis.reading import BEGINNING, Changes
from filter_greylist.store.sqlite.store import SqliteStore
from tests.filter_greylist.store.sqlite.test_sqlite_faults import a_tuple

TIMERS = Timers(60, 600, 6000)
NOW = 1_800_000_000


class NothingChanged:
    """The log and the list of changes of a shared store that has none."""

    async def changes(self, last: bytes | None) -> Changes:
        return Changes([], BEGINNING, gap=False)

    async def scan(self, letters: str) -> AsyncIterator[list[Record]]:
        yield []


class Shared(SqliteStore):
    """Up and down; going down may strike in the middle of an operation, after it was done."""

    reader = NothingChanged()

    def __init__(self, path: str, lots: random.Random) -> None:
        super().__init__(path, print)
        self.up = True
        self._lots = lots

    def _check(self) -> None:
        if not self.up:
            raise StoreError("away")

    async def ping(self) -> None:
        self._check()

    async def get_many(self, names: Sequence[tuple[Kind, bytes]]) -> list[Record | None]:
        self._check()
        return [await super(Shared, self).get(kind, name) for kind, name in names]

    async def restore(self, records: Sequence[Record]) -> list[Life | None]:
        return [*await self.merge(records)]

    async def consult(self, question: Question) -> Known:
        self._check()
        return await super().consult(question)

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        self._check()
        life = await super().attempt(attempt, now, timers)
        if self._lots.random() < 0.02:
            self.up = False
        self._check()
        return life

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        self._check()
        lives = await super().merge(records)
        if self._lots.random() < 0.02:
            self.up = False
        self._check()
        return lives


async def flap(directory: Path, seed: int) -> None:
    lots = random.Random(seed)
    remote = Shared(str(directory / "shared.db"), lots)
    local = SqliteStore(str(directory / "local.db"), print, copies=True)
    store = FallbackStore(remote, local, lambda _text: None)  # type: ignore[arg-type]  # stands for a RedisStore
    await store.open()
    now, first = NOW, dict[int, int]()
    white = set[bytes]()
    for _ in range(300):
        now += lots.choice([0, 1, 20])
        match lots.randrange(12):
            case 0:
                remote.up = not remote.up
            case 1:
                await asyncio.sleep(0.004)
            case 2:
                name = b"192.0.2.%d" % lots.randrange(50)
                await store.merge([Record(Kind.WHITE, name, Life(now, now, NOW + 10**6))])
                white.add(name)
            case _:
                number = lots.randrange(15)
                life = await store.attempt(a_tuple(number), now, TIMERS)
                first.setdefault(number, now)
                assert life is not None
                assert not life.passed or now >= first[number] + TIMERS.passes, "let in early"
    remote.up, remote._lots = True, random.Random(0.5)
    remote._lots.random = lambda: 1.0  # type: ignore[method-assign]  # it stays up now
    for _ in range(2000):
        if not [record for kind in Kind async for record in local.scan(kind)] and not store.falling_back:
            break
        await asyncio.sleep(0.01)
    assert {record.name async for record in remote.scan(Kind.WHITE)} == white
    assert {record.name async for record in remote.scan(Kind.GREY)} >= {
        a_tuple(number).key for number in first if first[number] > now - TIMERS.grey
    }
    await store.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_flapping_store_loses_nothing_and_lets_nobody_in(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "PROBE_SECONDS", 0.002)
    asyncio.run(flap(tmp_path, seed))
