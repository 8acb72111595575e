"""`Ranges` in a file: written by one program, read by others while it is replaced.

The file is a header and the seven columns, in the byte order of the machine::

    8 bytes  "ADDRSET" and a newline
    4        0x01020304: a file of a machine with another byte order is refused
    4        version of the format, 1
    8        ranges of IPv6
    8        ranges of IPv4
    8        single addresses of IPv4
    4        CRC-32 of the header, with zero in this place, and of the columns
    4        zero
    8        when it was written, in nanoseconds since 1970: no two versions have the same header

A new version is written beside the old one and renamed over it, so a reader has all of one or all of the other.
Readers copy the file into memory of their own (one read, 2.5 ms for a million addresses): a mapped file that
somebody cuts short kills whoever looks into it, and a filter that dies ends smtpd.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import struct
import time
import zlib
from typing import Final

from filter_api import in_use
from filter_api.bounds import MAX_COMPILED
from filter_api.errors import ConfigError, named
from filter_api.files import followed
from filter_api.files.ranges import WIDTHS, Ranges
from filter_api.files.reloading import LOOK_INTERVAL, Clock, open_regular, version_of
from filter_api.text.escape import printable

BESIDE: Final = ".new-"
"""How the names of files begin that are being written."""

_HEADER: Final = struct.Struct("=8sIIQQQIIQ")
_MAGIC: Final = b"ADDRSET\n"
_ORDER: Final = 0x01020304
_VERSION: Final = 1
_WIDTH: Final = {"Q": 8, "I": 4}

_LOG = logging.getLogger("filter_api.files.tables")


def write_compiled(path: str, ranges: Ranges) -> None:
    """Put a set in the place of a file, at once and for good: whoever reads has the old one or the new one.

    Raises ConfigError.
    """
    columns = [memoryview(column).cast("B") for column in ranges.columns]
    if sum(map(len, columns)) > MAX_COMPILED:
        raise ConfigError(f"{printable(path)}: the list would take more than {MAX_COMPILED} bytes")
    counts = [len(ranges.columns[at]) for at in (0, 4, 6)]
    stamp = time.time_ns()
    checksum = zlib.crc32(_HEADER.pack(_MAGIC, _ORDER, _VERSION, *counts, 0, 0, stamp))
    for column in columns:
        checksum = zlib.crc32(column, checksum)
    replace_file(path, [_HEADER.pack(_MAGIC, _ORDER, _VERSION, *counts, checksum, 0, stamp), *columns])


def replace_file(path: str, blocks: list[bytes | memoryview]) -> None:
    """Write a file of mode 0644 beside another one and rename it over that. Raises ConfigError."""
    import tempfile  # for writers only: filters read

    with named(path):
        descriptor, beside = tempfile.mkstemp(prefix=BESIDE, dir=os.path.dirname(path) or ".")
        try:
            with open(descriptor, "wb") as file:
                for block in blocks:
                    file.write(block)
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise


def read_compiled(path: str) -> Ranges:
    """The set in a file. Raises ConfigError for one that is cut short, damaged or of another kind, and for no file."""
    with named(path), open(open_regular(path), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        header = file.read(_HEADER.size)
        counts, checksum = _header(path, header, size)
        size -= _HEADER.size
        memory = _memory(size)
        filled = 0
        while filled < size and (more := file.readinto(memory[filled:])):
            filled += more
    without = _HEADER.pack(*_HEADER.unpack(header)[:6], 0, *_HEADER.unpack(header)[7:])
    if zlib.crc32(memory[:size], zlib.crc32(without)) != checksum:
        raise ConfigError(f"{printable(path)}: damaged; filterctl lists update -f makes it anew")
    columns, at = [], 0
    for width, count in zip(WIDTHS, counts, strict=True):
        end = at + _WIDTH[width] * count
        columns.append(memory[at:end].cast(width))
        at = end
    return Ranges(columns)


def _memory(size: int) -> memoryview:
    """Memory that goes back to the system when the set is forgotten; its pages are had at once where that can be."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)
    return memoryview(mmap.mmap(-1, max(size, 1), flags=flags))


def _header(path: str, header: bytes, size: int) -> tuple[tuple[int, ...], int]:
    """The lengths of the columns, and the checksum."""
    foreign = len(header) < _HEADER.size or header[:8] != _MAGIC
    if not foreign:
        _, order, version, v6, v4, singles, checksum, zero, _ = _HEADER.unpack(header)
        foreign = (order, version, zero) != (_ORDER, _VERSION, 0)
    if foreign:
        raise ConfigError(f"{printable(path)}: not a compiled list of this machine; filterctl lists update makes one")
    if size - _HEADER.size > MAX_COMPILED:
        raise ConfigError(f"{printable(path)}: larger than {MAX_COMPILED} bytes")
    if size != _HEADER.size + 32 * v6 + 8 * v4 + 4 * singles:
        raise ConfigError(f"{printable(path)}: cut short; filterctl lists update -f makes it anew")
    return (v6, v6, v6, v6, v4, v4, singles), checksum


class CompiledFile:
    """A compiled file that follows its changes: one stat(2) at most once a second; a bad version keeps the old one."""

    def __init__(self, path: str, *, clock: Clock = time.monotonic) -> None:
        """Never raises: a file that is not there, or cannot be used, is logged, and looked for again."""
        self.path = path
        followed.note(self)
        #: Seconds since 1970 at which it was last known to be what is published; 0 where there is no file.
        self.confirmed = 0.0
        self._clock = clock
        self._loaded = 0.0
        self._version: tuple[int, ...] = ()
        self._header = b""
        self._complaint = ""
        self._ranges: Ranges | None = None
        self._next_look = 0.0
        self.look()
        in_use.FILES.add(self)

    def current(self) -> Ranges | None:
        """The newest good version; None while there never was one."""
        if self._clock() >= self._next_look:
            self.look()
        return self._ranges

    @property
    def state(self) -> in_use.FileState:
        """What is in use, and what is wrong with what is not."""
        size = self._version[2] if self._version else 0
        return in_use.FileState(self.path, size, self.confirmed, self._loaded, self._complaint)

    def look(self) -> None:
        """Look whether there is a new version, now. Never raises."""
        self._next_look = self._clock() + LOOK_INTERVAL
        try:
            with named(self.path):
                status = os.stat(self.path)
                version = version_of(status)
                if version == self._version:
                    return
                with open(open_regular(self.path), "rb", buffering=0) as file:
                    header = file.read(_HEADER.size)
            # What was only confirmed has another time stamp, and the same header.
            if header != self._header or self._complaint:
                self._ranges = read_compiled(self.path)
            self.confirmed, self._loaded = status.st_mtime, time.time()
            self._version, self._header, self._complaint = version, header, ""
        except ConfigError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                kept = "; the version read before stays in use" if self._ranges is not None else ""
                _LOG.warning("%s%s", self._complaint, kept)
