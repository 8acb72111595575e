"""spamd's protocol (SPAMC/1.5, spamd/PROTOCOL in SpamAssassin) as a question for `filter_api.net.backend`.

    scan = await backends.ask(check(blocks, size, user="alice"), deadline)

`SYMBOLS` gives score, threshold and the names of the tests. `HEADERS` gives, in place of the names, the header that
spamd's own configuration would produce. `PROCESS` gives that and the whole message again, which is never used: the
message that goes on is the one that came in.

Everything spamd says is foreign. It reads the text by line, so our sending side is always shut down: without that it
would wait for the rest of an unfinished last line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from filter_api.bounds import MAX_HEADER_LINES, MAX_SCANNER_ANSWER, MAX_SPAMD_HEAD, MAX_TESTS
from filter_api.message.header import Field, parse_header
from filter_api.net.conversation import Arrived, BadAnswer, Question
from filter_api.text.escape import raw_text

DEFAULT_PORT: Final = 783

_GREETING: Final = b"SPAMD/1."
_STATUS: Final = re.compile(rb"SPAMD/1\.\d{1,3} (\d{1,3}) ([!-~]{1,40})")
_SPAM: Final = re.compile(
    rb"Spam:\s*(True|Yes|False|No)\s*;\s*(-?\d{1,7}(?:\.\d{1,3})?)\s*/\s*(-?\d{1,7}(?:\.\d{1,3})?)\s*", re.IGNORECASE
)
_LENGTH: Final = re.compile(rb"Content-length:[ \t]*(\d{1,9})[ \t]*", re.IGNORECASE)
_TEST: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Scan:
    """What spamd thinks. score, required: points. tests: names that hit. fields: spamd's header, with HEADERS only."""

    spam: bool
    score: float
    required: float
    tests: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()


def check(
    blocks: Callable[[], Iterable[bytes]], size: int, *, user: str = "", header_size: int | None = None
) -> Question[Scan]:
    """Ask about a text of exactly `size` bytes. user: whose preferences; empty leaves it to spamd.

    header_size: None asks for the tests (SYMBOLS); otherwise the bytes of the text's header, and spamd's own is asked
    for (HEADERS): it repeats the given one, so the answer may be larger by that much.
    """
    verb = b"SYMBOLS" if header_size is None else b"HEADERS"
    head = [verb + b" SPAMC/1.5", b"Content-length: %d" % size]
    if user:
        head.append(b"User: " + user.encode("ascii"))
    head += [b"", b""]

    def request() -> Iterator[bytes]:
        yield b"\r\n".join(head)
        yield from blocks()

    return Question(
        request,
        _read_symbols if header_size is None else _read_headers,
        _is_whole,
        half_close=True,
        limit=MAX_SCANNER_ANSWER + (header_size or 0),
    )


def _is_whole(reply: Arrived) -> bool:
    """Whether the announced length has arrived. Raises BadAnswer as soon as it cannot be spamd's."""
    if not reply.startswith(_GREETING[: len(reply)]):
        raise BadAnswer(f"not spamd's protocol: {raw_text(bytes(reply[:60]), 60)}")
    end = reply.find(b"\r\n\r\n", 0, MAX_SPAMD_HEAD + 4)
    if end < 0:
        if len(reply) > MAX_SPAMD_HEAD:
            raise BadAnswer("an answer without end of its head")
        return False
    length = _find(_LENGTH, bytes(reply[:end]))
    return length is not None and len(reply) - end - 4 >= int(length[1])


def _find(pattern: re.Pattern[bytes], head: bytes) -> re.Match[bytes] | None:
    return next(filter(None, map(pattern.fullmatch, head.split(b"\r\n"))), None)


def _read(reply: bytes) -> tuple[bool, float, float, bytes]:
    """Spam or not, score, threshold, body. Raises BadAnswer."""
    head, end, body = reply.partition(b"\r\n\r\n")
    status = _STATUS.fullmatch(head.partition(b"\r\n")[0])
    if not end or status is None:
        raise BadAnswer(f"not a whole answer: {raw_text(reply, 60)}")
    if int(status[1]) != 0:
        raise BadAnswer(f"spamd says {raw_text(status[2], 60)}")
    spam, length = _find(_SPAM, head), _find(_LENGTH, head)
    if spam is None or length is None or int(length[1]) != len(body):
        raise BadAnswer(f"an answer without score or with a wrong length: {raw_text(head, 120)}")
    return spam[1].lower() in {b"true", b"yes"}, float(spam[2]), float(spam[3]), body


def _read_symbols(reply: bytes) -> Scan:
    spam, score, required, body = _read(reply)
    return Scan(spam, score, required, _names(body.decode("latin-1").split(",")))


def _read_headers(reply: bytes) -> Scan:
    spam, score, required, body = _read(reply)
    if body.count(b"\n") > MAX_HEADER_LINES:
        raise BadAnswer(f"a header of more than {MAX_HEADER_LINES} lines")
    lines = (line.rstrip(b"\r") for line in body.split(b"\n"))
    view = parse_header(lines)
    status = view.get("X-Spam-Status") or b""
    listed = status.decode("latin-1").partition("tests=")[2].split(",")
    return Scan(spam, score, required, _names(_until_blank(listed)), tuple(view.fields))


def _until_blank(words: Iterable[str]) -> Iterator[str]:
    """``A``, `` B``, ``C autolearn=no`` → A, B, C: the list ends at the first word that something follows."""
    for word in words:
        name, *more = word.split(maxsplit=1) or [""]
        yield name.partition("=")[0]  # some sites show the score of each test
        if more:
            return


def _names(words: Iterable[str]) -> tuple[str, ...]:
    """Names of tests only; ``none`` is what spamd says for no test."""
    found = [name for name in map(str.strip, words) if _TEST.fullmatch(name) and name != "none"]
    return tuple(found[:MAX_TESTS])


def _has_status(reply: Arrived) -> bool:
    return b"\n" in reply


def _read_pong(reply: bytes) -> str:
    """``SPAMD/1.5 0 PONG``. Raises BadAnswer."""
    status = _STATUS.fullmatch(reply.rstrip(b"\r\n"))
    if status is None or int(status[1]) != 0 or status[2] != b"PONG":
        raise BadAnswer(f"not an answer to PING: {raw_text(reply, 60)}")
    return "PONG"


PING: Final[Question[object]] = Question(
    lambda: (b"PING SPAMC/1.5\r\n\r\n",), _read_pong, _has_status, half_close=True, limit=MAX_SPAMD_HEAD
)
