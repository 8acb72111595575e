"""Answers → bytes for smtpd. The only place where a line to smtpd is made.

What could end smtpd is refused here a last time, with `LocalProtocolError`, whoever asks for it: a line break inside a
line, a line too long, an illegal pair of phase and decision, a reply that is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from filter_api.bounds import DATALINE_HEAD, MAX_LINE_OUT, MAX_REPLY
from filter_api.protocol.legality import is_legal, rewrite_argument

_REPLY: Final = re.compile(rb"[45][0-9]{2} [ -~]+")


class LocalProtocolError(Exception):
    """We were about to write what smtpd does not take: a bug on this side, never the peer's."""


def _one_line(line: bytes) -> bytes:
    if b"\n" in line or b"\r" in line or b"\0" in line or len(line) >= MAX_LINE_OUT:
        raise LocalProtocolError(f"not one line for smtpd: {line[:80]!r}")
    return line + b"\n"


def register(reports: Iterable[tuple[str, str]], phases: Iterable[str]) -> bytes:
    """Lines of registration: (direction, event) pairs and phases, each once, then ``register|ready``."""
    lines = [f"register|report|{direction}|{event}\n" for direction, event in dict.fromkeys(reports)]
    lines += [f"register|filter|smtp-in|{phase}\n" for phase in dict.fromkeys(phases)]
    return "".join([*lines, "register|ready\n"]).encode("ascii")


def result(
    protocol: tuple[int, int], phase: bytes, session_id: bytes, token: bytes, word: str, *, argument: bytes = b""
) -> bytes:
    """The answer to a request; argument: the reply of reject and disconnect, the new argument of rewrite."""
    if not is_legal(phase, word):
        raise LocalProtocolError(f"{word} is not legal at {phase!r}")
    ids = b"%b|%b" % ((session_id, token) if protocol >= (0, 5) else (token, session_id))
    tail = b""
    if word in {"reject", "disconnect", "rewrite"}:
        if len(argument) > MAX_REPLY:
            raise LocalProtocolError(f"{word} with {len(argument)} bytes")
        if word == "rewrite" and (b"<" in argument or b">" in argument):
            raise LocalProtocolError(f"a rewrite with brackets of its own: {argument!r}")
        if word != "rewrite" and not _REPLY.fullmatch(argument):
            raise LocalProtocolError(f"{word} without a reply: {argument!r}")  # the client would get 421
        tail = b"|" + (rewrite_argument(phase, argument) if word == "rewrite" else argument)
    return _one_line(b"filter-result|" + ids + b"|" + word.encode("ascii") + tail)


#: The commonest answer as a format of session id and token, the other way round before 0.5; see `proceed`.
PROCEED: Final[Callable[[tuple[bytes, bytes]], bytes]] = b"filter-result|%b|%b|proceed\n".__mod__


def proceed(protocol: tuple[int, int], session_id: bytes, token: bytes) -> bytes:
    """The commonest answer, legal in every phase."""
    return PROCEED((session_id, token) if protocol >= (0, 5) else (token, session_id))


def dataline_head(protocol: tuple[int, int], session_id: bytes, token: bytes) -> bytes:
    """What stands before every message line on its way back."""
    ids = (session_id, token) if protocol >= (0, 5) else (token, session_id)
    return b"filter-dataline|%b|%b|" % ids


def datalines(head: bytes, text: bytes) -> tuple[bytes, ...]:
    """Message lines, given with a LF each and dot-stuffed, each behind `head`; in parts, for one join of all.

    The caller has checked the length of the lines (`MAX_PAYLOAD`) and that none of them is a lone dot.
    """
    return head, text[:-1].replace(b"\n", b"\n" + head), b"\n"


def end_of_data(head: bytes) -> bytes:
    """The line that ends a message."""
    return head + b".\n"


assert len(dataline_head((0, 7), b"0" * 16, b"0" * 16)) == DATALINE_HEAD  # noqa: S101 - a constant proven at import
