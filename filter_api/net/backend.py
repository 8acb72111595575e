"""The client side of a scanner: one question, one answer, one deadline for both.

    backends = Backends([Backend(parse_endpoint("/run/clamd.sock", 3310))], parallel=8)
    result = await backends.ask(Question(blocks=..., read=...), deadline=loop.time() + 50)

It returns what `Question.read` makes of the answer, or raises `BackendError`, which is a `CannotCheck`: a daemon that
could not be asked is neither "clean" nor "found". A message that cannot be read raises `SpoolError`. It promises:

- The deadline is for everything: waiting for a turn, connecting, sending, every byte of the answer. A daemon that drips
  one byte a second gains nothing by it.
- Reading goes on while writing: an early answer (clamd's size limit) is read even if the daemon then closes, and a
  daemon that does not read its input cannot hold its answer back.
- At most `Question.limit` bytes of an answer are kept, whatever comes.
- At most `parallel` questions are with the daemons at a time; the others wait, within their own deadlines. 4,096 of
  them do; one more is not asked. What waits holds its message in the spool, which bounds that, and nothing else of it.
- No descriptor and no task is left over, however it ends, cancellation included.
- Several daemons are tried in the order given, each once, each behind a breaker of its own (`filter_api.net.breaker`).
- A daemon is held to be down when it cannot be connected to, or when it does not answer `Backend.ping` after a question
  went wrong. A question that takes too long, or that ends in nonsense, may be to blame itself: it proves nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from filter_api import in_use
from filter_api.bounds import MAX_SCANNER_ANSWER, MAX_WAITING
from filter_api.errors import CannotCheck
from filter_api.message.spool import SpoolError
from filter_api.net.breaker import Breaker
from filter_api.net.endpoint import Endpoint, connect

Answer = TypeVar("Answer")
Arrived: TypeAlias = bytes | bytearray
"""What has arrived of an answer; it grows, and is not to be kept."""

PING_SECONDS = 10.0
"""Seconds a daemon has to answer a ping; one whose children are all busy needs some."""

_READ_SIZE = 16_384
_AT_ONCE = 65_536  # bytes of a question sent before anything is waited for
_LARGE = 4096  # bytes of a block after which others get a turn
_JOINED = 16_384  # bytes up to which small blocks are joined


class BackendError(CannotCheck):
    """The daemon could not be asked or answered nonsense; its text says which one and why, for the log."""


class BadAnswer(Exception):
    """Raised by `Question.finished` and `Question.read`: this is not an answer in the daemon's protocol."""


def _at_end_only(_reply: Arrived) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """What to send, how to know that the answer is whole, and what it means.

    blocks: gives the bytes to send, from the start at each call (every daemon tried gets them anew). read: makes the
    result of the whole answer, or raises BadAnswer. finished: is given what has arrived so far and says whether that is
    all; without it the answer ends where the daemon closes. It too may raise BadAnswer, at the first wrong byte. It is
    asked after every piece that arrives, so it must not go through all of a long answer each time.
    half_close: shut down our side after the last block. limit: bytes of an answer.
    """

    blocks: Callable[[], Iterable[bytes]]
    read: Callable[[bytes], Answer]
    finished: Callable[[Arrived], bool] = field(default=_at_end_only)
    half_close: bool = False
    limit: int = MAX_SCANNER_ANSWER


