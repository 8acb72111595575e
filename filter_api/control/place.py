"""Where a control socket is, and how it is made: never in place of another process's, never in place of a file.

Without -C it is in a directory that the packages make for each user that filters run as (`PLACES`): a filter takes the
first one that belongs to its own user and that nobody else can write to, and has no socket where there is none. There
its name is that of the program, ``filter-rdns.sock``; a second one of the same user is ``filter-rdns.2.sock``.

A socket that was left behind, by a process that was killed, is replaced. Whether it was is found out by connecting to
it; meanwhile its directory is locked (flock(2)), so that two filters that begin at once do not replace each other's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Final

from filter_api.errors import ConfigError, UsageError
from filter_api.text.escape import printable

#: Directories with a directory for each user. On OpenBSD rc(8) empties the first at boot.
PLACES: Final = ("/var/run/opensmtpd-filters", "/var/opensmtpd-filters")

#: The value of -C for no socket.
NONE: Final = "none"

#: Bytes of a socket's path (unix(4) of OpenBSD has 104 with a zero; unix(7) of Linux 108).
MAX_PATH: Final = 103

MODE: Final = 0o660
SUFFIX: Final = ".sock"

_NAMESAKES: Final = 9  # filters of one program and one user that have sockets by default
_BACKLOG: Final = 16
_LOCK_SECONDS: Final = 0.02  # another filter holds it for less than a millisecond


class Taken(Exception):
    """A process that runs is reached there, or something that is no socket is in the way."""


def parse_path(value: str) -> str:
    """The value of -C. Raises UsageError."""
    if value != NONE and (not value.startswith("/") or "\0" in value):
        raise UsageError(f"-C takes the absolute path of a socket, or none, not '{printable(value, 40)}'")
    return value


def check_place(value: str | None) -> None:
    """Whether this process can make a socket where -C says. Raises ConfigError with the remedy."""
    if value is None or value == NONE:
        return
    shown = printable(value)
    if len(os.fsencode(value)) > MAX_PATH:
        raise ConfigError(f"-C {shown}: a socket's path has {MAX_PATH} bytes at most: choose a shorter one")
    directory = os.path.dirname(value)
    if not os.path.isdir(directory):
        raise ConfigError(f"-C {shown}: there is no directory {printable(directory)}: make it for the filter's user")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"-C {shown}: {printable(directory)} cannot be written to: give it to the filter's user")
    if _is_there(value) and not stat.S_ISSOCK(os.lstat(value).st_mode):
        raise ConfigError(f"-C {shown}: there is something that is no socket: remove it, or choose another path")


def candidates(given: str | None, program: str, places: Sequence[str] = PLACES) -> list[str]:
    """Where the socket may be, the best first. given: the value of -C. Never raises; [] for no socket."""
    if given is not None:
        return [] if given == NONE else [given]
    directory = own_directory(places)
    if directory is None:
        return []
    numbers = ["", *(f".{number}" for number in range(2, _NAMESAKES + 1))]
    return [f"{directory}/{program}{number}{SUFFIX}" for number in numbers]


def own_directory(places: Sequence[str] = PLACES, uid: int | None = None) -> str | None:
    """The directory for the sockets of a user, without `uid` that of this process."""
    owner = os.geteuid() if uid is None else uid
    for place in places:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o022:
                    return entry.path
    return None


def found(places: Sequence[str] = PLACES) -> list[str]:
    """The sockets in these places, whoever made them and whether anybody listens there."""
    paths = []
    for place in places:
        for directory in _paths(place):
            paths += [path for path in _paths(directory) if path.endswith(SUFFIX)]
    return paths


def _paths(directory: str) -> list[str]:
    try:
        return sorted(f"{directory}/{name}" for name in os.listdir(directory))
    except OSError:
        return []


def listen(path: str) -> Listener:
    """A socket that listens there, of mode 0660. Raises Taken, and OSError where it cannot be made."""
    with _locked(os.path.dirname(path)):
        _make_room(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.bind(path)
            os.chmod(path, MODE)  # the runtime's umask leaves it to the owner until then
            made.listen(_BACKLOG)
            return Listener(path, made)
        except BaseException:
            made.close()
            raise


class Listener:
    """A listening socket and its place."""

    def __init__(self, path: str, made: socket.socket) -> None:
        self.path = path
        self.socket = made
        self._inode = _inode(path)

    def close(self) -> None:
        """Listen no more, and take the socket away if it is still this one. Never raises."""
        with contextlib.suppress(OSError):
            if _inode(self.path) == self._inode:
                os.unlink(self.path)
        self.socket.close()


def _inode(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _make_room(path: str) -> None:
    """Remove what a process that is gone has left. Raises Taken."""
    if not _is_there(path):
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise Taken("something that is no socket is there")
    if _is_live(path):
        raise Taken("another process listens there")
    os.unlink(path)


def _is_there(path: str) -> bool:
    return os.path.lexists(path)


def _is_live(path: str) -> bool:
    """Whether somebody listens; in doubt somebody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        return asking.connect_ex(path) != errno.ECONNREFUSED


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Keep other filters out; whoever holds the lock for longer than they do is not waited for."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while not _lock(descriptor) and time.monotonic() < until:
            time.sleep(0.001)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
