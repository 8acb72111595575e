"""Serves a control socket without ever holding mail up.

Of whoever asks: a request has a bounded length, one connection has a bounded time from its first byte to the last of
its answer, an answer has a bounded length and leaves in pieces, each as the reader takes it, and there are a bounded
number of connections: one more, and the one that has been there for longest is dropped. Connections are taken one
after the other with a pause, so that somebody who connects all the time costs a small share of the loop. Bounds:
`filter_api.bounds`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from filter_api.bounds import (
    CONTROL_PAUSE,
    CONTROL_PIECE,
    CONTROL_SECONDS,
    MAX_CONTROL_ANSWER,
    MAX_CONTROL_READERS,
    MAX_CONTROL_REQUEST,
)
from filter_api.control.http import Request, Response, problem, request_of, response_bytes

_RETRY = 1.0  # seconds until a connection is taken again where there was no descriptor for one


class Server:
    """answer(request) gives the answer at once; failed(error) is told of what it throws."""

    def __init__(self, answer: Callable[[Request], Response], failed: Callable[[BaseException], None]) -> None:
        self._answer = answer
        self._failed = failed
        self._talks: dict[asyncio.Task[None], None] = {}  # in the order they came

    async def serve(self, listening: socket.socket) -> None:
        """Take connections until it is cancelled, which ends those that are open."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listening)
                except OSError:
                    await asyncio.sleep(_RETRY)
                    continue
                self._begin(connection)
                await asyncio.sleep(CONTROL_PAUSE)
        finally:
            for talk in self._talks:
                talk.cancel()

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if len(self._talks) >= MAX_CONTROL_READERS:
            oldest = next(iter(self._talks))
            del self._talks[oldest]
            oldest.cancel()
        talk = asyncio.get_running_loop().create_task(self._talk(connection))
        self._talks[talk] = None
        talk.add_done_callback(lambda done: self._talks.pop(done, None))

    async def _talk(self, connection: socket.socket) -> None:
        """One request and its answer."""
        with connection, contextlib.suppress(OSError):
            try:
                async with asyncio.timeout(CONTROL_SECONDS):
                    request = await _received(connection)
                    if request is not None:
                        await _send(connection, self._answered(request))
            except TimeoutError:
                return
            except Exception as error:  # noqa: BLE001 - no memory, mostly: whoever asked may ask again
                self._failed(error)

    def _answered(self, request: Request | Response) -> bytes:
        """The bytes of an answer, of a bounded length."""
        if isinstance(request, Response):
            return response_bytes(request)
        try:
            response = self._answer(request)
        except Exception as error:  # noqa: BLE001 - a mistake of the library's own costs no more than this answer
            self._failed(error)
            response = problem(500, "this could not be found out: see the log")
        if len(response.body) > MAX_CONTROL_ANSWER:
            response = problem(500, f"the answer would have more than {MAX_CONTROL_ANSWER} bytes")
        return response_bytes(response, head_only=request.method == "HEAD")


async def _received(connection: socket.socket) -> Request | Response | None:
    """The request; None if whoever connected has left."""
    loop = asyncio.get_running_loop()
    received = b""
    while True:
        data = await loop.sock_recv(connection, MAX_CONTROL_REQUEST)
        if not data:
            return None
        received += data
        request = request_of(received)
        if request is not None:
            return request


async def _send(connection: socket.socket, answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    for at in range(0, len(answer), CONTROL_PIECE):
        await loop.sock_sendall(connection, answer[at : at + CONTROL_PIECE])
        await asyncio.sleep(0)
