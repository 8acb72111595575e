"""One filter behind its barrier: the only place that knows its -F, -T and -n, and its log.

`Guarded` calls the hooks of a filter and makes values of whatever comes: `ask` and `examine` give what a hook returned,
or `Failed`; `decided` and `verdict` make a legal decision of that, by the failure policy where they must. Nothing here
ever raises, whatever the filter does; what it throws is told in its log.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from types import CoroutineType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from filter_api.bounds import MAX_FIGURES
from filter_api.context import Context
from filter_api.decision import DECISIONS, Decision, Disconnect, Proceed, Reject, Verdict
from filter_api.errors import CannotCheck
from filter_api.filter import Filter
from filter_api.message.message import Message
from filter_api.protocol.events import Request
from filter_api.protocol.legality import is_legal
from filter_api.runtime import decision_log, stall
from filter_api.runtime.counters import Counts
from filter_api.runtime.decision_log import Line
from filter_api.runtime.refusals import DEADLINE, NO_SPACE, Failed, last_resort, refusal_of
from filter_api.runtime.stall import STALL, Watch
from filter_api.session import Session

if TYPE_CHECKING:
    from filter_api.figures import Figure

Ask: TypeAlias = Callable[[Session, bytes], object]
Saw: TypeAlias = Callable[[Session, list[bytes]], None]

_ANSWERS: Final = (*DECISIONS, Verdict, Failed)


class Guarded:
    """A filter of this process. label: its name in a chain; observe: -n for the whole chain; counts: what it did."""

    __slots__ = ("_observe", "command_seconds", "counts", "filter", "label", "message_seconds", "wanted", "watch")

    def __init__(
        self, filter_: Filter, context: Context, watch: Watch, *, label: str = "", observe: bool = False
    ) -> None:
        self.filter = filter_
        self.label = label
        self._observe = observe
        self.counts = Counts(filter_.reasons)
        self.watch = watch
        filter_.bind(context.named(label, verbose=filter_.options.verbose) if label else context)
        self.wanted = filter_.wanted()
        #: How long a decision on a command, and on a message, may take.
        self.command_seconds = filter_.options.timeout or filter_.command_deadline
        self.message_seconds = filter_.options.timeout or filter_.message_deadline

    @property
    def observe(self) -> bool:
        """-n: what this filter decides is logged, and not done."""
        return self._observe or self.filter.options.observe

    # --- questions -----------------------------------------------------------------------------------------------

    def asking(self, what: str, hook: Callable[[Session, bytes], object]) -> Ask:
        """The call of one hook, for the dispatcher's tables: what the hook returns, or `Failed`. Never raises."""
        watch, clock, failure = self.watch, self.watch.clock, self.failure

        def ask(session: Session, argument: bytes) -> object:
            result: object
            try:
                result = hook(session, argument)
            except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
                result = failure(session, what, error)
            now = clock()
            if now - watch.last > STALL:
                self.stalled(session, what, now - watch.last)
            watch.last = now
            return result

        return ask

    def telling(self, what: str, hook: Saw) -> Saw:
        """The call of one hook that tells what happened. Never raises."""
        watch, clock = self.watch, self.watch.clock

        def tell(session: Session, parts: list[bytes]) -> None:
            try:
                hook(session, parts)
            except BaseException as error:  # noqa: BLE001 - the barrier, as above
                self.broke(session, error, what)
            now = clock()
            if now - watch.last > STALL:
                self.stalled(session, what, now - watch.last)
            watch.last = now

        return tell

    def examine(self, session: Session, message: Message, now: float, until: float) -> object:
        """Ask about a message: what the hook returns, or `Failed`. until: when all members must have answered."""
        result: object
        watch = self.watch
        message.queued_at = now
        due = now + self.message_seconds
        message.deadline = due if due < until else until
        try:
            result = self.filter.on_message(session, message)
        except BaseException as error:  # noqa: BLE001 - the barrier, as above
            result = self.failure(session, "message", error)
        watch.last = watch.clock()
        if watch.last - now > STALL:
            self.stalled(session, "message", watch.last - now)
        return result

    def stalled(self, session: Session | None, what: str, seconds: float) -> None:
        """A hook of this filter blocked the event loop."""
        self.watch.told = True
        stall.tell(self.filter.log, session, what, seconds)

    def failure(self, session: Session | None, what: str, error: BaseException) -> Failed:
        """What stands for the result of a hook that threw; logged with its traceback, unless it said why."""
        try:
            refusal = refusal_of(error)
            if refusal is not None or isinstance(error, CannotCheck):
                return Failed(str(error), refusal)
            self.counts.exceptions += 1
            self.filter.log.failure(session, what, error)
        except BaseException:  # noqa: BLE001 - an exception that cannot be shown must not keep the answer back
            return Failed("a hook failed, and so did the log of it")
        return Failed(f"{type(error).__name__} in the filter")

    # --- answers -------------------------------------------------------------------------------------------------

    def decided(self, session: Session, phase: bytes, result: object) -> Decision:
        """The decision a hook gave if it is a legal one, else that of the failure policy."""
        try:
            if isinstance(result, DECISIONS) and is_legal(phase, result.word):
                return result
            failed = result if isinstance(result, Failed) else Failed(f"illegal decision: {_shown(result)}")
            return self._policy(phase, failed)
        except BaseException as error:  # noqa: BLE001 - a decision that cannot be read, a policy that throws
            self.broke(session, error)
            return last_resort(phase)

    def _policy(self, phase: bytes, failed: Failed) -> Proceed | Reject | Disconnect:
        """The failure policy's decision; at connect a refusal disconnects, as the client would hang on."""
        self._count(failed)
        why = {"result": "failed", "reason": failed.reason}
        decision = self.filter.failed()
        if isinstance(decision, Proceed):
            return Proceed(facts=why)
        refuse = Disconnect if phase == b"connect" else Reject
        return refuse(decision.code, decision.enhanced, decision.text, facts=why)

    def verdict(self, session: Session, result: object) -> Verdict:
        """The verdict a hook gave, or that of the failure policy."""
        try:
            return result if isinstance(result, Verdict) else self._failed_verdict(session, result)
        except BaseException as error:  # noqa: BLE001 - a policy that throws
            self.broke(session, error)
            return Verdict(last_resort(b"commit"))

    def _failed_verdict(self, session: Session, result: object) -> Verdict:
        hint = "; a message is answered with a Verdict" if isinstance(result, DECISIONS) else ""
        failed = result if isinstance(result, Failed) else Failed(f"illegal verdict: {_shown(result)}{hint}")
        if failed.refusal is not None:
            if failed.refusal is NO_SPACE:
                self.filter.log.line(logging.ERROR, session, "spool", {"error": failed.reason})
            return Verdict(failed.refusal)
        self._count(failed)
        facts = {"result": "failed", "reason": failed.reason}
        decision = self.filter.failed()
        if not isinstance(decision, Proceed):
            return Verdict(decision, facts=facts)
        try:
            return Verdict(decision, tuple(self.filter.unchecked()), facts=facts)
        except BaseException as error:  # noqa: BLE001 - a message nobody could mark does not pass as checked
            self.broke(session, error, "message")
            tempfail: object = self.filter.tempfail  # which may be anything, too
            return Verdict(tempfail if isinstance(tempfail, Reject) else last_resort(b"commit"), facts=facts)

    def _count(self, failed: Failed) -> None:
        self.counts.failed += 1
        self.counts.timed_out += failed.reason == DEADLINE

    # --- the log -------------------------------------------------------------------------------------------------

    def tell_decision(self, session: Session, request: Request, decision: Decision) -> None:
        """Count what was decided on a command; log it, if there is anything to say."""
        try:
            self.counts.decided(request.phase.decode("ascii"), decision, observe=self.observe)
            if decision.facts or not isinstance(decision, Proceed):
                decision_log.decision(self.filter.log, session, request, decision, observe=self.observe)
        except BaseException as error:  # noqa: BLE001 - it is answered; the log is not worth a filter
            self.broke(session, error)

    def line_of(self, session: Session, message: Message, verdict: Verdict, delay: float) -> Line | None:
        """The line on a message, made while the message is there; None if it cannot be made."""
        try:
            return decision_log.of_message(session, message, verdict, delay=delay, observe=self.observe)
        except BaseException as error:  # noqa: BLE001 - the log is not worth a message
            self.broke(session, error)
        return None

    def write(self, line: Line) -> None:
        """Log a line made before."""
        try:
            self.filter.log.line(*line)
        except BaseException as error:  # noqa: BLE001 - as above
            self.broke(None, error)

    def broke(self, session: Session | None, error: BaseException, what: str = "library") -> None:
        """Log what the library itself met, with its traceback."""
        try:
            self.filter.log.failure(session, what, error)
        except BaseException:  # noqa: BLE001 - there is nobody left to tell
            return

    def figures(self) -> list[Figure]:
        """What the filter counts and measures itself."""
        try:
            return list(islice(self.filter.figures(), MAX_FIGURES))
        except BaseException as error:  # noqa: BLE001 - the barrier: nobody else's figures are lost by it
            self.broke(None, error, "figures")
        return []

    # --- life ----------------------------------------------------------------------------------------------------

    def preload(self) -> None:
        """Load the modules that the filter will use."""
        try:
            self.filter.preload()
        except BaseException as error:  # noqa: BLE001 - the barrier; what is missing is told when it is used, too
            self.broke(None, error, "preload")

    async def start(self) -> None:
        """Let the filter open what it needs."""
        try:
            await self.filter.started()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the barrier
            self.broke(None, error, "started")

    async def stop(self) -> None:
        """Let the filter close what it has open."""
        try:
            await self.filter.stopping()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the barrier
            self.broke(None, error, "stopping")

    def reload(self) -> None:
        """SIGHUP."""
        try:
            self.filter.reload()
        except BaseException as error:  # noqa: BLE001 - the barrier
            self.broke(None, error, "reload")


