"""What smtpd would tell a filter in a recorded session, given what this filter decides: the pure half of replay.

A recording shows one course of events; a filter that refuses what was accepted then leaves it. `Story.tell` gives each
recorded line as smtpd would have written it: unchanged, with another result, or not at all, since after a refused MAIL
FROM there is no transaction and after a refused message no commit. Where the recorded course was a refusal and the
filter proceeds, nothing is made up: what was not recorded is not told.
"""

from __future__ import annotations

from typing import NamedTuple

_RESPONSE_PHASE = {b"connected": b"connect", b"tls": b"starttls"}
_SKIP_ENDS = {
    "identity": {b"helo", b"ehlo", b"quit"},
    "transaction": {b"helo", b"ehlo", b"quit", b"rset", b"mail-from"},
}
_BODY = {
    b"data-line",
    b"commit",
    b"tx-data",
    b"tx-envelope",
    b"protocol-client",
    b"protocol-server",
    b"filter-response",
}


class Event(NamedTuple):
    """A line of smtpd's in its fields: `rest` is what stands behind the session, `request` whether it is a question."""

    line: bytes
    request: bool
    outgoing: bool
    name: bytes
    session: bytes
    rest: bytes

    @classmethod
    def parse(cls, line: bytes) -> Event | None:
        """None for what is neither report nor request."""
        fields = line.split(b"|", 6)
        if len(fields) < 6 or fields[0] not in {b"report", b"filter"}:
            return None
        rest = fields[6] if len(fields) == 7 else b""
        return cls(line, fields[0] == b"filter", fields[3] == b"smtp-out", fields[4], fields[5], rest)

    @property
    def argument(self) -> bytes:
        """The parameter of a request (what stands behind the token)."""
        return self.rest.partition(b"|")[2]

    def again(self, name: bytes, rest: bytes) -> bytes:
        """The line of another report at the same moment."""
        fields = self.line.split(b"|", 6)
        return b"|".join([b"report", *fields[1:4], name, self.session, *([rest] if rest else [])])


class Decision(NamedTuple):
    """An answer of the filter: ``reject`` and its text."""

    phase: bytes
    word: bytes
    text: bytes

    @property
    def refuses(self) -> bool:
        """Whether the command fails."""
        return self.word in {b"reject", b"disconnect"}

    @property
    def hangs_up(self) -> bool:
        """Whether nothing more comes of this session: at connect a rejection leaves it without a banner."""
        if self.word != b"reject":
            return self.word == b"disconnect"
        return self.phase == b"connect" or self.text.startswith(b"421")


class Story:
    """One session."""

    def __init__(self) -> None:
        self._transaction = b""
        self._recipients = 0
        self._skip = ""
        self._never_began = False
        self._decision: Decision | None = None
        self._reply: bytes | None = None

    def decided(self, decision: Decision) -> None:
        """The filter answered the request that was told last."""
        self._decision = decision
        if not decision.refuses:
            return
        self._reply = decision.text
        if decision.hangs_up:
            self._skip = "session"
        elif decision.phase in {b"helo", b"ehlo"}:
            self._skip = "identity"
            self._never_began = True
        elif decision.phase == b"mail-from":
            self._skip = "transaction"
            self._never_began = True
        elif decision.phase in {b"data", b"commit"}:
            self._skip = "body"

    def tell(self, event: Event) -> list[bytes]:
        """The lines smtpd would write where `event` was recorded."""
        if event.name == b"filter-response":
            return self._response(event)
        if event.request and event.name != b"data-line":
            self._decision = None
        if event.name == b"protocol-server" and self._reply is not None:
            reply, self._reply = self._reply, None
            return [event.again(event.name, reply)]
        if self._skipped(event):
            return []
        if event.name == b"link-disconnect" and self._skip == "session" and self._transaction:
            message = self._transaction
            return [event.again(b"tx-rollback", message), event.again(b"tx-reset", message), event.line]
        return self._transaction_event(event)

    def _response(self, event: Event) -> list[bytes]:
        name, _, _ = event.rest.partition(b"|")
        decision = self._decision
        if decision is None or decision.phase != _RESPONSE_PHASE.get(name, name) or decision.word == b"proceed":
            return [] if self._skip else [event.line]
        text = b"|" + decision.text if decision.text else b""
        return [event.again(event.name, name + b"|" + decision.word + text)]

    def _skipped(self, event: Event) -> bool:
        """Whether the filter's refusal undid this event; the skipping ends with the first that is told again."""
        if event.name.startswith(b"tx-") and self._never_began and not self._transaction:
            return True
        if event.name in {b"link-disconnect", b"timeout"} or not self._skip:
            return False
        if self._skip == "session":
            return True
        if self._skip == "body":
            return event.name in _BODY
        if event.request and event.name in _SKIP_ENDS[self._skip]:
            self._skip = ""
            self._never_began = event.name != b"mail-from"
        return bool(self._skip)

    def _transaction_event(self, event: Event) -> list[bytes]:
        message = event.rest.partition(b"|")[0]
        if event.name == b"tx-begin":
            self._transaction, self._recipients = message, 0
        elif event.name == b"tx-rcpt":
            return [self._recipient(event)]
        elif event.name == b"data" and event.request and self._transaction and not self._recipients:
            self._skip = "body"  # smtpd itself refuses DATA without recipients
            return []
        elif event.name == b"tx-commit" and self._skip == "body":
            return [event.again(b"tx-rollback", message)]
        elif event.name == b"tx-reset":
            self._transaction, self._skip = b"", ""
        return [event.line]

    def _recipient(self, event: Event) -> bytes:
        """tx-rcpt with the result it has now: an accepted recipient fails if the filter refused it."""
        version = event.line.split(b"|", 2)[1]
        fields = event.rest.split(b"|", 2)
        at = 2 if version in {b"0.4", b"0.5"} else 1
        decision = self._decision
        if len(fields) == 3 and fields[at] == b"ok" and decision and decision.refuses and decision.phase == b"rcpt-to":
            fields[at] = b"tempfail" if decision.text.startswith(b"4") else b"permfail"
        elif len(fields) == 3 and fields[at] == b"ok":
            self._recipients += 1
        return event.again(event.name, b"|".join(fields))
