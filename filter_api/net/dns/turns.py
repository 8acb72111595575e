"""Who may ask the name servers next: so many at a time, and silent name servers keep nobody else waiting.

    turns = Turns(128)
    async with asyncio.timeout(5.0) as limit:
        answer = await turns.ask(limit, lambda: backend.query(...))

Those who wait take their turns by their sessions (`filter_api.session.asking`): a message with a hundred questions
waits for itself. A question for which several sessions wait (`also`) has a place among those of each, and is asked when
the first of these has come. One that is not answered soon gives its turn away and goes on beside the others. Of these
there is a number, too, and what is silent beyond it ends at once where somebody waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from filter_api.bounds import MAX_SILENT_QUESTIONS
from filter_api.session import asking

SOON: Final = 0.5
"""Seconds in which nearly every name server answers."""

Found = TypeVar("Found")


class Turns:
    """`parallel` questions have a turn at a time, and `silent` more are out that were not answered soon."""

    def __init__(self, parallel: int, silent: int = MAX_SILENT_QUESTIONS) -> None:
        self._free = parallel
        self._silent = silent
        self._waiting: OrderedDict[bytes, deque[asyncio.Future[None]]] = OrderedDict()
        self._places: dict[object, tuple[asyncio.Future[None], set[bytes]]] = {}  # by key: a turn, who waits for it

    async def ask(self, limit: asyncio.Timeout, question: Callable[[], Awaitable[Found]], key: object = None) -> Found:
        """What `question` gives, when the turn of its session has come.

        limit: is set to now where it has to end. key: names the question for `also`.
        """
        await self._take(asking.get(), key)
        turn = _Turn(self, limit)
        try:
            return await question()
        finally:
            turn.end()

    def also(self, key: object) -> None:
        """The session that asks now waits for this question, too, if that has not had its turn."""
        place = self._places.get(key)
        if place is None or not _waits(place[0]):
            return
        turn, sessions = place
        session = asking.get()
        if session not in sessions:
            sessions.add(session)
            self._waiting.setdefault(session, deque()).append(turn)

    async def _take(self, session: bytes, key: object) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session, deque()).append(turn)
        place = self._places[key] = (turn, {session})
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self.give()
            raise
        finally:
            if self._places.get(key) is place:
                del self._places[key]

    def give(self) -> None:
        """A turn is free: the next session's, whose other questions come after those of all other sessions."""
        while self._waiting:
            session, queue = self._waiting.popitem(last=False)
            while queue:
                turn = queue.popleft()
                if _waits(turn):
                    if queue:
                        self._waiting[session] = queue
                    turn.set_result(None)
                    return
        self._free += 1

    def give_away(self) -> bool:
        """Give the turn of a silent question to the next; False where too many are silent."""
        if not self._silent:
            return False
        self._silent -= 1
        self.give()
        return True

    def back(self) -> None:
        """A silent question is over."""
        self._silent += 1

    @property
    def wanted(self) -> bool:
        """Whether anybody waits."""
        return any(_waits(turn) for queue in self._waiting.values() for turn in queue)


def _waits(turn: asyncio.Future[None]) -> bool:
    """Whether a turn has not come yet: by another place, for instance, or it is of a loop that was closed."""
    return not turn.done() and not turn.get_loop().is_closed()


class _Turn:
    """A turn that is used: given away when it takes long."""

    __slots__ = ("_given", "_limit", "_timer", "_turns")

    def __init__(self, turns: Turns, limit: asyncio.Timeout) -> None:
        self._turns = turns
        self._limit = limit
        self._given = False
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SOON, self._late)

    def _late(self) -> None:
        self._timer = None
        self._given = self._turns.give_away()
        if self._given:
            return
        if self._turns.wanted:
            self._limit.reschedule(asyncio.get_running_loop().time())
        else:
            self._wait()

    def end(self) -> None:
        """The question is over, one way or the other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._given:
            self._turns.back()
        else:
            self._turns.give()
