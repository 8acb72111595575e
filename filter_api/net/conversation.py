"""One question to a daemon and its answer, over a connection that is there: sent and read at the same time.

    sock = await connect(endpoint)
    answer = question.read(await converse(sock, question))

What is promised of it stands in `backend`, which asks.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from filter_api.bounds import MAX_SCANNER_ANSWER
from filter_api.message.spool import SpoolError

Answer = TypeVar("Answer")
Arrived: TypeAlias = bytes | bytearray
"""What has arrived of an answer; it grows, and is not to be kept."""

_READ_SIZE = 16_384
_AT_ONCE = 65_536  # bytes of a question sent before anything is waited for
_LARGE = 4096  # bytes of a block after which others get a turn
_JOINED = 16_384  # bytes up to which small blocks are joined


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


async def converse(sock: socket.socket, question: Question[Answer]) -> bytes:
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
