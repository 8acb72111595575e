"""Where log lines go: stderr, which smtpd logs line by line, or syslog(3) with real priorities (option -L).

Neither may hold the filter up: smtpd reads a filter's stderr in the very process that moves its data. A line that
cannot be written at once is dropped and counted; a flood is cut to `RATE` lines a second, and the next line says so.

For the same reason what is decided within one turn of the event loop goes to stderr in one write: each wakes that
process. Warnings do not wait for the end of the turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from filter_api.bounds import LOG_LINE
from filter_api.log import Sink
from filter_api.text.escape import one_line

#: Lines a second, and in one burst.
RATE: Final = 1000

#: Lines that are written together at most.
_TOGETHER: Final = 50

_MAIL: Final = 2 << 3  # syslog(3): the facility; below it the priorities, RFC 5424 §6.2.1
_NOTICE: Final = 5
_PRIORITY: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class Bucket:
    """Lets `RATE` lines a second through; counts the others."""

    __slots__ = ("_clock", "_filled", "_tokens", "dropped")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._filled = clock()
        self._tokens = float(RATE)
        self.dropped = 0

    def take(self) -> bool:
        """Whether a line may be written now."""
        now = self._clock()
        self._tokens = min(RATE, self._tokens + (now - self._filled) * RATE)
        self._filled = now
        if self._tokens < 1:
            self.dropped += 1
            return False
        self._tokens -= 1
        return True


class StderrSink:
    """Writes whole lines to a descriptor without waiting for its reader. Never raises."""

    def __init__(self, fd: int = 2, clock: Callable[[], float] = time.monotonic) -> None:
        mode = os.fstat(fd).st_mode
        self._peer = socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(mode) else None
        self._fd = fd
        if stat.S_ISFIFO(mode):
            os.set_blocking(fd, False)
        self._bucket = Bucket(clock)
        self._rest = b""
        self._lines: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def gather(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Lines up to INFO, of the thread that calls this, wait for the end of a turn of `loop`; None: no more."""
        self._loop, self._thread = loop, threading.get_ident()
        self._flush()

    def __call__(self, level: int, line: str) -> None:
        if not self._bucket.take():
            return
        lines, loop = self._lines, self._loop
        lines.append(f"{line}\n".encode("ascii", "backslashreplace"))
        if loop is None or level > logging.INFO or len(lines) >= _TOGETHER or threading.get_ident() != self._thread:
            self._flush()
        elif len(lines) == 1:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits, as far as it can be written at once."""
        lines = []
        while self._lines:  # not a loop over it: another thread may add to it
            lines.append(self._lines.popleft())
        if not lines:
            return
        missed = self._bucket.dropped
        count = b"log suppressed=%d\n" % missed if missed else b""
        before = len(self._rest) + len(count)
        data = b"".join((self._rest, count, *lines))
        try:
            written = self._write(data)
        except OSError:
            self._bucket.dropped += len(lines)  # nobody reads now, or never again
            return
        if written == len(data):
            self._bucket.dropped -= missed
            self._rest = b""
            return
        # A line half written is finished before the next, or the log would hold half lines.
        end = data.find(b"\n", max(0, written - 1)) + 1
        if end >= before:
            self._bucket.dropped -= missed
        self._rest = data[written:end]
        self._bucket.dropped += data.count(b"\n", max(end, before))

    def _write(self, data: bytes) -> int:
        return os.write(self._fd, data) if self._peer is None else self._peer.send(data, socket.MSG_DONTWAIT)

    @property
    def dropped(self) -> int:
        """Lines that were lost and not told of yet."""
        return self._bucket.dropped

    def close(self) -> None:
        """Give the descriptor back; nothing may be written any more."""
        if self._peer is not None:
            self._peer.close()


class SyslogSink:
    """syslog(3), facility mail. Never raises, never waits.

    The C library's syslog waits for a syslogd that does not read. Where there is a socket to write to, it is written to
    here without waiting; where there is none (OpenBSD has sendsyslog(2), which never waits) syslog(3) is called.
    """

    def __init__(self, name: str, path: str = "/dev/log") -> None:
        self._ident = f"{name}[{os.getpid()}]"
        self._path = path
        self._bucket = Bucket()
        self._socket: socket.socket | None = None
        import syslog  # with -L only

        syslog.openlog(name, syslog.LOG_PID, syslog.LOG_MAIL)
        self._call = syslog

    def __call__(self, level: int, line: str) -> None:
        if not self._bucket.take():
            return
        missed = self._bucket.dropped
        if missed:
            if not self._send(_PRIORITY[logging.WARNING], f"log suppressed={missed}"):
                self._bucket.dropped += 1
                return
            self._bucket.dropped = 0
        if not self._send(_PRIORITY.get(level, _NOTICE), line):
            self._bucket.dropped += 1

    def _send(self, priority: int, text: str) -> bool:
        """Whether syslogd has got the line."""
        stamp = time.strftime("%b %e %H:%M:%S")
        packet = f"<{_MAIL | priority}>{stamp} {self._ident}: {text}".encode("ascii", "backslashreplace")
        for _ in range(2):  # a syslogd that was restarted has another socket
            try:
                self._connected().send(packet)
            except BlockingIOError:
                return False
            except FileNotFoundError:
                self.close()
                self._call.syslog(priority, text)
                return True
            except OSError:
                self.close()
            else:
                return True
        return False

    def _connected(self) -> socket.socket:
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.setblocking(False)
            self._socket = made
            made.connect(self._path)
        return self._socket

    @property
    def dropped(self) -> int:
        """Lines that were lost and not told of yet."""
        return self._bucket.dropped

    def close(self) -> None:
        """Let go of the socket; the next line makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Handler(logging.Handler):
    """Lines of library code that uses the stdlib's logging, in the same log."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(logging.INFO)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno, logging.INFO), logging.ERROR)
        try:
            text = f"{record.name} {record.getMessage()}"
        except Exception:  # noqa: BLE001 - a log line is never worth a filter
            text = f"{record.name} unprintable"
        self._sink(level, one_line(text, LOG_LINE))


def adopt_stdlib_logging(sink: Sink) -> None:
    """Send what is logged by asyncio and dnspython (warnings and worse) and by the tables to the filter's log."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler(sink)]
    root.setLevel(logging.WARNING)
    logging.getLogger("filter_api").setLevel(logging.INFO)  # that a file was read again is worth a line
