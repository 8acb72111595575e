"""A database that others could have written is not used; one in an ordinary directory is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_greylist.rules.records import Timers
from filter_greylist.store.base import StoreError
from filter_greylist.store.opening import open_spec
from filter_greylist.store.spec import parse_spec
from filter_greylist.store.sqlite.store import SqliteStore
from tests.filter_greylist.store.sqlite.test_sqlite_faults import NOW, a_tuple, with_store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

OTHER = 12345


def made(directory: Path) -> Path:
    """A sound database in a directory of its own."""
    room = directory / "room"
    room.mkdir(mode=0o700)

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(1), NOW, Timers())

    with_store(room / "greylist.db", use)
    return room / "greylist.db"


def foreign_journal(path: Path) -> None:
    journal = path.with_name("greylist.db-wal")
    journal.touch()
    os.chown(journal, OTHER, OTHER)


def lock_is_a_directory(path: Path) -> None:
    path.with_name("greylist.db.lock").unlink()
    path.with_name("greylist.db.lock").mkdir()


def link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def both(path: Path, group: int, mode: int) -> None:
    os.chown(path, 0, group)
    path.chmod(mode)


def like_tmp(path: Path) -> None:
    path.parent.chmod(0o1777)
    os.chown(path, OTHER, OTHER)


UNSAFE: dict[str, Callable[[Path], None]] = {
    "everybody may write to the directory": lambda path: path.parent.chmod(0o777),
    "a foreign group may write to the directory": lambda path: both(path.parent, OTHER, 0o770),
    "the directory is another user's": lambda path: os.chown(path.parent, OTHER, OTHER),
    "the file is another user's": lambda path: os.chown(path, OTHER, OTHER),
    "everybody may write to the file": lambda path: path.chmod(0o666),
    "a foreign group may write to the file": lambda path: both(path, OTHER, 0o660),
    "it is another user's in a directory like /tmp": like_tmp,
    "there is a journal of another user": foreign_journal,
    "the lock is a directory": lock_is_a_directory,
    "the file is a link": link,
}

SAFE: dict[str, Callable[[Path], None]] = {
    "as it is made": lambda path: None,
    "readable by others": lambda path: both(path, 0, 0o644),
    "our group may write": lambda path: path.parent.chmod(0o770),
    "in a directory like /tmp": lambda path: path.parent.chmod(0o1777),
    "the file is not there yet": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", UNSAFE)
def test_what_others_could_have_written_is_refused_at_start_and_later(tmp_path: Path, how: str) -> None:
    path = made(tmp_path)
    UNSAFE[how](path)
    with pytest.raises(ConfigError, match=r"belongs to user|can be written|not a regular file"):
        open_spec(parse_spec(str(path)), print)

    async def use(store: SqliteStore) -> None:
        with pytest.raises(StoreError, match=r"belongs to user|can be written|not a regular file"):
            await store.attempt(a_tuple(1), NOW, Timers())

    with_store(path, use)


@pytest.mark.parametrize("how", SAFE)
def test_what_is_safe_is_used(tmp_path: Path, how: str) -> None:
    path = made(tmp_path)
    SAFE[how](path)
    open_spec(parse_spec(str(path)), print)

    async def use(store: SqliteStore) -> None:
        assert await store.attempt(a_tuple(2), NOW, Timers()) is not None

    with_store(path, use)


def test_a_file_of_another_user_that_takes_the_place_of_ours_is_not_used(tmp_path: Path) -> None:
    path = made(tmp_path)

    async def use(store: SqliteStore) -> None:
        await store.attempt(a_tuple(1), NOW, Timers())
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        os.chown(other, OTHER, OTHER)
        os.replace(other, path)
        with pytest.raises(StoreError, match="belongs to user"):
            await store.attempt(a_tuple(1), NOW, Timers())

    with_store(path, use)
