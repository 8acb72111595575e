"""One process at a time sends reports from a store: two would both find that a report has not been sent yet.

    with alone("/var/db/mailfilter/reports.db"):    # ConfigError names the process that does so already
        ...

The lock (flock(2)) is on a file of its own beside the store: SQLite locks the store, and on some systems the two kinds
of locks are one. The directory is the filter's, and this may run as root: nothing is written through a link.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from filter_api.errors import ConfigError, named


@contextmanager
def alone(store: str) -> Iterator[None]:
    """Hold the lock of a store that is there. Raises ConfigError where another holds it, or the file cannot be made."""
    path = f"{os.path.realpath(store)}.lock"
    with named(path):
        lock = _open(path, os.stat(store))
    try:
        with named(path):
            _take(lock, store)
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(lock)


def _open(path: str, store: os.stat_result) -> int:
    """The file, made for the owner of the store if need be. Raises OSError and ConfigError."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        made = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        lock = os.open(path, flags)
        found = os.fstat(lock)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return lock
        os.close(lock)
        raise ConfigError(f"{path}: not a lock file of filterctl, remove it") from None
    if os.geteuid() == 0:
        os.fchown(made, store.st_uid, store.st_gid)
    return made


def _take(lock: int, store: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 12, 0).strip()
        who = f"process {holder.decode()}" if holder.isdigit() else "another process"
        raise ConfigError(f"{store}: {who} sends its reports, wait until it has ended") from None
