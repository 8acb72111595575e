"""What is written in the background is bounded, and a task that is to end does end."""

from __future__ import annotations

import asyncio

import pytest

from filter_greylist.store.background import Background, end
from filter_greylist.store.base import StoreError
from filter_greylist.store.redis.link import Link
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.target import parse_target
from tests.filter_greylist.servers import RedisServer, redis_missing


def test_a_task_that_takes_the_first_cancellations_for_something_else_ends_all_the_same() -> None:
    taken: list[int] = []

    async def stubborn() -> None:
        while len(taken) < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                taken.append(1)
        await asyncio.sleep(60)

    async def main() -> bool:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end(task)
        return task.cancelled()

    assert asyncio.run(main())
    assert len(taken) == 3


@pytest.mark.parametrize("how", ["returned", "raised", "cancelled"])
def test_a_task_that_has_ended_before_is_no_trouble(how: str) -> None:
    async def brief() -> None:
        if how == "raised":
            raise ValueError(how)

    async def main() -> None:
        task = asyncio.create_task(brief())
        if how == "cancelled":
            task.cancel()
        await asyncio.wait({task})
        await end(task)

    asyncio.run(main())


@pytest.mark.daemon
@pytest.mark.skipif(redis_missing(), reason="redis-server is not installed")
def test_whatever_redis_is_being_asked_the_task_ends(redis_server: RedisServer) -> None:
    """Ended after each number of steps of the loop that a command takes."""

    async def endless(link: Link) -> None:
        await link.command("GET", b"nothing")
        await asyncio.sleep(60)

    async def main() -> None:
        link = Link(
            parse_target(parse_spec(f"redis://127.0.0.1:{redis_server.port}/0")), lambda: None, lambda _where: None
        )
        link.open()
        await link.command("GET", b"nothing")
        for steps in range(24):
            task = asyncio.create_task(endless(link))
            for _ in range(steps):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await end(task)
            assert task.cancelled(), steps
        await link.close()

    asyncio.run(main())


def test_more_than_the_bound_is_dropped_and_said_so() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async def main() -> list[bool]:
        writing = Background(2, lambda _error: None)
        begun = [writing.begin(work(number)) for number in range(4)]
        assert len(writing) == 2
        await writing.finish()
        assert len(writing) == 0
        return [*begun, writing.begin(work(9))]

    assert asyncio.run(main()) == [True, True, False, False, True]
    assert done[:2] == [0, 1]


def test_a_store_that_fails_is_told_of_and_fails_nobody_else() -> None:
    failed: list[str] = []

    async def work() -> None:
        raise StoreError("the disk is full")

    async def main() -> None:
        writing = Background(2, lambda error: failed.append(str(error)))
        writing.begin(work())
        await writing.finish()

    asyncio.run(main())
    assert failed == ["the disk is full"]
