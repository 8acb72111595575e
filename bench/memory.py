"""Memory that is counted is memory that is held: what a filter grows by for each byte of the messages it holds.

The shapes are the worst ones: lines and fields that cost more than their bytes, and many messages that wait for a
scanner that takes the connection and says nothing. Counted is what the spool counts: the bytes of all lines, one more
for each line end, and at least a step of 16 KB for each message.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.measure import DriverFailed
from filter_api.bounds import MAX_FIELDS, MAX_HEADER
from filter_api.testing.servers import hang, served_apart

MOST: Final = 3
"""Bytes of memory for each byte counted, at most."""

BESIDE: Final = 8 << 20
"""Bytes that the process may grow by whatever it holds: modules, buffers, what the allocator keeps."""

_STEP: Final = 16_384
_SETTLED: Final = 0.3  # seconds for which memory does not change any more
_HANDSHAKE: Final = (
    b"config|smtpd-version|7.8.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\nconfig|admd|mx.test\nconfig|ready\n"
)
_HEAD: Final = b"filter|0.7|1.1|smtp-in|data-line|%016x|80bb07fde8449624|"
_ASK: Final = b"filter|0.7|1.1|smtp-in|commit|%016x|80bb07fde8449625|\n"
_ANSWER: Final = b"filter-result|%016x|"


@dataclass(frozen=True, slots=True)
class Shape:
    """Messages to hold. blocks: the lines of each in portions, which arrive in turns; ended: with the final dot."""

    what: str
    program: str
    messages: int
    blocks: Callable[[], Iterator[bytes]]
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it, in bytes. grown: resident memory at its highest, less what it was before.

    ended: messages that are held no more, as the filter has answered.
    """

    counted: int
    grown: int
    ended: int

    @property
    def most(self) -> int:
        """What it may grow by."""
        return MOST * self.counted + BESIDE


