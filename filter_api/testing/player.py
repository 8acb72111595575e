"""smtpd in memory: play connections and recorded traffic against a filter, with a clock that jumps.

A filter author's test::

    def test_turns_away_clients_without_reverse_dns() -> None:
        with Player(RequireReverseDns()) as smtpd:
            client = smtpd.connect("192.0.2.1", rdns=None)
        assert client.reply == "550 5.7.25 no reverse DNS for your address"

Everything the filter writes passes the `Oracle`: a test also fails where smtpd would die or a client hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final

from filter_api.context import Context
from filter_api.filter import Filter
from filter_api.log import Logger
from filter_api.message.spool import Spool
from filter_api.protocol.events import PHASES
from filter_api.protocol.parser import version_tuple
from filter_api.protocol.writer import dataline_head
from filter_api.runtime.dispatch import Dispatcher
from filter_api.runtime.guard import guard
from filter_api.testing.client import Client, Outcome, Reply
from filter_api.testing.clock import FakeTimeLoop
from filter_api.testing.oracle import Oracle
from filter_api.testing.transcript import Wire

HANDSHAKE: Final = (
    b"config|smtpd-version|7.8.0",
    b"config|protocol|0.7",
    b"config|smtp-session-timeout|300",
    b"config|subsystem|smtp-in",
    b"config|admd|mx.example.org",
    b"config|ready",
)
#: Loop seconds (not real ones) after which an answer that has not come never will.
PATIENCE: Final = 400.0


class Player:
    """Runs one filter, or several in one process, by their labels.

    wall: what the clock on the wall says at the start (seconds since 1970); it moves with the loop.
    observe: -n for all of them. beside: option -p of filter-chain(8). loop: by default one whose clock jumps; pass
    `asyncio.new_event_loop()` where real sockets must answer. log: the lines the filters logged.
    """

    def __init__(
        self,
        filter_: Filter | Mapping[str, Filter],
        *,
        protocol: str = "0.7",
        wall: float = 1_700_000_000.0,
        loop: asyncio.AbstractEventLoop | None = None,
        handshake: Iterable[bytes] = HANDSHAKE,
        spool: Spool | None = None,
        observe: bool = False,
        beside: bool = False,
    ) -> None:
        members = {"": filter_} if isinstance(filter_, Filter) else filter_
        self.filter = next(iter(members.values()))
        self.protocol = protocol.encode("ascii")
        self.version = version_tuple(self.protocol) or (0, 7)
        self.loop = FakeTimeLoop() if loop is None else loop
        self.log: list[str] = []
        self.written: list[bytes] = []
        self.oracle = Oracle()
        self._progress = asyncio.Event()
        self._ids = itertools.count(0x1000)
        self._tokens = {phase: b"%016x" % (0x80 + n) for n, phase in enumerate(_ALL_PHASES)}
        self._started_at = self.loop.time()
        self._wall = wall
        verbose = any(each.options.verbose for each in members.values())
        self.context = Context(
            Logger(lambda _level, line: self.log.append(line), verbose=verbose),
            wall=self.now,
            monotonic=self.loop.time,
            spool=spool,
        )
        self.members = guard(members, self.context, observe=observe)
        self._beside = beside
        self.dispatcher = self.loop.run_until_complete(self._make())
        told = (self._told(line) for line in handshake)
        self.feed(b"".join(line + b"\n" for line in told if line))
        for member in self.members:
            self.loop.run_until_complete(member.start())

    async def _make(self) -> Dispatcher:
        return Dispatcher(self.members, self.context, self._wrote, self.loop, beside=self._beside)

    def _told(self, line: bytes) -> bytes:
        """A line of the handshake as smtpd of this protocol says it; before 0.7 it did not tell its protocol."""
        if not line.startswith(b"config|protocol|"):
            return line
        return b"config|protocol|" + self.protocol if self.version >= (0, 7) else b""

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(check=kind is None)

    def close(self, *, check: bool = True) -> None:
        """End of the process, as when smtpd closes its end; what was owed until then is an error."""
        try:
            if check:
                self.settle()
                self.oracle.finish()
            for member in self.members:
                self.loop.run_until_complete(member.stop())
            self.dispatcher.close("shutting down")
            for _ in range(3):  # a hook may shrug off a cancellation or two
                for task in asyncio.all_tasks(self.loop):
                    task.cancel()
                self.loop.run_until_complete(asyncio.sleep(0))
        finally:
            self.loop.close()

    # --- time ----------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The clock on the wall."""
        return self._wall + self.loop.time() - self._started_at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if isinstance(self.loop, FakeTimeLoop):
            self.loop.advance(seconds)
        else:
            self._wall += seconds

    # --- the wire ------------------------------------------------------------------------------------------------

    def _wrote(self, data: bytes) -> None:
        self.written.append(data)
        self._progress.set()
        self.oracle.filter_wrote(data)

    def feed(self, data: bytes) -> None:
        """smtpd writes these bytes; hooks that answer at once have answered when this returns."""
        self.oracle.smtpd_wrote(data)

        async def inside() -> None:
            self.dispatcher.feed(data)

        self.loop.run_until_complete(inside())

    def settle(self, session_id: bytes | None = None) -> None:
        """Run until the filter owes nothing (to one session, or to nobody), or nothing happens any more."""
        self.loop.run_until_complete(self._settled(session_id))

    async def _settled(self, session_id: bytes | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._owing(session_id):
                    self._progress.clear()
                    await self._progress.wait()

    def _owing(self, session_id: bytes | None) -> bool:
        if session_id is not None:
            return self.oracle.owes(session_id)
        return any(self.oracle.owes(known) for known in self.dispatcher.sessions.open)

    def lines(self) -> list[bytes]:
        """Every line the filter wrote so far."""
        return b"".join(self.written).split(b"\n")[:-1]

    def token(self, phase: bytes) -> bytes:
        """The token smtpd would use for a phase."""
        return self._tokens[phase]

    def head(self, session_id: bytes) -> bytes:
        """What stands before every message line of a session on its way back."""
        return dataline_head(self.version, session_id, self.token(b"data-line"))

    # --- playing -------------------------------------------------------------------------------------------------

    def connect(
        self,
        address: str = "192.0.2.1",
        *,
        rdns: str | bytes | None = "mx.example.net",
        fcrdns: str = "pass",
        destination: str = "198.51.100.1:25",
        hostname: str = "mx.example.org",
    ) -> Client:
        """A client connects; ``address`` may be ``unix``. Its `reply` is what it is told instead of a greeting.

        hostname: what smtpd greets with.
        """
        session_id = b"%016x" % next(self._ids)
        return Client(self, session_id, address, rdns=rdns, fcrdns=fcrdns, destination=destination, hostname=hostname)

    def play(self, wires: Iterable[Wire]) -> list[bytes]:
        """Play what smtpd wrote in a recording; gives what this filter wrote. Its own answers need not agree."""
        seen = len(self.lines())
        self.play_lines(wire.line + b"\n" for wire in wires if wire.to_filter)
        return self.lines()[seen:]

    def play_lines(self, lines: Iterable[bytes]) -> None:
        """smtpd writes these lines, each when the filter owes nothing any more."""
        for line in lines:
            self.feed(line)
            self.settle()


_ALL_PHASES: Final = (*PHASES, b"data-line")

__all__ = ["HANDSHAKE", "PATIENCE", "Client", "Outcome", "Player", "Reply"]
