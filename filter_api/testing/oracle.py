"""smtpd's rules for what a filter writes, as a judge in memory.

`Oracle` hears both sides of the wire and raises where smtpd would die, hang, wedge, or take a line for something else.
It holds the acceptance rules of lka_filter.c and smtp_session.c, none of their code, and is itself checked against real
daemons of both protocols. Every test that makes a filter write should pass what it writes through here.
"""

from __future__ import annotations

import re
from typing import Final

from filter_api.protocol.events import PHASES, REPORTS
from filter_api.protocol.parser import version_tuple

_LINE: Final = 65_536  # with its newline; one byte more and lka spins
_IMSG: Final = 16_384
_OLD_ANSWER: Final = 2_047
_NUMBER: Final = re.compile(rb"[ \t]*[+-]?(?:0[xX])?([0-9a-fA-F]+)\Z")
_REPLY: Final = re.compile(rb"[45]\d\d .+", re.DOTALL)
_NO_ARGUMENT: Final = frozenset({b"data", b"rset", b"quit", b"commit"})
_QUESTIONS: Final = frozenset(PHASES)


class SmtpdError(AssertionError):
    """smtpd would not do what the filter's author thinks."""


class WouldKillSmtpd(SmtpdError):
    """The whole mail server would exit."""


class WouldWedgeSmtpd(SmtpdError):
    """smtpd's lookup process would spin; no session with a filter would go on."""


class WouldHang(SmtpdError):
    """A client would wait for ever."""


class WouldMislead(SmtpdError):
    """smtpd would live, but do something else: reply 421, cut a line, take a text for an address."""


class _Session:
    """What smtpd remembers of one session: the question that is open, and whether message lines are."""

    __slots__ = ("data", "data_token", "dot_sent", "phase", "token")

    def __init__(self) -> None:
        self.phase: bytes | None = None
        self.token = b""
        self.data_token = b""
        self.data = False
        self.dot_sent = False


