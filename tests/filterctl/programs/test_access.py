"""What keeps a user from a file, and what helps."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from filterctl.programs.access import Identity, rights_of, why_not

SOMEBODY = Identity("_somebody", 4711, 4712)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that everybody may enter, with those above it."""
    path = tmp_path_factory.mktemp("open")
    for each in (path, *path.parents[:-2]):
        each.chmod(0o755)
    return path


def test_what_may_be_read_may_be_read(folder: Path) -> None:
    (folder / "table").touch(0o644)
    assert why_not(str(folder / "table"), SOMEBODY) is None


def test_what_is_not_there_is_kept_from_nobody_but_the_folder_it_would_be_in(folder: Path) -> None:
    assert why_not(str(folder / "none"), SOMEBODY) is None
    assert why_not(str(folder / "none/none"), SOMEBODY) is None
    folder.chmod(0o700)
    assert why_not(str(folder / "none"), SOMEBODY) == f"{folder} cannot be entered by _somebody: chmod o+x {folder}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "wanted", "remedy"),
    [
        (0, 0o600, os.R_OK, "read by _somebody: chown _somebody {}"),
        (4711, 0o200, os.R_OK, "read by _somebody: chmod u+rw {}"),
        (4713, 0o600, os.R_OK, "read by _somebody: chown _somebody {}, or write user 4713 on the filter's line"),
        (4713, 0o644, os.W_OK, "written by _somebody: chown _somebody {}, or write user 4713 on the filter's line"),
        (0, 0o644, os.X_OK, "run by _somebody: chmod 0755 {}"),
    ],
)
def test_the_remedy_stands_behind_the_reason(folder: Path, owner: int, mode: int, wanted: int, remedy: str) -> None:
    path = folder / "table"
    path.touch()
    os.chown(path, owner, 0)
    path.chmod(mode)
    assert why_not(str(path), SOMEBODY, wanted=wanted) == f"{path} cannot be {remedy.format(path)}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("group", "mode", "remedy"),
    [
        (4713, 0o660, "write group 4713 on the filter's line"),
        (4713, 0o640, "let its daemon open it to a group"),
        (0, 0o660, "let its daemon open it to a group"),
    ],
)
def test_a_socket_is_opened_to_a_group(folder: Path, group: int, mode: int, remedy: str) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        os.chown(path, 0, group)
        path.chmod(mode)
        assert why_not(str(path), SOMEBODY, wanted=os.W_OK) == f"{path} cannot be written by _somebody: {remedy}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_files_are_opened_with_the_rights_of_the_user_and_then_with_ours_again(folder: Path) -> None:
    ours, theirs, groups = folder / "ours", folder / "theirs", folder / "group"
    for path, owner, mode in ((ours, (0, 0), 0o600), (theirs, (4711, 0), 0o600), (groups, (0, 4712), 0o640)):
        path.touch(mode)
        os.chown(path, *owner)
    before = os.geteuid(), os.getegid(), os.getgroups()
    with rights_of(SOMEBODY):
        assert os.geteuid() == 4711
        theirs.read_text()
        groups.read_text()
        with pytest.raises(PermissionError):
            ours.read_text()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
    ours.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_our_rights_come_back_where_something_goes_wrong() -> None:
    with pytest.raises(ValueError, match="wrong"), rights_of(SOMEBODY):
        raise ValueError("wrong")
    assert os.geteuid() == 0


def test_root_as_root_stays_as_it_is() -> None:
    before = os.getgroups()
    with rights_of(Identity("root", 0, 0)):
        assert os.getgroups() == before
