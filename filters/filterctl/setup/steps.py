"""What is made on this system, step by step: users, directories, files. Never over what is there."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from filter_api.control import place
from filter_api.errors import ConfigError, named, reason
from filterctl.setup.system import new_user

PATIENCE = 60.0
"""Seconds for useradd(8), which may ask a directory service."""

NAMES = 20
"""Names tried for a file beside one that is there."""


class Step(NamedTuple):
    """One thing to make: what it is, and how."""

    text: str
    do: Callable[[], None]


class Placed(NamedTuple):
    """Where a file goes: `path` if that is free or has this very content, else a name beside it."""

    path: str
    beside: str

    @property
    def moved(self) -> bool:
        return self.path != self.beside


def user(name: str) -> Iterator[Step]:
    """A system user with a group, if there is none."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(name)
        return
    commands = new_user(name)
    yield Step(f"user {name}: {' && '.join(' '.join(words) for words in commands)}", lambda: _run(commands))


def directory(path: str, mode: int, owner: str = "root") -> Iterator[Step]:
    """A directory, if there is none; those above it belong to root."""
    if os.path.isdir(path):
        return

    def make() -> None:
        with named(path):
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            os.mkdir(path, mode)
            _own(path, owner, owner)
            os.chmod(path, mode)

    yield Step(f"directory {path}, mode {mode:04o}, owner {owner}", make)


def sockets(owner: str) -> Iterator[Step]:
    """The directory of a user's control sockets, where no package has made one: one that stays at a boot."""
    if not has_sockets(owner):
        parent = place.PLACES[-1]
        yield from directory(parent, 0o755)
        yield from directory(f"{parent}/{owner}", 0o755, owner)


def has_sockets(owner: str) -> bool:
    """Whether filters that run as this user find a directory for their control sockets."""
    with contextlib.suppress(KeyError):
        return place.own_directory(place.PLACES, pwd.getpwnam(owner).pw_uid) is not None
    return False


def placed(path: str, content: str) -> Placed:
    """Where this content goes. Raises ConfigError where too many names are taken."""
    names = [path, f"{path}.new", *(f"{path}.new.{number}" for number in range(2, NAMES))]
    for name in names:
        if not os.path.lexists(name) or _has(name, content):
            return Placed(path, name)
    raise ConfigError(f"{path}.new to .{NAMES - 1} are there: remove those that are not needed")


def file(where: Placed, content: str, mode: int = 0o644, owner: str = "root") -> Iterator[Step]:
    """A file, if it is not there with this content."""
    if _has(where.beside, content):
        return

    def make() -> None:
        with named(where.beside):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(where.beside, flags, mode), "w", encoding="utf-8") as made:
                made.write(content)
            _own(where.beside, owner, owner)
            os.chmod(where.beside, mode)

    beside = f", as {where.path} is there" if where.moved else ""
    yield Step(f"file {where.beside}{beside}", make)


def give(path: str, owner: str) -> None:
    """Make a file somebody's, as the only one who can read it."""
    with named(path):
        _own(path, owner, owner)
        os.chmod(path, 0o600)


def _own(path: str, owner: str, group: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, owner, group if group != "root" else 0)


def _has(path: str, content: str) -> bool:
    try:
        with open(path, encoding="utf-8") as there:
            return there.read(len(content) + 1) == content
    except (OSError, ValueError):
        return False


def _run(commands: Sequence[Sequence[str]]) -> None:
    for words in commands:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - a list
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(f"{words[0]}: {reason(error)}: make the user yourself, then again") from None
        if done.returncode != 0:
            said = done.stderr.strip() or f"status {done.returncode}"
            raise ConfigError(f"{' '.join(words)}: {said}: make the user yourself, then again")
