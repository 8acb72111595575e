"""From events to answers: asks the filter, guards against whatever it does, and answers every request once.

Hooks run behind a barrier. An exception of any kind, an awaitable that does not finish in time, a value that is no
legal decision: the failure policy of the filter answers, the log tells, the process lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import Final

from filter_api import facts
from filter_api.decision import DECISIONS, NO_FACTS, Decision, Disconnect, Proceed, Reject, Rewrite, Verdict
from filter_api.filter import Filter
from filter_api.message.spool import Spool
from filter_api.protocol import writer
from filter_api.protocol.events import Request
from filter_api.protocol.framing import Framing
from filter_api.protocol.legality import is_legal
from filter_api.protocol.parser import Parser
from filter_api.runtime import decision_log
from filter_api.runtime.deadline import Deadlines, Timer
from filter_api.runtime.held import NO_SPACE, Held, HeldMessages
from filter_api.runtime.hooks import Saw, asks, told
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.pending import Failed, Ledger, failure_of
from filter_api.runtime.sessions import Sessions
from filter_api.server import Server
from filter_api.session import Session

_STALL: Final = 1.0  # seconds in which a hook that blocks gets a line in the log


class Dispatcher:
    """Give it what smtpd wrote (`feed`); it writes the answers through the function given."""

    def __init__(
        self, filter_: Filter, write: Callable[[bytes], None], loop: Timer, spool: Spool | None = None
    ) -> None:
        self.filter = filter_
        filter_.server = Server()  # what one smtpd says is not to be found in another filter of this process
        self.outbox = Outbox(write)
        self.registered = False
        self.registered_event = asyncio.Event()
        self._put = self.outbox.put
        self.sessions = Sessions()
        self._open = self.sessions.open
        self._loop = loop
        self._now = loop.time()
        self._framing = Framing()
        self._parser = Parser(known=self._open)
        self._asks = asks(filter_)
        self._told = told(filter_, filter_.log.failure)
        self._ends(b"tx-reset", self._end_transaction)
        self._ends(b"link-disconnect", self._end_session)
        self._examines = filter_.overrides("on_message")
        self.deadlines = Deadlines(loop, self._broke)
        self.ledger = Ledger(self.deadlines, filter_.log, self.outbox.flush)
        self.held = HeldMessages(self.outbox, spool or Spool(), self._examine, self._commit, self._broken)
        self._extend, self._holding, self._waiting = self.held.extend, self.held.open, self.ledger.open
        self._command_seconds = filter_.options.timeout or filter_.command_deadline
        self._message_seconds = filter_.options.timeout or filter_.message_deadline

    # --- input ---------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take one read. Everything that is due, and every answer that is known at once, is written before it ends."""
        if len(self.deadlines):
            self.deadlines.sweep()
        self._now = self._loop.time()
        ends = self._parser.in_text
        lines = self._framing.feed(data, ends=ends)
        if not self.registered and any(line.startswith((b"report|", b"filter|")) for line in lines):
            self.register()
        self._parser.tell(lines, self, ends=ends)
        self.outbox.flush()
        took = self._loop.time() - self._now
        if took > _STALL:
            self.filter.log.warning(None, "stalled", seconds=round(took, 3))

    def register(self) -> None:
        """Say what the filter wants, once: at ``config|ready``, or before the first event if that never came."""
        if not self.registered:
            self.registered = True
            self.registered_event.set()
            self.filter.server.protocol = self._parser.protocol
            self.outbox.put(writer.register(self.filter.reports(), self.filter.phases()))

    # --- what the parser tells -----------------------------------------------------------------------------------

    def config(self, key: bytes, value: bytes) -> None:
        """A line of the handshake."""
        if key == b"ready":
            self.register()
        else:
            self.filter.server.learn(key, value)

    def unknown(self, line: bytes, reason: str) -> None:
        """A line that says nothing we know."""
        self.filter.log.debug(None, "ignored", reason=reason, line=line)

    def report(self, name: bytes, session_id: bytes, parts: list[bytes], outgoing: bool) -> None:
        """Something happened in a session."""
        session = self._open.get(session_id)
        if session is None:
            if name == b"link-connect":
                self.sessions.begin_again(session_id)
            session = self.sessions.add(session_id, self._now, outgoing=outgoing)
        tell = self._told.get(name)
        if tell is not None:
            try:
                tell(session, parts)
            except BaseException as error:  # noqa: BLE001 - what else was read is not lost with it
                self._broke(error)

    def _broke(self, error: BaseException) -> None:
        """Log a mistake of the library's own, or what it could not foresee; never raises."""
        with contextlib.suppress(BaseException):
            self.filter.log.failure(None, "library", error)

    def _ends(self, name: bytes, end: Saw) -> None:
        """A report that ends something: facts and hook first, then the end."""
        before = self._told.get(name)

        def tell(session: Session, parts: list[bytes]) -> None:
            assert before is not None  # noqa: S101 - or this would not be called
            before(session, parts)
            end(session, parts)

        self._told[name] = end if before is None else tell

    def _end_transaction(self, session: Session, _parts: list[bytes]) -> None:
        if self.held.open:
            self.held.drop(session.id)
        facts.tx_reset(session)

    def _end_session(self, session: Session, _parts: list[bytes]) -> None:
        if self.ledger.open:
            self.ledger.forget(session)
        if self.held.open:
            self.held.drop(session.id)
        self.sessions.end(session.id)

    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        """smtpd waits for a decision."""
        session = self._open.get(session_id)
        if session is None:
            if self.sessions.has_ended(session_id):  # smtpd has forgotten the session, too
                self._put(writer.proceed(self._parser.protocol, session_id, token))
                return
            session = self.sessions.add(session_id, self._now)
        if self._waiting and phase != b"commit":
            self.ledger.settle_session(session, "asked again")
        if phase == b"commit" and self._examines:
            event = Request(phase, session_id, token, argument)
            if not self.held.commit(event):
                self._decide(session, event, Failed("no message before commit"))
            return
        if self._holding:
            self.held.drop(session_id)
        ask = self._asks.get(phase)
        result: object
        try:
            result = Proceed() if ask is None else ask(session, argument)
        except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
            result = failure_of(self.filter.log, session, _text(phase), error)
        if type(result) is Proceed and result.facts is NO_FACTS:
            self._put(writer.PROCEED((token, session_id) if self._parser.swapped else (session_id, token)))
        else:
            self._decide(session, Request(phase, session_id, token, argument), result)

    def data_lines(self, session_id: bytes, token: bytes, text: bytes) -> None:
        """A run of message lines."""
        if self._extend(session_id, text) or not self._examines:
            return  # without on_message they are not registered, and smtpd does not send them
        session = self._open.get(session_id)
        if session is None:
            if self.sessions.has_ended(session_id):
                return
            session = self.sessions.add(session_id, self._now)
        self.held.speak(self._parser.protocol)
        self.held.take(session, token, text)

    # --- decisions -----------------------------------------------------------------------------------------------

    def _decide(self, session: Session, event: Request, result: object) -> None:
        """Answer a request with what its hook returned, or will return."""
        if not isinstance(result, DECISIONS) and inspect.isawaitable(result):
            due = self._loop.time() + self._command_seconds
            self.ledger.ask(session, _text(event.phase), result, due, lambda late: self._settle(session, event, late))
        else:
            self._settle(session, event, result)

    def _settle(self, session: Session, event: Request, result: object) -> None:
        """Answer a request with what its hook returned in the end: the answer first, then the line in the log."""
        observe = self.filter.options.observe
        try:
            decision = self._checked(event, result)
            answer = self._answer(event, Proceed() if observe else decision)
        except BaseException as error:  # noqa: BLE001 - a decision that cannot be written, a policy that throws
            self._broke(error)
            decision = _last_resort(event.phase)
            answer = self._answer(event, Proceed() if observe else decision)
        self.outbox.put(answer)
        if isinstance(decision, Proceed) and not decision.facts:
            return
        try:
            decision_log.decision(self.filter.log, session, event, decision, observe=observe)
            if event.phase == b"mail-from" and not observe and isinstance(decision, Reject | Disconnect):
                facts.mail_from_refused(session)
        except BaseException as error:  # noqa: BLE001 - it is answered; the log is not worth a filter
            self._broke(error)

    def _checked(self, event: Request, result: object) -> Decision:
        """The decision if it is a legal one, else that of the failure policy."""
        if isinstance(result, DECISIONS) and is_legal(event.phase, result.word):
            return result
        failed = result if isinstance(result, Failed) else Failed(f"illegal decision: {_shown(result)}")
        return self._failed(event.phase, failed)

    def _failed(self, phase: bytes, failed: Failed) -> Proceed | Reject | Disconnect:
        """The failure policy's decision; at connect a refusal disconnects, as the client would hang on."""
        why = {"result": "failed", "reason": failed.reason}
        decision = self.filter.failed()
        if isinstance(decision, Proceed):
            return Proceed(facts=why)
        refuse = Disconnect if phase == b"connect" else Reject
        return refuse(decision.code, decision.enhanced, decision.text, facts=why)

    def _answer(self, event: Request, decision: Decision) -> bytes:
        """The one line that answers a request."""
        argument = b""
        if isinstance(decision, Reject | Disconnect):
            argument = decision.reply.encode("ascii")
        elif isinstance(decision, Rewrite):
            argument = decision.argument
        protocol = self._parser.protocol
        return writer.result(protocol, event.phase, event.session_id, event.token, decision.word, argument=argument)

    # --- messages ------------------------------------------------------------------------------------------------

    def _examine(self, held: Held) -> None:
        """The dot is here: ask on_message."""
        session, message = held.session, held.message
        message.queued_at = self._loop.time()
        result: object
        try:
            result = self.filter.on_message(session, message)
        except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
            result = failure_of(self.filter.log, session, "message", error)
        if not isinstance(result, Verdict) and inspect.isawaitable(result):  # isawaitable is slow: ask it last
            due = message.queued_at + self._message_seconds
            self.ledger.ask(session, "message", result, due, lambda late: self._verdict(held, late))
        else:
            self._verdict(held, result)

    def _verdict(self, held: Held, result: object) -> None:
        """Give the message back, or refuse it, as its hook said; then the line in the log."""
        observe = self.filter.options.observe
        try:
            verdict = result if isinstance(result, Verdict) else self._failed_verdict(held, result)
        except BaseException as error:  # noqa: BLE001 - a policy that throws
            self._broke(error)
            verdict = Verdict(self.filter.tempfail, facts={"result": "failed", "reason": "the failure policy failed"})
        delay = self._loop.time() - held.message.queued_at
        line: list[decision_log.Line] = []
        if verdict.facts or verdict.decision.facts or not isinstance(verdict.decision, Proceed):
            try:  # made now, as the message is gone when it is given back; written then
                line.append(decision_log.of_message(held.session, held.message, verdict, delay=delay, observe=observe))
            except BaseException as error:  # noqa: BLE001 - the log is not worth a message
                self._broke(error)
        self.held.finish(held, Verdict() if observe else verdict)
        for each in line:
            self.filter.log.line(*each)

    def _failed_verdict(self, held: Held, result: object) -> Verdict:
        failed = result if isinstance(result, Failed) else Failed(f"illegal verdict: {_shown(result)}")
        if failed.refusal is not None:
            if failed.refusal is NO_SPACE:
                self._tell_broken(held, failed.reason)
            return Verdict(failed.refusal)
        facts_ = {"result": "failed", "reason": failed.reason}
        decision = self.filter.failed()
        if not isinstance(decision, Proceed):
            return Verdict(decision, facts=facts_)
        try:
            return Verdict(decision, tuple(self.filter.unchecked()), facts=facts_)
        except BaseException as error:  # noqa: BLE001 - a message nobody could mark does not pass as checked
            self.filter.log.failure(held.session, "message", error)
            return Verdict(self.filter.tempfail, facts=facts_)

    def _broken(self, held: Held, error: BaseException) -> Reject:
        """A message cannot be held or given back: the client shall come again."""
        self._tell_broken(held, str(error))
        return NO_SPACE

    def _tell_broken(self, held: Held, why: str) -> None:
        self.filter.log.line(logging.ERROR, held.session, "spool", {"error": why})

    def _commit(self, held: Held, request: Request) -> None:
        """The lines are out; a verdict was logged when it was made, a refusal of our own is now."""
        decision, protocol = held.decision, self._parser.protocol
        if isinstance(decision, Reject | Disconnect):
            if decision is not held.logged:
                decision_log.refusal(self.filter.log, held.session, held.message, decision)
            word, reply = decision.word, decision.reply.encode("ascii")
            answer = writer.result(protocol, b"commit", request.session_id, request.token, word, argument=reply)
        else:
            answer = writer.proceed(protocol, request.session_id, request.token)
        self.outbox.put(answer)

    # --- the end -------------------------------------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """The process ends: every question still open is answered by the failure policy."""
        self.ledger.settle_all(reason)
        self.outbox.flush()


def _last_resort(phase: bytes) -> Reject | Disconnect:
    """The answer where even the failure policy fails: come again later."""
    refuse = Disconnect if phase == b"connect" else Reject
    facts_ = {"result": "failed", "reason": "no answer could be made"}
    return refuse(451, "4.3.0", "temporary local problem", facts=facts_)


def _text(phase: bytes) -> str:
    return phase.decode("ascii")


def _shown(result: object) -> str:
    """What a hook returned, for the log: ours as it is, strange things by their type, as their repr may fail, too."""
    if result is None:
        return "None; did a branch forget to return?"
    return repr(result) if isinstance(result, DECISIONS) else type(result).__name__
