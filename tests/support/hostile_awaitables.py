"""What a filter should never give to be waited for: a catalogue, by name, beside `tests.support.hostile`.

`AWAITABLES` are functions that make something to wait for, called inside the loop; some can be used once only.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from filter_api import Junk, Proceed, Reject, Verdict
from tests.support.hostile import Shy, Thrown


class Liar:
    """Says that it is a coroutine, as a mock may."""

    @property  # type: ignore[misc]  # nobody should
    def __class__(self) -> Any:  # noqa: ANN401 - as above
        return types.CoroutineType

    def __await__(self) -> Iterator[object]:
        yield None
        raise Thrown


class NeverDone:
    """Looks like a future of asyncio; calls nobody back, and throws when it is cancelled."""

    _asyncio_future_blocking = False
    _cancelled = False

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def add_done_callback(self, *_: object, **__: object) -> None:
        return

    def cancel(self, *_: object, **__: object) -> bool:
        if self._cancelled:
            return False
        self._cancelled = True
        raise Thrown

    def __await__(self) -> Iterator[object]:
        self._asyncio_future_blocking = True
        yield self


async def _proceed() -> object:
    return Proceed()


async def _shrugging(seconds: float, times: int) -> object:
    """Waits on, whoever cancels it; a few times."""
    for _ in range(times):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            continue
    return Reject(550, "5.7.1", "no")


async def _cancels_itself() -> object:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)
    return Proceed()


async def _cancelled_at_its_end() -> object:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return Reject(550, "5.7.1", "no")


async def _waits_for_itself() -> object:
    task = asyncio.current_task()
    assert task is not None
    return await task


async def _recurses() -> object:
    return await _recurses()


async def _throws_when_cancelled() -> object:
    try:
        await asyncio.sleep(1_000)
    finally:
        raise SystemExit(2)


class _Yields:
    """Waits for a value that is no future."""

    def __init__(self, what: object) -> None:
        self.what = what

    def __await__(self) -> Iterator[object]:
        yield self.what
        yield self.what


class _NoIterator:
    def __await__(self) -> Any:  # noqa: ANN401 - as above
        return 5


def _future(settle: Callable[[asyncio.Future[object]], object]) -> Callable[[], object]:
    def make() -> object:
        future = asyncio.get_running_loop().create_future()
        settle(future)
        return future

    return make


def _used() -> object:
    coroutine = _proceed()
    coroutine.close()
    return coroutine


@types.coroutine
def _old_style() -> Generator[None, None, object]:
    yield
    return Junk()


AWAITABLES: Final[dict[str, Callable[[], object]]] = {
    "an awaitable in an awaitable": lambda: _returns(_proceed),
    "a shrug": lambda: _shrugging(1_000.0, 3),
    "shrugs": lambda: _shrugging(7.0, 30),
    "one that cancels itself": _cancels_itself,
    "one that is cancelled at its end": _cancelled_at_its_end,
    "one that waits for itself": _waits_for_itself,
    "one without end": _recurses,
    "one that throws when it is cancelled": _throws_when_cancelled,
    "one of old style": _old_style,
    "one that was used": _used,
    "a liar": Liar,
    "one that is never done": NeverDone,
    "one that yields a number": lambda: _Yields(5),
    "one that yields nothing": lambda: _Yields(None),
    "one that is shy": lambda: _Yields(Shy()),
    "one without iterator": _NoIterator,
    "a future": _future(lambda _: None),
    "a future with a verdict": _future(lambda future: future.set_result(Verdict())),
    "a future with a decision": _future(lambda future: future.set_result(Reject(550, None, "no"))),
    "a future with an error": _future(lambda future: future.set_exception(ZeroDivisionError())),
    "a cancelled future": _future(lambda future: future.cancel()),
    "a task": lambda: asyncio.get_running_loop().create_task(_shrugging(1_000.0, 2)),
    "its own task": asyncio.current_task,
}


async def _returns(make: Callable[[], object]) -> object:
    return make()
