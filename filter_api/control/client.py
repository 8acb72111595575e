"""Asks filters over their control sockets (filterctl(8)): all of them at the same time, each within one bound of time.

What comes back is bounded, and of a filter that is old, new or none of ours it is an error in words, never a traceback.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from filter_api.bounds import MAX_CONTROL_ANSWER

#: Seconds that a filter gets for its answer.
SECONDS: Final = 2.0

_HEAD: Final = 4_096  # bytes of the head of an answer
_READ: Final = 65_536
_CONNECT: Final = {
    errno.ECONNREFUSED: "not running: its socket was left behind",
    errno.ENOENT: "there is no such socket",
    errno.EAGAIN: "it does not answer: too many ask it",
}

_STATUS: Final = re.compile(rb"[1-5][0-9]{2}")


class Answer(NamedTuple):
    """What a filter said. status: of HTTP, 0 where it said nothing that could be read; error: why."""

    path: str
    status: int
    body: bytes = b""
    error: str = ""

    @property
    def done(self) -> bool:
        """Whether it did what was asked."""
        return self.status == 200

    @property
    def why(self) -> str:
        """Why it did not, in words."""
        return self.error or self.body.decode("ascii", "replace").strip() or f"it answered {self.status}"

    def json(self) -> Any:  # noqa: ANN401 - whatever the other side sends; `filter_api.control.document` if it is ours
        """The value in it. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def ask(paths: Sequence[str], what: str, method: str = "GET", seconds: float = SECONDS) -> list[Answer]:
    """The answers, in the order of the sockets, within `seconds` for all of them together."""
    until = time.monotonic() + seconds
    answers: dict[int, Answer] = {}
    received: dict[socket.socket, tuple[int, bytearray]] = {}
    with ExitStack() as stack:
        for number, path in enumerate(paths):
            asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            asking.setblocking(False)
            problem = _begin(asking, path, f"{method} {what} HTTP/1.1\r\nHost: filter\r\n\r\n".encode("ascii"))
            if problem:
                answers[number] = Answer(path, 0, error=problem)
            else:
                received[asking] = (number, bytearray())
        while received and (left := until - time.monotonic()) > 0:
            for asking in _readable(received, left):
                number, data = received[asking]
                if _receive(asking, data):
                    del received[asking]
                    answers[number] = answer_of(paths[number], bytes(data))
    for number, _ in received.values():
        answers[number] = Answer(paths[number], 0, error=f"it does not answer within {seconds * 1000:.0f} ms")
    return [answers[number] for number in range(len(paths))]


def _begin(asking: socket.socket, path: str, request: bytes) -> str:
    """Connect and ask; what is wrong, or an empty string."""
    try:
        asking.connect(path)
        asking.sendall(request)
    except OSError as error:
        return _CONNECT.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
    return ""


def _readable(sockets: Mapping[socket.socket, object], seconds: float) -> list[socket.socket]:
    poll = select.poll()
    by_number = {each.fileno(): each for each in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(max(seconds * 1000, 0))]


def _receive(asking: socket.socket, data: bytearray) -> bool:
    """Take what has come; whether that is all."""
    try:
        more = asking.recv(_READ)
    except OSError:
        return True  # what came before is judged as it is
    data += more
    return not more or len(data) > MAX_CONTROL_ANSWER + _HEAD


def answer_of(path: str, data: bytes) -> Answer:
    """The answer in these bytes."""
    head, separator, body = data.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    lengths = [line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
    if not separator or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not _STATUS.fullmatch(words[1]):
        return Answer(path, 0, error="it hung up" if not data else "what listens there is no filter of this suite")
    if lengths != [str(len(body)).encode("ascii")]:
        return Answer(path, 0, error="its answer is cut short")
    return Answer(path, int(words[1]), body)
