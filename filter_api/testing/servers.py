"""Daemons for tests, most of which do not behave: each is a handler for `asyncio.start_unix_server`.

    async with served(hang, path) as endpoint: ...            # in the event loop of the test
    with served_apart(say(b"PONG"), path) as endpoint: ...    # in a thread, for filters that are processes of their own

`filter_api.testing.scanners` has a scanner without any socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from filter_api.net.endpoint import Endpoint

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, path: Path) -> AsyncIterator[Endpoint]:
    """A server on a unix socket that treats every connection with `handler`, and ends with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            with suppress(ConnectionError):
                await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_unix_server(treat, path, backlog=1024)
    try:
        yield Endpoint(path=str(path))
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)  # from Python 3.13 on asyncio does it


@contextmanager
def served_apart(handler: Handler, path: Path) -> Iterator[Endpoint]:
    """The same in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with served(handler, path):
            started.set()
            await ended.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield Endpoint(path=str(path))
    finally:
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(ended.set)
        thread.join()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, never say a word."""
    while await reader.read(65536):
        pass
    await asyncio.sleep(3600)


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing, say nothing: the other side's writes get stuck."""
    await asyncio.sleep(3600)


def drip(answer: bytes, pause: float = 0.05) -> Handler:
    """One byte of a correct answer at a time."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in answer:
            writer.write(bytes([byte]))
            await asyncio.sleep(pause)

    return handler


def say(answer: bytes) -> Handler:
    """Read the question to its end or for 50 ms, answer, close."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                while await reader.read(65536):
                    pass
        writer.write(answer)
        await writer.drain()

    return handler


def flood(total: int) -> Handler:
    """Answer with `total` bytes of nothing."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(total // 65536):
            writer.write(b"A" * 65536)
            await writer.drain()

    return handler


def say_early(answer: bytes, after: int = 1) -> Handler:
    """Answer after the first `after` bytes of the question and close, the rest unread."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(after)
        writer.write(answer)
        await writer.drain()

    return handler


def say_early_and_stay(answer: bytes) -> Handler:
    """Answer at once, then neither read nor close."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(3600)

    return handler


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without a word."""


async def half_close_silently(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the sending side, go on reading."""
    writer.write_eof()
    while await reader.read(65536):
        pass


def reset(after: int = 0) -> Callable[[socket.socket], None]:
    """For `serve_tcp`: read `after` bytes, then reset the connection (RST, not FIN)."""

    def handler(connection: socket.socket) -> None:
        left = after
        while left > 0:
            left -= len(connection.recv(left)) or left
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return handler


@asynccontextmanager
async def served_tcp(handler: Callable[[socket.socket], None]) -> AsyncIterator[Endpoint]:
    """A blocking TCP server on loopback in a thread, one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    handler(connection)

    running = asyncio.create_task(asyncio.to_thread(accept))
    try:
        yield Endpoint("127.0.0.1", listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        await running
