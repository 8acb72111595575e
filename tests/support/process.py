"""A filter as smtpd runs it: a process of its own, both standard streams one socketpair; many sessions at once.

    async with running_filter("filter_clamav", "-a", path) as smtpd:
        outcome = await smtpd.send(b"Subject: x\\r\\n\\r\\nbody\\r\\n", sender="a@example.org")
        assert outcome.reply is None            # proceed
        assert outcome.text == ...              # what goes on, with CRLF, un-stuffed

Every line the process writes is checked for the head it must have; what it writes on stderr is in `smtpd.log`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from filter_api.text.escape import parse_pairs

TOKEN = "80bb07fde8449624"
RECEIVED = (
    b"Received: from client.example.org (mx.example.org [192.0.2.1])\r\n\tby mx.test (OpenSMTPD) with ESMTP id 1\r\n"
)


@dataclass(frozen=True)
class Outcome:
    """What came of a message. reply: None for proceed, else code and text; text: what was given back."""

    reply: str | None
    text: bytes
    session: str
    seconds: float

    @property
    def header(self) -> bytes:
        """The header block, with its line ends, without the empty line."""
        return self.text.partition(b"\r\n\r\n")[0] + b"\r\n"


class Smtpd:
    """The other side of the filter's socket."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket, log: Path, protocol: str) -> None:
        self.process = process
        self.protocol = protocol
        self._stamp = f"{protocol}|1795162006.500000|smtp-in"
        self._log = log
        self._socket = ours
        self._sessions = itertools.count(1)
        self._lines: dict[str, asyncio.Queue[bytes]] = {}
        self.registered: set[str] = set()
        self.ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Shake hands."""
        reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=1 << 20)
        self._reader = asyncio.create_task(self._read(reader))
        if self.protocol == "0.7":
            self.write("config|smtpd-version|7.8.0-portable", "config|protocol|0.7")
        else:
            self.write("config|smtpd-version|6.8.0p2")
        self.write("config|smtp-session-timeout|300", "config|subsystem|smtp-in", "config|admd|mx.test", "config|ready")
        async with asyncio.timeout(20):
            await self.ready.wait()

    async def stop(self) -> None:
        """Close our side; the filter must go by itself."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        try:
            assert await asyncio.to_thread(self.process.wait, 5) == 0
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        """What the filter wrote on stderr so far."""
        return self._log.read_text("ascii")

    def messages(self) -> list[dict[str, str]]:
        """The ``message`` lines of the log, as keys and values."""
        found = re.findall(r"^[0-9a-f]{16} message (.*)$", self.log, re.MULTILINE)
        return [parse_pairs(line) for line in found]

    def write(self, *lines: str | bytes) -> None:
        """Send lines to the filter."""
        assert self._writer is not None
        raw = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
        self._writer.write(b"".join(line + b"\n" for line in raw))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := (await reader.readline()).removesuffix(b"\n"):
            kind, *rest = line.split(b"|", 3)
            if kind == b"register":
                self._registration(line.decode("ascii"))
                continue
            assert kind in {b"filter-result", b"filter-dataline"}, line
            assert rest[1] == TOKEN.encode(), line
            self._lines[rest[0].decode("ascii")].put_nowait(line)

    def _registration(self, line: str) -> None:
        self.registered.add(line.removeprefix("register|"))
        if line == "register|ready":
            self.ready.set()

    def connect(
        self,
        address: str = "192.0.2.1",
        *,
        helo: str = "client.example.org",
        rdns: str = "mx.example.org",
        user: str = "",
    ) -> str:
        """Open a session (without questions before the message) and give its id."""
        session = f"{next(self._sessions):016x}"
        self._lines[session] = asyncio.Queue()
        shown = address if address.startswith("unix:") else f"[{address}]" if ":" in address else address
        source = shown if address.startswith("unix:") else f"{shown}:4711"
        self.write(
            f"report|{self._stamp}|link-connect|{session}|{rdns}|pass|{source}|192.0.2.25:25",
            f"report|{self._stamp}|link-identify|{session}|EHLO|{helo}",
        )
        if user:
            self.write(f"report|{self._stamp}|link-auth|{session}|pass|{user}")
        return session

    async def ask(self, session: str, phase: str, argument: str = "") -> str | None:
        """A question; None for proceed, else the reply."""
        if f"filter|smtp-in|{phase}" not in self.registered:
            return None
        self.write(f"filter|{self._stamp}|{phase}|{session}|{TOKEN}|{argument}")
        line = (await self._lines[session].get()).decode("ascii")
        kind, _, _, word, *reply = line.split("|", 4)
        assert kind == "filter-result", line
        return None if word == "proceed" else reply[0]

    async def envelope(self, session: str, sender: str, recipients: Sequence[str]) -> list[str | None]:
        """MAIL FROM and RCPT TO; the answers to the recipients. Those refused are told to the filter as such."""
        number = f"{int(session, 16) & 0xFFFFFFFF:08x}"
        await self.ask(session, "mail-from", sender)
        self.write(f"report|{self._stamp}|tx-begin|{session}|{number}")
        self.write(f"report|{self._stamp}|tx-mail|{session}|{number}|ok|{sender}")
        answers = []
        for recipient in recipients:
            answer = await self.ask(session, "rcpt-to", recipient)
            result = "ok" if answer is None else "tempfail"
            self.write(f"report|{self._stamp}|tx-rcpt|{session}|{number}|{result}|{recipient}")
            answers.append(answer)
        return answers

    async def data(self, session: str, message: bytes, *, received: bytes = RECEIVED) -> Outcome:
        """The message with smtpd's Received on top, and the commit; every line is sent as smtpd would."""
        started = asyncio.get_running_loop().time()
        await self.ask(session, "data")
        head = f"filter|{self._stamp}|data-line|{session}|{TOKEN}|".encode("ascii")
        lines = (received + message).removesuffix(b"\r\n").split(b"\r\n") if received + message else []
        for start in range(0, len(lines), 2000):
            self.write(
                *(head + (b"." + line if line.startswith(b".") else line) for line in lines[start : start + 2000])
            )
            assert self._writer is not None
            await self._writer.drain()
        self.write(head + b".")
        given = []
        while True:
            line = await self._lines[session].get()
            kind, _, _, payload = line.split(b"|", 3)
            assert kind == b"filter-dataline", line
            if payload == b".":
                break
            given.append((payload[1:] if payload.startswith(b".") else payload) + b"\r\n")
        reply = await self.ask(session, "commit")
        return Outcome(reply, b"".join(given), session, asyncio.get_running_loop().time() - started)

    def end(self, session: str) -> None:
        """The client is gone."""
        self.write(f"report|{self._stamp}|link-disconnect|{session}")

    async def send(
        self,
        message: bytes,
        *,
        sender: str = "sender@example.org",
        recipients: Sequence[str] = ("alice@example.com",),
        address: str = "192.0.2.1",
        user: str = "",
        received: bytes = RECEIVED,
    ) -> Outcome:
        """One client with one message."""
        session = self.connect(address, user=user)
        await self.envelope(session, sender, recipients)
        outcome = await self.data(session, message, received=received)
        self.end(session)
        return outcome


