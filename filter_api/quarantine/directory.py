"""Refused messages kept on disk: a directory with two files for each, ``ID.eml`` as received, ``ID.json`` with facts.

    quarantine = QuarantineDirectory("/var/spool/quarantine")     # ConfigError if it is not a directory of ours alone
    for name in quarantine.ids(): print(quarantine.facts(name))
    with quarantine.message(name) as file: ...
    quarantine.delete(name)

`filter_api.quarantine.keeper` writes to it within bounds; filterctl(8) reads, releases and deletes. For both:

- The directory is 0700 and owned by who uses it, the files 0600. It is opened once, everything goes through that
  descriptor, and no symbolic link is followed, neither at the directory nor in it. A file that has a second name, or
  another owner than the directory, is not read: root looks at what a filter wrote, never at what its user linked here.
- A message is there when its ``.json`` is: that file is renamed last. What a crash leaves is swept by `expire`.
- An id is the time (UTC) and a random part, so that ls(1) sorts by age: ``20261120-095311-3f9a2c41``.
"""

from __future__ import annotations

import calendar
import errno
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import BinaryIO, Final

from filter_api.bounds import MAX_FACTS
from filter_api.errors import ConfigError, named
from filter_api.quarantine.account import Kept, whole_blocks
from filter_api.text.escape import printable

ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}", re.ASCII)

MESSAGE: Final = ".eml"
FACTS: Final = ".json"
UNFINISHED: Final = "."
"""First character of the name of a file that is still being written."""

_STALE: Final = 3600
"""Seconds after which an unfinished file is held to be what a crash left."""

_DAY: Final = 86_400


class NoSuchMessage(Exception):
    """There is no message of that id."""


