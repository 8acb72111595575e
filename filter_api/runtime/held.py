"""Messages between their first line and the answer at commit.

The lines of a message are held until its verdict, so nothing half-edited ever leaves; then they are released, edited,
ended with exactly one dot, and the commit request, which smtpd sends after that dot, gets the decision. A message that
is refused is not given back line by line: smtpd drops it, so the dot alone suffices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Final

from filter_api.bounds import BLOCK, MAX_PAYLOAD, MAX_PAYLOAD_OLD
from filter_api.decision import Proceed, Reject, Verdict
from filter_api.message.message import HeaderTooLong, Message, TooManyFields
from filter_api.message.spool import Spool, SpoolError
from filter_api.protocol import writer
from filter_api.protocol.events import Request
from filter_api.runtime.outbox import Outbox
from filter_api.session import Session

LINE_TOO_LONG = Reject(550, "5.6.0", "line too long", facts={"result": "refused", "reason": "line-too-long"})
HEADER_TOO_LONG = Reject(550, "5.6.0", "header too long", facts={"result": "refused", "reason": "header-too-long"})
TOO_MANY_FIELDS = Reject(
    550, "5.6.0", "too many header fields", facts={"result": "refused", "reason": "too-many-fields"}
)
NO_SPACE = Reject(452, "4.3.1", "insufficient system storage", facts={"result": "failed", "reason": "spool"})


_LF: Final = ord("\n")


class State(Enum):
    """COLLECTING until the dot, DECIDING until the verdict, RELEASING until our dot, DONE until commit is answered."""

    COLLECTING = auto()
    DECIDING = auto()
    RELEASING = auto()
    DONE = auto()


class Held:
    """One message. refusal: why it cannot be taken, whatever the filter says. commit: the request, if it came early.

    logged: the decision the log knows; another one may follow, if the lines cannot be given back.
    """

    __slots__ = ("commit", "decision", "dropped", "logged", "message", "refusal", "session", "state", "task", "token")

    def __init__(self, session: Session, token: bytes, spool: Spool) -> None:
        self.session = session
        self.token = token
        self.message = Message(spool)
        self.state = State.COLLECTING
        self.refusal: Reject | None = None
        self.decision: object = None
        self.logged: object = None
        self.commit: Request | None = None
        self.dropped = False
        self.task: asyncio.Task[None] | None = None

    def refuse(self, refusal: Reject) -> None:
        """Swallow the rest; the answer at commit is certain."""
        self.refusal = self.refusal or refusal
        self.message.close()


class HeldMessages:
    """The messages of all sessions.

    examine(held) is called at the dot and must lead to `finish`; answer(held, request) is called when a commit request
    can be answered with `held.decision`.
    """

    __slots__ = ("_answer", "_collecting", "_examine", "_outbox", "_spool", "broken", "longest", "open", "protocol")

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        examine: Callable[[Held], None],
        answer: Callable[[Held, Request], None],
        broken: Callable[[Held, BaseException], Reject],
    ) -> None:
        self._outbox = outbox
        self._spool = spool
        self._examine = examine
        self._answer = answer
        self.broken = broken
        self.protocol: tuple[int, int] = (0, 7)
        #: Bytes a message line may have: smtpd before 7.4 cuts what it gets back.
        self.longest = MAX_PAYLOAD
        self.open: dict[bytes, Held] = {}
        self._collecting: dict[bytes, Callable[[bytes], None]] = {}  # how to hold more lines of those still to end

    def __len__(self) -> int:
        return len(self.open)

    def speak(self, protocol: tuple[int, int]) -> None:
        """Give lines back as this version wants them."""
        self.protocol = protocol
        self.longest = MAX_PAYLOAD if protocol >= (0, 7) else MAX_PAYLOAD_OLD

    def extend(self, session_id: bytes, text: bytes) -> bool:
        """Hold more lines of a message, as most lines are; False where there may be more to them: `take` these."""
        append = self._collecting.get(session_id)
        if append is None or text == b"." or len(text) > self.longest:
            return False
        if _LF in text and (text.endswith(b"\n.") or b"\n.\n" in text or text.startswith(b".\n")):
            return False
        try:
            append(text)
        except SpoolError as error:
            held = self.open[session_id]
            self._refuse(held, self.broken(held, error))
        return True

    def take(self, session: Session, token: bytes, text: bytes) -> None:
        """Hold a run of lines; at the dot the message is examined."""
        rest: bytes | None = text
        while rest is not None:
            held = self.open.get(session.id)
            if held is None or held.state is State.DONE:
                held = self.open[session.id] = Held(session, token, self._spool)
                self._collecting[session.id] = held.message.append
            if held.state is not State.COLLECTING:
                return  # lines behind the dot: smtpd never sends them, and must not get them back
            lines, ended, rest = _cut_at_dot(rest)
            if lines is not None and held.refusal is None:
                self._hold(held, lines)
            if ended:
                self._end(held)

    def _hold(self, held: Held, text: bytes) -> None:
        if _has_longer_line(text, self.longest):
            self._refuse(held, LINE_TOO_LONG)
            return
        try:
            held.message.append(text)
        except SpoolError as error:
            self._refuse(held, self.broken(held, error))

    def _refuse(self, held: Held, refusal: Reject) -> None:
        held.refuse(refusal)
        self._collecting.pop(held.session.id, None)

    def _end(self, held: Held) -> None:
        self._collecting.pop(held.session.id, None)
        held.state = State.DECIDING
        if held.refusal is None:
            self._examine(held)
        else:
            self.finish(held, Verdict(held.refusal), logged=False)

    def finish(self, held: Held, verdict: Verdict, *, logged: bool = True) -> None:
        """Release the lines as the verdict says, then the dot; answers a commit request that came before."""
        held.decision = verdict.decision
        held.logged = verdict.decision if logged else None
        held.state = State.RELEASING
        head = writer.dataline_head(self.protocol, held.session.id, held.token)
        if not isinstance(verdict.decision, Proceed):
            self._done(held, head)
            return
        blocks = held.message.wire(verdict.edits, self.longest)
        if held.message.wire_size <= BLOCK:
            self._release_now(held, head, blocks)
        else:
            held.task = asyncio.get_running_loop().create_task(self._release(held, head, blocks))

    def _release_now(self, held: Held, head: bytes, blocks: Iterator[bytes]) -> None:
        try:
            for block in blocks:
                self._outbox.extend(writer.datalines(head, block))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the message must end with a dot
            held.decision = self._failure(held, error)
        self._done(held, head)

    async def _release(self, held: Held, head: bytes, blocks: Iterator[bytes]) -> None:
        """A large message, a block at a time. Once a line is out, a failure can only refuse: never half a message."""
        try:
            for block in blocks:
                if held.dropped:
                    return
                self._outbox.extend(writer.datalines(head, block))
                self._outbox.flush()
                await self._outbox.drain()
        except BaseException as error:  # noqa: BLE001 - as above; a cancelled release is one that was dropped
            if held.dropped:
                return
            held.decision = self._failure(held, error)
        if not held.dropped:
            self._done(held, head)
            self._outbox.flush()

    def _failure(self, held: Held, error: BaseException) -> Reject:
        return refusal_of(error) or self.broken(held, error)

    def _done(self, held: Held, head: bytes) -> None:
        self._outbox.put(writer.end_of_data(head))
        held.message.close()
        held.state = State.DONE
        held.task = None
        if held.commit is not None:
            self._settle(held, held.commit)

    def commit(self, request: Request) -> bool:
        """Answer a commit request now, or when its message is released. False: there is no message for it."""
        held = self.open.get(request.session_id)
        if held is None:
            return False
        if held.state is State.DONE:
            self._settle(held, request)
        elif held.state is State.COLLECTING or held.commit is not None:
            self.drop(request.session_id)
            return False
        else:
            held.commit = request
        return True

    def _settle(self, held: Held, request: Request) -> None:
        self.open.pop(request.session_id, None)
        self._answer(held, request)

    def drop(self, session_id: bytes) -> None:
        """The message is over, or its session is: free everything, write nothing more."""
        held = self.open.pop(session_id, None)
        if held is not None:
            self._collecting.pop(session_id, None)
            held.dropped = True
            held.message.close()
            if held.task is not None:
                held.task.cancel()


def refusal_of(error: BaseException | None) -> Reject | None:
    """How a message is refused that could not be read, whatever the failure policy says; None for other errors."""
    if isinstance(error, TooManyFields):
        return TOO_MANY_FIELDS
    if isinstance(error, HeaderTooLong):
        return HEADER_TOO_LONG
    if isinstance(error, SpoolError):
        return NO_SPACE
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(refusal_of, error.exceptions)), None)
    return None


def _has_longer_line(text: bytes, limit: int) -> bool:
    """Whether a line of the text is longer than the limit; looks at one line break in every `limit` bytes."""
    start = 0
    while len(text) - start > limit:
        newline = text.rfind(b"\n", start, start + limit + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _cut_at_dot(text: bytes) -> tuple[bytes | None, bool, bytes | None]:
    """Lines before the final dot (None: none), whether there is one, and what stands behind it (None: nothing).

    smtpd sends nothing behind the dot of a message; the cut makes sure that a lone dot never gets in the middle.
    """
    if text == b".":
        return None, True, None
    if text.startswith(b".\n"):
        return None, True, text[2:]
    middle = text.find(b"\n.\n")
    if middle >= 0:
        return text[:middle], True, text[middle + 3 :]
    if text.endswith(b"\n."):
        return text[:-2], True, None
    return text, False, None
