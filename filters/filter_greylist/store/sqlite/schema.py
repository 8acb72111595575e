"""The SQLite file of a greylist: how it is opened, laid out, and put aside when it is damaged.

WAL with synchronous=FULL: what was committed is on the disk, and readers never wait. Tuples are appended in the order
they come; the one index on their keys is what an insertion costs. As a key begins with the digest of the client's
network, the same index counts what a network has; `pool` holds that digest where the key begins with a domain's.
What has expired is found by walking through the table, a window at a time: see `SqliteStore.sweep`.

A file that is no database any more is renamed to ``NAME.corrupt-TIME``, with its -wal and -shm, and a new one is begun.
Where several processes share the file, the first one does that, under a lock, and the others only open it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filter_greylist.store.base import Log
from filter_greylist.store.sqlite.ownership import directory_trouble, files_trouble
from filter_greylist.store.sqlite.worker import error_kind

APPLICATION_ID = 0x67726579  # "grey"
VERSION = 1
BUSY_SECONDS = 2.0

_SCHEMA = """
CREATE TABLE tuple (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL, first INTEGER NOT NULL, passes INTEGER NOT NULL, expires INTEGER NOT NULL,
    blocked INTEGER NOT NULL, passed INTEGER NOT NULL,
    pool BLOB, address BLOB NOT NULL, helo BLOB NOT NULL, sender BLOB NOT NULL, recipient BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX tuple_key ON tuple (key);
CREATE INDEX tuple_pool ON tuple (pool) WHERE pool IS NOT NULL;
CREATE TABLE entry (
    kind TEXT NOT NULL, name BLOB NOT NULL, first INTEGER NOT NULL, passes INTEGER NOT NULL,
    expires INTEGER NOT NULL, blocked INTEGER NOT NULL, passed INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tally (one INTEGER PRIMARY KEY CHECK (one = 1), tuples INTEGER NOT NULL) STRICT;
INSERT INTO tally VALUES (1, 0);
"""

_LEARNED = "CREATE INDEX IF NOT EXISTS entry_learned ON entry (kind, expires) WHERE kind IN ('p', 'd')"
"""Who was renewed least recently; files of earlier releases get it when they are opened."""


class DatabaseFile:
    """The file at `path`; a `worker.Connector`."""

    def __init__(self, path: str, log: Log) -> None:
        self.path = path
        self._log = log
        self._opened: tuple[int, int] | None = None

    def connect(self) -> sqlite3.Connection:
        """Open the file, make it where it is missing (mode 0600), and lay it out."""
        self._check()
        with self._locked():
            self._create()
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
                self._check()  # nobody has put a journal there meanwhile
                self._opened = _identity(self.path)
            except BaseException:
                self._opened = _identity(self.path)
                connection.close()
                raise
        return connection

    def stale(self) -> bool:
        return _identity(self.path) != self._opened

    def recover(self, error: sqlite3.Error) -> bool:
        """Put a damaged file aside; True if it is worth trying again."""
        if error_kind(error) not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return False
        with self._locked():
            if _identity(self.path) != self._opened:
                return True  # another process was first
            aside = f"{self.path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
            for suffix in ("-wal", "-shm", ""):
                if os.path.exists(self.path + suffix):
                    os.rename(self.path + suffix, aside + suffix)
            self._log(f"{self.path} is damaged ({error}): put aside as {aside}, started afresh")
        return True

    def _create(self) -> None:
        """Make an empty file that only its owner may read; SQLite would use the umask."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _check(self) -> None:
        """Raise StoreErrorFile for what others could have written."""
        directory = os.path.dirname(self.path)
        if (trouble := directory_trouble(directory) or files_trouble(self.path)) is not None:
            raise StoreErrorFile(trouble)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file. The lock is a file of its own: closing the database would drop SQLite's own locks."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path + ".lock", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class StoreErrorFile(OSError):
    """The path is something no database may be, or belongs to others."""


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _prepare(connection: sqlite3.Connection) -> None:
    """Set the modes and create the tables, once (`DatabaseFile` holds the lock); OSError for another program's file."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-2000")
    connection.execute("PRAGMA wal_autocheckpoint=10000")  # `checkpoint` has done most of it by then
    connection.execute("PRAGMA journal_size_limit=67108864")
    made_by = _made_by(connection)
    if made_by == (0, 0) and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    elif made_by != (APPLICATION_ID, VERSION):
        raise OSError(0, f"a database, but not one of this greylist (application and version {made_by})")
    connection.execute(_LEARNED)


def _made_by(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application and version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def check_directory(path: str) -> str | None:
    """What keeps this user from a store at `path`, or None: told at start, before a mail is lost on it."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        return f"{directory} is no directory: make it, owned by the user the filter runs as"
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return _why_not_written(directory)
    if (trouble := directory_trouble(directory) or files_trouble(path)) is not None:
        return trouble
    if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
        return _why_not_written(path)
    return None


def _why_not_written(path: str) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f"{path} is on a file system that is mounted read-only: name another place"
    if os.stat(path).st_uid == os.geteuid():
        return f"{path} cannot be written by its owner: chmod u+rwX {path}"
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{path} cannot be written by {user}: chown -R {user} {path}, or name its owner as user on the filter's line"