class Backend:
    """One daemon at one endpoint, with its breaker. ping: a short question any living daemon answers."""

    def __init__(
        self, endpoint: Endpoint, breaker: Breaker | None = None, ping: Question[object] | None = None
    ) -> None:
        self.endpoint = endpoint
        self.breaker = Breaker(str(endpoint)) if breaker is None else breaker
        self._ping = ping
        self._doubts = 0  # questions that went wrong since the daemon was last seen to live
        self._pinging: asyncio.Task[None] | None = None

    async def ask(self, question: Question[Answer], deadline: float) -> Answer:
        """The answer, before `deadline` (the event loop's clock). Raises BackendError; asks once, never again."""
        if not self.breaker.admits():
            raise BackendError(f"{self.endpoint}: held to be down")
        connected = certain = False
        try:
            async with asyncio.timeout_at(deadline):
                with await connect(self.endpoint) as sock:
                    connected = True
                    answer = question.read(await _converse(sock, question))
        except TimeoutError:  # while connecting, too: a question that waited for its turn has little time left
            why = "no answer within the deadline"
        except OSError as error:
            why, certain = _reason(error), not connected
        except BadAnswer as error:
            why = str(error)
        else:
            self.breaker.succeeded()
            return answer
        if certain or (not connected and self._ping is None):
            self.breaker.failed(why)
        else:
            self._doubt()
        raise BackendError(f"{self.endpoint}: {why}")

    def _doubt(self) -> None:
        """A question went wrong, perhaps by its own fault: ask whether the daemon lives, one ping at a time."""
        self._doubts += 1
        if self._pinging is None and self._ping is not None:
            self._pinging = asyncio.get_running_loop().create_task(self._find_out(self._ping))

    async def _find_out(self, ping: Question[object]) -> None:
        """Without an answer to the ping every question that went wrong until then counts against the daemon."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                with await connect(self.endpoint) as sock:
                    ping.read(await _converse(sock, ping))
        except (TimeoutError, OSError, BadAnswer, CannotCheck) as error:
            why = _reason(error) if isinstance(error, OSError) and error.errno else str(error) or "no answer to a ping"
            for _ in range(self._doubts):
                self.breaker.failed(why)
        else:
            self.breaker.succeeded()
        finally:
            self._doubts = 0
            self._pinging = None


class Backends:
    """Daemons that are as good as each other, asked in the order given; at most `parallel` questions at once."""

    def __init__(self, backends: Sequence[Backend], parallel: int) -> None:
        if not backends or parallel < 1:
            raise ValueError("at least one backend and one question at a time")
        self.backends = tuple(backends)
        self._turns = asyncio.Semaphore(parallel)
        #: Questions that wait for their turn, and those that are with a daemon.
        self.waiting = self.asking = 0
        self.name = ",".join([str(each.endpoint) for each in self.backends])
        in_use.QUEUES.add(self)

    async def ask(self, question: Question[Answer], deadline: float) -> Answer:
        """The first answer any daemon gives before `deadline` (the event loop's clock). Raises BackendError."""
        if self.waiting >= MAX_WAITING:
            raise BackendError("too many questions wait for their turn")
        if self._turns.locked():
            await self._wait(deadline)
        else:
            await self._turns.acquire()  # which waits for nothing
        self.asking += 1
        try:
            return await self._ask_each(question, deadline)
        finally:
            self.asking -= 1
            self._turns.release()

    async def _wait(self, deadline: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise BackendError("no turn within the deadline") from None
        finally:
            self.waiting -= 1

    async def _ask_each(self, question: Question[Answer], deadline: float) -> Answer:
        """Ask one after the other; each gets an equal share of the time left, so that a silent one hides no other."""
        reasons = []
        now = asyncio.get_running_loop().time
        for left, backend in zip(range(len(self.backends), 0, -1), self.backends, strict=True):
            share = max(deadline - now(), 0.0) / left
            try:
                return await backend.ask(question, now() + share if left > 1 else deadline)
            except BackendError as error:
                reasons.append(str(error))
        raise BackendError("; ".join(reasons))


def _reason(error: OSError) -> str:
    """In words; asyncio's own text repeats the address, and the resolver's errors (below zero) are not errno's."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


async def _converse(sock: socket.socket, question: Question[Answer]) -> bytes:
    """Send and receive at the same time; over when the answer is there, sent or not."""
    blocks = _own_blocks(question)
    left = _send_at_once(sock, blocks)
    if left is None:
        _end_of_question(sock, question)
        return await _receive(sock, question)
    reader = asyncio.create_task(_receive(sock, question))
    sender = asyncio.create_task(_send(sock, chain((left,), blocks), question))
    try:
        await asyncio.wait({reader, sender}, return_when=asyncio.FIRST_COMPLETED)
        if sender.done() and (not reader.done() or isinstance(sender.exception(), SpoolError)):
            sender.result()  # what cannot be read to its end is not judged by its beginning
        return await reader
    finally:
        reader.cancel()
        sender.cancel()
        await asyncio.gather(reader, sender, return_exceptions=True)


def _send_at_once(sock: socket.socket, blocks: Iterator[bytes]) -> bytes | None:
    """Send what the socket takes without waiting, which is all of most messages; what is left of a block, or None.

    It spares these two tasks, a third of what a question costs.
    """
    sent = 0
    for block in blocks:
        if sent + len(block) > _AT_ONCE:
            return block
        try:
            count = sock.send(block)
        except BlockingIOError:
            return block
        except (BrokenPipeError, ConnectionResetError):
            return None  # closed already: it has answered, and the reader knows what
        if count < len(block):
            return block[count:]
        sent += count
    return None


async def _send(sock: socket.socket, blocks: Iterable[bytes], question: Question[Answer]) -> None:
    """Send every block; a daemon that has closed has answered early, and the reader knows what."""
    loop = asyncio.get_running_loop()
    try:
        for block in blocks:
            await loop.sock_sendall(sock, block)
            if len(block) >= _LARGE:
                await asyncio.sleep(0)  # a large message to a fast daemon would hold the loop
    except (BrokenPipeError, ConnectionResetError):
        return
    _end_of_question(sock, question)


def _end_of_question(sock: socket.socket, question: Question[Answer]) -> None:
    """Shut our side down where the daemon waits for that."""
    if question.half_close:
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno not in {errno.ENOTCONN, errno.EPIPE}:  # the daemon reset the connection
                raise


def _own_blocks(question: Question[Answer]) -> Iterator[bytes]:
    """The blocks to send, small ones joined: each goes out by a system call of its own.

    A message that cannot be read is our trouble: no daemon, and no policy, answers for it.
    """
    small: list[bytes] = []
    size = 0
    try:
        for block in question.blocks():
            small.append(block)
            size += len(block)
            if size >= _JOINED:
                yield b"".join(small)
                small, size = [], 0
    except OSError as error:
        raise SpoolError(f"message not readable: {os.strerror(error.errno or errno.EIO)}") from None
    if small:
        yield b"".join(small)


async def _receive(sock: socket.socket, question: Question[Answer]) -> bytes:
    loop = asyncio.get_running_loop()
    reply = bytearray()
    while True:
        try:
            data = await loop.sock_recv(sock, _READ_SIZE)
        except ConnectionResetError:
            if not reply:
                raise
            data = b""  # whether what came before is whole is judged by who reads it
        if not data:
            return bytes(reply)
        reply += data
        if len(reply) > question.limit:
            raise BadAnswer(f"an answer of more than {question.limit} bytes")
        if question.finished(reply):
            return bytes(reply)