def new_id(now: float) -> str:
    """An id for a message refused at `now` (seconds since 1970)."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + "-" + secrets.token_hex(4)


def time_of(name: str) -> int:
    """When a message was refused, in seconds since 1970, by its id; 0 for an impossible date."""
    try:
        return calendar.timegm(time.strptime(name[:15], "%Y%m%d-%H%M%S"))
    except ValueError:
        return 0


class QuarantineDirectory:
    """An open quarantine directory. Raises ConfigError when it is made, OSError in everything that touches the disk."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = _open_directory(path)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    def follow(self) -> None:
        """Open the path again if the directory was removed (and perhaps made anew). Raises ConfigError."""
        if os.fstat(self.descriptor).st_nlink == 0:
            anew = _open_directory(self.path)
            os.close(self.descriptor)
            self.descriptor = anew

    def names(self) -> list[str]:
        """Every file name, unfinished ones too."""
        return os.listdir(self.descriptor)

    def ids(self) -> list[str]:
        """The ids of all messages, oldest first."""
        return sorted(name[: -len(FACTS)] for name in self.names() if _is_named(name, FACTS))

    def has(self, name: str) -> bool:
        """Whether a message of that id is there."""
        return ID.fullmatch(name) is not None and self._exists(name + FACTS)

    def groups(self) -> dict[str, list[str]]:
        """The names of all files by the id they belong to, unfinished ones too."""
        found: dict[str, list[str]] = {}
        for name in self.names():
            stem, _, suffix = name.removeprefix(UNFINISHED).rpartition(".")
            if "." + suffix in {MESSAGE, FACTS} and ID.fullmatch(stem):
                found.setdefault(stem, []).append(name)
        return found

    def block(self) -> int:
        """Bytes of a block of the file system: what a file takes is a multiple of it."""
        return os.fstatvfs(self.descriptor).f_frsize

    def cost(self, names: Iterable[str]) -> int:
        """Bytes that a message with files of these names takes on the disk."""
        block, cost = self.block(), 0
        for name in names:
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
                cost += max(whole_blocks(status.st_size, block), status.st_blocks * 512)
        return cost

    def kept(self, name: str, files: Iterable[str]) -> Kept:
        """What a message with these files costs, and whom; no one's share if its facts cannot be read."""
        network: object = None
        with suppress(OSError, NoSuchMessage):
            network = self.facts(name).get("network")
        return Kept(self.cost(files), network if isinstance(network, str) else "", name + FACTS in files)

    def create(self, name: str) -> int:
        """A descriptor of a new unfinished file. Raises FileExistsError if there is one, finished or not."""
        if self._exists(name):
            raise FileExistsError(name)
        return self._create(name)

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(UNFINISHED + name, flags, 0o600, dir_fd=self.descriptor)

    def finish(self, name: str) -> None:
        """Give an unfinished file its name."""
        os.rename(UNFINISHED + name, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, *names: str) -> None:
        """Remove files, those that are there."""
        for name in names:
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except FileNotFoundError:
                continue

    def sync(self) -> None:
        """Make the names last over a crash."""
        os.fsync(self.descriptor)

    def message(self, name: str) -> BinaryIO:
        """The message as it was received, with CRLF line ends. Raises NoSuchMessage, OSError."""
        return self._open(name, MESSAGE)

    def facts(self, name: str) -> dict[str, object]:
        """What is known of a message; empty if its facts are damaged. Raises NoSuchMessage, OSError."""
        with self._open(name, FACTS) as file:
            raw = file.read(MAX_FACTS + 1)
        if len(raw) > MAX_FACTS:
            return {}
        try:
            facts = json.loads(raw)
        except (ValueError, RecursionError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def add_facts(self, name: str, more: Mapping[str, object]) -> None:
        """Write down more about a message. Raises NoSuchMessage, OSError."""
        data = dump_facts({**self.facts(name), **more})
        self.remove(UNFINISHED + name + FACTS)  # left by a crash
        descriptor = self._create(name + FACTS)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
                owner = os.fstat(self.descriptor)
                if os.geteuid() != owner.st_uid:  # root writes what the filter's user has to own
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
            self.finish(name + FACTS)
        except OSError:
            self.remove(UNFINISHED + name + FACTS)
            raise
        self.sync()

    def delete(self, name: str) -> None:
        """Remove a message for good. Raises NoSuchMessage."""
        if not self.has(name):
            raise NoSuchMessage(printable(name))
        self.remove(name + FACTS, name + MESSAGE)  # in this order: without its facts it is not there any more

    def expire(self, days: float, now: float) -> int:
        """Remove messages older than `days` and what crashes left; the number of messages removed."""
        removed = 0
        names = self.names()
        whole = {name[: -len(FACTS)] for name in names if _is_named(name, FACTS)}
        for name in whole:
            if time_of(name) < now - days * _DAY:
                self.remove(name + FACTS, name + MESSAGE)
                removed += 1
        for name in names:
            if self._is_leftover(name, whole) and self._age(name, now) > _STALE:
                self.remove(name)
        return removed

    def _is_leftover(self, name: str, whole: set[str]) -> bool:
        """An unfinished file, or a message that never got its facts."""
        if name.startswith(UNFINISHED):
            return any(_is_named(name[1:], suffix) for suffix in (MESSAGE, FACTS))
        return _is_named(name, MESSAGE) and name[: -len(MESSAGE)] not in whole

    def _age(self, name: str, now: float) -> float:
        try:
            return now - os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mtime
        except FileNotFoundError:
            return 0.0

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _open(self, name: str, suffix: str) -> BinaryIO:
        if not ID.fullmatch(name):
            raise NoSuchMessage(printable(name))
        try:
            descriptor = os.open(
                name + suffix, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self.descriptor
            )
        except FileNotFoundError:
            raise NoSuchMessage(printable(name)) from None
        try:
            self._must_be_ours(name, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb")

    def _must_be_ours(self, name: str, status: os.stat_result) -> None:
        """Raises NoSuchMessage for what is no file, PermissionError for a file that is not the quarantine's own."""
        if not stat.S_ISREG(status.st_mode):
            raise NoSuchMessage(printable(name))
        if status.st_nlink != 1:
            raise PermissionError(errno.EPERM, f"not read: the file has {status.st_nlink} names")
        if status.st_uid != os.fstat(self.descriptor).st_uid:
            raise PermissionError(errno.EPERM, f"not read: user {status.st_uid} owns it, not who owns the directory")


def _is_named(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and ID.fullmatch(name[: -len(suffix)]) is not None


def _open_directory(path: str) -> int:
    """A descriptor of a directory that nobody else can look into. Raises ConfigError."""
    with named(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    user = os.geteuid()
    if status.st_mode & 0o077:
        problem = f"mode is {status.st_mode & 0o777:04o}, others could look or write into it: chmod 700"
    elif user not in {0, status.st_uid}:
        problem = f"owned by user {status.st_uid}, not by user {user}, who runs this: chown -R {user} the directory"
    else:
        return descriptor
    os.close(descriptor)
    raise ConfigError(f"{printable(path)}: {problem}")


def as_text(value: bytes) -> str:
    """Bytes of the wire for a facts file, one character a byte; `as_bytes` gives them back."""
    return value.decode("latin-1")


def as_bytes(value: object) -> bytes:
    """The bytes `as_text` was given. Raises ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"not an address: {value!r}")  # noqa: TRY004 - a damaged file, not a wrong call
    return value.encode("latin-1")


def dump_facts(facts: Mapping[str, object]) -> bytes:
    """Facts as they stand in their file: JSON, one a line, ASCII."""
    return json.dumps(dict(facts), indent=1, ensure_ascii=True).encode("ascii") + b"\n"
