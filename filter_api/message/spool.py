"""Where the lines of held messages are: in memory while small, in an unlinked temporary file beyond 1 MiB.

Many small ones are not small: when all messages together have 64 MiB in memory, what grows beyond 64 KiB goes to its
file then. `Spool` is the account that all messages of a process share: over its limit, or on any error of the disk,
`SpoolError` says that this message cannot be held, and smtpd's client is told to come back (452 4.3.1).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final

from filter_api.bounds import BLOCK, MAX_IN_MEMORY, SPOOL_ABOVE

_STEP: Final = 16_384

_RUN_COST: Final = 64
"""Bytes that a run costs beside its text: the object, its place in a list, what the allocator rounds up."""

_SHORT: Final = 1024
"""Bytes: runs that are longer on average cost little beside their text, and are not joined."""


class SpoolError(Exception):
    """A message cannot be held: too many bytes held already, or the disk said no."""


class Spool:
    """What all messages of this process hold together, against a limit; both in bytes.

    held counts in steps of 16 KiB a message, so it is a little more than there is; in_memory is the part of it that is
    in no file, without what has just come. directory: None for the usual temporary one.
    """

    __slots__ = ("directory", "held", "in_memory", "limit")

    def __init__(self, limit: int = 2 << 30, directory: str | None = None) -> None:
        self.limit = limit
        self.directory = directory
        self.held = 0
        self.in_memory = 0


class HeldLines:
    """Message lines, LF-joined runs in the order they came; read back in blocks of whole lines.

    A run costs more than its bytes as long as it stands alone, so it is counted with what it costs until the next step,
    where short ones are joined into one.
    """

    __slots__ = ("_damaged", "_file", "_joined", "_reserved", "_room", "_runs", "_settled", "_spilled", "_spool")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._runs: list[bytes] = []  # as they came, since the last step
        self._joined: list[bytes] = []  # those before, long ones as they came
        self._settled = 0  # bytes joined or in the file
        self._reserved = 0  # of the account
        self._room = 0  # of that, not used yet
        self._spilled = 0
        self._file: BinaryIO | None = None
        self._damaged = False  # not all of a step got into the file

    @property
    def size(self) -> int:
        """Bytes held, one for each line end included."""
        return self._settled + sum(map(len, self._runs)) + len(self._runs)

    def append(self, run: bytes) -> None:
        """Keep one run of lines, joined by LF, without a LF at the end. Raises SpoolError."""
        self._runs.append(run)
        self._room -= len(run) + _RUN_COST
        if self._room < 0:
            self._make_room()

    def _make_room(self) -> None:
        """Join the runs, reserve another step of the account; move what is in memory to the file if it is much."""
        spool, runs = self._spool, self._runs
        free = spool.limit - spool.held
        size = self._settled + sum(map(len, runs)) + len(runs)
        if size > self._reserved + free:
            last = runs.pop()
            self._room += len(last) + _RUN_COST
            raise SpoolError("spool limit reached")
        if len(runs) * _SHORT > size - self._settled:
            self._joined.append(b"\n".join(runs))
        else:
            self._joined.extend(runs)
        runs.clear()
        spool.in_memory += size - self._settled
        self._settled = size
        self._room = self._reserved - size
        if self._room < _STEP // 2:
            step = min(free, _STEP - self._room)
            spool.held += step
            self._reserved += step
            self._room += step
        if size > BLOCK:
            self._spill_if_much()

    def _spill_if_much(self) -> None:
        most = SPOOL_ABOVE if self._file is None and self._spool.in_memory <= MAX_IN_MEMORY else BLOCK
        if self._settled - self._spilled > most:
            self._spill()

    def _spill(self) -> None:
        if self._damaged:
            raise SpoolError("a spooled message is damaged")
        self._damaged = True
        try:
            if self._file is None:
                self._file = _nameless_file(self._spool.directory)
            for batch in self._batches():
                _write_all(self._file, batch)
        except OSError as error:
            raise SpoolError(f"cannot spool a message: {error}") from error
        self._damaged = False
        self._joined.clear()
        self._spool.in_memory -= self._settled - self._spilled
        self._spilled = self._settled

    def blocks(self) -> Iterator[bytes]:
        """Give all lines in blocks of about 64 KiB that end with the LF of their last line. Raises SpoolError.

        Whatever is raised is raised when a block is asked for.
        """
        return self._batches() if self._file is None and not self._damaged else self._spooled_blocks()

    def _spooled_blocks(self) -> Iterator[bytes]:
        if self._damaged:
            raise SpoolError("a spooled message is damaged")
        if self._file is not None:
            yield from self._file_blocks(self._file)
        yield from self._batches()

    def _batches(self) -> Iterator[bytes]:
        """What is in memory: of most messages one block, which costs no generator."""
        if self._reserved > BLOCK and self.size - self._spilled > BLOCK:  # never less than is held
            return self._large_batches()
        return iter((b"\n".join((*self._joined, *self._runs, b"")),) if self._joined or self._runs else ())

    def _large_batches(self) -> Iterator[bytes]:
        batch: list[bytes] = []
        size = 0
        for run in chain(self._joined, self._runs):
            if size + len(run) > BLOCK and batch:
                yield b"\n".join(batch) + b"\n"
                batch, size = [], 0
            batch.append(run)
            size += len(run) + 1
        yield b"\n".join(batch) + b"\n"

    def _file_blocks(self, file: BinaryIO) -> Iterator[bytes]:
        offset, tail = 0, b""
        while True:
            try:
                block = os.pread(file.fileno(), BLOCK, offset)
            except OSError as error:
                raise SpoolError(f"cannot read a spooled message: {error}") from error
            if not block:
                break
            offset += len(block)
            cut = block.rfind(b"\n") + 1
            if cut:
                yield tail + block[:cut]
                tail = block[cut:]
            else:
                tail += block
        if tail:  # every run was written with its LF, so the file was cut short behind our back
            raise SpoolError("a spooled message is damaged")

    def close(self) -> None:
        """Give memory, file and account back; closing twice is harmless."""
        self._spool.held -= self._reserved
        self._spool.in_memory -= self._settled - self._spilled
        self._reserved = self._room = self._settled = self._spilled = 0
        self._runs.clear()
        self._joined.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


def spool_directory(chosen: str | None = None) -> str:
    """Where the files of large messages are, unless a directory is chosen: $TMPDIR, else /tmp."""
    return chosen or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - file names are random, or there are none


def _nameless_file(directory: str | None) -> BinaryIO:
    """A file that nobody else can open and that is gone when it is closed, or when the process dies.

    tempfile.TemporaryFile is the same, and 0.7 MB of memory for what it imports.
    """
    folder = spool_directory(directory)
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
    if hasattr(os, "O_TMPFILE"):
        with contextlib.suppress(OSError):  # not every file system can
            return os.fdopen(os.open(folder, flags | os.O_TMPFILE, 0o600), "r+b", buffering=0)
    name = os.path.join(folder, f"filter-{os.urandom(16).hex()}")
    descriptor = os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.unlink(name)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
