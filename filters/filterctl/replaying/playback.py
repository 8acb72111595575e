"""Play recorded traffic to a running filter as smtpd would: one socket, questions awaited, everything judged.

Each session goes on only when its question is answered, or its message ended, while the others proceed, as in smtpd.
Only what the filter registered for is told. What it writes passes the oracle, which raises where smtpd would have died.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from filter_api.protocol.parser import version_tuple
from filter_api.testing.oracle import Oracle, WouldHang, WouldKillSmtpd, WouldMislead
from filter_api.testing.transcript import Wire
from filterctl.programs.command import end
from filterctl.replaying.story import Decision, Event, Story

HANDSHAKE_PATIENCE = 10.0
END_PATIENCE = 5.0
CHUNK = 65536

_VERSIONS = {(0, 4): b"6.6.4", (0, 5): b"6.6.4", (0, 6): b"6.8.0p2"}


@dataclass(slots=True)
class Outcome:
    """One answer: the question, what the filter said, and after how many seconds. `changes` of a message: +/- lines."""

    session: bytes
    phase: bytes
    argument: bytes
    verdict: bytes
    seconds: float
    changes: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Session:
    """Where a session stands: what waits to be told, which question is open, and the message's lines."""

    story: Story = field(default_factory=Story)
    waiting: deque[Event] = field(default_factory=deque)
    asked: Event | None = None
    asked_at: float = 0.0
    lines_in: list[bytes] = field(default_factory=list)
    lines_out: list[bytes] = field(default_factory=list)


