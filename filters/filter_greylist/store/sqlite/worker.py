"""One thread that does all the work on one SQLite file, many operations to a commit.

An operation is a function of the connection and of a list of arguments. `submit` queues one argument for it and returns
a future of the event loop. The thread takes what has gathered meanwhile, gives each reading operation all of its
arguments at once and answers them; then the writing ones, in one transaction; commits; and only then answers those: a
group commit, so that waiting for the disk costs each of them a fraction. (A second thread for reading was tried: the
two and the event loop spend more time on handing the interpreter to each other than reading takes.)

- A future that was cancelled (deadline passed) before its turn is skipped.
- An error of the disk fails the whole batch and rolls it back; an error of one operation fails only that one.
- Any other exception undoes the batch; its operations are then carried out one by one, and the one that raised it
  fails alone. The thread lives on.
- After an error that the connection may not survive, and after a corrupt file, `Connector.recover` decides and the next
  batch gets a fresh connection; where the file was set aside the batch is run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from filter_greylist.store.base import Log, StoreError

Argument = TypeVar("Argument")
Result = TypeVar("Result")

BATCH = 256
"""Operations of one commit at most."""

WAITING = 20_000
"""Operations that may wait; more are refused at once, as they would miss their deadlines."""

TOLD = 20
"""Different errors that nobody thought of and that are logged."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FATAL = _BUSY | frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
    }
)


class Connector(Protocol):
    """Who opens the file and knows what to do when it is damaged. Called in the thread only."""

    def connect(self) -> sqlite3.Connection:
        """A connection ready for use; raises sqlite3.Error or OSError."""
        ...

    def stale(self) -> bool:
        """Whether the file is another one than that which was opened: put aside, removed, restored."""
        ...

    def recover(self, error: sqlite3.Error) -> bool:
        """Look after the file once the connection is closed; True if the batch is to be run again."""
        ...


Work = Callable[[sqlite3.Connection, list[Any]], list[Any]]
"""An operation for all of a batch's arguments at once: as many results, in the same order."""


class _Job(NamedTuple):
    work: Work
    argument: Any
    writes: bool
    future: asyncio.Future[Any]


class _Done(NamedTuple):
    future: asyncio.Future[Any]
    result: Any
    error: Exception | None


def error_kind(error: sqlite3.Error) -> int:
    """SQLite's primary result code, or 0 where the module raised the error itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_Hook = Callable[[sqlite3.Connection], None]


def _nothing(_connection: sqlite3.Connection) -> None:
    return None


def _silent(_text: str) -> None:
    return None


class Worker:
    """The thread. `start` and `stop` from the event loop that submits."""

    def __init__(
        self, connector: Connector, begin: _Hook = _nothing, commit: _Hook = _nothing, log: Log = _silent
    ) -> None:
        """`begin` and `commit` run at the start and at the end of every writing transaction; `log` in the thread."""
        self._connector = connector
        self._begin = begin
        self._commit = commit
        self._log = log
        self._told: set[str] = set()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running = False  # cheaper to ask than Thread.is_alive()
        self._connection: sqlite3.Connection | None = None

    def start(self) -> None:
        """Start the thread; the file is opened there."""
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="greylist-store", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, close the file and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    def submit(
        self,
        work: Callable[[sqlite3.Connection, list[Argument]], list[Result]],
        argument: Argument,
        *,
        writes: bool = True,
    ) -> asyncio.Future[Result]:
        """Queue an argument for an operation; raises StoreError at once if too many wait already."""
        if self._thread is None or self._loop is None or not self._running:
            raise StoreError("the store is closed")
        if self._jobs.qsize() >= WAITING:
            raise StoreError("overloaded: too many operations wait for the disk")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._jobs.put(_Job(work, argument, writes, future))
        return future

    def _run(self) -> None:
        going = True
        while going:
            batch: list[_Job] = []
            try:
                going = self._gather(batch)
                batch = [job for job in batch if not job.future.cancelled()]
                if batch:
                    self._carry_out(batch, again=True)
            except BaseException as error:  # noqa: BLE001 - without this thread every later operation would hang
                self._survive(batch, error)
        self._running = False
        self._disconnect()

    def _survive(self, batch: Sequence[_Job], error: BaseException) -> None:
        """An exception that nobody thought of: roll back, carry out one by one what it struck, tell it once."""
        self._disconnect()
        if len(batch) > 1:
            for job in batch:
                try:
                    self._carry_out([job], again=True)
                except BaseException as of_one:  # noqa: BLE001 - as above
                    self._survive([job], of_one)
            return
        text = f"{type(error).__name__}: {error}"
        self._deliver([_Done(job.future, None, StoreError(text)) for job in batch])
        if text not in self._told and len(self._told) < TOLD:
            self._told.add(text)
            self._log(f"an operation failed: {text}")

    def _gather(self, batch: list[_Job]) -> bool:
        """Wait for one job, take those that are there; False when the end is asked for."""
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= BATCH:
                return True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
        return False

    def _carry_out(self, batch: Sequence[_Job], *, again: bool) -> None:
        left = batch
        try:
            connection = self._connect()
            if reads := [job for job in batch if not job.writes]:
                connection.execute("BEGIN")
                done = _perform(connection, reads)
                connection.execute("COMMIT")
                self._deliver(done)
                left = [job for job in batch if job.writes]
            if left:
                connection.execute("BEGIN IMMEDIATE")
                self._begin(connection)
                done = _perform(connection, left)
                self._commit(connection)
                connection.execute("COMMIT")
                self._deliver(done)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            if isinstance(error, sqlite3.Error) and self._recover(error) and again:
                self._carry_out(left, again=False)
            else:
                self._deliver([_Done(job.future, None, StoreError(str(error))) for job in left])

    def _recover(self, error: sqlite3.Error) -> bool:
        try:
            return self._connector.recover(error)
        except OSError:
            return False

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._connector.stale():
            self._disconnect()
        if self._connection is None:
            self._connection = self._connector.connect()
        return self._connection

    def _give_up(self, error: sqlite3.Error | OSError) -> None:
        """Roll back. A file that is merely locked keeps its connection: readers need not wait for the lock."""
        connection = self._connection
        if connection is None or not isinstance(error, sqlite3.Error) or error_kind(error) not in _BUSY:
            self._disconnect()
        elif connection.in_transaction:
            connection.execute("ROLLBACK")

    def _disconnect(self) -> None:
        """Close; an open transaction is rolled back by that."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _deliver(self, done: list[_Done]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_answer, done)


def _perform(connection: sqlite3.Connection, jobs: Sequence[_Job]) -> list[_Done]:
    """Run the operations; an error of SQLite that is not the disk's belongs to that operation alone."""
    groups: dict[Work, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.work, []).append(job)
    done: list[_Done] = []
    for work, group in groups.items():
        try:
            results = work(connection, [job.argument for job in group])
            done += [_Done(job.future, result, None) for job, result in zip(group, results, strict=True)]
        except sqlite3.Error as error:
            if error_kind(error) in _FATAL:
                raise
            done += [_Done(job.future, None, StoreError(str(error))) for job in group]
    return done


def _answer(done: list[_Done]) -> None:
    for future, result, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
