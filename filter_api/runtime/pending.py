"""The ledger of questions that are not answered yet: each is answered once, by its hook or by its deadline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from filter_api.runtime.deadline import Deadlines, Entry
from filter_api.runtime.guard import Guarded, awaited
from filter_api.runtime.refusals import DEADLINE, Failed
from filter_api.runtime.stall import timed
from filter_api.session import Session, asking

Settle: TypeAlias = Callable[[object], None]


class Asked(NamedTuple):
    """A hook that did not answer at once: whose it is, which, and what it gave to wait for."""

    member: Guarded
    what: str
    awaitable: Awaitable[object]


class Pending:
    """One question in the hands of an asynchronous hook."""

    __slots__ = ("asked", "deadline", "open", "session", "settle", "task")

    def __init__(self, session: Session, asked: Asked, settle: Settle) -> None:
        self.session = session
        self.asked = asked
        self.settle = settle
        self.open = True
        self.task: asyncio.Task[None] | None = None
        self.deadline: Entry | None = None

    def close(self) -> None:
        """Nothing is due any more."""
        self.open = False
        if self.deadline is not None:  # as long as there was memory for one
            self.deadline.drop()
            self.deadline = None

    def cancel(self) -> None:
        """Stop the hook; one that has not begun never will. Never raises."""
        try:
            if self.task is not None:
                self.task.cancel()
            waiting = self.asked.awaitable
            if inspect.iscoroutine(waiting) and inspect.getcoroutinestate(waiting) == inspect.CORO_CREATED:
                waiting.close()
        except BaseException as error:  # noqa: BLE001 - what a hook waits for may throw even then
            self.asked.member.broke(self.session, error, self.asked.what)


class Ledger:
    """Runs awaitables of hooks. `settle` of each question is called exactly once, unless its session goes away.

    after: called when a question was settled outside of a read, to write what was collected.
    """

    __slots__ = ("_after", "_deadlines", "open")

    def __init__(self, deadlines: Deadlines, after: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._after = after
        #: Questions not answered yet, by session.
        self.open: dict[bytes, list[Pending]] = {}

    def ask(self, session: Session, asked: Asked, due: float, settle: Settle) -> Pending:
        """Await a hook's answer until `due` (the clock's time); then the question is settled with `Failed`.

        What this raises, for want of memory, leaves no question open: the caller answers.
        """
        pending = Pending(session, asked, settle)
        running = self._run(pending)
        try:
            self.open.setdefault(session.id, []).append(pending)
            pending.deadline = self._deadlines.add(due, lambda: self._expire(pending))
            pending.task = asyncio.get_running_loop().create_task(running)
        except BaseException:
            running.close()
            self._close(pending)
            pending.cancel()
            raise
        return pending

    def withdraw(self, pending: Pending) -> None:
        """Nobody wants to know any more: stop the hook, settle nothing."""
        self._close(pending)
        pending.cancel()

    async def _run(self, pending: Pending) -> None:
        result: object
        asking.set(pending.session.id)
        try:
            member, what, awaitable = pending.asked
            stalled = partial(member.stalled, pending.session, what)
            result = awaited(await timed(awaitable, member.watch.clock, stalled))
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task would end the loop, and smtpd with it
            if not pending.open:
                return
            result = pending.asked.member.failure(pending.session, pending.asked.what, error)
        pending.task = None  # the task holds the question: no cycle may be left for the collector, it comes rarely
        self._settle(pending, result)
        self._after()

    def _expire(self, pending: Pending) -> None:
        """The session is detached first, so that whatever the dying task still returns is dropped."""
        self._fail(pending, Failed(DEADLINE))
        self._after()

    def _settle(self, pending: Pending, result: object) -> None:
        if pending.open:
            self._close(pending)
            pending.settle(result)

    def _close(self, pending: Pending) -> None:
        pending.close()
        waiting = self.open.get(pending.session.id, [])
        if pending in waiting:
            waiting.remove(pending)
        if not waiting:
            self.open.pop(pending.session.id, None)

    def forget(self, session: Session) -> None:
        """The session is gone, and with it the questions: cancel what runs, answer nothing."""
        for pending in self.open.pop(session.id, ()):
            pending.close()
            pending.cancel()

    def settle_session(self, session: Session, reason: str) -> None:
        """Answer every open question of a session by the failure policies, now: nobody is asked any more."""
        while waiting := self.open.get(session.id):
            self._fail(waiting[0], Failed(reason, for_all=True))

    def settle_all(self, reason: str) -> None:
        """Answer every open question by the failure policies, now."""
        while self.open:
            self._fail(next(iter(self.open.values()))[0], Failed(reason, for_all=True))

    def _fail(self, pending: Pending, failed: Failed) -> None:
        self._settle(pending, failed)
        pending.cancel()

    def __len__(self) -> int:
        return sum(map(len, self.open.values()))
