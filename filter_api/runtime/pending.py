"""The ledger of questions that are not answered yet: each is answered once, by its hook or by its deadline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from filter_api.decision import Reject
from filter_api.errors import CannotCheck
from filter_api.log import Logger
from filter_api.runtime.deadline import Deadlines, Entry
from filter_api.runtime.held import refusal_of
from filter_api.session import Session

Settle: TypeAlias = Callable[[object], None]


class Failed:
    """What stands for a result when a hook gave none: the failure policy answers.

    refusal: the answer in place of the policy's, where a message could not be read. The exception itself is not kept:
    it holds the frames it went through, which hold this, and such circles are collected rarely.
    """

    __slots__ = ("reason", "refusal")

    def __init__(self, reason: str, refusal: Reject | None = None) -> None:
        self.reason = reason
        self.refusal = refusal


class Pending:
    """One question in the hands of an asynchronous hook."""

    __slots__ = ("awaitable", "deadline", "open", "session", "settle", "task", "what")

    def __init__(self, session: Session, what: str, awaitable: Awaitable[object], settle: Settle) -> None:
        self.session = session
        self.what = what
        self.awaitable = awaitable
        self.settle = settle
        self.open = True
        self.task: asyncio.Task[None] | None = None
        self.deadline: Entry | None = None

    def close(self) -> None:
        """Nothing is due any more."""
        self.open = False
        if self.deadline is not None:
            self.deadline.drop()
            self.deadline = None

    def cancel(self) -> None:
        """Stop the hook; one that has not begun never will."""
        if self.task is not None:
            self.task.cancel()
        if inspect.iscoroutine(self.awaitable) and inspect.getcoroutinestate(self.awaitable) == inspect.CORO_CREATED:
            self.awaitable.close()


class Ledger:
    """Runs awaitables of hooks. `settle` of each question is called exactly once, unless its session goes away."""

    __slots__ = ("_deadlines", "_log", "after", "open")

    def __init__(self, deadlines: Deadlines, log: Logger, after: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._log = log
        #: Questions not answered yet, by session.
        self.open: dict[bytes, list[Pending]] = {}
        self.after = after

    def ask(self, session: Session, what: str, awaitable: Awaitable[object], due: float, settle: Settle) -> None:
        """Await a hook's answer until `due` (loop time); then the question is settled with `Failed`."""
        pending = Pending(session, what, awaitable, settle)
        self.open.setdefault(session.id, []).append(pending)
        pending.deadline = self._deadlines.add(due, lambda: self._expire(pending))
        pending.task = asyncio.get_running_loop().create_task(self._run(pending))

    async def _run(self, pending: Pending) -> None:
        result: object
        try:
            result = await pending.awaitable
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task would end the loop, and smtpd with it
            if not pending.open:
                return
            result = failure_of(self._log, pending.session, pending.what, error)
        pending.task = None  # the task holds the question: no cycle may be left for the collector, it comes rarely
        self._settle(pending, result)
        self.after()

    def _expire(self, pending: Pending) -> None:
        """The session is detached first, so that whatever the dying task still returns is dropped."""
        self._fail(pending, "deadline exceeded")
        self.after()

    def _settle(self, pending: Pending, result: object) -> None:
        if not pending.open:
            return
        pending.close()
        waiting = self.open.get(pending.session.id, [])
        if pending in waiting:
            waiting.remove(pending)
            if not waiting:
                del self.open[pending.session.id]
        pending.settle(result)

    def forget(self, session: Session) -> None:
        """The session is gone, and with it the questions: cancel what runs, answer nothing."""
        for pending in self.open.pop(session.id, ()):
            pending.close()
            pending.cancel()

    def settle_session(self, session: Session, reason: str) -> None:
        """Answer every open question of a session by the failure policy, now."""
        for pending in list(self.open.get(session.id, ())):
            self._fail(pending, reason)

    def settle_all(self, reason: str) -> None:
        """The process ends: answer every open question by the failure policy."""
        for waiting in list(self.open.values()):
            for pending in list(waiting):
                self._fail(pending, reason)

    def _fail(self, pending: Pending, reason: str) -> None:
        self._settle(pending, Failed(reason))
        pending.cancel()

    def __len__(self) -> int:
        return sum(map(len, self.open.values()))


def failure_of(log: Logger, session: Session, what: str, error: BaseException) -> Failed:
    """Give what stands for the result of a hook that threw; log it with its traceback, unless it said why."""
    try:
        refusal = refusal_of(error)
        if refusal is not None or isinstance(error, CannotCheck):
            return Failed(str(error), refusal)
        log.failure(session, what, error)
    except BaseException:  # noqa: BLE001 - an exception that cannot be shown must not keep the answer back
        return Failed("a hook failed, and so did the log of it")
    return Failed(f"{type(error).__name__} in the filter")
