"""The client side of a scanner: one question, one answer, one deadline for both.

    backends = Backends([Backend(parse_endpoint("/run/clamd.sock", 3310))], parallel=8)
    result = await backends.ask(Question(blocks=..., read=...), deadline=loop.time() + 50)

It returns what `Question.read` makes of the answer, or raises `BackendError`, which is a `CannotCheck`: a daemon that
could not be asked is neither "clean" nor "found". A message that cannot be read raises `SpoolError`. It promises:

- The deadline is for everything: waiting for a turn, connecting, sending, every byte of the answer. A daemon that drips
  one byte a second gains nothing by it.
- Reading goes on while writing: an early answer (clamd's size limit) is read even if the daemon then closes, and a
  daemon that does not read its input cannot hold its answer back.
- At most `Question.limit` bytes of an answer are kept, whatever comes.
- At most `parallel` questions are with the daemons at a time; the others wait, within their own deadlines. 4,096 of
  them do; one more is not asked. What waits holds its message in the spool, which bounds that, and nothing else of it.
- No descriptor and no task is left over, however it ends, cancellation included.
- Several daemons are tried in the order given, each once, each behind a breaker of its own (`filter_api.net.breaker`).
- A daemon is held to be down when it cannot be connected to, or when it does not answer `Backend.ping` after a question
  went wrong. A question that takes too long, or that ends in nonsense, may be to blame itself: it proves nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import TypeVar

from filter_api import in_use
from filter_api.bounds import MAX_WAITING
from filter_api.errors import CannotCheck
from filter_api.figures import Figure, counter
from filter_api.net.breaker import Breaker
from filter_api.net.conversation import BadAnswer, Question, converse
from filter_api.net.endpoint import Endpoint, connect

Answer = TypeVar("Answer")
PING_SECONDS = 10.0
"""Seconds a daemon has to answer a ping; one whose children are all busy needs some."""


class BackendError(CannotCheck):
    """The daemon could not be asked or answered nonsense; its text says which one and why, for the log."""


class Backend:
    """One daemon at one endpoint, with its breaker. ping: a short question any living daemon answers."""

    def __init__(
        self, endpoint: Endpoint, breaker: Breaker | None = None, ping: Question[object] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.breaker = Breaker(str(endpoint)) if breaker is None else breaker
        self._ping = ping
        self._doubts = 0  # questions that went wrong since the daemon was last seen to live
        self._pinging: asyncio.Task[None] | None = None
        self._answers = self._failures = 0
        self._seconds = 0.0
        in_use.FIGURES.add(self)

    async def ask(self, question: Question[Answer], deadline: float) -> Answer:
        """The answer, before `deadline` (the event loop's clock). Raises BackendError; asks once, never again."""
        if not self.breaker.admits():
            self._failures += 1
            raise BackendError(f"{self.endpoint}: held to be down")
        connected = certain = False
        began = time.monotonic()
        try:
            async with asyncio.timeout_at(deadline):
                with await connect(self.endpoint) as sock:
                    connected = True
                    answer = question.read(await converse(sock, question))
        except TimeoutError:  # while connecting, too: a question that waited for its turn has little time left
            why = "no answer within the deadline"
        except OSError as error:
            why, certain = _reason(error), not connected
        except BadAnswer as error:
            why = str(error)
        else:
            self.breaker.succeeded()
            self._answers += 1
            self._seconds += time.monotonic() - began
            return answer
        self._failures += 1
        if certain or (not connected and self._ping is None):
            self.breaker.failed(why)
        else:
            self._doubt()
        raise BackendError(f"{self.endpoint}: {why}")

    def figures(self) -> list[Figure]:
        """How it answers. Whether it is held to be down, its breaker says."""
        labels = {"backend": str(self.endpoint)}
        return [
            counter("backend_answers", "Answers of a daemon.", self._answers, **labels),
            counter("backend_seconds", "How long these took, in all.", self._seconds, **labels),
            counter(
                "backend_failures", "Questions that it did not answer, or was not asked.", self._failures, **labels
            ),
        ]

    def _doubt(self) -> None:
        """A question went wrong, perhaps by its own fault: ask whether the daemon lives, one ping at a time."""
        self._doubts += 1
        if self._pinging is None and self._ping is not None:
            self._pinging = asyncio.get_running_loop().create_task(self._find_out(self._ping))

    async def _find_out(self, ping: Question[object]) -> None:
        """Without an answer to the ping every question that went wrong until then counts against the daemon."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                with await connect(self.endpoint) as sock:
                    ping.read(await converse(sock, ping))
        except (TimeoutError, OSError, BadAnswer, CannotCheck) as error:
            why = _reason(error) if isinstance(error, OSError) and error.errno else str(error) or "no answer to a ping"
            for _ in range(self._doubts):
                self.breaker.failed(why)
        else:
            self.breaker.succeeded()
        finally:
            self._doubts = 0
            self._pinging = None


class Backends:
    """Daemons that are as good as each other, asked in the order given; at most `parallel` questions at once."""

    def __init__(self, backends: Sequence[Backend], parallel: int) -> None:
        if not backends or parallel < 1:
            raise ValueError("at least one backend and one question at a time")
        self.backends = tuple(backends)
        self._turns = asyncio.Semaphore(parallel)
        #: Questions that wait for their turn, and those that are with a daemon.
        self.waiting = self.asking = 0
        self.name = ",".join([str(each.endpoint) for each in self.backends])
        in_use.QUEUES.add(self)

    async def ask(self, question: Question[Answer], deadline: float) -> Answer:
        """The first answer any daemon gives before `deadline` (the event loop's clock). Raises BackendError."""
        if self.waiting >= MAX_WAITING:
            raise BackendError("too many questions wait for their turn")
        if self._turns.locked():
            await self._wait(deadline)
        else:
            await self._turns.acquire()  # which waits for nothing
        self.asking += 1
        try:
            return await self._ask_each(question, deadline)
        finally:
            self.asking -= 1
            self._turns.release()

    async def _wait(self, deadline: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise BackendError("no turn within the deadline") from None
        finally:
            self.waiting -= 1

    async def _ask_each(self, question: Question[Answer], deadline: float) -> Answer:
        """Ask one after the other; each gets an equal share of the time left, so that a silent one hides no other."""
        reasons = []
        now = asyncio.get_running_loop().time
        for left, backend in zip(range(len(self.backends), 0, -1), self.backends, strict=True):
            share = max(deadline - now(), 0.0) / left
            try:
                return await backend.ask(question, now() + share if left > 1 else deadline)
            except BackendError as error:
                reasons.append(str(error))
        raise BackendError("; ".join(reasons))


def _reason(error: OSError) -> str:
    """In words; asyncio's own text repeats the address, and the resolver's errors (below zero) are not errno's."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
