"""Fetch a list over https, http or ftp: asked only for what has changed, in a bounded time, and never led astray.

    with time_limit(120):
        answer = open_url(url, etag, modified)      # None: not modified since
        for block in answer.blocks: ...

Certificates are verified. A redirect may lead to the same scheme or from http to https, nowhere else, five times.
"""

from __future__ import annotations

import contextlib
import signal
import urllib.request
from collections.abc import Generator, Iterator
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from filter_api.bounds import BLOCK, MAX_REDIRECTS
from filter_api.text.escape import printable
from filter_api.version import VERSION
from filter_lists.tool.published import ListRefused

FETCH_ERRORS: Final = (OSError, HTTPException, ValueError, OverflowError)
"""What fetching may raise beside ListRefused: no connection, no certificate, no protocol, no time; and what the
standard library raises for an address that is none, as a server may redirect to it: a port or a host name too large."""

_READ_SECONDS: Final = 30.0
_STEPS: Final = {("http", "http"), ("http", "https"), ("https", "https")}


class Answer(NamedTuple):
    """What came: the bytes, and what the server calls this version; empty where it does not say."""

    blocks: Generator[bytes, None, None]
    etag: str
    modified: str


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> IO[bytes] | None:
        """Follow it, its own text unread: urllib would read all of it, and leave it open where the address is bad."""
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(  # noqa: PLR0917 - as urllib calls it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The next request. Raises ListRefused for a step to another scheme, above all down to http."""
        step = (urlsplit(req.full_url).scheme, urlsplit(newurl).scheme)
        if step not in _STEPS:
            raise ListRefused(f"redirected from {step[0]} to {printable(newurl, 100)}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url: str, etag: str = "", modified: str = "") -> Answer | None:
    """Ask for a URL; None if the server says that it is as it was. Raises ListRefused and `FETCH_ERRORS`."""
    request = urllib.request.Request(url, headers={"User-Agent": f"opensmtpd-filters/{VERSION}"})  # noqa: S310 - conf.py knows the schemes
    request.add_header("Accept-Encoding", "gzip")
    if etag:
        request.add_header("If-None-Match", etag)
    if modified:
        request.add_header("If-Modified-Since", modified)
    try:
        response = _opener().open(request, timeout=_READ_SECONDS)
    except HTTPError as error:
        with contextlib.closing(error):
            if error.code == 304 and (etag or modified):  # unasked, it says nothing of what we have
                return None
            raise ListRefused(f"the server says {error.code} {printable(str(error.reason), 60)}") from None
    if getattr(response, "status", None) not in {200, None}:  # 206 is a part; ftp has no status
        with response:
            raise ListRefused(f"the server says {response.status} {printable(str(response.reason), 60)}")
    headers = response.headers
    return Answer(_blocks(response, headers.get("Content-Length")), _header(headers, "ETag"), _date(headers))


def _opener() -> urllib.request.OpenerDirector:
    """Without urllib's handlers for file: and data:."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.FTPHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


def _blocks(response: HTTPResponse, length: str | None) -> Generator[bytes, None, None]:
    """The bytes as they come. Raises ListRefused when there are fewer than were promised."""
    got = 0
    read = getattr(response, "read1", response.read)  # whatever has come, not all of a block
    with response:
        while block := read(BLOCK):
            got += len(block)
            yield block
    if length is not None and length.isascii() and length.isdigit() and got < int(length[:18]):
        raise ListRefused(f"cut short: {got} bytes came of {length[:18]}")


def _header(headers: Message, name: str) -> str:
    """A header that is sent back later as it is; empty if it cannot be."""
    value = headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= 200 else ""


def _date(headers: Message) -> str:
    return _header(headers, "Last-Modified")


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what runs in this block after a time, whatever it waits for: TimeoutError. For the main thread only."""

    def expire(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, expire)
    left = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)


def why(error: Exception) -> str:
    """What went wrong with fetching, in a line."""
    cause = error.reason if isinstance(error, URLError) else error
    text = getattr(cause, "strerror", None) or getattr(cause, "verify_message", None) or str(cause)
    return printable(str(text) or type(error).__name__, 200)