def guard(members: Mapping[str, Filter], context: Context, *, observe: bool = False) -> tuple[Guarded, ...]:
    """The filters of a process by label, in the order they are asked; a filter that is alone may have an empty label.

    observe: -n for all of them.
    """
    watch = Watch(context.monotonic)
    return tuple(Guarded(each, context, watch, label=label, observe=observe) for label, each in members.items())


def is_late(result: object) -> TypeGuard[Awaitable[object]]:
    """Whether a hook has not decided yet, but gave something to wait for. Never raises."""
    try:
        if type(result) is CoroutineType:
            return True
        # isawaitable is slow: ask it last
        return type(result) is not Verdict and not isinstance(result, _ANSWERS) and inspect.isawaitable(result)
    except BaseException:  # noqa: BLE001 - whatever this is, it is no decision, which is found out next
        return False


def awaited(result: object) -> object:
    """What an awaited hook has decided: not something to wait for once more."""
    return Failed(f"illegal decision: an awaitable in an awaitable, {_shown(result)}") if is_late(result) else result


def _shown(result: object) -> str:
    """What a hook returned, for the log: ours as it is, strange things by their type, as their repr may fail, too."""
    if result is None:
        return "None; did a branch forget to return?"
    if inspect.iscoroutine(result):
        result.close()  # it would complain that nobody awaited it
    return repr(result) if isinstance(result, DECISIONS) else type(result).__name__
