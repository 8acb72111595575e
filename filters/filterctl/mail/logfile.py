"""Logs as files: plain, compressed or piped, one or rotated, to one `Line` for each line that concerns a session.

smtpd(8) logs ``smtpd[1]: SESSION smtp …`` and hands on what filters say, ``smtpd[1]: rdns: SESSION …``; a filter with
-L logs itself, ``filter-rdns[2]: SESSION …``; a member of filter-chain(8) puts its own name in front, ``smtpd[1]: mail:
rdns: SESSION …``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO, BinaryIO, Final, NamedTuple, Protocol

from filter_api.bounds import LOG_LINE_READ
from filter_api.errors import ConfigError, reason
from filter_api.text.escape import printable
from filterctl.mail.timestamps import ANY_TIME, Calendar, Span, local, now

DEFAULTS: Final = ("/var/log/maillog", "/var/log/mail.log")
"""Where OpenBSD and Debian log mail."""

SMTPD: Final = "smtpd"
"""Who logged a line that is smtpd's own."""

_LINE: Final = re.compile(
    r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<host>\S+) "
    r"(?P<ident>[^\s:]+): (?:(?P<labels>[^\s:]+(?:: [^\s:]+)?): )?"
    r"(?P<session>[0-9a-f]{16}) (?P<text>\S.*)"
)
_PACKED: Final[tuple[tuple[bytes, Callable[[IO[bytes]], gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File]], ...]] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)
"""How a compressed log begins, whatever its name is, and what reads it."""

_MAGIC_SIZE: Final = 6
_PIECE: Final = 16_384
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Reader(Protocol):
    """An open log."""

    def readline(self, size: int, /) -> bytes: ...


class Line(NamedTuple):
    """when: local time, ``2026-11-20T09:53:11``; logged: the time as the log has it; who: smtpd or a filter's name.

    source: the same with the process before it, as two chains may have members of one name.
    """

    when: str
    logged: str
    host: str
    who: str
    session: str
    text: str
    source: str = ""


Complain = Callable[[str], None]


def lines(paths: Iterable[str], complain: Complain, span: Span = ANY_TIME) -> Iterator[Line]:
    """The lines of some logs that concern a session and lie in the span; ``-`` is standard input.

    A log that cannot be read, or not to its end, is named by `complain`; the others are read all the same.
    """
    for path in paths:
        try:
            yield from _lines_of(path, span)
        except ConfigError as error:
            complain(str(error))
        except OSError as error:
            complain(f"{printable(path)}: {reason(error)}")


def _lines_of(path: str, span: Span) -> Iterator[Line]:
    calendar = Calendar(now() if path == "-" else local(os.stat(path).st_mtime))
    since, until = span
    for raw in _raw_lines(path):
        found = _LINE.match(raw)
        if found is None:
            continue
        logged, host, ident, labels, session, text = found.groups()
        when = calendar.read(logged)
        if when and since <= when < until:
            who, source = _logger(ident, labels or "")
            yield Line(when, logged, host, who, session, text, source)


def _logger(ident: str, labels: str) -> tuple[str, str]:
    """Who logged a line, and by which process: ``smtpd[1]``, ``mail: clamav`` → ``clamav``, ``mail: clamav``."""
    program = ident.partition("[")[0]
    who = labels.rpartition(": ")[2] or program
    parts = (labels,) if program == SMTPD and labels else (ident, labels)
    return who.removeprefix("filter-"), ": ".join(filter(None, parts))


def default_logs(span: Span) -> Sequence[str]:
    """The system's log and, before it, what was rotated out of it and reaches into the span. Raises ConfigError."""
    for path in DEFAULTS:
        if os.path.exists(path):
            return [*rotated(path, span), path]
    raise ConfigError(f"neither {' nor '.join(DEFAULTS)} is there: name a log")


def rotated(path: str, span: Span) -> list[str]:
    """``maillog.0.gz``, ``mail.log.2.gz`` and the like beside a log, oldest first, whose last line is in the span."""
    folder, base = os.path.split(path)
    found = [
        (entry.stat().st_mtime, entry.path)
        for entry in os.scandir(folder)
        if re.fullmatch(re.escape(base) + r"[.-]\d+(?:\.(?:gz|xz|bz2))?", entry.name) and entry.is_file()
    ]
    return [name for mtime, name in sorted(found) if local(mtime).isoformat() >= span.since]


def in_order(paths: Sequence[str]) -> list[str]:
    """Logs by the time of their first line, whatever order a shell listed them in; what has none stays behind.

    So do pipes: what is read of them to know their time would be gone.
    """

    def first(path: str) -> str:
        if read_once(path):
            return "~"
        try:
            return next((line.when for line in _lines_of(path, ANY_TIME)), "~")
        except (ConfigError, OSError):
            return "~"  # whoever reads it says why

    return sorted(paths, key=first)


def read_once(path: str) -> bool:
    """Whether a log is gone when it was read: standard input, or a pipe that a shell named, ``<(zstdcat LOG)``."""
    return path == "-" or (os.path.exists(path) and not os.path.isfile(path))


def _raw_lines(path: str) -> Iterator[str]:
    with _open(path) as file:
        try:
            begun = False
            while raw := file.readline(LOG_LINE_READ):
                if not begun:  # the rest of a line that is too long is no line of its own
                    yield raw.decode("utf-8", "backslashreplace").rstrip("\n")
                begun = not raw.endswith(b"\n")
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            raise ConfigError(f"{printable(path)}: {reason(error)}") from None


class _Rejoined(io.RawIOBase):
    """A file of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.BufferedReader gives
        data = self._head[: len(buffer)] or self._rest.read(min(len(buffer), _PIECE))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _open(path: str) -> Iterator[Reader]:
    """A log, unpacked by what it holds: a rotated log may have any name, and a pipe has none."""
    with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as packed:
        head = packed.read(_MAGIC_SIZE)  # and no peek: a pipe may have a byte so far
        file = io.BufferedReader(_Rejoined(head, packed))
        if head.startswith(_ZSTD):
            how = "unpack it first: zstdcat LOG | filterctl report messages -"
            raise ConfigError(f"{printable(path)}: packed by zstd; {how}")
        for magic, unpack in _PACKED:
            if head.startswith(magic):
                with unpack(file) as unpacked:
                    yield unpacked
                return
        yield file
