"""Log lines: whole, bounded, never waited for."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from filter_api.bounds import LOG_LINE
from filter_api.log import Logger
from filter_api.runtime.log import RATE, Bucket, StderrSink, adopt_stdlib_logging
from filter_api.session import Session


def lines() -> tuple[Logger, list[str]]:
    written: list[str] = []
    return Logger(lambda _level, line: written.append(line)), written


def test_a_line() -> None:
    log, written = lines()
    log.info(Session(b"00aa"), "connect", action="reject", sender=b"<a b>", none=None, yes=True, n=3)
    log.warning(None, "plain")
    assert written == ['00aa connect action=reject sender="<a b>" none=- yes=yes n=3', "plain"]


def test_lines_are_cut_and_clean() -> None:
    log, written = lines()
    for text in (b"\n", b"\x1b[31m", b"\xff" * 2_000, b"x" * 2_000, "caf\xe9\u2028"):
        log.info(Session(b"00|aa\n"), "what", a=text, b=text, c=text)
    assert all(len(line) <= LOG_LINE for line in written)
    assert all(0x20 <= ord(char) <= 0x7E for line in written for char in line)


def test_a_value_that_cannot_be_shown_still_gets_its_line() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    log, written = lines()
    log.info(None, "what", value=Odd())
    assert written == ["what unprintable=ValueError"]


def test_debug_lines_need_the_option() -> None:
    log, written = lines()
    log.debug(None, "hidden")
    log.verbose = True
    log.debug(None, "shown")
    assert written == ["shown"]


def test_a_traceback_is_a_line_for_each_of_its_lines() -> None:
    log, written = lines()

    def fail() -> None:
        raise ValueError("one\ntwo")

    try:
        fail()
    except ValueError as error:
        log.failure(None, "hook", error)
    assert written[0] == r'hook error="ValueError: one\x0atwo"'
    assert any("test_log.py" in line for line in written[1:])
    assert not any("\n" in line for line in written)


def test_a_flood_is_counted() -> None:
    now = 0.0
    bucket = Bucket(lambda: now)
    assert sum(bucket.take() for _ in range(RATE + 500)) == RATE
    assert bucket.dropped == 500
    now += 0.5
    assert sum(bucket.take() for _ in range(RATE)) == RATE // 2


def test_a_reader_that_sleeps_costs_lines_and_no_time() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        sink = StderrSink(theirs.fileno(), clock=lambda: 0.0)
        for number in range(500):
            sink(logging.INFO, f"{number:03} " + "x" * 700)
        first = ours.recv(1 << 20)
        sink(logging.INFO, "awake again")
        ours.setblocking(False)
        rest = ours.recv(1 << 20)
        sink.close()
    text = (first + rest).decode().split("\n")[:-1]
    assert all(line.endswith("x" * 700) for line in text[: len(text) - 2])
    assert text[-1] == "awake again"
    assert text[-2].startswith("log suppressed=")
    assert int(text[-2].partition("=")[2]) + len(text) - 2 == 500


def test_a_pipe_whose_reader_has_gone() -> None:
    reading, writing = os.pipe()
    sink = StderrSink(writing)
    os.close(reading)
    sink(logging.INFO, "nobody hears this")
    sink.close()
    os.close(writing)


def test_a_line_that_is_written_in_part_is_finished_before_the_next() -> None:
    """A pipe takes a part of what is more than a page; the log holds whole lines, and says how many are missing."""
    reading, writing = os.pipe()
    sink = StderrSink(writing, clock=lambda: 0.0)
    os.set_blocking(reading, False)
    filled = 0
    while os.fpathconf(writing, "PC_PIPE_BUF") and filled < 61_000:  # a page or less is left of 64 KiB
        filled += os.write(writing, b"." * 999 + b"\n")
    for number in range(30):
        sink(logging.INFO, f"{number:02} " + "x" * 5_000)
    first = os.read(reading, 1 << 20)
    sink(logging.INFO, "awake again")
    text = (first + os.read(reading, 1 << 20))[filled:].decode().split("\n")
    os.close(reading)
    os.close(writing)
    assert text.pop() == ""
    assert text[-1] == "awake again"
    lines = [line for line in text[:-1] if not line.startswith("log suppressed=")]
    assert lines
    assert all(len(line) == 5_003 for line in lines)
    missed = sum(int(line.partition("=")[2]) for line in text if line.startswith("log suppressed="))
    assert len(lines) + missed == 30


def test_lines_of_libraries_come_along() -> None:
    written: list[tuple[int, str]] = []
    root = logging.getLogger()
    ours = logging.getLogger("filter_api")
    handlers, level, own = root.handlers[:], root.level, ours.level
    try:
        adopt_stdlib_logging(lambda number, line: written.append((number, line)))
        logging.getLogger("dns.test").info("too quiet")
        logging.getLogger("dns.test").warning("odd \x1b %s", "answer")
        logging.getLogger("dns.test").error("bad %d", "format")
    finally:
        root.handlers[:], root.level = handlers, level
        ours.setLevel(own)  # other tests count the lines of the library
    assert written == [(logging.WARNING, r"dns.test odd \x1b answer"), (logging.ERROR, "dns.test unprintable")]


@pytest.fixture
def heard() -> Iterator[tuple[StderrSink, socket.socket]]:
    """A sink, and what hears each of its writes by itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        sink = StderrSink(theirs.fileno())
        yield sink, ours
        sink.close()


