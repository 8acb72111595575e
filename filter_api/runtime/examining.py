"""A message on its way through the members of a process: each sees what the one before made of it.

A message that is refused is shown to nobody after. All of them together have a bounded time; a member that would get
less than a second of it is answered by its failure policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from filter_api.bounds import LEAST_SECONDS
from filter_api.decision import NO_FACTS, Proceed, Verdict
from filter_api.runtime.asking import NO_TIME
from filter_api.runtime.guard import Guarded, Watch, is_late
from filter_api.runtime.held import HeldMessages
from filter_api.runtime.life import Held
from filter_api.runtime.pending import Asked, Ledger
from filter_api.runtime.refusals import LOST, Failed, refusal_of


class Examining:
    """Asks the members that look into messages. seconds: for all of them together. Never raises.

    broke(error): logs a mistake of the library's own.
    """

    __slots__ = ("_broke", "_last", "_ledger", "_members", "_seconds", "_watch")

    def __init__(
        self,
        members: Sequence[Guarded],
        ledger: Ledger,
        seconds: float,
        watch: Watch,
        broke: Callable[[BaseException], None],
    ) -> None:
        self._members = members
        self._last = len(members) - 1
        self._ledger = ledger
        self._seconds = seconds
        self._watch = watch
        self._broke = broke

    def start(self, held: Held, messages: HeldMessages) -> None:
        """The dot is here: ask; leads to `messages.finish`."""
        now = self._watch.last = self._watch.clock()
        held.until = now + self._seconds
        self._take(held, messages, self._members[0].examine(held.session, held.message, now, held.until))

    def _late(self, held: Held, messages: HeldMessages, result: object) -> None:
        """A hook that took its time has decided."""
        self._watch.last = self._watch.clock()
        self._take(held, messages, result)

    def _take(self, held: Held, messages: HeldMessages, result: object) -> None:
        """Go on with what the member whose turn it is has returned, until all were asked."""
        try:
            while True:
                member, message = self._members[held.turn], held.message
                verdict = result if type(result) is Verdict else self._verdict(held, messages, member, result)
                if verdict is None:
                    return
                line, decision = None, verdict.decision
                if verdict.facts is not NO_FACTS or decision.facts is not NO_FACTS or not isinstance(decision, Proceed):
                    line = member.line_of(held.session, message, verdict, self._watch.last - message.queued_at)
                given = Verdict() if member.observe else verdict
                if held.turn == self._last or not isinstance(given.decision, Proceed):
                    messages.finish(held, given)
                    member.write(line)
                    return
                member.write(line)
                if given.edits:
                    held.message = message.edited(given.edits, messages.longest)
                held.turn += 1
                result = self._next(held, result)
        except BaseException as error:  # noqa: BLE001 - it cannot be edited, or is a mistake of the library's own
            refusal = refusal_of(error)
            if refusal is None:
                self._broke(error)
            messages.finish(held, Verdict(refusal or LOST), logged=False)

    def _verdict(self, held: Held, messages: HeldMessages, member: Guarded, result: object) -> Verdict | None:
        """The verdict that a result is, or stands for; None if the hook has not decided yet."""
        if not is_late(result):
            return member.verdict(held.session, result)
        settle = partial(self._late, held, messages)
        self._ledger.ask(held.session, Asked(member, "message", result), held.message.deadline, settle)
        return None

    def _next(self, held: Held, before: object) -> object:
        """Ask the next member, if there is time; before: what the last one returned."""
        if isinstance(before, Failed) and before.for_all:
            return before
        now = self._watch.last
        if held.until - now < LEAST_SECONDS:
            return Failed(NO_TIME)
        return self._members[held.turn].examine(held.session, held.message, now, held.until)
