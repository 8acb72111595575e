"""Whose a file and its directory are: what others could have written is not believed.

The rules are those for keys. Who may write to the directory can replace the database, or leave a journal in it that
SQLite would take for its own; so the directory counts as much as the file.
"""

from __future__ import annotations

import os
import stat

SUFFIXES = ("", "-wal", "-shm", ".lock")
"""The database, and what belongs to it."""


def files_trouble(path: str) -> str | None:
    """Why the database at `path`, or a file that belongs to it, is not to be used; None if all is well or not there."""
    for suffix in SUFFIXES:
        try:
            status = os.lstat(path + suffix)
        except OSError:
            continue
        trouble = _trouble(status) if stat.S_ISREG(status.st_mode) else "is not a regular file"
        if trouble is not None:
            return f"{path}{suffix} {trouble}"
    return None


def directory_trouble(directory: str) -> str | None:
    """The same for the directory. In one like /tmp, where nobody can remove the files of others, the files tell."""
    status = os.stat(directory)
    trouble = _trouble(status, sticky=bool(status.st_mode & stat.S_ISVTX))
    return None if trouble is None else f"{directory} {trouble}"


def _trouble(status: os.stat_result, *, sticky: bool = False) -> str | None:
    user, mode = os.geteuid(), stat.S_IMODE(status.st_mode)
    if status.st_uid not in {0, user}:
        return f"belongs to user {status.st_uid}: its owner must be user {user}, who runs this, or root"
    if mode & stat.S_IWOTH and not sticky:
        return f"can be written by everybody (mode {mode:04o})"
    if mode & stat.S_IWGRP and not sticky and status.st_gid != os.getegid():
        return f"can be written by group {status.st_gid} (mode {mode:04o})"
    return None
