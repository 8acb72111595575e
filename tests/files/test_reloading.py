"""Files that are followed: one look a second, a bad version never replaces a good one, each is logged once."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.files.reloading import ReloadingFile
from filter_api.files.tables import DomainTable
from filter_api.text.lines import Line, LineError, content_lines


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def words(lines: Sequence[Line]) -> list[bytes]:
    for line in lines:
        if line.text == b"bad":
            raise LineError(line.number, '"bad" is bad')
    return [line.text for line in lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "table"
    write(file, "one\n")
    return file


def write(path: Path, text: str, age: int = 60) -> None:
    """A new version that was written `age` seconds ago."""
    path.write_text(text)
    stamp = path.stat().st_mtime_ns - age * 1_000_000_000
    os.utime(path, ns=(stamp, stamp))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n\nb", [(1, b"a"), (3, b"b")]),
        (b"\xef\xbb\xbfa\r\n  b \t\r\n", [(1, b"a"), (2, b"b")]),
        (b"# all\n  # of it\na # rest\nb#c@d", [(3, b"a"), (4, b"b#c@d")]),
        (b"a\x0bb\x85c\n", [(1, b"a\x0bb\x85c")]),
    ],
)
def test_content_lines(data: bytes, lines: list[tuple[int, bytes]]) -> None:
    assert content_lines(data) == lines


def test_a_changed_file_is_read_again_within_a_second(path: Path) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, "one\ntwo\n")
    clock.now += 0.9
    assert file.current() == [b"one"]
    clock.now += 0.1
    assert file.current() == [b"one", b"two"]


def test_the_file_is_looked_at_once_a_second_at_most(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    looks = []
    real = os.stat

    def counting(name: str) -> os.stat_result:
        looks.append(name)
        return real(name)

    monkeypatch.setattr(os, "stat", counting)
    for _ in range(30):
        file.current()
        clock.now += 0.1
    assert len(looks) == 2


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    value = file.current()
    clock.now += 10
    assert file.current() is value


def test_a_second_change_within_one_time_stamp_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same size, inode and times: a file read right after its change is read once more when it has settled."""
    clock = Clock()
    path.write_text("one\n")
    file = ReloadingFile(str(path), words, clock=clock)
    before = path.stat()
    path.write_text("two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    frozen = [before.st_mtime_ns + 100_000_000]
    monkeypatch.setattr("filter_api.files.reloading.time.time_ns", lambda: frozen[0])
    monkeypatch.setattr(os, "stat", lambda *_: before)
    clock.now += 1
    assert file.current() == [b"one"]
    frozen[0] += 3_000_000_000
    clock.now += 1
    assert file.current() == [b"two"]


def test_a_bad_version_keeps_the_old_one_and_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, "fine\nbad\n")
    for _ in range(5):
        clock.now += 1
        assert file.current() == [b"one"]
    assert caplog.messages == [f'{path}:2: "bad" is bad; the version read before stays in use']
    write(path, "fine\n\nbad\n")
    clock.now += 1
    assert file.current() == [b"one"]
    assert len(caplog.messages) == 2
    write(path, "good again\n")
    clock.now += 1
    assert file.current() == [b"good again"]


def test_a_file_that_vanishes_and_comes_back(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    path.unlink()
    for _ in range(3):
        clock.now += 1
        assert file.current() == [b"one"]
    assert caplog.messages == [f"{path}: No such file or directory; the version read before stays in use"]
    caplog.set_level(logging.INFO)
    write(path, "two\n")
    clock.now += 1
    assert file.current() == [b"two"]
    assert caplog.messages[-1] == f"{path}: reloaded"


def test_what_is_wrong_at_start_is_an_error_with_file_and_line(path: Path) -> None:
    write(path, "\nfine\nbad\n")
    with pytest.raises(ConfigError, match=r"/table:3: \"bad\" is bad$"):
        ReloadingFile(str(path), words)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_what_is_no_readable_file_is_an_error_at_start(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "table"
    if kind == "directory":
        target.mkdir()
    elif kind == "fifo":
        os.mkfifo(target)
    expected = "No such file" if kind == "missing" else "not a regular file"
    with pytest.raises(ConfigError, match=f"/table: {expected}"):
        ReloadingFile(str(target), words)


@pytest.mark.parametrize("text", ["", "o", "# nothing yet\n", "two\n"[:2]])
def test_a_file_that_got_shorter_a_moment_ago_may_still_be_in_the_making(path: Path, text: str) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, text[:3], age=0)
    clock.now += 1
    assert file.current() == [b"one"]
    write(path, "one\ntwo\n", age=0)
    clock.now += 1
    assert file.current() == [b"one", b"two"]


def test_a_file_that_stays_shorter_is_taken(path: Path) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, "x\n", age=0)
    clock.now += 1
    assert file.current() == [b"one"]
    write(path, "x\n", age=3)
    clock.now += 1
    assert file.current() == [b"x"]


