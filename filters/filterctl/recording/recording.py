"""The file ``filterctl record`` writes: a transcript that turns over at a size and may fail without consequence.

`Recorder` takes chunks of traffic from the relay and returns at once; a thread splits them into lines, blanks
credentials and writes, so that a slow disk delays no mail. What the thread cannot keep up with is left out and the gap
marked; a full disk is told once on stderr, and writing is tried again later.
"""

from __future__ import annotations

import os
import queue
import stat
import sys
import threading
import time
from typing import NamedTuple

from filter_api.errors import named, reason
from filter_api.testing.transcript import title_line, wire_line
from filter_api.text.escape import printable
from filterctl.recording.redact import Redactor

MAX_QUEUED = 64 * 1024 * 1024
"""Bytes that may wait for the disk before traffic is left out of the transcript."""

BATCH = 4096
"""Bytes written at once: few enough that a file ends near its limit, many enough that short lines cost little."""

MAX_LINE = 1024 * 1024
MAX_HANDSHAKE = 64 * 1024
RETRY_SECONDS = 10.0

_HANDSHAKE = (b"config|", b"register|")


class Chunk(NamedTuple):
    """Bytes of one direction; `after_gap` if some before them were left out."""

    to_filter: bool
    data: bytes
    after_gap: bool


class RotatingFile:
    """A transcript on disk, mode 0600, of at most about `limit` bytes, with `keep` older ones: file.1 is the newest.

    Each file opens with the handshake, so that each can be replayed by itself.
    """

    def __init__(self, path: str, limit: int, keep: int) -> None:
        """Opens the file to append; raises ConfigError."""
        self._path = path
        self._limit = limit
        self._keep = keep
        self._handshake = bytearray()
        self._retry_at = 0.0
        self._descriptor = -1
        self._size = 0
        with named(path):
            self._open()
            self._put(title_line())

    def write(self, lines: bytes, handshake: bytes = b"") -> None:
        """Append whole lines; `handshake` are those every later file begins with, too. Never raises."""
        if len(self._handshake) + len(handshake) <= MAX_HANDSHAKE:
            self._handshake += handshake
        try:
            if self._descriptor < 0 and not self._reopen():
                return
            if self._size + len(lines) > self._limit and self._size > len(self._handshake) + len(title_line()):
                self._turn_over()
            self._put(lines)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """No more will be written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._descriptor = os.open(self._path, flags, 0o600)
        status = os.fstat(self._descriptor)
        self._size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise OSError(0, "not a regular file")
        os.fchmod(self._descriptor, 0o600)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self._size += written
            view = view[written:]

    def _turn_over(self) -> None:
        self.close()
        if self._keep == 0:
            os.unlink(self._path)
        for number in range(self._keep, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.lexists(older):
                os.replace(older, f"{self._path}.{number}")
        self._open()
        self._put(title_line() + self._handshake)

    def _reopen(self) -> bool:
        """After a failure: try again, but not for every line."""
        if time.monotonic() < self._retry_at:
            return False
        self._open()
        self._put(b"\n" + title_line() + self._handshake)
        return True

    def _fail(self, error: OSError) -> None:
        self.close()
        self._retry_at = time.monotonic() + RETRY_SECONDS
        text = f"{self._path}: {reason(error)}: not recording"
        try:
            sys.stderr.write(f"filterctl record: {printable(text)}\n")
            sys.stderr.flush()
        except OSError:
            return  # nobody left to tell


class Recorder:
    """Takes the traffic of one filter process and keeps it in a `RotatingFile`."""

    def __init__(self, file: RotatingFile) -> None:
        self._file = file
        self._redactor = Redactor()
        self._tails = {True: b"", False: b""}
        self._queue: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._queued = 0
        self._gap = {True: False, False: False}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def take(self, to_filter: bool, data: bytes) -> None:
        """Note a piece of traffic; never waits for the disk."""
        with self._lock:
            if self._queued + len(data) > MAX_QUEUED:
                self._gap[to_filter] = True
                return
            self._queued += len(data)
            after_gap, self._gap[to_filter] = self._gap[to_filter], False
        self._queue.put(Chunk(to_filter, data, after_gap))

    def finish(self, patience: float = 5.0) -> None:
        """Write what is queued, for at most `patience` seconds."""
        self._queue.put(None)
        self._thread.join(patience)

    def _work(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._keep(chunk)
            with self._lock:
                self._queued -= len(chunk.data)
        for to_filter, tail in self._tails.items():
            if tail:
                self._file.write(wire_line(to_filter, self._redactor.line(to_filter, tail)))
        self._file.close()

    def _keep(self, chunk: Chunk) -> None:
        to_filter, data, after_gap = chunk
        if after_gap:
            # The rest of a cut line could be half of a password that no rule recognises.
            _, _, data = data.partition(b"\n")
            self._tails[to_filter] = b""
            self._file.write(b"# traffic was left out here\n")
        lines = (self._tails[to_filter] + data).split(b"\n")
        tail = lines.pop()
        self._tails[to_filter] = tail[:MAX_LINE]
        batch, handshake = bytearray(), bytearray()
        for line in lines:
            kept = wire_line(to_filter, self._redactor.line(to_filter, line))
            batch += kept
            if line.startswith(_HANDSHAKE):
                handshake += kept
            if len(batch) >= BATCH:
                self._file.write(bytes(batch), bytes(handshake))
                batch.clear()
                handshake.clear()
        if batch:
            self._file.write(bytes(batch), bytes(handshake))
