"""A control socket against readers that hang, flood, leave and lie: each costs a bounded time and a place."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from filter_api.control import server
from filter_api.control.http import Request, Response, problem
from filter_api.control.place import listen
from filter_api.control.server import Server

ASK = b"GET /x HTTP/1.1\r\n\r\n"


def serve(
    short: Path,
    answer: Callable[[Request], Response],
    talk: Callable[[str], Awaitable[None]],
    failed: Callable[[BaseException], None] | None = None,
) -> None:
    """Run `talk` with the path of a socket that is served."""

    def unexpected(error: BaseException) -> None:
        raise AssertionError from error

    async def run() -> None:
        listener = listen(f"{short}/x.sock")
        serving = asyncio.create_task(Server(answer, failed or unexpected).serve(listener.socket))
        try:
            async with asyncio.timeout(30):
                await talk(listener.path)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await asyncio.sleep(0)
            listener.close()

    asyncio.run(run())


async def asked(path: str, request: bytes = ASK) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    data = await reader.read()
    writer.close()
    return data


def hello(_request: Request) -> Response:
    return problem(200, "hello")


def test_a_request_that_comes_in_pieces_is_answered(short: Path) -> None:
    async def talk(path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        for byte in ASK:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read()).endswith(b"\r\n\r\nhello\n")
        writer.close()

    serve(short, hello, talk)


def test_head_gets_no_body_and_garbage_gets_400(short: Path) -> None:
    async def talk(path: str) -> None:
        assert (await asked(path, b"HEAD /x HTTP/1.1\r\n\r\n")).endswith(b"close\r\n\r\n")
        assert (await asked(path, b"\x00\xff\n\n")).startswith(b"HTTP/1.1 400 ")

    serve(short, hello, talk)


def test_who_leaves_without_a_word_or_in_the_middle_disturbs_nobody(short: Path) -> None:
    async def talk(path: str) -> None:
        for said in (b"", b"GET /x", ASK):
            with socket.socket(socket.AF_UNIX) as leaving:
                leaving.connect(path)
                leaving.sendall(said)
        assert (await asked(path)).endswith(b"hello\n")

    serve(short, hello, talk)


def test_who_hangs_is_dropped_when_the_time_is_over(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONTROL_SECONDS", 0.2)

    async def talk(path: str) -> None:
        assert await asked(path, b"GET /x") == b""

    serve(short, hello, talk)


def test_of_too_many_the_oldest_is_dropped_and_the_newest_answered(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONTROL_PAUSE", 0.0)

    async def talk(path: str) -> None:
        hanging = [await asyncio.open_unix_connection(path) for _ in range(16)]
        for _, writer in hanging:
            writer.write(b"GET ")
        assert (await asked(path)).endswith(b"hello\n")
        assert await hanging[0][0].read() == b""
        hanging[15][1].write(b"/x HTTP/1.1\r\n\r\n")
        assert (await hanging[15][0].read()).endswith(b"hello\n")
        for _, writer in hanging:
            writer.close()

    serve(short, hello, talk)


def test_who_does_not_read_holds_one_answer_and_nobody_up(short: Path) -> None:
    async def talk(path: str) -> None:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(path)
            deaf.sendall(ASK)
            assert len(await asked(path)) > 262_000

    serve(short, lambda _: Response(200, b"x" * 262_000), talk)


def test_a_long_answer_is_not_given(short: Path) -> None:
    async def talk(path: str) -> None:
        answer = await asked(path)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert answer.endswith(b"the answer would have more than 262144 bytes\n")

    serve(short, lambda _: Response(200, b"x" * 262_145), talk)


def test_an_answer_that_cannot_be_made_costs_no_more_than_itself(short: Path) -> None:
    errors: list[BaseException] = []

    def answer(request: Request) -> Response:
        if request.path == "/bad":
            raise RuntimeError("secret")
        return problem(200, "hello")

    async def talk(path: str) -> None:
        bad = await asked(path, b"GET /bad HTTP/1.1\r\n\r\n")
        assert bad.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in bad
        assert (await asked(path)).endswith(b"hello\n")

    serve(short, answer, talk, errors.append)
    assert [str(error) for error in errors] == ["secret"]


def test_without_memory_for_an_answer_only_that_connection_ends(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[BaseException] = []

    async def no_memory(_connection: socket.socket, _answer: bytes) -> None:
        raise MemoryError

    async def talk(path: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(server, "_send", no_memory)
            assert await asked(path) == b""
        assert (await asked(path)).endswith(b"hello\n")

    serve(short, hello, talk, errors.append)
    assert [type(error) for error in errors] == [MemoryError]


def test_without_a_descriptor_the_next_connection_is_taken_later(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_RETRY", 0.05)

    async def talk(path: str) -> None:
        loop = asyncio.get_running_loop()
        accept = loop.sock_accept
        failures = [OSError(24, "Too many open files")] * 3

        async def fails_at_first(listening: socket.socket) -> tuple[socket.socket, object]:
            if failures:
                raise failures.pop()
            return await accept(listening)

        monkeypatch.setattr(loop, "sock_accept", fails_at_first)
        await asked(path)  # taken by the call that waits already
        assert (await asked(path)).endswith(b"hello\n")
        assert failures == []

    serve(short, hello, talk)
