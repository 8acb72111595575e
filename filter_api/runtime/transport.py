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


class Wire:
    """Reads into one buffer that is kept, and hands each read over whole; writes what can be sent, and queues the rest.

    asyncio's transport does both with four calls more for each read. It also joins what it cannot send to one buffer:
    where there is no memory for that, a part of a line is lost, and smtpd reads half of it together with the next. Here
    what cannot be sent yet waits as it is.
    """

    def __init__(self, end: socket.socket, ended: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """end: ours, closed with this. ended: smtpd is gone; failed: the receiver threw, which it should never do."""
        self._buffer = bytearray(READ_SIZE)
        self._view = memoryview(self._buffer)
        self._feed: Callable[[memoryview], None]  # both from `open` on
        self._flow: Flow
        self._ended = ended
        self._failed = failed
        self._end: socket.socket | None = end
        self._queue: deque[bytes] = deque()
        self._sent = 0  # bytes of the first in the queue
        self._waiting = self._paused = False
        #: Bytes queued for smtpd.
        self.unwritten = 0
        end.setblocking(False)

    def open(self, receiver: Receiver, flow: Flow) -> None:
        """Begin to read, in the running event loop; flow: told when that stops, as smtpd does not read, and goes on."""
        assert self._end is not None  # noqa: S101 - it is opened once, and closed after that
        self._feed = receiver.feed
        self._flow = flow
        self._read(self._end)

    def _read(self, end: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(end, self._on_readable, end)

    def _on_readable(self, end: socket.socket) -> None:
        try:
            count = end.recv_into(self._buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # smtpd is gone
            count = 0
        if count == 0:  # what is queued is still written
            asyncio.get_running_loop().remove_reader(end)
            self._ended()
            return
        try:
            self._feed(self._view[:count])
        except BaseException as error:  # noqa: BLE001 - the last barrier, or the event loop would end
            self._failed(error)

    def write(self, data: bytes) -> None:
        """Write, or queue what smtpd does not take yet. Raises MemoryError before anything of it is written."""
        end = self._end
        if end is None:
            return
        queue = self._queue
        queue.append(data)
        if len(queue) == 1:  # nothing waits before it, as nearly always
            try:
                sent = end.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:  # as in `_send`
                sent = len(data)
            if sent == len(data):
                queue.clear()
                return
            self._sent, self.unwritten = sent, len(data) - sent
        else:
            self.unwritten += len(data)
            if not self._waiting:
                self._send(end)
        if queue and not self._waiting:
            self._wait_until_writable(end)
        if self.unwritten > HIGH_WATER and not self._paused:
            self._paused = True
            self._flow.pause()
            asyncio.get_running_loop().remove_reader(end)

    def _wait_until_writable(self, end: socket.socket) -> None:
        try:
            asyncio.get_running_loop().add_writer(end, self._on_writable, end)
            self._waiting = True
        except MemoryError as error:  # it is tried again with the next write
            self._failed(error)

    def _send(self, end: socket.socket) -> None:
        """Send what smtpd takes now."""
        queue = self._queue
        try:
            while queue:
                first = queue[0]
                sent = end.send(memoryview(first)[self._sent :] if self._sent else first)
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

    def _on_writable(self, end: socket.socket) -> None:
        self._send(end)
        if self._paused and self.unwritten <= LOW_WATER:
            self._read(end)  # for which there may be no memory: then this is called again
            self._resume()
        if not self._queue:
            self._stop_waiting(end)

    def _resume(self) -> None:
        self._paused = False
        self._flow.resume()

    def _stop_waiting(self, end: socket.socket) -> None:
        if self._waiting:
            self._waiting = False
            asyncio.get_running_loop().remove_writer(end)

    def _drop(self) -> None:
        self._queue.clear()
        self.unwritten = self._sent = 0

    def close(self) -> None:
        """Read and write no more, and let go of our end, which whoever reads the other is waiting for."""
        end, self._end = self._end, None
        self._drop()
        if self._paused:
            self._resume()
        if end is not None:
            self._stop_waiting(end)
            asyncio.get_running_loop().remove_reader(end)
            end.close()


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