class Playback:
    """One recorded process played to one running filter. Raises SmtpdError (see `filter_api.testing.oracle`)."""

    def __init__(self, process: subprocess.Popen[bytes], end: socket.socket, patience: float) -> None:
        """`patience`: seconds an answer may take before it counts as a hang."""
        self.oracle = Oracle()
        self.outcomes: list[Outcome] = []
        self._process = process
        self._end = end
        self._patience = patience
        self._out = bytearray()
        self._tail = b""
        self._sessions: dict[bytes, _Session] = {}

    def play(self, wire: Sequence[Wire]) -> None:
        """From the handshake to the filter's end at end of file."""
        self._shake_hands(wire)
        for to_filter, line in wire:
            event = Event.parse(line) if to_filter else None
            if event is not None:
                self._sessions.setdefault(event.session, _Session()).waiting.append(event)
                self._advance(event.session)
                if event.name == b"link-disconnect":
                    self._settle(event.session)
            elif not to_filter:
                self._settle(self._answered(line))
        for name in list(self._sessions):
            self._settle(name)
        self._finish()

    def unasked(self) -> set[bytes]:
        """Phases the filter registered for and was never asked about."""
        return self.oracle.phases - {outcome.phase for outcome in self.outcomes}

    # --- smtpd's side --------------------------------------------------------------------------------------------

    def _shake_hands(self, wire: Sequence[Wire]) -> None:
        config = [line for to_filter, line in wire if to_filter and line.startswith(b"config|")]
        self._send(b"".join(line + b"\n" for line in config or made_up_config(wire)))
        self._await(lambda: self.oracle.ready, HANDSHAKE_PATIENCE, "no register|ready")

    def _advance(self, name: bytes) -> None:
        """Tell a session what has happened in it up to the next question."""
        session = self._sessions[name]
        while session.waiting and session.asked is None:
            for line in session.story.tell(session.waiting.popleft()):
                told = Event.parse(line)
                if told is not None:
                    self._tell(session, told)

    def _tell(self, session: _Session, event: Event) -> None:
        if not event.request:
            direction = b"smtp-out|" if event.outgoing else b"smtp-in|"
            if not self.oracle.reports.isdisjoint({direction + event.name, direction + b"*"}):
                self._send(event.line + b"\n")
            return
        if event.name not in self.oracle.phases:
            return
        self._send(event.line + b"\n")
        if event.name == b"data-line":
            session.lines_in.append(event.argument)
            if event.argument != b".":
                return
        session.asked, session.asked_at = event, time.monotonic()

    def _settle(self, name: bytes) -> None:
        """Wait until everything a session was asked is answered, as the recorded events behind it depend on that."""
        session = self._sessions.get(name)
        if session is not None:
            self._await(lambda: session.asked is None, self._patience, f"session {name.decode('latin-1')}: no answer")

    def _answered(self, line: bytes) -> bytes:
        """The session a recorded line of the filter settled; empty for any other line."""
        fields = line.split(b"|", 3)
        if len(fields) < 4 or (
            fields[0] != b"filter-result" and (fields[0] != b"filter-dataline" or fields[3] != b".")
        ):
            return b""
        return fields[1] if fields[1] in self._sessions else fields[2]

    # --- the filter's side ---------------------------------------------------------------------------------------

    def _hear(self, line: bytes) -> None:
        fields = line.split(b"|", 3)
        if len(fields) < 4 or fields[0] not in {b"filter-result", b"filter-dataline"}:
            return
        name = next((name for name in (fields[1].lower(), fields[2].lower()) if name in self._sessions), b"")
        session = self._sessions.get(name)
        if session is None:
            return
        if fields[0] == b"filter-dataline":
            session.lines_out.append(fields[3])
            if fields[3] == b".":
                self._message_ended(name, session)
        elif session.asked is not None:
            self._decided(name, session, session.asked, fields[3])

    def _decided(self, name: bytes, session: _Session, asked: Event, verdict: bytes) -> None:
        word, _, text = verdict.partition(b"|")
        seconds = time.monotonic() - session.asked_at
        argument = b"********" if asked.name == b"auth" else asked.argument
        self.outcomes.append(Outcome(name, asked.name, argument, verdict, seconds))
        session.story.decided(Decision(asked.name, word, text))
        session.asked = None
        self._advance(name)

    def _message_ended(self, name: bytes, session: _Session) -> None:
        before, after = Counter(session.lines_in), Counter(session.lines_out)
        changes = [b"-" + line for line in (before - after).elements()] + [
            b"+" + line for line in (after - before).elements()
        ]
        seconds = time.monotonic() - session.asked_at
        size = b"%d lines" % (len(session.lines_in) - 1)
        verdict = b"%d added, %d removed" % ((after - before).total(), (before - after).total())
        self.outcomes.append(Outcome(name, b"data-line", size, verdict if changes else b"unchanged", seconds, changes))
        session.lines_in, session.lines_out, session.asked = [], [], None
        self._advance(name)

    # --- the wire ------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        self.oracle.smtpd_wrote(data)
        self._out += data
        if len(self._out) > CHUNK:
            self._exchange(0.0)

    def _await(self, done: Callable[[], bool], patience: float, why: str) -> None:
        deadline = time.monotonic() + patience
        while not done():
            if time.monotonic() >= deadline:
                raise WouldHang(f"{why} within {patience:g} seconds")
            self._exchange(min(1.0, patience))

    def _exchange(self, wait: float) -> None:
        """Write what the filter takes and hear what it says, waiting at most `wait` seconds for either."""
        reading, writing, _ = select.select([self._end], [self._end] if self._out else [], [], wait)
        if writing:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                del self._out[: self._end.send(self._out, socket.MSG_DONTWAIT)]
        if reading:
            data = self._receive()
            if not data:
                status = end(self._process, END_PATIENCE)
                raise WouldKillSmtpd(f"the filter ended with status {status}")

    def _receive(self) -> bytes:
        try:
            data = self._end.recv(CHUNK)
        except ConnectionError:
            return b""
        *ends, rest = data.split(b"\n")
        for piece in ends:
            self.oracle.filter_wrote(piece + b"\n")
            line, self._tail = self._tail + piece, b""
            self._hear(line)
        self.oracle.filter_wrote(rest)
        self._tail += rest
        return data

    def _finish(self) -> None:
        """End of file: the filter must end by itself, and smtpd must not be owed anything."""
        while self._out:
            self._exchange(1.0)
        self._end.shutdown(socket.SHUT_WR)
        self._end.settimeout(END_PATIENCE)
        try:
            while self._receive():
                pass
        except TimeoutError:
            raise WouldHang(f"the filter is still there {END_PATIENCE:g} seconds after end of file") from None
        self.oracle.finish()
        status = end(self._process, END_PATIENCE)
        if status != 0:
            raise WouldMislead(f"the filter ended with status {status} at end of file")


def made_up_config(wire: Sequence[Wire]) -> list[bytes]:
    """The handshake of the smtpd that wrote these lines, for recordings that have none."""
    events = [event for to_filter, line in wire if to_filter and (event := Event.parse(line)) is not None]
    text = events[0].line.split(b"|", 2)[1] if events else b"0.7"
    protocol = version_tuple(text) or (0, 7)
    lines = [b"config|smtpd-version|" + _VERSIONS.get(protocol, b"7.8.0")]
    if protocol >= (0, 7):
        lines.append(b"config|protocol|" + text)
    lines.append(b"config|smtp-session-timeout|300")
    subsystems = sorted({b"smtp-out" if event.outgoing else b"smtp-in" for event in events})
    lines += [b"config|subsystem|" + name for name in subsystems]
    return [*lines, b"config|admd|mx.example.org", b"config|ready"]
