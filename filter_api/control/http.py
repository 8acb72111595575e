"""HTTP/1 as far as a control socket speaks it (RFC 9112): one request, without a body, and one answer. Pure.

It is HTTP so that curl(1), and a web server before Prometheus, can ask the socket itself. Nothing of a request is ever
repeated in an answer or a log.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from filter_api.bounds import MAX_CONTROL_REQUEST

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]{0,255}) HTTP/1\.[01]")
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    """What is asked for. query: what stands behind the question mark, as it is."""

    method: str
    path: str
    query: str = ""


class Response(NamedTuple):
    """What is answered. allowed: the one method that would do, with 405."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    allowed: str = ""


def request_of(received: bytes) -> Request | Response | None:
    """The request in what was received so far, None if more must come, or the answer to what is none."""
    ends = [at for mark in (b"\r\n\r\n", b"\n\n") if (at := received.find(mark)) >= 0]
    if not ends and len(received) < MAX_CONTROL_REQUEST:
        return None
    if not ends or min(ends) >= MAX_CONTROL_REQUEST:
        return problem(431, f"a request has {MAX_CONTROL_REQUEST} bytes at most")
    line = received[: min(ends)].split(b"\n", 1)[0].removesuffix(b"\r")
    found = _LINE.fullmatch(line)
    if found is None:
        return problem(400, "this is no request of HTTP/1")
    path, _, query = found[2].decode("ascii").partition("?")
    return Request(found[1].decode("ascii"), path, query)


def response_bytes(response: Response, *, head_only: bool = False) -> bytes:
    """An answer as it is sent; head_only: to HEAD."""
    lines = [
        f"HTTP/1.1 {response.status} {_REASONS[response.status]}",
        f"Content-Type: {response.kind}",
        f"Content-Length: {len(response.body)}",
        "Connection: close",
        *([f"Allow: {response.allowed}"] if response.allowed else []),
    ]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")
    return head if head_only else head + response.body


def problem(status: int, text: str) -> Response:
    """An answer in words of our own."""
    return Response(status, f"{text}\n".encode("ascii"))
