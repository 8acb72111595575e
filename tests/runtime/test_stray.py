"""What is printed past the log arrives in the log, cut and escaped, and never blocks who prints."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest

from filter_api.bounds import LOG_LINE
from filter_api.runtime.stray import Lines, catch_stray_output


@pytest.mark.parametrize(
    ("written", "logged"),
    [
        ([b"hello\n"], ["hello"]),
        ([b"hel", b"lo\nwor", b"ld\n"], ["hello", "world"]),
        ([b"\n\n"], []),
        ([b"\x1b[2J\r\n"], ["\\x1b[2J\\x0d"]),
        ([b"unfinished"], []),
    ],
)
def test_bytes_become_lines(written: list[bytes], logged: list[str]) -> None:
    log: list[str] = []
    lines = Lines(lambda _level, line: log.append(line))
    for piece in written:
        assert lines.write(piece) == len(piece)
    assert log == logged


def test_no_line_is_longer_than_the_log_allows() -> None:
    log: list[str] = []
    lines = Lines(lambda _level, line: log.append(line))
    lines.write(b"x" * 70_000)
    lines.write(b"\xff" * 70_000 + b"\n")
    assert len(log) == 2
    assert max(len(line) for line in log) <= LOG_LINE


@pytest.fixture
def own_fd_1() -> Iterator[None]:
    kept, out, err = os.dup(1), sys.stdout, sys.stderr
    yield
    sys.stdout, sys.stderr = out, err
    os.dup2(kept, 1)
    os.close(kept)


@pytest.mark.usefixtures("own_fd_1")
def test_print_stderr_and_fd_1_end_in_the_log() -> None:
    log: list[str] = []

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        catch_stray_output(lambda _level, line: log.append(line), loop)
        print("printed")
        print("complained", file=sys.stderr)
        os.write(1, b"written\n")
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(talk())
    assert log == ["printed", "complained", "written"]


@pytest.mark.usefixtures("own_fd_1")
def test_a_writer_to_fd_1_is_never_blocked() -> None:
    def fill_fd_1() -> None:
        for _ in range(100):
            os.write(1, b"x" * 65_536)

    async def flood() -> None:
        catch_stray_output(lambda _level, _line: None, asyncio.get_running_loop())
        with pytest.raises(BlockingIOError):
            fill_fd_1()

    asyncio.run(flood())


@pytest.mark.usefixtures("own_fd_1")
def test_a_pipe_that_cannot_be_read_now_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    def busy(_fd: int, _size: int) -> bytes:
        raise BlockingIOError

    async def talk() -> None:
        catch_stray_output(lambda _level, line: log.append(line), asyncio.get_running_loop())
        os.write(1, b"written\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "read", busy)
            for _ in range(3):
                await asyncio.sleep(0)
        assert log == []
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(talk())
    assert log == ["written"]
