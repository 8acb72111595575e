"""How a file is changed: as a whole or not at all, one hand at a time, and as it was but for what was asked."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filterctl.entries.writing import BESIDE, change
from tests.filterctl.entries.room import Room


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow above so many bytes: as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_there_keeps_its_mode_and_its_owner(room: Room) -> None:
    file = room.folder / "exempt"
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    wanted = file.stat()
    assert room.run("allow", "192.0.2.7")[0] == 0
    found = file.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, wanted.st_uid, wanted.st_gid)
    assert [path.name for path in room.folder.iterdir() if path.name.startswith(BESIDE)] == []


def test_a_link_stays_a_link(room: Room) -> None:
    (room.folder / "exempt").rename(room.folder / "elsewhere")
    (room.folder / "exempt").symlink_to("elsewhere")
    assert room.run("allow", "192.0.2.7")[0] == 0
    assert (room.folder / "exempt").is_symlink()
    assert room.read("elsewhere") == "# exempt\n192.0.2.7  # DAY ann\n"


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("one\n")

    def fails(data: bytes) -> bytes:
        raise RuntimeError

    edits: list[Callable[[bytes], bytes]] = [fails, lambda data: data]
    with pytest.raises(RuntimeError):
        change(str(file), edits[0])
    before = file.stat()
    assert not change(str(file), edits[1])
    assert file.stat() == before
    assert os.listdir(tmp_path) == ["table"]


def test_hands_that_change_a_file_at_the_same_time_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filterctl.entries.writing.PATIENCE", 300.0)  # however slow the disk is
    file = tmp_path / "table"
    names = [f"{number}.example" for number in range(24)]
    with ThreadPoolExecutor(8) as hands:
        list(hands.map(lambda name: change(str(file), lambda data: data + name.encode() + b"\n"), names))
    assert sorted(file.read_text().split()) == sorted(names)


def test_where_the_disk_is_full_the_file_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("one\n" * 100)
    with largest_file(256), pytest.raises(ConfigError, match=r"table: File too large"):
        change(str(file), lambda data: data + b"two\n")
    assert file.read_text() == "one\n" * 100
    assert os.listdir(tmp_path) == ["table"]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root and Linux to mount")
@pytest.mark.parametrize(
    ("mount", "why"),
    [
        ("mount --bind {folder}/source {folder}/table", "it is a mount of its own, and cannot be replaced: mount its"),
        ("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}", "table: Read-only file system"),
    ],
)
def test_where_nothing_can_be_replaced_the_reason_is_told(tmp_path: Path, mount: str, why: str) -> None:
    """As containers have their configuration. The mount is gone with the namespace of the command."""
    (tmp_path / "source").write_text("one\n")
    (tmp_path / "table").touch()
    code = (
        f"from filterctl.entries.writing import change; change({str(tmp_path / 'table')!r}, lambda data: data + b'x')"
    )
    script = f'{mount.format(folder=tmp_path)} && exec {sys.executable} -c "$0"'
    found = subprocess.run(["unshare", "-m", "sh", "-c", script, code], capture_output=True, text=True, check=False)
    assert why in found.stderr
    assert sorted(os.listdir(tmp_path)) == ["source", "table"]


def test_who_keeps_the_lock_keeps_nobody_waiting_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterctl.entries.writing.PATIENCE", 0.05)
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_SH)
        with pytest.raises(ConfigError, match="somebody else holds its lock"):
            change(str(tmp_path / "table"), lambda data: data + b"one\n")
    finally:
        os.close(holder)
    assert change(str(tmp_path / "table"), lambda data: data + b"one\n")


def test_what_one_that_was_killed_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{BESIDE}abc").write_text("half")
    (tmp_path / ".new").write_text("of somebody else")
    assert change(str(tmp_path / "table"), lambda data: data + b"one\n")
    assert sorted(os.listdir(tmp_path)) == [".new", "table"]


def test_a_name_that_depends_on_where_one_stands_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="table: smtpd starts its filters in /"):
        change("table", lambda data: data + b"one\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "table"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(ConfigError, match="table: not a regular file"):
        change(str(path), lambda data: data + b"one\n")


def test_a_link_to_nothing_makes_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "table").symlink_to("elsewhere/table")
    assert change(str(tmp_path / "table"), lambda data: data + b"one\n")
    assert (tmp_path / "elsewhere/table").read_text() == "one\n"
