"""What filters logged about messages: lines of maillog, plain or compressed, to one `Message` for each message.

Two filters that looked at the same message wrote a line each; they are one message here. Lines come from smtpd(8),
``smtpd[1]: spamassassin: SESSION message …``, or from a filter with -L, ``filter-clamav[2]: SESSION message …``.
A member of filter-chain(8) puts its own name in front, ``smtpd[1]: mail: spamassassin: SESSION message …``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final, Protocol

from filter_api.bounds import LOG_LINE_READ
from filter_api.errors import ConfigError, reason
from filter_api.text.escape import parse_pairs, printable

DEFAULTS: Final = ("/var/log/maillog", "/var/log/mail.log")
"""Where OpenBSD and Debian log mail."""

_LINE: Final = re.compile(
    r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ "
    r"(?:smtpd(?:\[\d+\])?: )?(?P<who>[^\s:]+(?:: [^\s:]+)?): "
    r"(?P<session>[0-9a-f]{16}) message (?P<pairs>\S.*)"
)
_RANK: Final = ("virus", "spam", "refused", "failed", "toolarge", "ham", "clean", "skipped")
"""Results, the one that matters most first: what a message counts as when two filters looked at it."""

_SCANNED: Final = frozenset(_RANK)
_UNDER_WAY: Final = 10_000
"""Messages for which the line of another filter may still come."""


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


@dataclass(slots=True)
class Message:
    """One message. time: as logged; pairs: keys and values, escaped; filters: who logged it, process and member."""

    time: str
    session: str
    pairs: dict[str, str]
    filters: set[str] = field(default_factory=set)

    @property
    def result(self) -> str:
        """What it counts as."""
        return self.pairs.get("result", "-")

    @property
    def score(self) -> float | None:
        """SpamAssassin's points, if it was scored."""
        return _number(self.pairs.get("score", ""))

    @property
    def size(self) -> int:
        """Bytes."""
        return int(_number(self.pairs.get("size", "")) or 0)

    @property
    def sender(self) -> str:
        """Without angle brackets."""
        return self.pairs.get("from", "").removeprefix("<").removesuffix(">")

    @property
    def recipients(self) -> list[str]:
        """Without angle brackets."""
        return re.findall(r"<([^>]*)>", self.pairs.get("to", ""))

    @property
    def day(self) -> str:
        """The date as logged."""
        return self.time[:10] if self.time[:1].isdigit() else self.time[:6]

    def add(self, filter_name: str, pairs: dict[str, str]) -> None:
        """What another filter found out about the same message."""
        results = sorted({self.result, pairs.get("result", "-")} & _SCANNED, key=_RANK.index)
        self.pairs = {**pairs, **self.pairs, **({"result": results[0]} if results else {})}
        if "reject" in pairs.get("action", ""):
            self.pairs.update({key: pairs[key] for key in ("action", "reply", "id") if key in pairs})
        self.filters.add(filter_name)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,12}(?:\.\d{1,6})?", text) else None


def read(paths: Iterable[str], complain: Callable[[str], None]) -> list[Message]:
    """The messages of some logs, in the order they were logged; ``-`` is standard input.

    A log that cannot be read, or not to its end, is named by `complain`; the others are read all the same.
    """
    messages: list[Message] = []
    open_ones: dict[tuple[str, str, str], Message] = {}
    for path in paths:
        try:
            for line in _lines(path):
                _take(line, messages, open_ones)
        except ConfigError as error:
            complain(str(error))
        except OSError as error:
            complain(f"{printable(path)}: {reason(error)}")
    return messages


def _take(line: str, messages: list[Message], latest: dict[tuple[str, str, str], Message]) -> None:
    """A line is a new message, or the same filter would have logged one message twice."""
    found = _LINE.match(line)
    if found is None:
        return
    pairs = parse_pairs(found["pairs"])
    if pairs.get("result") not in _SCANNED:
        return  # other filters log messages, too, when they sign them
    name = found["who"]  # all of it: two chains may have members of one name
    key = (found["session"], pairs.get("from", ""), pairs.get("msgid", ""))
    message = latest.get(key)
    if message is None or name in message.filters:
        message = Message(found["time"], found["session"], pairs, {name})
        messages.append(message)
        latest.pop(key, None)
        latest[key] = message
        if len(latest) > _UNDER_WAY:
            del latest[next(iter(latest))]
    else:
        message.add(name, pairs)


def _lines(path: str) -> Iterator[str]:
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
