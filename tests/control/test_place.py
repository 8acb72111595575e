"""Where a control socket is, and that it is never made in place of anything that somebody needs."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from filter_api.control.place import MAX_PATH, Taken, candidates, check_place, found, listen, own_directory, parse_path
from filter_api.errors import ConfigError, UsageError


def test_without_a_directory_there_is_silently_no_socket(tmp_path: Path) -> None:
    places = [str(tmp_path / "absent"), str(tmp_path)]
    assert own_directory(places) is None
    assert candidates(None, "filter-rdns", places) == []


def test_the_directory_of_the_own_user_is_taken_and_names_are_those_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    (tmp_path / "b").symlink_to(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o777)
    (tmp_path / "d").mkdir(mode=0o755)
    assert own_directory([str(tmp_path)]) == f"{tmp_path}/d"
    first, second, *_, last = candidates(None, "filter-rdns", [str(tmp_path)])
    assert first == f"{tmp_path}/d/filter-rdns.sock"
    assert second == f"{tmp_path}/d/filter-rdns.2.sock"
    assert last == f"{tmp_path}/d/filter-rdns.9.sock"


def test_a_directory_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert own_directory([str(tmp_path)]) is None


def test_a_given_path_is_the_only_place_and_none_is_no_place() -> None:
    assert candidates("/tmp/x.sock", "filter-rdns") == ["/tmp/x.sock"]
    assert candidates("none", "filter-rdns") == []


@pytest.mark.parametrize("value", ["relative.sock", "", "/a\0b"])
def test_what_is_no_absolute_path_is_a_usage_error(value: str) -> None:
    with pytest.raises(UsageError, match="-C takes the absolute path of a socket, or none"):
        parse_path(value)


def test_places_where_no_socket_can_be_made_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory .*: make it for the filter's user"):
        check_place(f"{tmp_path}/absent/x.sock")
    with pytest.raises(ConfigError, match=f"{MAX_PATH} bytes at most: choose a shorter one"):
        check_place("/" + "x" * MAX_PATH)
    (tmp_path / "file").write_text("precious")
    if len(str(tmp_path)) + 5 <= MAX_PATH:
        with pytest.raises(ConfigError, match="something that is no socket: remove it"):
            check_place(f"{tmp_path}/file")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="cannot be written to: give it to the filter's user"):
        check_place("/tmp/x.sock")
    check_place("none")
    check_place(None)
    assert parse_path("none") == "none"
    assert parse_path("/absent/x.sock") == "/absent/x.sock"


def test_a_socket_has_mode_0660_whatever_the_umask_and_goes_when_it_is_closed(short: Path) -> None:
    before = os.umask(0o077)
    try:
        listener = listen(f"{short}/x.sock")
    finally:
        os.umask(before)
    mode = os.lstat(listener.path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert found([str(short.parent)]).count(listener.path) == 1
    listener.close()
    assert not os.path.lexists(listener.path)


def test_the_socket_of_a_process_that_was_killed_is_replaced(short: Path) -> None:
    path = f"{short}/x.sock"
    program = f"from filter_api.control.place import listen\nkept = listen({path!r})\nprint('up', flush=True)\ninput()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        assert process.stdout.readline() == b"up\n"
        with pytest.raises(Taken, match="another process listens there"):
            listen(path)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert os.path.lexists(path)
    listener = listen(path)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
    listener.close()


def test_a_socket_whose_queue_is_full_is_alive(short: Path) -> None:
    path = f"{short}/x.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        waiting = []
        for _ in range(8):
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            one.connect_ex(path)
            waiting.append(one)
        with pytest.raises(Taken):
            listen(path)
        for one in waiting:
            one.close()


def test_a_datagram_socket_of_somebody_is_alive(short: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(f"{short}/x.sock")
        with pytest.raises(Taken):
            listen(f"{short}/x.sock")


def test_a_file_and_a_dangling_link_are_never_replaced(short: Path) -> None:
    (short / "x.sock").write_text("precious")
    with pytest.raises(Taken, match="no socket"):
        listen(f"{short}/x.sock")
    assert (short / "x.sock").read_text() == "precious"
    (short / "y.sock").symlink_to("nowhere")
    with pytest.raises(Taken, match="no socket"):
        listen(f"{short}/y.sock")
    assert (short / "y.sock").is_symlink()


def test_a_socket_that_was_replaced_meanwhile_is_not_taken_away(short: Path) -> None:
    first = listen(f"{short}/x.sock")
    os.rename(first.path, f"{short}/old.sock")
    second = listen(f"{short}/x.sock")
    first.close()
    assert os.path.lexists(second.path)
    second.close()


def test_who_holds_the_lock_of_the_directory_does_not_keep_a_filter_from_its_socket(short: Path) -> None:
    descriptor = os.open(short, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        listen(f"{short}/x.sock").close()
    finally:
        os.close(descriptor)


def test_a_place_that_is_gone_is_an_error_of_the_system(short: Path) -> None:
    with pytest.raises(FileNotFoundError):
        listen(f"{short}/absent/x.sock")
    assert len(os.listdir(short)) == 0


def test_what_cannot_be_bound_leaves_no_descriptor(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, _mode: int) -> None:
        raise PermissionError(1, "no")

    monkeypatch.setattr(os, "chmod", refuse)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(PermissionError):
        listen(f"{short}/x.sock")
    assert len(os.listdir("/dev/fd")) == before
