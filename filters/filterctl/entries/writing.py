"""Change a file that others read: at once or not at all, one hand at a time; its mode and owner are kept."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Final

from filter_api.errors import ConfigError, named
from filter_api.text.escape import printable

SETTLED: Final = 3.0
"""Seconds by which a new version is dated back.

Filters take a version that is shorter than the last only when it is two seconds old, as it may be half written. This
one is whole when it appears, so they need not wait.
"""

PATIENCE: Final = 10.0
"""Seconds to wait for somebody else who changes a file in the same directory; a change takes some milliseconds."""

BESIDE: Final = ".filterctl-new-"
"""How the name of a new version begins until it is whole. Whoever has the lock removes those of one that was killed."""

_NEW_MODE: Final = 0o644


def change(path: str, edit: Callable[[bytes], bytes]) -> bool:
    """Write what `edit` makes of a file; whether it changed. A file that is not there yet is an empty one.

    Raises ConfigError, and what `edit` raises; then nothing is changed.
    """
    if not os.path.isabs(path):
        raise ConfigError(
            f"{printable(path)}: smtpd starts its filters in /, so the configuration needs the whole path"
        )
    real = os.path.realpath(path)  # a link stays one
    with named(path), _alone(os.path.dirname(real)):
        old = _status(real)
        data = b"" if old is None else read(real)
        new = edit(data)
        if new == data and old is not None:
            return False
        _replace(real, new, old)
    return True


def read(path: str) -> bytes:
    """What a file holds; nothing where there is none. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _status(path: str) -> os.stat_result | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{printable(path)}: not a regular file")
    return status


@contextlib.contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Others who change files here wait. Raises ConfigError where somebody keeps the lock, as whoever may read can."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    until = time.monotonic() + PATIENCE
    try:
        while not _locked(descriptor):
            if time.monotonic() >= until:
                raise ConfigError(
                    f"{printable(directory)}: somebody else holds its lock, see fuser(1) or fstat(1): try again later"
                )
            time.sleep(0.02)
        for name in os.listdir(descriptor):
            if name.startswith(BESIDE):
                os.unlink(name, dir_fd=descriptor)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: str, data: bytes, old: os.stat_result | None) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=BESIDE, dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if old is None:
                os.fchmod(descriptor, _NEW_MODE)
            else:
                _own_as(path, descriptor, old)
                shutil.copystat(path, beside)
            dated = time.time() - SETTLED
            os.utime(beside, (dated, dated))
            os.fsync(descriptor)
        _put_in_place(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _own_as(path: str, descriptor: int, old: os.stat_result) -> None:
    """Raises ConfigError where the owner could not be kept."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        raise ConfigError(f"{printable(path)}: only root or its owner can change it and keep its owner") from None


def _put_in_place(beside: str, path: str) -> None:
    """Raises ConfigError for a file that is mounted by itself, as in a container."""
    try:
        os.replace(beside, path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise ConfigError(
            f"{printable(path)}: it is a mount of its own, and cannot be replaced: mount its directory instead"
        ) from None
