"""A message on its way through the members of a process: each sees what the one before made of it.

A message that is refused is shown to nobody after. Where members may look at it at the same time (`Filter.beside`), one
after the other in the chain, they are asked together and each sees the message as the first of them does; what they
answer is taken in their order all the same. All of them together have a bounded time; a member that would get
less than a second of it is answered by its failure policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from filter_api.bounds import LEAST_SECONDS
from filter_api.decision import NO_FACTS, Proceed, Verdict
from filter_api.runtime.asking import NO_TIME
from filter_api.runtime.counters import Durations
from filter_api.runtime.guard import Guarded, is_late
from filter_api.runtime.held import HeldMessages
from filter_api.runtime.life import DECIDING, Held
from filter_api.runtime.pending import Asked, Ledger, Pending
from filter_api.runtime.refusals import LOST, Failed, refusal_of
from filter_api.runtime.stall import Watch


class Examining:
    """Asks the members that look into messages. seconds: for all of them together. Never raises.

    broke(error): logs a mistake of the library's own.
    """

    __slots__ = ("_beside", "_broke", "_last", "_ledger", "_members", "_seconds", "_watch", "durations")

    def __init__(
        self,
        members: Sequence[Guarded],
        ledger: Ledger,
        seconds: float,
        watch: Watch,
        broke: Callable[[BaseException], None],
        *,
        beside: bool = False,
    ) -> None:
        self._members = members
        self._beside = turns_beside(members) if beside else {}
        self._last = len(members) - 1
        self._ledger = ledger
        self._seconds = seconds
        self._watch = watch
        self._broke = broke
        self.durations = Durations()

    def start(self, held: Held, messages: HeldMessages) -> None:
        """The dot is here: ask; leads to `messages.finish`."""
        now = self._watch.last = self._watch.clock()
        held.began = now
        held.until = now + self._seconds
        self._take(held, messages, self._ask(held, messages, now))

    def _ask(self, held: Held, messages: HeldMessages, now: float) -> object:
        """Ask the member whose turn it is, and with it those beside it; what it returned."""
        result = self._members[held.turn].examine(held.session, held.message, now, held.until)
        held.due = held.message.deadline
        if self._beside:
            for turn in self._beside.get(held.turn, ()):
                held.ahead[turn] = self._ask_ahead(held, messages, turn)
        return result

    def _ask_ahead(self, held: Held, messages: HeldMessages, turn: int) -> object:
        """Ask a member before its turn; what it returned, or the question that it has not answered yet."""
        member = self._members[turn]
        result = member.examine(held.session, held.message, self._watch.last, held.until)  # the last one came back now
        if not is_late(result):
            return result
        try:
            settle = partial(self._arrived, held, messages, turn)
            return self._ledger.ask(held.session, Asked(member, "message", result), held.message.deadline, settle)
        except BaseException as error:  # noqa: BLE001 - no memory: it has not answered, and the others may
            return member.failure(held.session, "message", error)

    def _arrived(self, held: Held, messages: HeldMessages, turn: int, result: object) -> None:
        """A member that was asked before its turn has decided."""
        if held.turn == turn:
            del held.ahead[turn]
            self._late(held, messages, result)
        else:
            held.ahead[turn] = result

    def _late(self, held: Held, messages: HeldMessages, result: object) -> None:
        """A hook that took its time has decided; on a message that is gone since, nobody else is asked."""
        self._watch.last = self._watch.clock()
        if held.state is DECIDING:
            self._take(held, messages, result)

    def _take(self, held: Held, messages: HeldMessages, result: object) -> None:
        """Go on with what the member whose turn it is has returned, until all were asked."""
        try:
            while True:
                if type(result) is Pending:
                    return  # it was asked ahead of its turn, and tells (what a hook returns may throw at isinstance)
                member, message = self._members[held.turn], held.message
                verdict = result if type(result) is Verdict else self._verdict(held, messages, member, result)
                if verdict is None:
                    return
                line, decision, observe = None, verdict.decision, member.observe
                if verdict.facts is NO_FACTS and decision.facts is NO_FACTS and type(decision) is Proceed:
                    member.counts.passed += 1
                else:
                    member.counts.examined(verdict, observe=observe)
                    line = member.line_of(held.session, message, verdict, self._watch.last - message.queued_at)
                given = Verdict() if observe else verdict
                if held.turn == self._last or not isinstance(given.decision, Proceed):
                    if held.ahead:
                        self._forget_ahead(held)
                    self.durations.took(self._watch.last - held.began)
                    messages.finish(held, given)
                    if line is not None:
                        member.write(line)
                    return
                if line is not None:
                    member.write(line)
                if given.edits:
                    held.message = message.edited(given.edits, messages.longest)
                held.turn += 1
                result = self._next(held, messages, result)
        except BaseException as error:  # noqa: BLE001 - it cannot be edited, or is a mistake of the library's own
            refusal = refusal_of(error)
            self._forget_ahead(held)
            if refusal is None:
                self._broke(error)
            messages.finish(held, Verdict(refusal or LOST), logged=False)

    def _verdict(self, held: Held, messages: HeldMessages, member: Guarded, result: object) -> Verdict | None:
        """The verdict that a result is, or stands for; None if the hook has not decided yet."""
        if not is_late(result):
            return member.verdict(held.session, result)
        settle = partial(self._late, held, messages)
        self._ledger.ask(held.session, Asked(member, "message", result), held.due, settle)
        return None

    def _next(self, held: Held, messages: HeldMessages, before: object) -> object:
        """Ask the next member, if there is time and it was not asked ahead; before: what the last one returned."""
        if isinstance(before, Failed) and before.for_all:
            return before
        if held.turn in held.ahead:
            result = held.ahead[held.turn]
            if type(result) is not Pending:
                del held.ahead[held.turn]
            return result
        now = self._watch.last
        if held.until - now < LEAST_SECONDS:
            return Failed(NO_TIME)
        return self._ask(held, messages, now)

    def _forget_ahead(self, held: Held) -> None:
        """The answer is known: nobody needs the others'."""
        ahead, held.ahead = held.ahead, {}
        for each in ahead.values():
            if type(each) is Pending:
                self._ledger.withdraw(each)


def turns_beside(members: Sequence[Guarded]) -> dict[int, range]:
    """The turn of the first of several that may look at a message at the same time → the turns of the others."""
    found = {}
    first = 0
    for turn in range(1, len(members) + 1):
        if turn == len(members) or not (members[turn].filter.beside and members[turn - 1].filter.beside):
            if turn - first > 1:
                found[first] = range(first + 1, turn)
            first = turn
    return found
