"""A file that is read at start and again when it changed, without a timer and without ever losing a good version.

`ReloadingFile(path, parse)` reads and parses the file when it is made: an error there is a `ConfigError` with
``file:line: message``, so that the filter refuses to start. `current()` then gives the parsed value; it looks at the
file at most once a second, with one stat(2). A new version that cannot be read or parsed keeps the old one and is
logged once, through the logger ``filter_api.files.tables``.

A version that is shorter than the one in use may still be in the making: many programs empty a file before they write
it again. It is taken when nothing has changed for two seconds; what the file must hold at least, `parse` checks.

What a line is, `filter_api.text.lines` says.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from filter_api.errors import ConfigError, reason
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError, content_lines

Value = TypeVar("Value")
Clock = Callable[[], float]

LOOK_INTERVAL = 1.0
"""Seconds between two looks at a file."""

SETTLED_NS = 2_000_000_000
"""A file changed less than this long ago may change again within the same time stamp: it is read once more."""

_LOG = logging.getLogger("filter_api.files.tables")


class ReloadingFile(Generic[Value]):
    """A parsed file that follows its changes. `parse` gets the lines and raises `LineError` for a bad one."""

    def __init__(self, path: str, parse: Callable[[Sequence[Line]], Value], *, clock: Clock = time.monotonic) -> None:
        self.path = path
        self._parse = parse
        self._clock = clock
        self._complaint = ""
        self._version, data = self._read()
        self._digest = hash(data)
        self._size = len(data)
        self._value = self._parsed(data)
        self._next_look = clock() + LOOK_INTERVAL
        #: When a new version was taken (seconds of `clock`); None while the first is in use.
        self.changed: float | None = None

    def current(self) -> Value:
        """The newest good version. Never raises; one stat(2) at most once a second."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_INTERVAL
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            if version_of(os.stat(self.path)) == self._version:
                return
            version, data = self._read()
            if len(data) < self._size and not version[-1]:
                return
            self._version = version
            if hash(data) != self._digest:
                self._value = self._parsed(data)
                self._digest, self._size = hash(data), len(data)
                self.changed = self._clock()
                _LOG.info("%s: reloaded", printable(self.path))
            elif self._complaint:
                _LOG.info("%s: good again, and as it was", printable(self.path))
            self._complaint = ""
        except (ConfigError, OSError) as error:
            self._keep(error)

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

    def _parsed(self, data: bytes) -> Value:
        try:
            return self._parse(content_lines(data))
        except LineError as error:
            raise ConfigError(f"{printable(self.path)}:{error.number}: {error}") from None


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
