"""Messages between their first line and the answer at commit.

The lines of a message are held until its verdict, so nothing half-edited ever leaves; then they are released, edited,
ended with exactly one dot, and the commit request, which smtpd sends after that dot, gets the decision. A message that
is refused is not given back line by line: smtpd drops it, so the dot alone suffices. `life` has the states of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filter_api.bounds import MAX_PAYLOAD, MAX_PAYLOAD_OLD
from filter_api.decision import Proceed, Reject, Verdict
from filter_api.message.spool import Spool, SpoolError
from filter_api.protocol import writer
from filter_api.protocol.events import Request
from filter_api.runtime.life import (
    ANSWERED,
    COLLECTING,
    DECIDED,
    DOT,
    DROPPED,
    ENDED,
    REFUSED,
    REFUSING,
    RELEASED,
    Held,
)
from filter_api.runtime.outbox import Outbox
from filter_api.runtime.refusals import LINE_TOO_LONG, LOST
from filter_api.runtime.release import Releaser
from filter_api.session import Session

_LF: Final = ord("\n")


class HeldMessages:
    """The messages of all sessions.

    examine(held, messages) is called at the dot and must lead to `finish`; answer(held, request) is called when a
    commit request can be answered with `held.decision`; broken(session, error) logs why a message cannot be held, and
    gives the refusal; spend: see `Reserve`.
    """

    __slots__ = (
        "_answer",
        "_collecting",
        "_examine",
        "_release",
        "_spool",
        "begun",
        "broken",
        "longest",
        "open",
        "protocol",
    )

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        examine: Callable[[Held, HeldMessages], None],
        answer: Callable[[Held, Request], None],
        *,
        broken: Callable[[Session, BaseException], Reject],
        spend: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._examine = examine
        self._answer = answer
        self.broken = broken
        self._release = Releaser(outbox, self._released, broken, spend)
        self.protocol: tuple[int, int] = (0, 7)
        #: Bytes a message line may have: smtpd before 7.4 cuts what it gets back.
        self.longest = MAX_PAYLOAD
        self.open: dict[bytes, Held] = {}
        #: How many messages there were.
        self.begun = 0
        self._collecting: dict[bytes, Callable[[bytes], None]] = {}  # session → append of its message, until its dot

    def __len__(self) -> int:
        return len(self.open)

    def speak(self, protocol: tuple[int, int]) -> None:
        """Give lines back as this version wants them."""
        self.protocol = protocol
        self.longest = MAX_PAYLOAD if protocol >= (0, 7) else MAX_PAYLOAD_OLD

    # --- lines ---------------------------------------------------------------------------------------------------

    def extend(self, session_id: bytes, text: bytes) -> bool:
        """Hold more lines. The fast path: False for a first line, a dot or a long line, where `take` is needed."""
        append = self._collecting.get(session_id)
        if append is None or text == b"." or len(text) > self.longest:
            return False
        if _LF in text and (text.endswith(b"\n.") or b"\n.\n" in text or text.startswith(b".\n")):
            return False
        try:
            append(text)
        except BaseException as error:  # noqa: BLE001 - whatever it is, these lines are not held
            held = self.open[session_id]
            self.refuse(held, self.broken(held.session, error))
        return True

    def take(self, session: Session, token: bytes, text: bytes) -> None:
        """Hold a run of lines; at the dot the message is examined.

        smtpd sends nothing behind the dot of a message, and must not get it back: it goes.
        """
        held = self.open.get(session.id)
        if held is None or held.state is ENDED:
            held = self._begin(session, token)
        if held.state is not COLLECTING and held.state is not REFUSING:
            return
        lines, ended = _cut_at_dot(text)
        if lines is not None and held.state is COLLECTING:
            self._hold(held, lines)
        if ended:
            self._end(held)

    def _begin(self, session: Session, token: bytes) -> Held:
        held = self.open[session.id] = Held(session, token, self._spool)
        self.begun += 1
        self._collecting[session.id] = held.message.append
        return held

    def _hold(self, held: Held, text: bytes) -> None:
        if len(text) > self.longest and _has_longer_line(text, self.longest):
            self.refuse(held, LINE_TOO_LONG)
            return
        try:
            held.message.append(text)
        except (SpoolError, MemoryError) as error:
            self.refuse(held, self.broken(held.session, error))

    def refuse(self, held: Held, refusal: Reject) -> None:
        """Swallow the rest of a message that is not whole yet; the answer at commit is certain."""
        if held.on(REFUSED):
            held.refusal = refusal
            held.message.close()
            self._collecting.pop(held.session.id, None)

    def lose(self, session: Session, token: bytes, text: bytes) -> None:
        """These lines could not be held: their message is refused, at its dot."""
        held = self.open.get(session.id) or self._begin(session, token)
        self.refuse(held, LOST)
        if held.state is REFUSING and (text == b"." or text.endswith(b"\n.")):
            self._end(held)

    def lose_all(self) -> None:
        """Some input was lost: nobody can say to which message it belonged, so all that are not whole are refused."""
        for held in self.open.values():
            self.refuse(held, LOST)

    def _end(self, held: Held) -> None:
        self._collecting.pop(held.session.id, None)
        held.on(DOT)
        if held.refusal is None:
            self._examine(held, self)
        else:
            self.finish(held, Verdict(held.refusal), logged=False)

    # --- the verdict ---------------------------------------------------------------------------------------------

    def finish(self, held: Held, verdict: Verdict, logged: bool = True) -> None:
        """Release the lines as the verdict says, then the dot; answers a commit request that came before."""
        decision, edits = verdict.decision, verdict.edits  # which may raise, so nothing is decided before
        head = writer.dataline_head(self.protocol, held.session.id, held.token)
        lines = held.message.wire(edits, self.longest) if isinstance(decision, Proceed) else None
        if not held.on(DECIDED):
            return
        held.decision = decision
        held.logged = decision if logged else None
        self._release.give_back(held, head, lines)

    def _released(self, held: Held) -> None:
        """Our dot is out."""
        held.on(RELEASED)
        held.task = None
        held.message.close()
        for request in held.commits:
            self._settle(held, request)

    def commit(self, request: Request) -> bool:
        """Answer a commit request now, or when its message is released. False: there is no whole message for it."""
        held = self.open.get(request.session_id)
        if held is None:
            return False
        if held.state is ENDED:
            self._settle(held, request)
        elif held.state in {COLLECTING, REFUSING}:
            self.drop(request.session_id)
            return False
        else:
            held.commits = (*held.commits, request)
        return True

    def passed(self, session_id: bytes) -> bool:
        """Whether its message was let through and is given back: then it is over, and `commit` need not be called."""
        held = self.open.get(session_id)
        if held is None or held.state is not ENDED or type(held.decision) is not Proceed:
            return False
        held.on(ANSWERED)
        del self.open[session_id]
        return True

    def _settle(self, held: Held, request: Request) -> None:
        held.on(ANSWERED)
        self.open.pop(request.session_id, None)
        self._answer(held, request)

    def drop(self, session_id: bytes) -> None:
        """The message is over, or its session is: free everything, write nothing more."""
        held = self.open.pop(session_id, None)
        if held is not None:
            self._collecting.pop(session_id, None)
            held.on(DROPPED)
            held.message.close()
            if held.task is not None:
                held.task.cancel()


def _has_longer_line(text: bytes, limit: int) -> bool:
    """Whether a line of the text is longer than the limit; looks at one line break in every `limit` bytes."""
    start = 0
    while len(text) - start > limit:
        newline = text.rfind(b"\n", start, start + limit + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _cut_at_dot(text: bytes) -> tuple[bytes | None, bool]:
    """Lines before the final dot (None: none), and whether there is one. A lone dot never gets in the middle."""
    if text == b"." or text.startswith(b".\n"):
        return None, True
    middle = text.find(b"\n.\n")
    if middle >= 0:
        return text[:middle], True
    if text.endswith(b"\n."):
        return text[:-2], True
    return text, False
