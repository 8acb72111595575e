"""smtpd's end of the wire: nothing is lost, doubled or out of order, however slowly smtpd reads, or if it goes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from filter_api.runtime.transport import HIGH_WATER, LOW_WATER, Wire

LINES = [b"%07d " % number + b"x" * 991 + b"\n" for number in range(3_000)]


class Receiver:
    """Takes what is read, and the word of a slow reader."""

    def __init__(self) -> None:
        self.got = b""
        self.paused: list[bool] = []
        self.ended = 0
        self.failures: list[BaseException] = []
        self.throws: BaseException | None = None

    def feed(self, data: memoryview) -> None:
        self.got += bytes(data)
        if self.throws is not None:
            raise self.throws

    def pause(self) -> None:
        self.paused.append(True)

    def resume(self) -> None:
        self.paused.append(False)

    def end(self) -> None:
        self.ended += 1


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, Receiver, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    receiver = Receiver()
    wire = Wire(ours, receiver.end, receiver.failures.append)
    wire.open(receiver, receiver)
    try:
        yield wire, receiver, theirs
    finally:
        theirs.close()
        wire.close()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def read_all(theirs: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    read = b""
    while len(read) < size:
        read += await asyncio.wait_for(loop.sock_recv(theirs, 65_536), 5)
    return read


def test_a_slow_reader_gets_every_line_once_and_in_order() -> None:
    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            for line in LINES:
                wire.write(line)
            assert wire.unwritten > HIGH_WATER
            assert receiver.paused == [True], "whoever gives messages back is told once"
            await asyncio.get_running_loop().sock_sendall(theirs, b"not read now")
            await settle()
            assert receiver.got == b"", "smtpd is not read while it does not read"
            data = await read_all(theirs, sum(map(len, LINES)))
            assert data == b"".join(LINES)
            await settle()
            assert wire.unwritten <= LOW_WATER
            assert receiver.paused == [True, False]
            assert receiver.got == b"not read now"
            wire.write(b"once more\n")
            assert await read_all(theirs, 10) == b"once more\n"

    asyncio.run(run())


def test_what_the_receiver_throws_does_not_end_the_connection() -> None:
    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            receiver.throws = SystemExit(3)
            await asyncio.get_running_loop().sock_sendall(theirs, b"one")
            await settle()
            receiver.throws = None
            await asyncio.get_running_loop().sock_sendall(theirs, b"two")
            await settle()
            assert receiver.got == b"onetwo"
            assert [type(error) for error in receiver.failures] == [SystemExit]
            assert receiver.ended == 0
            wire.write(b"still here\n")
            assert await read_all(theirs, 11) == b"still here\n"

    asyncio.run(run())


def test_what_cannot_be_waited_for_is_tried_again_with_the_next_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            with monkeypatch.context() as patch:
                patch.setattr(asyncio.get_running_loop(), "add_writer", no_memory)
                for line in LINES[:100]:
                    wire.write(line)
            assert receiver.failures
            wire.write(LINES[100])
            assert await read_all(theirs, 101 * 1_000) == b"".join(LINES[:101])

    asyncio.run(run())


def test_reading_goes_on_as_soon_as_there_is_memory_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = 3

    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            loop = asyncio.get_running_loop()
            add_reader = loop.add_reader

            def scarce(end: socket.socket | int, callback: Callable[..., None], *arguments: socket.socket) -> None:
                nonlocal failures
                if arguments == (wire._end,) and failures > 0:
                    failures -= 1
                    raise MemoryError
                add_reader(end, callback, *arguments)

            monkeypatch.setattr(loop, "add_reader", scarce)
            loop.set_exception_handler(lambda _loop, _about: None)
            for line in LINES:
                wire.write(line)
            assert await read_all(theirs, sum(map(len, LINES))) == b"".join(LINES)
            await settle()
            assert (receiver.paused, failures) == ([True, False], 0)
            await loop.sock_sendall(theirs, b"read again")
            await settle()
            assert receiver.got == b"read again"

    asyncio.run(run())


def test_where_smtpd_is_gone_nothing_is_kept_for_it() -> None:
    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            theirs.close()
            for line in LINES:
                wire.write(line)
            assert wire.unwritten == 0
            await settle()
            assert receiver.ended >= 1
            wire.write(b"to nobody\n")
            assert wire.unwritten == 0

    asyncio.run(run())


def test_smtpd_that_goes_without_having_read_is_gone() -> None:
    """Reading then fails where it would else find the end."""

    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            wire.write(b"for nobody\n")
            theirs.close()
            await settle()
            assert (receiver.got, receiver.ended, receiver.failures) == (b"", 1, [])

    asyncio.run(run())


def test_smtpd_that_goes_while_it_does_not_read_is_gone_too() -> None:
    """What waited for it is dropped, and the end is found although reading had stopped."""

    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            for line in LINES:
                wire.write(line)
            assert receiver.paused == [True]
            theirs.close()
            await settle()
            assert wire.unwritten == 0
            assert receiver.paused == [True, False]
            assert receiver.ended == 1

    asyncio.run(run())


def test_an_end_that_is_closed_with_something_unwritten_lets_everybody_go() -> None:
    async def run() -> None:
        async with connected() as (wire, receiver, _theirs):
            for line in LINES:
                wire.write(line)
            wire.close()
            wire.close()
            assert wire.unwritten == 0
            assert receiver.paused[-1] is False
            wire.write(b"to nobody\n")
            assert wire.unwritten == 0

    asyncio.run(run())


def test_a_wake_up_without_anything_to_read_is_no_end() -> None:
    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            wire._on_readable(theirs)  # there is nothing in this direction, either
            assert (receiver.got, receiver.ended) == (b"", 0)
            await asyncio.get_running_loop().sock_sendall(theirs, b"something")
            await settle()
            assert receiver.got == b"something"

    asyncio.run(run())


def test_half_a_close_leaves_the_other_half_open() -> None:
    """smtpd that shuts its end down still gets what is queued."""

    async def run() -> None:
        async with connected() as (wire, receiver, theirs):
            for line in LINES[:50]:
                wire.write(line)
            theirs.shutdown(socket.SHUT_WR)
            await settle()
            assert receiver.ended == 1
            assert await read_all(theirs, 50_000) == b"".join(LINES[:50])

    asyncio.run(run())


def test_at_the_end_whoever_reads_our_end_is_told_so() -> None:
    """A pipe is joined to the wire by a thread that reads until then; the process would wait for it."""

    async def run() -> None:
        async with connected() as (wire, _, theirs):
            wire.write(b"last\n")
            wire.close()
            assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"last\n"
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 100), 5) == b""

    asyncio.run(run())
