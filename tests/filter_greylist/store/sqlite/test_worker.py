"""The thread of the SQLite store outlives whatever an operation does, and answers everybody."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from filter_greylist.store.base import StoreError
from filter_greylist.store.sqlite.schema import DatabaseFile
from filter_greylist.store.sqlite.worker import Worker

Result = TypeVar("Result")


def with_worker(path: Path, what: Callable[[Worker], Awaitable[Result]], said: list[str] | None = None) -> Result:
    async def inside() -> Result:
        told = [] if said is None else said
        worker = Worker(DatabaseFile(str(path), told.append), log=told.append)
        worker.start()
        try:
            return await asyncio.wait_for(what(worker), 20)
        finally:
            await worker.stop()

    return asyncio.run(inside())


def counts(connection: sqlite3.Connection, arguments: list[int]) -> list[int]:
    """An operation that works: adds to a note."""
    for argument in arguments:
        connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (str(argument), b"x"))
    (there,) = connection.execute("SELECT count(*) FROM note").fetchone()
    return [there] * len(arguments)


def raising(error: BaseException) -> Callable[[sqlite3.Connection, list[int]], list[int]]:
    """An operation that writes something and then raises."""

    def work(connection: sqlite3.Connection, arguments: list[int]) -> list[int]:
        connection.execute("INSERT OR REPLACE INTO note VALUES ('half', x'00')")
        raise error

    return work


ERRORS: list[BaseException] = [
    TypeError("not what was expected"),
    KeyError("missing"),
    RecursionError("too deep"),
    MemoryError(),
    AssertionError("never"),
    SystemExit(3),
    KeyboardInterrupt(),
    UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("writes", [True, False])
def test_any_exception_fails_its_batch_and_the_next_one_works(
    tmp_path: Path, error: BaseException, writes: bool
) -> None:
    said: list[str] = []

    async def use(worker: Worker) -> None:
        assert await worker.submit(counts, 1) == 1
        with pytest.raises(StoreError):
            await worker.submit(raising(error), 0, writes=writes)
        assert await worker.submit(counts, 2) == 2, "what was half done is undone"

    with_worker(tmp_path / "greylist.db", use, said)


def test_everybody_in_a_batch_that_fails_is_answered_and_it_is_told_once(tmp_path: Path) -> None:
    said: list[str] = []

    async def use(worker: Worker) -> None:
        for _ in range(5):
            bad = [worker.submit(raising(TypeError("odd")), number) for number in range(50)]
            good = [worker.submit(counts, number) for number in range(50)]
            failed = await asyncio.gather(*bad, return_exceptions=True)
            assert all(isinstance(each, StoreError) for each in failed)
            assert all(isinstance(each, int) for each in await asyncio.gather(*good)), "it costs nobody else"
        await asyncio.sleep(0)

    with_worker(tmp_path / "greylist.db", use, said)
    assert len(said) == 1
    assert "TypeError: odd" in said[0]


def test_an_operation_that_gives_too_few_results_hurts_itself_alone(tmp_path: Path) -> None:
    async def use(worker: Worker) -> None:
        with pytest.raises(StoreError):
            await worker.submit(lambda _connection, _arguments: [], 1)
        assert await worker.submit(counts, 1) == 1

    with_worker(tmp_path / "greylist.db", use)


def test_a_connector_that_raises_anything_is_survived(tmp_path: Path) -> None:
    class Odd(DatabaseFile):
        fails = 3

        def connect(self) -> sqlite3.Connection:
            if self.fails:
                self.fails -= 1
                raise RuntimeError("cannot start a thread")
            return super().connect()

    async def inside() -> None:
        worker = Worker(Odd(str(tmp_path / "greylist.db"), print))
        worker.start()
        for _ in range(3):
            with pytest.raises(StoreError, match="cannot start"):
                await asyncio.wait_for(worker.submit(counts, 1), 10)
        assert await asyncio.wait_for(worker.submit(counts, 1), 10) == 1
        await worker.stop()
        with pytest.raises(StoreError, match="closed"):
            worker.submit(counts, 1)

    asyncio.run(inside())
