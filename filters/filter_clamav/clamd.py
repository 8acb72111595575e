"""clamd's INSTREAM and VERSION (clamd(8), COMMANDS), as questions for `filter_api.net.backend`.

    result = await backends.ask(scan(message.text), deadline)       # Clean, Found or TooLarge
    version = await backends.ask(VERSION, deadline)

What cannot be read as one of those three results is a BadAnswer, never "clean".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from filter_api.bounds import MAX_CLAMD_ANSWER, MAX_SIGNATURE_NAME
from filter_api.net.conversation import Arrived, BadAnswer, Question
from filter_api.text.escape import raw_text

DEFAULT_PORT: Final = 3310

_END: Final = struct.pack("!I", 0)
_FOUND: Final = re.compile(rb"stream: (.{1,1024}) FOUND", re.DOTALL)
_TOO_LARGE: Final = re.compile(rb"(?:stream: )?INSTREAM size limit exceeded\. ERROR")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._:()+{}@/-]+")


@dataclass(frozen=True, slots=True)
class Clean:
    """clamd found nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """clamd found something; `name` holds letters, digits and ``._:()+{}@/-`` only, at most 100 of them."""

    name: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The message is larger than clamd's StreamMaxLength: it will not be scanned tomorrow either."""


Result: TypeAlias = Clean | Found | TooLarge


def scan(text: Callable[[], Iterable[bytes]]) -> Question[Result]:
    """Ask whether a text is infected; `text` gives it in blocks, from the start at each call."""
    return Question(lambda: _stream(text()), read_result, _has_ended, limit=MAX_CLAMD_ANSWER)


def _stream(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """INSTREAM: each chunk with its length in front, an empty one at the end."""
    yield b"zINSTREAM\0"
    for block in blocks:
        if block:  # an empty one would end the stream
            yield struct.pack("!I", len(block))  # by itself: putting it in front would copy the block
            yield block
    yield _END


def _has_ended(reply: Arrived) -> bool:
    return b"\0" in reply


def _line(reply: bytes) -> bytes:
    """An answer of the z commands ends with one NUL, and then the daemon closes."""
    line, end, rest = reply.partition(b"\0")
    if not end or rest:
        raise BadAnswer(f"not one line of an answer: {raw_text(reply, 80)}")
    return line


def read_result(reply: bytes) -> Result:
    """The result of a scan. Raises BadAnswer."""
    line = _line(reply)
    if line == b"stream: OK":
        return Clean()
    found = _FOUND.fullmatch(line)
    if found:
        return Found(safe_name(found[1]))
    if _TOO_LARGE.fullmatch(line):
        return TooLarge()
    raise BadAnswer(f"not a result: {raw_text(line, 80)}")


def safe_name(raw: bytes) -> str:
    """The name of a signature as it may stand in a reply, a header and the log."""
    return _UNSAFE.sub("_", raw.decode("latin-1"))[:MAX_SIGNATURE_NAME]


def read_version(reply: bytes) -> str:
    """``ClamAV 1.4.6/27822/Thu Nov 19 08:35:12 2026``: program, number and date of the database. Raises BadAnswer."""
    line = _line(reply)
    if not re.fullmatch(rb"ClamAV [ -~]{1,120}", line):
        raise BadAnswer(f"not a version: {raw_text(line, 80)}")
    return line.decode("ascii")


VERSION: Final = Question(lambda: (b"zVERSION\0",), read_version, _has_ended, limit=MAX_CLAMD_ANSWER)


def _read_pong(reply: bytes) -> str:
    """Raises BadAnswer."""
    if _line(reply) != b"PONG":
        raise BadAnswer(f"not an answer to PING: {raw_text(reply, 80)}")
    return "PONG"


PING: Final[Question[object]] = Question(lambda: (b"zPING\0",), _read_pong, _has_ended, limit=MAX_CLAMD_ANSWER)
