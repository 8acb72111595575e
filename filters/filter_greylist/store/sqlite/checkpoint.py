"""Move what was committed from the write-ahead log to the database, beside the writer and not in its way.

A checkpoint writes and syncs some megabytes; done by the writing connection, decisions would wait for it. This thread
has a connection of its own and does passive checkpoints, which hinder nobody. What it leaves over under heavy load is
done by SQLite's automatic checkpoint, in little time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading

COMMITS = 32
"""Commits between two checkpoints."""


class Checkpointer:
    """The thread; `committed` is called by the writer after every commit."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._wanted = threading.Event()
        self._ending = False
        self._commits = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="greylist-checkpoint", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the checkpoint it is at."""
        self._ending = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def committed(self) -> None:
        """Count a commit; every few of them are worth a checkpoint."""
        self._commits += 1
        if self._commits >= COMMITS:
            self._commits = 0
            self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait() and not self._ending:
            self._wanted.clear()
            # An error is the writer's to meet and to tell: it works on the same file.
            with contextlib.suppress(Exception), contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _connect(self) -> sqlite3.Connection:
        """A fresh connection each time: the file may have been put aside meanwhile. It never makes one."""
        return sqlite3.connect(f"file:{_quoted(self._path)}?mode=rw", uri=True, isolation_level=None)


def _quoted(path: str) -> str:
    """The path as SQLite's URI wants it."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
