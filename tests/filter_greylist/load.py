"""Many sessions at once with a filter process, over the wire smtpd uses."""

from __future__ import annotations

import asyncio
import itertools

from filter_api.protocol.events import FIELDS
from tests.support.filter_process import FilterProcess

TOKEN = b"0000000000000081"
_ids = itertools.count(0x10000)

assert FIELDS == 6, "lines are put together by hand here"


class Wire:
    """smtpd's side: writes lines, and hands each answer to the session that waits for it."""

    def __init__(self, smtpd: FilterProcess) -> None:
        self._smtpd = smtpd
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self.asked = 0
        self.answered = 0

    async def __aenter__(self) -> Wire:
        self._smtpd.sock.setblocking(False)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._smtpd.sock.settimeout(10)

    async def _read(self) -> None:
        tail = b""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._smtpd.sock, 1 << 18):
            self._smtpd.oracle.filter_wrote(data)
            *lines, tail = (tail + data).split(b"\n")
            for line in lines:
                kind, session, _, answer = line.split(b"|", 3)
                assert kind == b"filter-result", line
                self.answered += 1
                self._waiting.pop(session).set_result(answer)
        raise EOFError(self._smtpd.errors())

    async def write(self, *lines: bytes) -> None:
        data = b"".join(line + b"\n" for line in lines)
        self._smtpd.oracle.smtpd_wrote(data)
        async with self._writing:  # asyncio knows one writer to a socket
            await asyncio.get_running_loop().sock_sendall(self._smtpd.sock, data)

    async def ask(self, session: bytes, phase: bytes, argument: bytes) -> bytes:
        """A request; the answer: ``proceed`` or ``reject|451 …``."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[session] = future
        self.asked += 1
        await self.write(b"filter|0.7|1.0|smtp-in|%b|%b|%b|%b" % (phase, session, TOKEN, argument))
        answer: bytes = await future
        return answer


class Session:
    """One SMTP session: connected and identified."""

    def __init__(self, wire: Wire, address: str) -> None:
        self.wire = wire
        self.address = address.encode("ascii")
        self.id = b"%016x" % next(_ids)
        self.message = b"00000000"

    def _report(self, event: bytes, *fields: bytes) -> bytes:
        return b"|".join((b"report|0.7|1.0|smtp-in", event, self.id, *fields))

    async def connect(self) -> None:
        source = self.address + b":4711"
        await self.wire.write(
            self._report(b"link-connect", b"mx.example.net", b"pass", source, b"198.51.100.1:25"),
            self._report(b"link-identify", b"EHLO", b"mx.example.net"),
        )

    async def offer(self, sender: bytes, recipient: bytes) -> bytes:
        """MAIL and RCPT; the answer to RCPT. The transaction stays open if it was taken."""
        await self.wire.ask(self.id, b"mail-from", sender)
        self.message = self.id[8:]
        await self.wire.write(
            self._report(b"tx-begin", self.message), self._report(b"tx-mail", self.message, b"ok", sender)
        )
        answer = await self.wire.ask(self.id, b"rcpt-to", recipient)
        result = b"ok" if answer == b"proceed" else b"tempfail"
        await self.wire.write(self._report(b"tx-rcpt", self.message, result, recipient))
        return answer

    async def reset(self, *, commit: bool = False) -> None:
        """The end of the transaction."""
        end = self._report(b"tx-commit", self.message, b"99") if commit else self._report(b"tx-rollback", self.message)
        await self.wire.write(end, self._report(b"tx-reset", self.message))

    async def quit(self) -> None:
        await self.wire.write(self._report(b"link-disconnect"))
