"""smtpd's end of the wire.

Under smtpd, fd 0 and fd 1 are one end of one socket pair: it is read and written here as one socket, so that a
non-blocking descriptor on one side cannot surprise the other. Pipes, files and terminals (a shell, a test) are joined
to such a socket by two threads.

Reading stops while smtpd does not take what we write: smtpd itself buffers without bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

READ_SIZE: Final = 65_536
HIGH_WATER: Final = 1 << 18
LOW_WATER: Final = 1 << 16
_FLUSH: Final = 2.0  # seconds to write what is left to a pipe


class Receiver(Protocol):
    """What takes the bytes: the dispatcher, in short."""

    def feed(self, data: memoryview) -> None: ...


class Flow(Protocol):
    """What is told of a slow reader."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Wire(asyncio.BufferedProtocol):
    """Reads into one buffer that is kept; hands each read over whole. Writes by itself, on a second descriptor.

    asyncio's transport joins what it cannot send to one buffer: where there is no memory for that, a part of a line is
    lost, and smtpd reads half of it together with the next. Here what cannot be sent yet waits as it is.
    """

    def __init__(
        self, receiver: Receiver, flow: Flow, ended: Callable[[], None], failed: Callable[[BaseException], None]
    ) -> None:
        """ended: smtpd is gone; failed: the receiver threw, which it should never do."""
        self._buffer = bytearray(READ_SIZE)
        self._view = memoryview(self._buffer)
        self._receiver = receiver
        self._flow = flow
        self._ended = ended
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._out: socket.socket | None = None
        self._queue: deque[bytes] = deque()
        self._sent = 0  # bytes of the first in the queue
        self._waiting = self._paused = False
        #: Bytes queued for smtpd.
        self.unwritten = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a socket's transport is one
        self._transport = transport
        self._out = transport.get_extra_info("socket").dup()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._receiver.feed(self._view[:nbytes])
        except BaseException as error:  # noqa: BLE001 - the last barrier: asyncio would hang up, and smtpd end with us
            self._failed(error)

    def write(self, data: bytes) -> None:
        """Write, or queue what smtpd does not take yet. Raises MemoryError before anything of it is written."""
        out, transport = self._out, self._transport
        if out is None or transport is None:
            return
        self._queue.append(data)
        self.unwritten += len(data)
        if not self._waiting:
            self._send(out)
            if self._queue:
                self._wait_until_writable(out, transport)
        if self.unwritten > HIGH_WATER and not self._paused:
            self._paused = True
            self._flow.pause()
            transport.pause_reading()

    def _wait_until_writable(self, out: socket.socket, transport: asyncio.Transport) -> None:
        try:
            asyncio.get_running_loop().add_writer(out, self._on_writable, out, transport)
            self._waiting = True
        except MemoryError as error:  # it is tried again with the next write
            self._failed(error)

    def _send(self, out: socket.socket) -> None:
        """Send what smtpd takes now."""
        queue = self._queue
        try:
            while queue:
                first = queue[0]
                sent = out.send(memoryview(first)[self._sent :] if self._sent else first)
                self.unwritten -= sent
                self._sent += sent
                if self._sent < len(first):
                    break
                queue.popleft()
                self._sent = 0
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # smtpd is gone, which reading finds out, too
            self._drop()

    def _on_writable(self, out: socket.socket, transport: asyncio.Transport) -> None:
        self._send(out)
        if not self._queue:
            self._stop_waiting(out)
        if self._paused and self.unwritten <= LOW_WATER:
            self._paused = False
            self._flow.resume()
            transport.resume_reading()

    def _stop_waiting(self, out: socket.socket) -> None:
        if self._waiting:
            self._waiting = False
            asyncio.get_running_loop().remove_writer(out)

    def _drop(self) -> None:
        self._queue.clear()
        self.unwritten = self._sent = 0

    def eof_received(self) -> bool:
        self._ended()
        return True  # keep it open: what is queued is still written

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        self._flow.resume()
        self._ended()

    def close(self) -> None:
        """Write no more, and let go of our end, which whoever reads the other is waiting for."""
        out, self._out = self._out, None
        self._drop()
        if out is not None:
            self._stop_waiting(out)
            out.close()


def take_standard_streams() -> tuple[socket.socket, Callable[[], None]]:
    """Take fd 0 and fd 1 away from everybody else; give the socket to smtpd, and what to call when it is closed.

    From here on fd 1 is stderr, so that a stray print, or a library that talks, ends in the log: on smtpd's end of the
    wire one line that is none of the protocol's ends the mail server.
    """
    sys.stdout.flush()
    inward, outward = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if stat.S_ISSOCK(os.fstat(inward).st_mode) and _same(inward, outward):
        os.close(outward)
        return socket.socket(fileno=inward), lambda: None
    return _join(inward, outward)


def _same(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _join(inward: int, outward: int) -> tuple[socket.socket, Callable[[], None]]:
    """A socket in place of two descriptors that are no socket; the function waits until all is written."""
    ours, theirs = socket.socketpair()

    def shovel_in() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(inward, READ_SIZE):
                theirs.sendall(data)
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_WR)

    def shovel_out() -> None:
        with contextlib.suppress(OSError):
            while data := theirs.recv(READ_SIZE):
                view = memoryview(data)
                while view:
                    view = view[os.write(outward, view) :]
        os.close(outward)

    threading.Thread(target=shovel_in, daemon=True).start()
    writer = threading.Thread(target=shovel_out, daemon=True)
    writer.start()
    return ours, lambda: writer.join(_FLUSH)