class Oracle:
    """Feed it `smtpd_wrote` and `filter_wrote` as they happen, and `finish` at the end.

    registered: True to start after the handshake, as recorded traffic does.
    """

    def __init__(self, protocol: tuple[int, int] = (0, 7), *, registered: bool = False) -> None:
        self.protocol = protocol
        self.ready = registered
        self.reports: set[bytes] = set()
        self.phases: set[bytes] = set()
        self.asked = 0
        self.answered = 0
        self._sessions: dict[bytes, _Session] = {}
        self._gone: set[bytes] = set()
        self._from_smtpd = b""
        self._from_filter = b""

    # --- what smtpd writes ---------------------------------------------------------------------------------------

    def smtpd_wrote(self, data: bytes) -> None:
        """Take what goes to the filter, in pieces of any size."""
        *lines, self._from_smtpd = (self._from_smtpd + data).split(b"\n")
        for line in lines:
            parts = line.split(b"|", 7)
            if parts[0] == b"filter" and len(parts) == 8 and parts[3] == b"smtp-in":
                self._question(parts)
            elif parts[0] == b"report" and len(parts) >= 6 and parts[4] == b"link-disconnect":
                self._sessions.pop(parts[5].lower(), None)
                self._gone.add(parts[5].lower())
            elif parts[0] == b"report" and len(parts) >= 6 and parts[4] == b"link-connect":
                self._gone.discard(parts[5].lower())
            elif line.startswith(b"config|protocol|"):
                self.protocol = version_tuple(line[16:]) or self.protocol

    def _question(self, parts: list[bytes]) -> None:
        self.protocol = version_tuple(parts[1]) or self.protocol
        phase, session_id, token, argument = parts[4:]
        if session_id.lower() in self._gone:
            return  # a line that was under way when the session ended: nobody waits for what comes of it
        session = self._sessions.setdefault(session_id.lower(), _Session())
        if phase == b"data-line":
            if not session.data:
                session.data, session.dot_sent = True, False
            session.data_token = token
            session.dot_sent = session.dot_sent or argument == b"."
        elif phase in _QUESTIONS:
            if session.data and phase != b"commit":
                session.data = False
            session.phase, session.token = phase, token
            self.asked += 1

    # --- what the filter writes ----------------------------------------------------------------------------------

    def filter_wrote(self, data: bytes) -> None:
        """Take what the filter writes, in pieces of any size. Raises SmtpdError."""
        *lines, self._from_filter = (self._from_filter + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._from_filter) >= _LINE:
            raise WouldWedgeSmtpd("a line without end")

    def _line(self, line: bytes) -> None:
        if len(line) + 1 > _LINE:
            raise WouldWedgeSmtpd(f"a line of {len(line) + 1} bytes")
        line = line.partition(b"\0")[0]
        if line.startswith(b"register|"):
            self._register(line)
        elif not self.ready:
            raise WouldKillSmtpd(f"before register|ready: {line[:80]!r}")
        elif line.startswith(b"filter-result|"):
            self._result(line)
        elif line.startswith(b"filter-dataline|"):
            self._dataline(line)
        else:
            raise WouldKillSmtpd(f"Invalid filter message type: {line[:80]!r}")

    def _register(self, line: bytes) -> None:
        parts = line.split(b"|", 3)
        if parts == [b"register", b"ready"]:
            self.ready = True
            return
        if len(parts) != 4 or parts[1] not in {b"report", b"filter"}:
            raise WouldKillSmtpd(f"Invalid register line received: {line[:80]!r}")
        _, kind, direction, name = parts
        known = direction in ({b"smtp-in", b"smtp-out"} if kind == b"report" else {b"smtp-in"})
        if not known:
            raise WouldKillSmtpd(f"Invalid message direction: {line[:80]!r}")
        if kind == b"filter":
            if name not in _QUESTIONS and name != b"data-line":
                raise WouldKillSmtpd(f"Unrecognized report name: {name!r}")
            self.phases.add(name)
            return
        if name not in REPORTS and name != b"*":
            raise WouldKillSmtpd(f"Unrecognized report name: {name!r}")
        if direction + b"|" + name in self.reports:
            raise WouldMislead(f"every {name!r} would be told twice")
        self.reports.add(direction + b"|" + name)

    def _ids(self, line: bytes, kind: str) -> tuple[bytes, bytes, bytes]:
        parts = line.split(b"|", 3)
        if len(parts) < 4 or not all(_NUMBER.match(part) for part in parts[1:3]):
            raise WouldKillSmtpd(f"invalid {kind}: {line[:80]!r}")
        first, second = parts[1:3] if self.protocol >= (0, 5) else parts[2:0:-1]
        return first.strip().lower(), second, parts[3]

    def _session(self, session_id: bytes) -> _Session | None:
        number = _NUMBER.match(session_id)
        return self._sessions.get(number[1].rjust(16, b"0")) if number else None

    def _result(self, line: bytes) -> None:
        session_id, token, answer = self._ids(line, "filter-result")
        session = self._session(session_id)
        if session is None:
            return  # gone: smtpd ignores it, whatever it says
        if session.data:
            raise WouldKillSmtpd(f"filter-result while message lines are open: {line[:80]!r}")
        if session.phase is None:
            raise WouldKillSmtpd(f"a second answer, or one nobody asked for: {line[:80]!r}")
        if self.protocol < (0, 7) and len(line) > _OLD_ANSWER:
            raise WouldMislead(f"an answer of {len(line)} bytes is cut at {_OLD_ANSWER}")
        word, bar, argument = answer.partition(b"|")
        self._decision(session.phase, word, argument, plain=not bar)
        if word == b"proceed" and int(token, 16) != int(session.token, 16):
            raise WouldKillSmtpd("misbehaving filter: proceed with another token")
        session.phase = None
        self.answered += 1

    def _decision(self, phase: bytes, word: bytes, argument: bytes, *, plain: bool) -> None:
        if word in {b"proceed", b"junk"}:
            if not plain:
                raise WouldKillSmtpd(f"{word!r} takes no parameter")
            if word == b"junk" and phase == b"commit":
                raise WouldKillSmtpd("filter-reponse junk after DATA")
        elif word in {b"reject", b"disconnect", b"rewrite", b"report"}:
            if plain:
                raise WouldKillSmtpd(f"{word!r} without its parameter")
            self._parameter(phase, word, argument)
        else:
            raise WouldKillSmtpd(f"Invalid directive: {word!r}")

    def _parameter(self, phase: bytes, word: bytes, argument: bytes) -> None:
        if len(argument) > _IMSG - 256 and self.protocol >= (0, 7):
            raise WouldKillSmtpd("message too large")
        if word == b"report":
            if self.protocol < (0, 7):
                raise WouldKillSmtpd("Invalid directive: report")
            raise WouldMislead("the text of report replaces the argument of the command")
        if word == b"rewrite":
            self._rewrite(phase, argument)
        elif not _REPLY.match(argument):
            raise WouldMislead(f"the client gets 421 instead of {argument[:80]!r}")
        elif b"\r" in argument:
            raise WouldMislead("a CR goes to the client")

    @staticmethod
    def _rewrite(phase: bytes, argument: bytes) -> None:
        if phase == b"commit":
            raise WouldHang("a rewrite at commit leaves the session in its body state")
        if phase in _NO_ARGUMENT or phase in {b"connect", b"noop", b"starttls"}:
            raise WouldMislead(f"{phase!r} takes no argument")
        if phase in {b"mail-from", b"rcpt-to"} and not re.match(rb"<[^<>]*>( .*)?\Z", argument):
            raise WouldMislead("a rewritten address needs its angle brackets")

    def _dataline(self, line: bytes) -> None:
        session_id, token, text = self._ids(line, "filter-dataline")
        session = self._session(session_id)
        if session is None:
            return
        if not session.data:
            raise WouldKillSmtpd(f"filter-dataline out of dataline phase: {line[:80]!r}")
        if int(token, 16) != int(session.data_token, 16):
            raise WouldKillSmtpd("misbehaving filter: a data line with another token")
        if self.protocol < (0, 7) and len(line) > _OLD_ANSWER:
            raise WouldMislead(f"a line of {len(line)} bytes is cut at {_OLD_ANSWER}")
        if text == b".":
            if not session.dot_sent:
                raise WouldMislead("the message ends before the client has ended it")
            session.data = False

    # --- the end -------------------------------------------------------------------------------------------------

    def owes(self, session_id: bytes) -> bool:
        """Whether the filter has a question of this session to answer, or a message to end."""
        session = self._sessions.get(session_id.lower())
        return session is not None and (session.phase is not None or (session.data and session.dot_sent))

    def finish(self) -> None:
        """Nothing more comes. Raises WouldHang where a session still waits for the filter, or half a line was left."""
        if not self.ready:
            raise WouldHang("without register|ready smtpd greets nobody")
        for session_id, session in self._sessions.items():
            if session.phase is not None:
                raise WouldHang(f"{session_id!r}: no answer at {session.phase!r}")
            if session.data and session.dot_sent:
                raise WouldHang(f"{session_id!r}: the message is never ended")
        if self._from_filter:
            raise WouldHang(f"half a line: {self._from_filter[:80]!r}")
