"""From events to answers: takes what smtpd wrote, keeps the facts, has the members asked, answers every request once.

`Dispatcher` is what the parser tells (`intake`). Facts are folded here, once, for all members (`hooks`); commands go
through the members by `asking`, messages by `held` and `examining`; each member stands behind a `guard`. What a hook
does wrong is the guard's business. What goes wrong in here costs the request or the message it happened at, and nobody
else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from filter_api import facts
from filter_api.bounds import CHAIN_COMMAND_SECONDS, CHAIN_MESSAGE_SECONDS
from filter_api.context import Context
from filter_api.decision import NO_FACTS, Disconnect, Proceed, Reject
from filter_api.protocol import writer
from filter_api.protocol.events import Request
from filter_api.protocol.parser import Parser
from filter_api.runtime import decision_log
from filter_api.runtime.asking import Asking, Calls, Question, tell_slow_read
from filter_api.runtime.counters import AT_ONCE, Durations
from filter_api.runtime.deadline import Deadlines, Timer
from filter_api.runtime.examining import Examining
from filter_api.runtime.guard import Guarded
from filter_api.runtime.held import HeldMessages
from filter_api.runtime.hooks import calls_of, in_order, told
from filter_api.runtime.intake import Intake
from filter_api.runtime.life import Held
from filter_api.runtime.memory import Reserve
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.pending import Ledger
from filter_api.runtime.refusals import NO_SPACE, Failed
from filter_api.runtime.sessions import Sessions
from filter_api.runtime.stall import STALL, commands_in
from filter_api.session import Session

_COMMIT: Final = b"commit"
_PROCEED: Final = Proceed()


class Dispatcher:
    """Give it what smtpd wrote (`feed`); it writes the answers through the function given. Nothing in here raises.

    members: in the order they are asked, bound to `context`. beside: those that may look at a message at the same time
    do so (`Filter.beside`).
    """

    def __init__(
        self,
        members: Sequence[Guarded],
        context: Context,
        write: Callable[[bytes], None],
        loop: Timer,
        *,
        beside: bool = False,
    ) -> None:
        self.members = members
        self.context = context
        self.outbox = Outbox(write)
        self.registered = False
        self.registered_event = asyncio.Event()
        self._put = self.outbox.put
        self.sessions = Sessions()
        self._open = self.sessions.open
        self._watch = members[0].watch
        self._parser = Parser(known=self._open)
        self._take = Intake(self._parser, self, begin=self.register, lose=self._lose).take
        self._reserve = Reserve(context.monotonic)
        self.deadlines = Deadlines(loop, self.broke)
        self._due = self.deadlines.heap
        self._loop = loop
        #: Commands that were answered in a read that took long, and how long it took.
        self.slow = Durations()
        #: Messages that could not be held, or not be given back.
        self.refused = 0
        self._flushing = False  # whether the end of this turn of the loop writes what was collected
        self.ledger = Ledger(self.deadlines, self._flush_soon)
        self._waiting = self.ledger.open
        self._set_up_commands()
        self._set_up_messages(beside=beside)

    def _set_up_commands(self) -> None:
        several = len(self.members) > 1
        self._command_seconds = CHAIN_COMMAND_SECONDS if several else float("inf")
        self.asking = Asking(self.ledger, self.outbox, self._watch, lambda: self._parser.protocol, self.broke)
        self.calls = calls_of(self.members)
        self._told = [told(self.members, self.context.log, outgoing=outgoing) for outgoing in (False, True)]
        for table in self._told:
            for name, end in ((b"tx-reset", self._end_transaction), (b"link-disconnect", self._end_session)):
                table[name] = in_order([table[name], end]) if name in table else end
        self._parser.told = self._told[False]

    def _set_up_messages(self, *, beside: bool) -> None:
        examiners = [member for member in self.members if "on_message" in member.wanted]
        seconds = CHAIN_MESSAGE_SECONDS if len(self.members) > 1 else float("inf")
        self._at_commit = self.calls[_COMMIT]
        self._unexamined = Calls()  # at commit, where messages are looked into and there is none
        if examiners:
            self.calls[_COMMIT] = self._unexamined
        for member in examiners:
            self._unexamined.add(member, "commit", lambda _session, _argument: Failed("no message before commit"))
        for member, ask in zip(self._at_commit.members, self._at_commit.asks, strict=True):
            self._unexamined.add(member, "commit", ask)
        self.examining = Examining(examiners, self.ledger, seconds, self._watch, self.broke, beside=beside)
        self.held = HeldMessages(
            self.outbox,
            self.context.spool,
            self.examining.start,
            self._commit,
            broken=self._broken,
            spend=self._reserve.spend,
        )
        self._extend, self._holding = self.held.extend, self.held.open

    # --- input ---------------------------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> None:
        """Take one read. Everything that is due, and every answer that is known at once, is written before it ends."""
        if self._due:
            self.deadlines.sweep()
        watch = self._watch
        began = watch.last = watch.clock()
        watch.told = False
        self._take(data)
        try:
            self.outbox.flush()
        except BaseException as error:  # noqa: BLE001 - as in `_flush`
            self.broke(error)
        took = watch.clock() - began
        if took > AT_ONCE or self._reserve.spent:
            self._after_trouble(took)

    def _flush(self) -> None:
        """Write what was collected; never raises."""
        try:
            self.outbox.flush()
        except BaseException as error:  # noqa: BLE001 - no memory: it stays collected, and is written with the next
            self.broke(error)

    def _flush_soon(self) -> None:
        """Write when all that is due in this turn of the loop is settled: one write, and one read of smtpd's."""
        if self._flushing:
            return
        try:
            self._loop.call_soon(self._flush_now)
            self._flushing = True
        except MemoryError:
            self._flush()

    def _flush_now(self) -> None:
        self._flushing = False
        self._flush()

    def _lose(self, error: BaseException) -> None:
        """A part of a read is lost: nobody knows whose. Every question is answered, and no message passes with gaps."""
        self.broke(error)
        try:
            self.held.lose_all()
            self.ledger.settle_all("input lost")
        except BaseException as worse:  # noqa: BLE001 - as above
            self.broke(worse)

    def _lose_lines(self, session_id: bytes, token: bytes, text: bytes, error: BaseException) -> None:
        """These lines could not be taken: their message is refused."""
        self.broke(error)
        try:
            self.held.lose(self._open.get(session_id) or Session(session_id), token, text)
        except BaseException as worse:  # noqa: BLE001 - as above
            self.broke(worse)

    def _after_trouble(self, took: float) -> None:
        """A read took long, or memory."""
        self._reserve.restore()
        try:
            self.slow.took(took, commands_in(self._parser.lines))
        except BaseException as error:  # noqa: BLE001 - no memory: it counts as answered at once
            self.broke(error)
        if took > STALL and not self._watch.told:
            tell_slow_read(self.calls, self._parser.lines, took, self.context.log)

    def register(self) -> None:
        """Say what the members want, once: at ``config|ready``, or before the first event if that never came."""
        if not self.registered:
            self.registered = True
            self.registered_event.set()
            self.context.server.protocol = self._parser.protocol
            reports = [report for member in self.members for report in member.wanted.reports]
            phases = [phase for member in self.members for phase in member.wanted.phases]
            self.outbox.put(writer.register(reports, phases))

    # --- what the parser tells -----------------------------------------------------------------------------------

    def config(self, key: bytes, value: bytes) -> None:
        """A line of the handshake."""
        if key == b"ready":
            self.register()
        else:
            self.context.server.learn(key, value)

    def unknown(self, line: bytes, reason: str) -> None:
        """A line that says nothing we know."""
        self.context.log.debug(None, "ignored", reason=reason, line=line)

    def report(self, name: bytes, session_id: bytes, parts: list[bytes], outgoing: bool) -> None:
        """Something happened in a session."""
        try:
            session = self._open.get(session_id)
            if session is None:
                make = self.sessions.begin if name == b"link-connect" else self.sessions.add
                session = make(session_id, self._watch.last, outgoing)
            tell = self._told[outgoing].get(name)
            if tell is not None:
                tell(session, parts)
        except BaseException as error:  # noqa: BLE001 - what else was read is not lost with it
            self.broke(error)

    def _end_transaction(self, session: Session, _parts: list[bytes]) -> None:
        if self._holding:
            self.held.drop(session.id)
        facts.tx_reset(session)

    def _end_session(self, session: Session, _parts: list[bytes]) -> None:
        if self._waiting:
            self.ledger.forget(session)
        if self._holding:
            self.held.drop(session.id)
        self.sessions.end(session.id)

    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        """smtpd waits for a decision."""
        calls = self.calls[phase]
        try:
            session = self._open.get(session_id)
            if session is None:
                if self.sessions.has_ended(session_id):  # smtpd has forgotten the session, too
                    self._put(writer.proceed(self._parser.protocol, session_id, token))
                    return
                session = self.sessions.add(session_id, self._watch.last)
            if calls is self._unexamined:
                if not self._at_commit.members and self.held.passed(session_id):
                    self._put(writer.PROCEED((token, session_id) if self._parser.swapped else (session_id, token)))
                else:
                    self._ask_commit(session, Request(phase, session_id, token, argument))
                return
            if self._waiting:
                self.ledger.settle_session(session, "asked again")
            if self._holding:
                self.held.drop(session_id)
            if calls.fold is not None:
                calls.fold(session, argument)
            ask = calls.ask
            result = _PROCEED if ask is None else ask(session, argument)
            if type(result) is Proceed and result.facts is NO_FACTS:
                calls.plain += 1
                self._put(writer.PROCEED((token, session_id) if self._parser.swapped else (session_id, token)))
                return
        except BaseException as error:  # noqa: BLE001 - the barrier: a hook threw, or there is no memory
            result = self._threw(session_id, phase, error)
        request = Request(phase, session_id, token, argument)
        session = self._open.get(session_id) or Session(session_id)
        self.asking.take(self._question(session, request, calls), result)

    def _threw(self, session_id: bytes, phase: bytes, error: BaseException) -> Failed:
        """A hook threw, or the library itself, before an answer was there: the first member's policy answers."""
        if isinstance(error, MemoryError):
            self._reserve.spend()
        members = self.calls[phase].members or self.members
        return members[0].failure(self._open.get(session_id), phase.decode("ascii"), error)

    def _ask_commit(self, session: Session, request: Request) -> None:
        """Commit, where messages are looked into: their verdict answers, and who has none is asked after it."""
        if self.held.commit(request):
            return
        if self._waiting:
            self.ledger.settle_session(session, "asked again")
        self.asking.start(self._question(session, request, self._unexamined))

    def _question(self, session: Session, request: Request, calls: Calls) -> Question:
        now = self._watch.clock()
        return Question(session, request, calls, now + self._command_seconds, now)

    def data_lines(self, session_id: bytes, token: bytes, text: bytes) -> None:
        """A run of message lines."""
        if self._extend(session_id, text) or not self._unexamined.asks:
            return  # without on_message they are not registered, and smtpd does not send them
        try:
            session = self._open.get(session_id)
            if session is None:
                if self.sessions.has_ended(session_id):
                    return
                session = self.sessions.add(session_id, self._watch.last)
            if self.held.protocol is not self._parser.protocol:
                self.held.speak(self._parser.protocol)
            self.held.take(session, token, text)
        except BaseException as error:  # noqa: BLE001 - the message is refused, and what else was read is not lost
            self._lose_lines(session_id, token, text, error)

    # --- messages ------------------------------------------------------------------------------------------------

    def _commit(self, held: Held, request: Request) -> None:
        """The lines are out; a verdict was logged when it was made, a refusal of our own is now."""
        if isinstance(held.decision, Proceed) and not self._at_commit.members:
            self._put(writer.proceed(self._parser.protocol, request.session_id, request.token))
            return
        question = self._question(held.session, request, self._at_commit)
        if isinstance(held.decision, Proceed):
            self.asking.start(question)
            return
        self.asking.give(question, held.decision)
        if held.decision is not held.logged and isinstance(held.decision, Reject | Disconnect):
            self.refused += 1
            try:
                decision_log.refusal(self.context.log, held.session, held.message, held.decision)
            except BaseException as error:  # noqa: BLE001 - it is answered; the log is not worth a message
                self.broke(error)

    def _broken(self, session: Session, error: BaseException) -> Reject:
        """A message cannot be held or given back: the client shall come again."""
        try:
            if isinstance(error, MemoryError):
                self._reserve.spend()
            self.context.log.line(logging.ERROR, session, "spool", {"error": str(error) or type(error).__name__})
        except BaseException as worse:  # noqa: BLE001 - the log is not worth a message
            self.broke(worse)
        return NO_SPACE

    def broke(self, error: BaseException) -> None:
        """Log a mistake of the library's own, or what it could not foresee; make room where memory ran out."""
        if isinstance(error, MemoryError):
            self._reserve.spend()
        try:
            self.context.log.failure(None, "library", error)
        except BaseException:  # noqa: BLE001 - there is nobody left to tell
            return

    # --- the end -------------------------------------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """The process ends: every question still open is answered by the failure policies."""
        self.ledger.settle_all(reason)
        self.outbox.flush()
