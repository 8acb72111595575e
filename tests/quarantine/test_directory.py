"""The quarantine directory: what may be one, what is in it, what a crash leaves; no link is followed anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.quarantine.directory import (
    FACTS,
    ID,
    MESSAGE,
    NoSuchMessage,
    QuarantineDirectory,
    as_bytes,
    as_text,
    dump_facts,
    new_id,
    time_of,
)

NOW = 1_795_168_391.5
NAME = "20261120-095311-0a1b2c3d"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "quarantine"
    path.mkdir(mode=0o700)
    return path


def put(directory: Path, name: str, content: bytes = b"Subject: x\r\n\r\n", **facts: object) -> None:
    (directory / (name + MESSAGE)).write_bytes(content)
    (directory / (name + FACTS)).write_bytes(dump_facts(facts))


def test_an_id_tells_its_time() -> None:
    name = new_id(NOW)
    assert ID.fullmatch(name)
    assert time_of(name) == int(NOW)
    assert new_id(NOW) != name
    assert time_of("20269999-999999-00000000") == 0


def test_lists_shows_and_deletes(directory: Path) -> None:
    quarantine = QuarantineDirectory(str(directory))
    put(directory, NAME, b"one", score=12.5)
    put(directory, "20261119-000000-00000000", b"two")
    (directory / "notes.txt").write_text("an operator's own")
    assert quarantine.ids() == ["20261119-000000-00000000", NAME]
    assert quarantine.facts(NAME) == {"score": 12.5}
    with quarantine.message(NAME) as file:
        assert file.read() == b"one"
    quarantine.delete(NAME)
    assert quarantine.ids() == ["20261119-000000-00000000"]
    assert not (directory / (NAME + MESSAGE)).exists()
    assert (directory / "notes.txt").exists()
    quarantine.close()


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", NAME, NAME + "\n", "/" + NAME, "notes"])
def test_what_is_not_there(directory: Path, name: str) -> None:
    quarantine = QuarantineDirectory(str(directory))
    for look in (quarantine.facts, quarantine.message, quarantine.delete):
        with pytest.raises(NoSuchMessage):
            look(name)
    quarantine.close()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"{" * 5000,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b'{"a": "' + b"x" * (1 << 20) + b'"}',
    ],
)
def test_damaged_facts_are_no_facts(directory: Path, damage: bytes) -> None:
    put(directory, NAME)
    (directory / (NAME + FACTS)).write_bytes(damage)
    quarantine = QuarantineDirectory(str(directory))
    assert quarantine.facts(NAME) == {}
    quarantine.close()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o750, 0o701])
def test_a_directory_open_to_others_is_refused(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(ConfigError, match=r"quarantine: mode is 07.., others could"):
        QuarantineDirectory(str(directory))


def test_what_is_no_directory_is_refused(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(directory)
    for name, why in (("none", "No such file"), ("file", "Not a directory"), ("link", "Not a directory|symbolic")):
        with pytest.raises(ConfigError, match=why):
            QuarantineDirectory(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(directory: Path) -> None:
    """The tool of root may look; a filter that does not own the directory may not."""
    os.chown(directory, 12345, 12345)
    directory.parent.chmod(0o755)
    QuarantineDirectory(str(directory)).close()
    child = os.fork()
    if child == 0:
        os.chown(directory, 0, 0)
        directory.chmod(0o700)
        os.seteuid(12345)
        try:
            QuarantineDirectory(str(directory))
        except ConfigError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_link_is_followed(tmp_path: Path, directory: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    quarantine = QuarantineDirectory(str(directory))
    (directory / (NAME + FACTS)).symlink_to(secret)
    (directory / (NAME + MESSAGE)).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        quarantine.facts(NAME)
    with pytest.raises(OSError, match="symbolic"):
        quarantine.message(NAME)
    (directory / ("." + NAME + MESSAGE)).symlink_to(secret)
    with pytest.raises(FileExistsError):
        quarantine.create(NAME + MESSAGE)
    quarantine.delete(NAME)
    assert secret.read_text() == "{}"
    quarantine.close()


def read(quarantine: QuarantineDirectory, suffix: str) -> None:
    """Open the file of `NAME` with this suffix."""
    if suffix == FACTS:
        quarantine.facts(NAME)
    else:
        quarantine.message(NAME).close()


@pytest.mark.parametrize("suffix", [FACTS, MESSAGE])
def test_a_file_with_a_second_name_is_not_read(tmp_path: Path, directory: Path, suffix: str) -> None:
    """The user of a filter cannot read /etc/shadow, but may be able to link it: root must not read it for him."""
    put(directory, NAME)
    quarantine = QuarantineDirectory(str(directory))
    os.link(directory / (NAME + suffix), tmp_path / "second")
    with pytest.raises(PermissionError, match="2 names"):
        read(quarantine, suffix)
    (tmp_path / "second").unlink()
    read(quarantine, suffix)
    quarantine.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("suffix", [FACTS, MESSAGE])
def test_a_file_of_somebody_else_is_not_read(directory: Path, suffix: str) -> None:
    """A link is alone again once the file's first name is removed; but its owner stays."""
    put(directory, NAME)
    os.chown(directory / (NAME + suffix), 12345, 12345)
    quarantine = QuarantineDirectory(str(directory))
    with pytest.raises(PermissionError, match="user 12345 owns it"):
        read(quarantine, suffix)
    os.chown(directory, 12345, 12345)
    read(quarantine, suffix)
    quarantine.close()


