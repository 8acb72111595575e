"""A command on its way through the members of a process: asked in order, answered once.

Refusals, hanging up and rewriting end the phase. A mark (junk) is remembered and the others are still asked: the
strongest decision answers. A member that fails follows its own failure policy, and if that accepts, the next one is
asked. One filter is a chain of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from filter_api import facts
from filter_api.bounds import LEAST_SECONDS
from filter_api.decision import NO_FACTS, Decision, Disconnect, Junk, Proceed, Reject, Rewrite
from filter_api.log import Logger
from filter_api.protocol import writer
from filter_api.protocol.events import Request
from filter_api.runtime import stall
from filter_api.runtime.counters import Durations
from filter_api.runtime.guard import Ask, Guarded, is_late
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.pending import Asked, Ledger
from filter_api.runtime.refusals import Failed, last_resort
from filter_api.runtime.stall import Watch
from filter_api.session import Session

NO_TIME: Final = "the filters before this one took all the time there is"

_PROCEED: Final = Proceed()


class Calls:
    """Who is asked at one phase: members, and the call of each one's hook.

    fold: puts the argument into the facts of the session. ask: asks all of them as far as they answer at once with a
    plain proceed, and gives that; the first other result comes in a `Stop`, if there are several members. Of one that
    is alone it is the hook itself, which may raise. plain: how often all of them proceeded so.
    """

    __slots__ = ("ask", "asks", "fold", "members", "plain")

    def __init__(self, fold: Callable[[Session, bytes], None] | None = None) -> None:
        self.fold = fold
        self.members: list[Guarded] = []
        self.asks: list[Ask] = []
        self.ask: Ask | None = None
        self.plain = 0

    def add(self, member: Guarded, phase: str, hook: Ask) -> None:
        """One more member, behind the others."""
        self.members.append(member)
        self.asks.append(member.asking(phase, hook))
        self.ask = hook if len(self.members) == 1 else self._ask_all

    def _ask_all(self, session: Session, argument: bytes) -> object:
        for turn, ask in enumerate(self.asks):
            result = ask(session, argument)
            if type(result) is not Proceed or result.facts is not NO_FACTS:
                return Stop(turn, result)
        return _PROCEED


def tell_slow_read(calls: Mapping[bytes, Calls], lines: Sequence[bytes], seconds: float, log: Logger) -> None:
    """These lines took long, and no hook has its line in the log yet: say whose they were.

    Who is alone at a phase is asked without a look at the clock, and is named; else all of them together took so long.
    """
    alone: dict[Guarded, list[bytes]] = {}
    asked = {phase: each for phase, each in calls.items() if each.members}
    phases = stall.phases_in(lines, asked)
    for phase in phases:
        if len(asked[phase].members) == 1:
            alone.setdefault(asked[phase].members[0], []).append(phase)
    for member, at in alone.items():
        member.stalled(None, stall.shown(at), seconds)
    if phases and not alone:
        stall.tell(log, None, stall.shown(phases), seconds)


class Stop:
    """Where asking several members stopped: turn, which of them; result, what it returned."""

    __slots__ = ("result", "turn")

    def __init__(self, turn: int, result: object) -> None:
        self.turn = turn
        self.result = result


class Question:
    """A request and how far it got. turn: which member is asked; until: when the last of them must have answered.

    began: when it was taken.
    """

    __slots__ = ("answered", "began", "calls", "junk", "request", "session", "turn", "until")

    def __init__(self, session: Session, request: Request, calls: Calls, until: float, began: float = 0.0) -> None:
        self.session = session
        self.request = request
        self.calls = calls
        self.until = until
        self.began = began
        self.turn = 0
        self.junk: Junk | None = None
        self.answered = False


class Asking:
    """Takes what members return, asks those behind them, and answers. Never raises.

    protocol: what smtpd speaks, as it may be known only later. broke(error): logs a mistake of the library's own.
    """

    __slots__ = ("_broke", "_ledger", "_outbox", "_protocol", "_watch", "durations")

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        watch: Watch,
        protocol: Callable[[], tuple[int, int]],
        broke: Callable[[BaseException], None],
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._watch = watch
        self._protocol = protocol
        self._broke = broke
        self.durations = Durations()

    def start(self, question: Question) -> None:
        """Ask the members from the first on; there is one at least."""
        self.take(question, question.calls.asks[0](question.session, question.request.argument))

    def take(self, question: Question, result: object) -> None:
        """Go on with what the member whose turn it is has returned."""
        try:
            if type(result) is Stop:
                question.turn, result = result.turn, result.result
                for before in question.calls.members[: question.turn]:
                    before.counts.decided(question.request.phase.decode("ascii"), _PROCEED, observe=False)
            self._take(question, result)
        except BaseException as error:  # noqa: BLE001 - a mistake of the library's own, or no memory
            self.fail(question, error)

    def _take(self, question: Question, result: object) -> None:
        session, request, calls = question.session, question.request, question.calls
        while True:
            member = calls.members[question.turn]
            if is_late(result):
                self._wait(question, member, result)
                return
            decision = member.decided(session, request.phase, result)
            given = _PROCEED if member.observe else decision
            last = question.turn + 1 == len(calls.members)
            if last or isinstance(given, Reject | Disconnect | Rewrite):
                self._answer(question, question.junk or given if isinstance(given, Proceed) else given)
                member.tell_decision(session, request, decision)
                return
            member.tell_decision(session, request, decision)
            if isinstance(given, Junk):
                question.junk = given
            question.turn += 1
            result = self._next(question, result)

    def _next(self, question: Question, before: object) -> object:
        """Ask the next member, if there is time."""
        if isinstance(before, Failed) and before.for_all:
            return before
        now = self._watch.last = self._watch.clock()
        if question.until - now < LEAST_SECONDS:
            return Failed(NO_TIME)
        return question.calls.asks[question.turn](question.session, question.request.argument)

    def _wait(self, question: Question, member: Guarded, awaitable: Awaitable[object]) -> None:
        due = min(self._watch.clock() + member.command_seconds, question.until)
        what = question.request.phase.decode("ascii")
        self._ledger.ask(question.session, Asked(member, what, awaitable), due, partial(self.take, question))

    def give(self, question: Question, decision: Decision) -> None:
        """Answer, whoever would be asked."""
        try:
            self._answer(question, decision)
        except BaseException as error:  # noqa: BLE001 - as above
            self.fail(question, error)

    def _answer(self, question: Question, decision: Decision) -> None:
        """Write the answer, once; then what it means for the session. Raises what cannot be written."""
        request = question.request
        argument = b""
        if isinstance(decision, Reject | Disconnect):
            argument = decision.reply.encode("ascii")
        elif isinstance(decision, Rewrite):
            argument = decision.argument
        ids = (request.phase, request.session_id, request.token)
        self._outbox.put(writer.result(self._protocol(), *ids, decision.word, argument=argument))
        question.answered = True
        self.durations.took(self._watch.clock() - question.began)
        if request.phase == b"mail-from" and isinstance(decision, Reject | Disconnect):
            facts.mail_from_refused(question.session)

    def fail(self, question: Question, error: BaseException) -> None:
        """Answer, if that has not been done: come again later."""
        self._broke(error)
        members = question.calls.members[question.turn :]
        decision = _PROCEED if members and members[0].observe else last_resort(question.request.phase)
        try:
            if not question.answered:
                self._answer(question, decision)
        except BaseException as worse:  # noqa: BLE001 - no memory, not even now
            self._broke(worse)
