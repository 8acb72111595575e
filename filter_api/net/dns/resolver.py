"""DNS questions with typed answers, for filters.

    resolver = Resolver()
    answer = await resolve("example.org", "MX")
    if answer.status is Status.OK: ...
    elif answer.missing: ...        # certainly none
    else: ...                       # doubt: answer.why says what went wrong

What it promises:
- `resolve` never raises for DNS trouble, whatever a server sends, and returns within `timeout` seconds (or at
  `deadline`, if that is earlier). It is the caller's own cancellation only that goes through it.
- Answers are cached for their TTL, positive and negative; equal questions in flight are asked once; no more than
  `parallel` questions are with the name servers at a time, and some more that get no answer: silent name servers keep
  nobody else waiting (`filter_api.net.dns.turns`).
- Of an answer no more records are used than `filter_api.bounds` says, whatever a zone holds; the answer is then `cut`.
  What a name server sends is cut before it is parsed: no message keeps the loop for more than 50 ms.
- A name that cannot be a domain name is never sent anywhere: it is NXDOMAIN at once.
- dnspython is imported at the first question, not before: a filter that never asks stays small.

Tests put a backend of their own in: `Resolver(backend=FakeZone({...}))`, see filter_api.testing.dns.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from filter_api import in_use
from filter_api.bounds import MAX_CACHE_UNITS
from filter_api.net.dns.answer import KINDS, Answer, Record, Status, bounded, canonical_name, reverse_name
from filter_api.net.dns.cache import AnswerCache, Question
from filter_api.net.dns.turns import Turns

if TYPE_CHECKING:
    from filter_api.figures import Figure

__all__ = [
    "Answer",
    "Backend",
    "Record",
    "Resolver",
    "Status",
    "canonical_name",
    "reverse_name",
]

DOUBT_TTL = 5  # seconds an unanswered question is not asked again (RFC 9520 §3.2)


class Backend(Protocol):
    """Who really asks. It may raise and may take for ever: the Resolver around it bounds both."""

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        """Ask for the records of a canonical name; `timeout` in seconds is advice, the Resolver cuts off anyway."""
        ...


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Resolver:
    """Asks the name servers of resolv.conf(5), or the given ones as (address, port) pairs.

    `timeout` bounds one question in seconds, waiting for its turn included. `capacity` bounds the cache in units of
    half a KB. `clock` tells the age of answers; the default is the clock of the event loop. One Resolver serves a
    whole process; it belongs to one event loop.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        backend: Backend | None = None,
        timeout: float = 5.0,
        parallel: int = 128,
        capacity: int = MAX_CACHE_UNITS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._backend = backend
        self._timeout = timeout
        self._turns = Turns(parallel)
        self._cache = AnswerCache(capacity, clock or _loop_time)
        self._flying: dict[Question, asyncio.Task[Answer]] = {}
        self._asked = self._hits = self._failures = self._timeouts = 0
        in_use.FIGURES.add(self)

    async def resolve(
        self, name: str | bytes, kind: str, *, deadline: float | None = None, spaces: bool = False
    ) -> Answer:
        """Return what is known of the `kind` records of `name`.

        `kind` is one of A AAAA CNAME MX NS PTR TXT, anything else is a ValueError. `deadline` is a time of the event
        loop (`loop.time()`) by which the caller must know; the question itself goes on and fills the cache. `spaces`
        allows blanks in the name, see `canonical_name`.
        """
        if kind not in KINDS:
            raise ValueError(f"no such kind of record here: {kind!r}")
        canonical = canonical_name(name, spaces=spaces)
        if canonical is None:
            return Answer(Status.NXDOMAIN, why="not a domain name")
        question = (canonical, kind)
        known = self._cache.get(question)
        if known is not None:
            self._hits += 1
            return known
        task = self._flying.get(question)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._launch(question)  # also where one was left over by a loop that was closed
        else:
            self._turns.also(question)
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(task)
        except TimeoutError:
            return Answer(Status.TEMPFAIL, why="no answer before the deadline")

    def known(self, name: str, kind: str) -> Answer | None:
        """The answer that is in the cache, for a canonical name; nobody is asked."""
        known = self._cache.get((name, kind))
        if known is not None:
            self._hits += 1
        return known

    def forget(self) -> None:
        """Drop every cached answer."""
        self._cache.clear()

    def figures(self) -> list[Figure]:
        """What was asked, and what came of it."""
        from filter_api.figures import counter, gauge  # who asks has loaded it: a start is without it

        return [
            counter("dns_questions", "Questions to name servers, each once whoever waits.", self._asked),
            counter("dns_failures", "Of these, those that nobody answered usably.", self._failures),
            counter("dns_timeouts", "Of these, those that nobody answered in time.", self._timeouts),
            counter("dns_cache_hits", "Answers that were known.", self._hits),
            gauge("dns_cached", "Answers that are known.", len(self._cache)),
            gauge("dns_open", "Questions without an answer yet.", len(self._flying)),
        ]

    def _launch(self, question: Question) -> asyncio.Task[Answer]:
        task = asyncio.get_running_loop().create_task(self._ask(question))
        self._flying[question] = task
        # A callback, not a `finally`: a task that is cancelled before its first step runs no line of its own.
        task.add_done_callback(functools.partial(self._landed, question))
        return task

    def _landed(self, question: Question, task: asyncio.Task[Answer]) -> None:
        if self._flying.get(question) is task:
            del self._flying[question]

    async def _ask(self, question: Question) -> Answer:
        """Ask the backend once, inside the total deadline; never raises, except when it is cancelled."""
        asked = False
        self._asked += 1

        async def query() -> Answer:
            nonlocal asked
            asked = True
            return await self._ready_backend().query(*question, self._timeout)

        try:
            async with asyncio.timeout(self._timeout) as limit:
                answer = bounded(await self._turns.ask(limit, query, question), question[1])
        except TimeoutError:
            self._timeouts += 1
            answer = Answer(Status.TEMPFAIL, why=f"no answer in {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - whatever a hostile answer provokes below is doubt, not our end
            answer = Answer(Status.TEMPFAIL, why=f"{type(error).__name__}: {error}"[:200])
        if answer.status is Status.TEMPFAIL:
            self._failures += 1
            # Having waited in vain for a turn says nothing about the name.
            why = answer.why or "no usable answer"
            answer = Answer(Status.TEMPFAIL, ttl=DOUBT_TTL if asked else 0, why=why, cut=answer.cut)
        self._cache.put(question, answer)
        return answer

    def _ready_backend(self) -> Backend:
        if self._backend is None:
            from filter_api.net.dns.dnspython import DnspythonBackend

            self._backend = DnspythonBackend(self._nameservers)
        return self._backend
