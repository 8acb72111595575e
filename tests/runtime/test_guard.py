"""The life of a filter behind its barrier: what it throws when it starts, reloads and stops is told, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from filter_api import Filter
from filter_api.context import Context
from filter_api.log import Logger
from filter_api.runtime.guard import Guarded, guard


class Failing(Filter):
    """Throws everywhere."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def preload(self) -> None:
        raise self.error

    async def started(self) -> None:
        raise self.error

    async def stopping(self) -> None:
        raise self.error

    def reload(self) -> None:
        raise self.error


class Hanging(Filter):
    """Waits for ever."""

    async def started(self) -> None:
        await asyncio.sleep(1_000)

    async def stopping(self) -> None:
        await asyncio.sleep(1_000)


def guarded(filter_: Filter) -> tuple[Guarded, list[str]]:
    lines: list[str] = []
    (member,) = guard({"one": filter_}, Context(Logger(lambda _level, line: lines.append(line))))
    return member, lines


@pytest.mark.parametrize(
    "error",
    [ImportError("no module"), SystemExit(7), KeyboardInterrupt(), MemoryError()],
    ids=lambda e: type(e).__name__,
)
def test_what_a_filter_throws_in_its_life_is_told_with_its_name(error: BaseException) -> None:
    member, lines = guarded(Failing(error))

    async def live() -> None:
        member.preload()
        await member.start()
        member.reload()
        await member.stop()

    asyncio.run(live())
    told = [line.split(" error=")[0] for line in lines if " error=" in line]
    assert told == ["one: preload", "one: started", "one: reload", "one: stopping"]
    assert all(type(error).__name__ in line for line in lines if " error=" in line)


@pytest.mark.parametrize("part", [Guarded.start, Guarded.stop])
def test_a_filter_that_hangs_can_be_left(part: Callable[[Guarded], Awaitable[None]]) -> None:
    """At the end of the process there is a second or two for all of it."""
    member, lines = guarded(Hanging())

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await part(member)

    asyncio.run(leave())
    assert lines == []