def test_more_can_be_written_down(directory: Path) -> None:
    put(directory, NAME, score=12.5)
    (directory / ("." + NAME + FACTS)).write_text("left by a crash")
    quarantine = QuarantineDirectory(str(directory))
    quarantine.add_facts(NAME, {"released": "now"})
    assert quarantine.facts(NAME) == {"score": 12.5, "released": "now"}
    assert (directory / (NAME + FACTS)).stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(directory)) == [NAME + MESSAGE, NAME + FACTS]
    with pytest.raises(NoSuchMessage):
        quarantine.add_facts("20260101-000000-00000000", {})
    quarantine.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes as somebody else")
def test_what_root_writes_down_is_its_users(directory: Path) -> None:
    put(directory, NAME)
    for path in (directory, directory / (NAME + FACTS)):
        os.chown(path, 12345, 23456)
    quarantine = QuarantineDirectory(str(directory))
    quarantine.add_facts(NAME, {"released": "now"})
    status = (directory / (NAME + FACTS)).stat()
    assert (status.st_uid, status.st_gid) == (12345, 23456)
    quarantine.close()


def test_a_fifo_does_not_hold_it_up(directory: Path) -> None:
    os.mkfifo(directory / (NAME + FACTS))
    quarantine = QuarantineDirectory(str(directory))
    with pytest.raises(NoSuchMessage):
        quarantine.facts(NAME)
    quarantine.close()


def test_files_are_for_the_owner_only(directory: Path) -> None:
    quarantine = QuarantineDirectory(str(directory))
    before = os.umask(0)
    try:
        os.close(quarantine.create(NAME + MESSAGE))
    finally:
        os.umask(before)
    quarantine.finish(NAME + MESSAGE)
    assert (directory / (NAME + MESSAGE)).stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        quarantine.create(NAME + MESSAGE)
    quarantine.close()


def test_expiry_takes_the_old_and_what_a_crash_left(directory: Path) -> None:
    quarantine = QuarantineDirectory(str(directory))
    old, young = new_id(NOW - 31 * 86400), new_id(NOW - 29 * 86400)
    put(directory, old)
    put(directory, young)
    half, fresh_half = new_id(NOW - 86400), new_id(NOW)
    left = ["." + half + MESSAGE, "." + half + FACTS, half + MESSAGE]
    for name in [*left, "." + fresh_half + MESSAGE, "unrelated.eml"]:
        (directory / name).write_bytes(b"")
        os.utime(directory / name, (NOW - 7200, NOW - 7200))
    os.utime(directory / ("." + fresh_half + MESSAGE), (NOW - 10, NOW - 10))
    assert quarantine.expire(30, NOW) == 1
    assert sorted(os.listdir(directory)) == sorted(
        ["." + fresh_half + MESSAGE, "unrelated.eml", young + MESSAGE, young + FACTS]
    )
    quarantine.close()


@pytest.mark.parametrize("value", [b"", b"a@b", b"caf\xe9\xff\x00"])
def test_addresses_survive_the_facts_file(value: bytes) -> None:
    assert as_bytes(as_text(value)) == value


@pytest.mark.parametrize("value", [None, 3, ["a"], "\u20ac"])
def test_damaged_addresses_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"not an address|encode"):
        as_bytes(value)