@asynccontextmanager
async def running_filter(package: str, *arguments: str, protocol: str = "0.7") -> AsyncIterator[Smtpd]:
    """Start a filter of this project and shake hands; protocol: 0.7, or 0.6 for smtpd 6.8."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="filter-") as directory, theirs:
        log = Path(directory) / "stderr"
        process = _start([sys.executable, "-X", "dev", "-m", package, *arguments], theirs, log)
        theirs.close()
        smtpd = Smtpd(process, ours, log, protocol)
        try:
            await smtpd.start()
            yield smtpd
        finally:
            await smtpd.stop()
            sys.stderr.write(smtpd.log)  # pytest shows it when the test fails
            assert "Traceback" not in smtpd.log


def _start(command: Sequence[str], streams: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stderr:
        return subprocess.Popen(command, stdin=streams.fileno(), stdout=streams.fileno(), stderr=stderr)


def refuses_to_start(package: str, *arguments: str) -> str:
    """Start a filter that must end with exit status 1 before registering; what it said on stderr."""
    ended = subprocess.run(
        [sys.executable, "-m", package, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=20
    )
    assert ended.returncode == 1, ended
    assert ended.stdout == b""
    return ended.stderr.decode("ascii")


def descriptors_of(process: subprocess.Popen[bytes]) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{process.pid}/fd"))
