"""Hooks that block the process: nobody else is served meanwhile, so the log says whose it was, and which.

Where several members are asked, each hook is measured. Of one that is alone only each read is: a clock asked for every
hook would cost more than most hooks do. Hooks that wait are measured from one wait to the next (`timed`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from types import CoroutineType, coroutine
from typing import Any, Final

from filter_api.log import Logger
from filter_api.session import Session

STALL: Final = 1.0
"""Seconds in which a hook that blocks gets a line in the log."""

_MOST: Final = 3  # phases named in a line


class Watch:
    """When the last hook came back, by the clock of the process: what one takes is the time since then.

    told: whether a hook of the read that is being taken has its line already.
    """

    __slots__ = ("clock", "last", "told")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.last = clock()
        self.told = False


@coroutine
def timed(
    waiting: Awaitable[object], clock: Callable[[], float], stalled: Callable[[float], None]
) -> Generator[Any, Any, object]:
    """Await something; `stalled` is told of each step of it that took too long, in seconds. Must not raise."""
    steps = waiting if isinstance(waiting, CoroutineType) else _awaited(waiting)
    thrown: BaseException | None = None
    try:
        while True:
            began = clock()
            try:
                step = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            finally:
                took = clock() - began
                if took > STALL:
                    stalled(took)
            thrown = None
            try:
                yield step
            except BaseException as error:  # noqa: BLE001 - it is for what is awaited: a cancellation, mostly
                thrown = error
    finally:
        thrown = None  # the error holds the frame, and the frame held the error
        steps.close()


async def _awaited(waiting: Awaitable[object]) -> object:
    return await waiting


def tell(log: Logger, session: Session | None, hook: str, seconds: float) -> None:
    """A hook blocked the event loop, and everybody waited: say so. Never raises."""
    try:
        log.warning(session, "stalled", hook=hook, seconds=round(seconds, 3))
    except BaseException:  # noqa: BLE001 - a line in the log is not worth a filter
        return


def phases_in(lines: Sequence[bytes], asked: Mapping[bytes, object]) -> list[bytes]:
    """The phases in these lines at which somebody is asked: mostly one."""
    parts = (line.split(b"|", 5) for line in lines)
    return list(dict.fromkeys(each[4] for each in parts if len(each) > 5 and each[0] == b"filter" and each[4] in asked))


def commands_in(lines: Sequence[bytes]) -> int:
    """How many of these lines ask for a decision on a command."""
    return sum(line.startswith(b"filter|") and b"|data-line|" not in line[:64] for line in lines)


def shown(phases: Sequence[bytes]) -> str:
    """Some phases, for the log."""
    return ",".join(phase.decode("ascii") for phase in phases[:_MOST])
