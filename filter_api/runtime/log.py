"""Where log lines go: stderr, which smtpd logs line by line, or syslog(3) with real priorities (option -L).

Neither may hold the filter up: smtpd reads a filter's stderr in the very process that moves its data. A line that
cannot be written at once is dropped and counted; a flood is cut to `RATE` lines a second, and the next line says so.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import syslog
import time
from collections.abc import Callable
from typing import Final

from filter_api.escape import printable
from filter_api.log import MAX_LINE, Sink

#: Lines a second, and in one burst.
RATE: Final = 1000

_PRIORITY: Final = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
}


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

    def missed(self) -> str:
        """A line about what was dropped since the last one, or an empty string."""
        if not self.dropped:
            return ""
        text = f"log suppressed={self.dropped}"
        self.dropped = 0
        return text


class StderrSink:
    """Writes whole lines to a descriptor without waiting for its reader. Never raises."""

    def __init__(self, fd: int = 2, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = _writer(fd)
        self._bucket = Bucket(clock)
        self._rest = b""

    def __call__(self, _level: int, line: str) -> None:
        if not self._bucket.take():
            return
        missed = self._bucket.missed()
        text = f"{missed}\n{line}\n" if missed else f"{line}\n"
        data = self._rest + text.encode("ascii", "backslashreplace")
        try:
            written = self._write(data)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EWOULDBLOCK}:
                self._bucket.dropped += 1
            return
        # a line half written is finished before the next, or the log would hold half lines
        cut = data.find(b"\n", max(0, written - 1)) + 1
        self._rest = data[written:cut] if written < len(data) and data[written - 1 : written] != b"\n" else b""
        if written < len(data) and cut < len(data):
            self._bucket.dropped += 1


def _writer(fd: int) -> Callable[[bytes], int]:
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        peer = socket.socket(fileno=os.dup(fd))
        return lambda data: peer.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(mode):
        os.set_blocking(fd, False)
    return lambda data: os.write(fd, data)


class SyslogSink:
    """syslog(3), facility mail. Never raises."""

    def __init__(self, name: str) -> None:
        syslog.openlog(name, syslog.LOG_PID | syslog.LOG_NDELAY, syslog.LOG_MAIL)
        self._bucket = Bucket()

    def __call__(self, level: int, line: str) -> None:
        if self._bucket.take():
            missed = self._bucket.missed()
            for text in (missed, line):
                if text:
                    syslog.syslog(_PRIORITY.get(level, syslog.LOG_NOTICE), text)


class _Handler(logging.Handler):
    """Lines of library code that uses the stdlib's logging, in the same log."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(logging.WARNING)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        level = logging.ERROR if record.levelno >= logging.ERROR else logging.WARNING
        try:
            text = f"{record.name} {record.getMessage()}"
        except Exception:  # noqa: BLE001 - a log line is never worth a filter
            text = f"{record.name} unprintable"
        self._sink(level, printable(text, MAX_LINE))


def adopt_stdlib_logging(sink: Sink) -> None:
    """Send what asyncio, dnspython and the tables log to the filter's log, warnings and worse."""
    root = logging.getLogger()
    root.handlers[:] = [_Handler(sink)]
    root.setLevel(logging.WARNING)
