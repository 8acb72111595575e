"""A comparison of the shared store with its copies takes a while: what happens meanwhile must not be lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from filter_greylist.rules.records import Kind, Life, Record
from filter_greylist.store.fallback import FallbackStore
from tests.filter_greylist.servers import RedisServer, redis_missing
from tests.filter_greylist.store.test_mirroring import END, NOW, RECORDS, Site, all_known, compared, copied, until

pytestmark = [pytest.mark.daemon, pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")]

DOMAIN = RECORDS[4]


def meanwhile(
    store: FallbackStore,
    happens: Callable[[], Awaitable[object]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: bool = False,
) -> None:
    """The next time that all of Redis is read, once: behind the first page, or before it."""
    read = store._remote.reader.scan
    todo = [happens]

    async def scan(letters: str) -> AsyncIterator[list[Record]]:
        if before and todo:
            await todo.pop()()
        async for page in read(letters):
            if todo:
                await todo.pop()()
            yield page

    monkeypatch.setattr(store._remote.reader, "scan", scan)


def test_what_is_written_during_a_comparison_is_copied(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is copied at once; then the comparison copies what it has read before, which is older."""

    async def inside() -> None:
        store = await Site(server, tmp_path).open()
        await until(lambda: compared(store))
        await store.merge([DOMAIN])
        await until(lambda: copied(store))

        async def write() -> None:
            await store.merge([DOMAIN])
            await store._copying.finish()

        meanwhile(store, write, monkeypatch)
        store._copier.doubt()
        await until(lambda: compared(store))
        await until(lambda: copied(store))
        local = await store._local.get(Kind.DOMAIN, DOMAIN.name)
        assert local is not None
        assert local.life == Life(NOW, NOW, END, 0, 4), "2 and 2"
        await store.close()

    asyncio.run(inside())


@pytest.mark.parametrize("before", [True, False], ids=["before Redis is read", "while it is"])
def test_older_data_that_come_during_a_comparison_do_not_take_the_place_of_the_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Redis comes back with a snapshot when all that was lost there seems to have been given back."""
    server = RedisServer(tmp_path, None, "--dbfilename", "dump.rdb")
    server.start()

    async def restart(store: FallbackStore) -> None:
        server.kill()
        server.start()
        if not before:
            await store.note("beat", b"and it is noticed")

    async def inside() -> None:
        store = await Site(server, tmp_path).open()
        await until(lambda: compared(store))
        await store.merge([DOMAIN._replace(life=Life(NOW, NOW, END - 50_000, 0, 1))])
        assert server.ask("SAVE") == b"+OK"
        await store.merge(RECORDS)
        await until(lambda: copied(store))
        meanwhile(store, lambda: restart(store), monkeypatch, before=before)
        store._copier.doubt()
        await until(lambda: compared(store))
        assert await all_known(store)
        assert (await store._remote.get(Kind.DOMAIN, DOMAIN.name)) == DOMAIN._replace(life=Life(NOW, NOW, END, 0, 3))
        await until(lambda: copied(store))
        await store.close()

    try:
        asyncio.run(inside())
    finally:
        server.kill()
