"""Option -L: a syslogd that does not read, goes away or comes back never holds a filter up."""

from __future__ import annotations

import logging
import os
import re
import socket
import syslog
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from filter_api.runtime.log import RATE, Bucket, SyslogSink

LINE = re.compile(rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d filter-x\[(\d+)\]: (.*)")


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(5)
    return listener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def syslogd(path: Path) -> Iterator[socket.socket]:
    with listen(path) as listener:
        yield listener


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.DEBUG, 23), (logging.INFO, 22), (logging.WARNING, 20), (logging.ERROR, 19)]
)
def test_a_line_has_its_priority_its_program_and_its_text(
    syslogd: socket.socket, path: Path, level: int, priority: int
) -> None:
    with closing(SyslogSink("filter-x", str(path))) as sink:
        sink(level, "what key=value")
    found = LINE.fullmatch(syslogd.recv(4096))
    assert found is not None
    assert (int(found[1]), int(found[2]), found[3]) == (priority, os.getpid(), b"what key=value")


def read_all(listener: socket.socket) -> list[bytes]:
    lines: list[bytes] = []
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            lines.append(listener.recv(4096))
    return lines


def test_a_syslogd_that_does_not_read_is_not_waited_for(syslogd: socket.socket, path: Path) -> None:
    with closing(SyslogSink("filter-x", str(path))) as sink:
        for number in range(900):
            sink(logging.INFO, f"line {number}")
        kept = read_all(syslogd)
        assert 0 < len(kept) < 900
        sink(logging.INFO, "afterwards")
    missed, afterwards = read_all(syslogd)
    assert missed.endswith(f"log suppressed={900 - len(kept)}".encode())
    assert afterwards.endswith(b"afterwards")


def test_a_syslogd_that_was_restarted_is_found_again(path: Path) -> None:
    with closing(SyslogSink("filter-x", str(path))) as sink:
        with listen(path) as first:
            sink(logging.INFO, "one")
            assert read_all(first)[0].endswith(b"one")
        sink(logging.INFO, "lost")  # its socket is there, but nobody has it open
        path.unlink()
        with listen(path) as second:
            sink(logging.INFO, "two")
            assert [line.partition(b": ")[2] for line in read_all(second)] == [b"log suppressed=1", b"two"]


def test_where_there_is_no_socket_the_system_is_asked_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBSD has sendsyslog(2), which syslog(3) calls, and no /dev/log that a filter could write to."""
    told: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: told.append((priority, text)))
    with closing(SyslogSink("filter-x", str(path))) as sink:
        sink(logging.WARNING, "one")
        with listen(path) as syslogd:
            sink(logging.INFO, "two")
            assert read_all(syslogd)[0].endswith(b"two")
    assert told == [(syslog.LOG_WARNING, "one")]
    sink.close()


def test_a_flood_is_cut_and_counted(syslogd: socket.socket, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    with closing(SyslogSink("filter-x", str(path))) as sink:
        sink._bucket = Bucket(lambda: now)
        got: list[bytes] = []
        for number in range(RATE + 20):
            sink(logging.INFO, f"line {number}")
            got += read_all(syslogd)
        assert len(got) == RATE
        now += 1.0
        sink(logging.INFO, "afterwards")
    assert [line.partition(b": ")[2] for line in read_all(syslogd)] == [b"log suppressed=20", b"afterwards"]


def test_while_nobody_reads_the_count_of_what_is_missing_waits_too(syslogd: socket.socket, path: Path) -> None:
    with closing(SyslogSink("filter-x", str(path))) as sink:
        sent = 0
        while sink.dropped == 0:
            sink(logging.INFO, f"line {sent}")
            sent += 1
        sink(logging.INFO, "and one more")
        assert len(read_all(syslogd)) == sent - 1
        sink(logging.INFO, "afterwards")
    assert [line.partition(b": ")[2] for line in read_all(syslogd)] == [b"log suppressed=2", b"afterwards"]