@pytest.mark.parametrize("ahead", [3, 86_400])
def test_a_shorter_file_from_the_future_is_taken_too(path: Path, ahead: int) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, "x\n", age=-ahead)
    clock.now += 1
    assert file.current() == [b"x"]


def test_a_directory_in_the_place_of_the_file_keeps_the_old_version(path: Path) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    path.unlink()
    path.mkdir()
    clock.now += 1
    assert file.current() == [b"one"]


def test_when_a_new_version_was_taken_is_known(path: Path) -> None:
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    clock.now += 5
    file.current()
    assert file.changed is None
    write(path, "bad\n")
    clock.now += 5
    file.current()
    assert file.changed is None, "a bad version is not taken"
    write(path, "better\n")
    clock.now += 5
    file.current()
    assert file.changed == clock.now


def test_a_file_that_comes_back_as_it_was_is_told_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    file = ReloadingFile(str(path), words, clock=clock)
    write(path, "bad\n", age=50)
    clock.now += 1
    file.current()
    write(path, "one\n", age=40)
    clock.now += 1
    assert file.current() == [b"one"]
    assert caplog.messages[-1] == f"{path}: good again, and as it was"


LARGE = [f"host{number}.example.net" for number in range(100_000)]


def follow(table: DomainTable, clock: Clock, wanted: Callable[[], bool], seconds: float = 20.0) -> float:
    """Ask again and again until it is so; the longest time that one question took."""
    longest, until = 0.0, time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < until
        clock.now += 2
        began = time.thread_time()
        assert b"always.example.org" in table, "what is listed before and after is listed meanwhile"
        longest = max(longest, time.thread_time() - began)
        time.sleep(0.001)
    return longest


@pytest.mark.timed
def test_a_large_file_is_read_again_while_the_version_before_is_in_use(tmp_path: Path) -> None:
    """Parsing takes a fifth of a second: nobody on the loop waits for it."""
    file, clock = tmp_path / "domains", Clock()
    write(file, "\n".join(["always.example.org", "old.example.org", *LARGE]))
    table = DomainTable(str(file), clock=clock)
    write(file, "\n".join(["always.example.org", "new.example.org", *LARGE]), age=30)
    longest = follow(table, clock, lambda: b"new.example.org" in table)
    assert longest < 0.05, "seconds of the processor for one question"
    assert b"old.example.org" not in table
    assert b"host99999.example.net" in table
    assert table.changed_within(5)


def test_a_large_file_that_turned_bad_is_told_of_once_and_followed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "filter_api.files.tables")
    file, clock = tmp_path / "domains", Clock()
    write(file, "\n".join(["always.example.org", *LARGE]))
    table = DomainTable(str(file), clock=clock)
    write(file, "\n".join(["always.example.org", *LARGE, "user@example.org"]), age=30)
    follow(table, clock, lambda: bool(caplog.messages))
    for _ in range(20):
        clock.now += 2
        assert b"always.example.org" in table
    assert len(caplog.messages) == 1
    assert f'{file}:100002: "user@example.org" is an address' in caplog.messages[0]
    write(file, "\n".join(["always.example.org", *LARGE, "other.example.org"]), age=20)
    follow(table, clock, lambda: b"other.example.org" in table)
    assert caplog.messages[1:] == [f"{file}: reloaded"]


def test_a_large_file_that_was_emptied_is_followed_when_it_has_settled(tmp_path: Path) -> None:
    file, clock = tmp_path / "domains", Clock()
    write(file, "\n".join(["always.example.org", *LARGE]))
    table = DomainTable(str(file), clock=clock)
    write(file, "\n".join(["always.example.org", *LARGE[:50_000]]), age=0)
    for _ in range(50):
        clock.now += 2
        assert b"host99999.example.net" in table, "it may still be in the making"
        time.sleep(0.002)
    write(file, "\n".join(["always.example.org", *LARGE[:50_000]]), age=30)
    follow(table, clock, lambda: b"host99999.example.net" not in table)
