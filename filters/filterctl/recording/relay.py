"""Copy bytes between smtpd (fd 0 and 1, one socket under smtpd) and a filter's socket, both ways at once.

Nothing is changed, and nothing waits for anything but its own reader: each direction has a buffer, and one that is
full stops the reading of its source only, as if the two were connected directly.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
from collections.abc import Callable

CHUNK = 65536
MAX_PENDING = 1024 * 1024
"""Bytes held for a side that does not read."""

PIPE_ATOMIC = 512
"""POSIX: a pipe that polls writable takes so many bytes without blocking (on Linux it is 4096)."""

Tap = Callable[[bool, bytes], None]


class Relay:
    """One filter and smtpd. `tap(to_filter, data)` hears everything read, before anything that answers it is read.

    `wakeup` is a descriptor that becomes readable when the filter process may have ended; `ended()` tells whether it
    has: a filter's own children may keep the socket open, so end of file alone does not show it.
    """

    def __init__(self, filter_end: socket.socket, tap: Tap, wakeup: int, ended: Callable[[], bool]) -> None:
        self._filter = filter_end
        self._tap = tap
        self._wakeup = wakeup
        self._ended = ended
        self._to_filter = bytearray()
        self._to_smtpd = bytearray()
        self._smtpd_speaks = True
        self._smtpd_listens = True
        self._filter_speaks = True
        self._give_up_at: float | None = None

    def run(self, patience: float) -> bool:
        """Until the filter closed its end and its last words are handed on; False if that is not so `patience` seconds
        after one of the two ended.
        """
        while self._filter_speaks or self._to_smtpd:
            ready = self._poll()
            if not ready and self._give_up_at is not None:
                return False
            if ready.get(0):
                self._read_smtpd(patience)
            if event := ready.get(self._filter.fileno()):
                self._write_filter()
                if event & ~select.POLLOUT:
                    self._read_filter()
            if ready.get(1):
                self._write_smtpd()
            if ready.get(self._wakeup) and self._drain_wakeup():
                self._filter_speaks = False
            if not self._filter_speaks and self._give_up_at is None:
                self._give_up_at = time.monotonic() + patience  # an smtpd that does not read its last words
        return True

    def _poll(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        if self._smtpd_speaks and self._filter_speaks and len(self._to_filter) < MAX_PENDING:
            poll.register(0, select.POLLIN)
        if self._to_smtpd:
            poll.register(1, select.POLLOUT)
        hear = self._filter_speaks and len(self._to_smtpd) < MAX_PENDING
        if hear or self._to_filter:
            poll.register(self._filter, (select.POLLIN if hear else 0) | (select.POLLOUT if self._to_filter else 0))
        wait = None if self._give_up_at is None else max(0.0, self._give_up_at - time.monotonic()) * 1000
        return dict(poll.poll(wait))

    def _read_smtpd(self, patience: float) -> None:
        try:
            data = os.read(0, CHUNK)
        except ConnectionError:
            data = b""
        if data:
            self._to_filter += data
            self._tap(True, data)
            self._write_filter()
            return
        self._smtpd_speaks = False
        self._give_up_at = time.monotonic() + patience
        self._write_filter()

    def _write_filter(self) -> None:
        try:
            if self._to_filter:
                del self._to_filter[: self._filter.send(self._to_filter, socket.MSG_DONTWAIT)]
            if not self._to_filter and not self._smtpd_speaks:
                self._filter.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # it does not listen any more; what it still says is read
            self._to_filter.clear()

    def _read_filter(self) -> bool:
        """Whether something came; end of file is noted."""
        try:
            data = self._filter.recv(CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._filter_speaks = False
            return False
        self._tap(False, data)
        if self._smtpd_listens:
            self._to_smtpd += data
            self._write_smtpd()
        return True

    def _write_smtpd(self) -> None:
        try:
            if self._to_smtpd:
                del self._to_smtpd[: _write(self._to_smtpd)]
        except BlockingIOError:
            return
        except OSError:  # smtpd is gone: nobody wants the rest
            self._smtpd_listens = False
            self._to_smtpd.clear()

    def _drain_wakeup(self) -> bool:
        """After a signal: whether the filter has ended; then its last words are read."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        if not self._ended():
            return False
        while self._read_filter():
            pass
        return True


def _write(data: bytearray) -> int:
    """Write to fd 1 what it takes without blocking."""
    if not stat.S_ISSOCK(os.fstat(1).st_mode):
        return os.write(1, data[:PIPE_ATOMIC])
    # The descriptor is smtpd's, too: it must not become non-blocking, so each call says so for itself.
    with socket.socket(fileno=os.dup(1)) as smtpd:
        return smtpd.send(data, socket.MSG_DONTWAIT)