def _portions(head: bytes, line: bytes = b"x" * 99, size: int = 0) -> Iterator[bytes]:
    """A header, its empty line, and a body of so many bytes made of one line."""
    lines = [*head.removesuffix(b"\n").split(b"\n"), b"", *[line] * (size // (len(line) + 1)), b"end"]
    for start in range(0, len(lines), 500):
        yield b"\n".join(lines[start : start + 500])


def _singly(line: bytes, count: int) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([line] * count)


def _waiting(what: str, program: str, messages: int, head: bytes, size: int = 0) -> Shape:
    return Shape(f"{messages} {what} wait, {program}", program, messages, lambda: _portions(head, size=size))


_SUBJECT: Final = b"From: a@example.net\nSubject: hi\n"
_FORGED: Final = b"X-Envelope-From: <a@example.net>\nX-Spam-Flag: NO\n"

SHAPES: Final = (
    Shape("lines of 2 bytes, singly", "filter-clamav", 100, _singly(b"ab", 10_000), ended=False),
    Shape("empty lines, singly", "filter-clamav", 100, _singly(b"", 10_000), ended=False),
    Shape("lines of 60 bytes, singly", "filter-clamav", 100, _singly(b"x" * 60, 2_000), ended=False),
    *(
        shape
        for program in ("filter-clamav", "filter-spamassassin")
        for shape in (
            _waiting("small", program, 100, _SUBJECT),
            _waiting("of 100 KB", program, 100, _SUBJECT, 100_000),
            _waiting("of 1 MB", program, 100, _SUBJECT, 1_000_000),
            _waiting("of 10 MB", program, 5, _SUBJECT, 10_000_000),
        )
    ),
    _waiting("with 1,000 fields", "filter-spamassassin", 100, _FORGED + b"a:\n" * (MAX_FIELDS - 5)),
    _waiting("with 19,000 folds", "filter-spamassassin", 100, _FORGED + b"a:\n" + b" b\n" * 19_000),
    _waiting("with a header of 256 KB", "filter-spamassassin", 100, _FORGED + (b"a: " + b"b" * 250 + b"\n") * 990),
    _waiting("with fields of 64 KB", "filter-spamassassin", 100, _FORGED + (b"a: " + b"b" * 64_000 + b"\n") * 4),
    _waiting("with 86,000 fields (refused)", "filter-spamassassin", 100, b"a:\n" * (MAX_HEADER // 3 - 1)),
)


class _Process:
    """An installed filter at the end of a socket; whatever it answers is read and forgotten."""

    def __init__(self, command: Sequence[str]) -> None:
        self._ours, theirs = socket.socketpair()
        end = theirs.fileno()
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            list(command), stdin=end, stdout=end, stderr=subprocess.DEVNULL
        )
        theirs.close()
        self._ready = threading.Event()
        self._asked = 1 << 40  # sessions without a message: the filter answers them when it has read what was before
        self._answered = threading.Event()
        self.peak = 0
        self.ended = 0
        threading.Thread(target=self._read, daemon=True).start()
        self._ours.sendall(_HANDSHAKE)
        if not self._ready.wait(20):
            self.close()
            raise DriverFailed(f"{command[0]} does not register")

    def _read(self) -> None:
        seen = b""
        with suppress(ConnectionError):
            while data := self._ours.recv(1 << 16):
                seen += data
                self.ended += seen.count(b"|.\n")
                if b"register|ready\n" in seen:
                    self._ready.set()
                if _ANSWER % self._asked in seen:
                    self._answered.set()
                seen = seen[seen.rfind(b"\n") + 1 :]

    def write(self, data: bytes) -> None:
        """smtpd writes."""
        self._ours.sendall(data)
        self.peak = max(self.peak, self.rss())

    def rss(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def settle(self) -> None:
        """Wait until all that was written is read and answered, and memory stays as it is."""
        self._answered.clear()
        self._asked += 1
        self.write(_ASK % self._asked)
        if not self._answered.wait(60):
            raise DriverFailed("the filter does not answer")
        last, since = 0, time.monotonic()
        while time.monotonic() - since < _SETTLED:
            rss = self.rss()
            self.peak = max(self.peak, rss)
            if abs(rss - last) > 65_536:
                last, since = rss, time.monotonic()
            time.sleep(0.01)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self._ours.close()


@contextmanager
def _running(program: str) -> Iterator[_Process]:
    """A filter whose scanner hangs, and that waits for it as long as it takes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, served_apart(hang, Path(folder, "socket")) as scanner:
        path = Path(sys.executable).parent / program
        started = _Process([str(path), "-a", str(scanner.path), "-T", "280", "-b", "0"])
        try:
            yield started
        finally:
            started.close()


def hold(shape: Shape) -> Held:
    """Let a filter hold the messages of a shape; how much it grew by."""
    with _running(shape.program) as running:
        running.write(_HEAD % (1 << 32) + b".\n")  # what is made at the first message is not the messages'
        running.settle()
        before, ended = running.rss(), running.ended
        running.peak = before
        counted = [0] * shape.messages
        sources = [(_HEAD % number, shape.blocks()) for number in range(shape.messages)]
        while portions := [next(blocks, None) for _, blocks in sources]:
            if portions[0] is None:
                break
            wire = []
            for number, ((head, _), portion) in enumerate(zip(sources, portions, strict=True)):
                lines = b"" if portion is None else portion
                counted[number] += len(lines) + 1
                wire.append(head + lines.replace(b"\n", b"\n" + head) + b"\n")
            running.write(b"".join(wire))
        if shape.ended:
            running.write(b"".join(head + b".\n" for head, _ in sources))
        running.settle()
        return Held(sum(max(size, _STEP) for size in counted), running.peak - before, running.ended - ended)


def figures() -> list[Figure]:
    """Growth of each shape, in MB, and what it may be."""
    found = []
    for shape in SHAPES:
        held = hold(shape)
        counted = held.counted / 1e6
        found.append(Figure(shape.what, held.grown / 1e6, "MB", held.most / 1e6, note=f"counted {counted:.1f} MB"))
    return found