def writes(heard: socket.socket) -> list[bytes]:
    """What has been written since, each write by itself."""
    found = []
    while True:
        try:
            found.append(heard.recv(1 << 20))
        except BlockingIOError:
            return found


def test_lines_of_one_turn_of_the_loop_are_one_write(heard: tuple[StderrSink, socket.socket]) -> None:
    sink, ours = heard

    async def scenario() -> None:
        sink.gather(asyncio.get_running_loop())
        for word in ("one", "two", "three"):
            sink(logging.INFO, word)
        assert writes(ours) == []
        await asyncio.sleep(0)
        assert writes(ours) == [b"one\ntwo\nthree\n"]
        sink(logging.INFO, "four")
        await asyncio.sleep(0)
        assert writes(ours) == [b"four\n"]

    asyncio.run(scenario())


def test_a_warning_waits_for_nobody_and_keeps_the_order(heard: tuple[StderrSink, socket.socket]) -> None:
    sink, ours = heard

    async def scenario() -> None:
        sink.gather(asyncio.get_running_loop())
        sink(logging.INFO, "one")
        sink(logging.WARNING, "two")
        assert writes(ours) == [b"one\ntwo\n"]
        await asyncio.sleep(0)
        assert writes(ours) == []

    asyncio.run(scenario())


def test_so_does_a_line_of_another_thread_and_what_comes_in_masses(heard: tuple[StderrSink, socket.socket]) -> None:
    sink, ours = heard

    async def scenario() -> None:
        sink.gather(asyncio.get_running_loop())
        thread = threading.Thread(target=sink, args=(logging.INFO, "elsewhere"))
        thread.start()
        thread.join()
        assert writes(ours) == [b"elsewhere\n"]
        for _ in range(120):
            sink(logging.INFO, "x")
        assert [each.count(b"\n") for each in writes(ours)] == [50, 50]
        await asyncio.sleep(0)
        assert [each.count(b"\n") for each in writes(ours)] == [20]

    asyncio.run(scenario())


def test_when_the_loop_ends_nothing_waits_any_more(heard: tuple[StderrSink, socket.socket]) -> None:
    sink, ours = heard

    async def scenario() -> None:
        sink.gather(asyncio.get_running_loop())
        sink(logging.INFO, "last words")
        sink.gather(None)
        assert writes(ours) == [b"last words\n"]
        sink(logging.INFO, "and one more")
        assert writes(ours) == [b"and one more\n"]

    asyncio.run(scenario())


def test_lines_that_are_lost_together_are_all_counted() -> None:
    """As many as were written and as many as were told of make all there were."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        sink = StderrSink(theirs.fileno(), clock=lambda: 0.0)

        async def scenario() -> bytes:
            sink.gather(asyncio.get_running_loop())
            for number in range(300):
                sink(logging.INFO, f"{number:03} " + "x" * 700)
                if number % 7 == 0:
                    await asyncio.sleep(0)
            first = ours.recv(1 << 20)
            sink(logging.WARNING, "awake again")
            ours.setblocking(False)
            return first + ours.recv(1 << 20)

        text = asyncio.run(scenario()).decode().split("\n")[:-1]
        sink.close()
    assert text.pop() == "awake again"
    missed = [int(line.partition("=")[2]) for line in text if line.startswith("log suppressed=")]
    whole = [line for line in text if not line.startswith("log suppressed=")]
    assert all(line.endswith("x" * 700) for line in whole)
    assert missed
    assert sum(missed) + len(whole) == 300
