"""A file that is read at start and again when it changed, without a timer and without ever losing a good version.

`ReloadingFile(path, parse)` reads and parses the file when it is made: an error there is a `ConfigError` with
``file:line: message``, so that the filter refuses to start. `current()` then gives the parsed value; it looks at the
file at most once a second, with one stat(2). A new version that cannot be read or parsed keeps the old one and is
logged once, through the logger ``filter_api.files.tables``.

A version that is shorter than the one in use may still be in the making: many programs empty a file before they write
it again. It is taken when nothing has changed for two seconds; what the file must hold at least, `parse` checks.

A large file is read again in a thread: the loop goes on, with the old version until the new one is whole.

In a file whose entries may expire (``until DATE``), those whose day is over are left out before `parse` sees them, also
when nobody has touched the file since, or it cannot be read any more.

What a line is, `filter_api.text.lines` says.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from filter_api import in_use
from filter_api.errors import ConfigError, reason
from filter_api.files import followed
from filter_api.text.escape import printable
from filter_api.text.lines import NEVER, Entry, Line, LineError, content_lines, dated, living

Value = TypeVar("Value")
Clock = Callable[[], float]

LOOK_INTERVAL = 1.0
"""Seconds between two looks at a file."""

SETTLED_NS = 2_000_000_000
"""A file changed less than this long ago may change again within the same time stamp: it is read once more."""

READ_AT_ONCE = 1 << 16
"""Bytes of a file that are read and parsed on the event loop: some milliseconds, on a slow machine 50."""

_LOG = logging.getLogger("filter_api.files.tables")


class ReloadingFile(Generic[Value]):
    """A parsed file that follows its changes. `parse` gets the lines and raises `LineError` for a bad one."""

    def __init__(
        self,
        path: str,
        parse: Callable[[Sequence[Line]], Value],
        *,
        clock: Clock = time.monotonic,
        in_thread: bool = True,
        expiring: bool = False,
        wall: Clock = time.time,
    ) -> None:
        """in_thread: whether `parse` may run in a thread of its own, as one that touches nothing else may.

        expiring: whether ``until DATE`` may stand behind what a line holds. wall: seconds since 1970.
        """
        self.path = path
        followed.note(self)
        self._at_once = READ_AT_ONCE if in_thread else float("inf")
        self._parse = parse
        self._clock = clock
        self._expiring = expiring
        self._wall = wall
        self._complaint = ""
        self._version, data = self._read()
        self._used, self._loaded = self._version, wall()
        self._digest = hash(data)
        self._size = len(data)
        self._now = self._parsed(data)
        self._next_look = clock() + LOOK_INTERVAL
        self._reading: Future[_Version[Value] | None] | None = None
        #: When a new version was taken (seconds of `clock`); None while the first is in use.
        self.changed: float | None = None
        in_use.FILES.add(self)

    def current(self) -> Value:
        """The newest good version. Never raises; one stat(2) at most once a second."""
        now = self._clock()
        if now >= self._next_look:
            self.look()
        return self._now.value

    @property
    def state(self) -> in_use.FileState:
        """What is in use, and what is wrong with what is not."""
        _, _, size, modified, *_ = self._used
        return in_use.FileState(self.path, size, modified / 1e9, self._loaded, self._complaint)

    def look(self) -> None:
        """Look whether there is a new version, and whether something has expired, now."""
        self._next_look = self._clock() + LOOK_INTERVAL
        self._look()
        if self._reading is None and not self._now.since <= self._wall() < self._now.until:
            self._expire()

    def would_take(self, data: bytes) -> None:
        """What would be said of this version, were it in the file. Raises ConfigError with ``file:line:``."""
        self._parsed(data)

    def _look(self) -> None:
        try:
            if self._reading is None:
                status = os.stat(self.path)
                if version_of(status) == self._version:
                    return
                if status.st_size > self._at_once:
                    self._reading = _in_a_thread(self._read_again)
                    return
                self._take(self._read_again())
            elif self._reading.done():
                reading, self._reading = self._reading, None
                self._take(reading.result())
        except (ConfigError, OSError) as error:
            self._keep(error)

    def _expire(self) -> None:
        """Leave out what counts no longer; take in again what does, as the clock was set back."""
        try:
            if self._size > self._at_once:
                self._reading = _in_a_thread(self._without_expired)
            else:
                self._take(self._without_expired())
        except ConfigError as error:  # of a table that must hold something
            self._now = self._now._replace(since=-NEVER, until=NEVER)
            self._keep(error)

    def _without_expired(self) -> _Version[Value]:
        """The version in use as of now. Raises ConfigError."""
        return _Version(self._digest, self._size, (self._living(self._now.entries),), same=True)

    def _read_again(self) -> _Version[Value] | None:
        """The file as it is now; None if it is being rewritten. Raises ConfigError."""
        version, data = self._read()
        if len(data) < self._size and not version[-1]:
            return None
        self._version = version
        digest = hash(data)
        return _Version(digest, len(data), () if digest == self._digest else (self._parsed(data),))

    def _take(self, found: _Version[Value] | None) -> None:
        """Use a new version."""
        if found is None:
            return
        if found.same:
            before, (self._now,) = self._now.since, found.parsed
            back = self._now.since < before
            what = "entries count again, as the clock was set back" if back else "entries have expired"
            _LOG.info("%s: %s", printable(self.path), what)
            return
        self._used, self._loaded = self._version, self._wall()
        if found.parsed:
            (self._now,) = found.parsed
            self._digest, self._size = found.digest, found.size
            self.changed = self._clock()
            _LOG.info("%s: reloaded", printable(self.path))
        elif self._complaint:
            _LOG.info("%s: good again, and as it was", printable(self.path))
        self._complaint = ""

    def _keep(self, error: Exception) -> None:
        """Say once what is wrong with the new version."""
        text = str(error) if isinstance(error, ConfigError) else _os_error(self.path, error)
        if text != self._complaint:
            self._complaint = text
            _LOG.warning("%s; the version read before stays in use", text)

    def _read(self) -> tuple[tuple[int, ...], bytes]:
        try:
            with open(open_regular(self.path), "rb") as file:
                return version_of(os.fstat(file.fileno())), file.read()
        except OSError as error:
            raise ConfigError(_os_error(self.path, error)) from None

    def _parsed(self, data: bytes) -> _Parsed[Value]:
        lines = content_lines(data)
        try:
            if self._expiring:
                entries = list(map(dated, lines))
                if any(entry.expires != NEVER for entry in entries):
                    return self._living(entries)
            return _Parsed(self._parse(lines))
        except LineError as error:
            raise self._error(error) from None

    def _living(self, entries: Sequence[Entry]) -> _Parsed[Value]:
        lines, since, until = living(entries, self._wall())
        try:
            return _Parsed(self._parse(lines), entries, since, until)
        except LineError as error:
            raise self._error(error) from None

    def _error(self, error: LineError) -> ConfigError:
        return ConfigError(f"{printable(self.path)}:{error.number}: {error}")


class _Parsed(NamedTuple, Generic[Value]):
    """The value of a version; its entries, if any of them expires, and from when to when the value is right.

    since, until: when the last entry expired, and when the next one does (seconds since 1970).
    """

    value: Value
    entries: Sequence[Entry] = ()
    since: float = -NEVER
    until: float = NEVER


class _Version(NamedTuple, Generic[Value]):
    """What was read. parsed: its value, or nothing where the text is that of the version in use.

    same: the text was not read again, but entries of it have expired.
    """

    digest: int
    size: int
    parsed: tuple[_Parsed[Value], ...]
    same: bool = False


def _in_a_thread(work: Callable[[], Value]) -> Future[Value]:
    """What comes of it; the thread does not keep the process alive."""
    future: Future[Value] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def open_regular(path: str) -> int:
    """A descriptor of a regular file; never waits for a FIFO's writer. Raises OSError for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def version_of(status: os.stat_result) -> tuple[int, ...]:
    """What differs when the file does. The last value flips two seconds after the last change, for one more read.

    A file from the future has settled: its clock is another one.
    """
    settled = not 0 <= time.time_ns() - status.st_mtime_ns <= SETTLED_NS
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, settled)


def _os_error(path: str, error: Exception) -> str:
    return f"{printable(path)}: {reason(error)}"
