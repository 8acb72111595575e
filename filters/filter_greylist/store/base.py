"""What a store of greylist records is, and which one option -f names.

    spec = parse_spec("/var/lib/greylist/greylist.db")         # or redis://…, redis+sentinel://…, file:/path
    store = open_spec(spec, log)                               # nothing is read yet
    await store.open()
    known = await store.consult(Question(...))
    life = await store.attempt(tuple, now, timers)
    await store.close()

Every method raises `StoreError` when the store cannot do it now; the filter then lets the mail in. An answer means that
the record is stored durably, as far as the store promises that at all.
"""

from __future__ import annotations

import abc
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from filter_api.errors import ConfigError
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple
from filter_greylist.store.url import split_url

NETWORK_LIMIT = 1000
"""Tuples of one client network; beyond, new ones are refused without being stored."""

TOTAL_LIMIT = 2_000_000
"""Tuples in all."""

DEFAULT_PATH = (
    "/var/db/greylist/greylist.db"
    if sys.platform.startswith("openbsd")
    else "/var/lib/opensmtpd-filters/greylist/greylist.db"
)

Log = Callable[[str], None]


class StoreError(Exception):
    """The store could not do it: its text says why, for the log."""


class Bounds(NamedTuple):
    """How many tuples are kept."""

    network: int = NETWORK_LIMIT
    total: int = TOTAL_LIMIT


DEFAULT_BOUNDS = Bounds()


class Question(NamedTuple):
    """The names of what may be known about a delivery; an empty one is not looked up."""

    address: bytes
    recipient: bytes
    pair: bytes
    domain: bytes


class Store(abc.ABC):
    """Records, kept somewhere. One event loop uses it; several processes and hosts may share what is behind it."""

    @abc.abstractmethod
    async def open(self) -> None:
        """Make ready. Never raises for trouble that may pass: the first question will."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Finish what was begun and let go."""

    @abc.abstractmethod
    async def consult(self, question: Question) -> Known:
        """What there is about a client, a recipient, a pair and a domain, expired or not."""

    @abc.abstractmethod
    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        """Carry out `policy.advance` on a tuple, atomically; None where it is new and the store is full."""

    @abc.abstractmethod
    async def merge(self, records: Sequence[Record]) -> list[Life]:
        """Add records, or `records.merged` with those that are there; returns what they are then."""

    @abc.abstractmethod
    async def put(self, records: Sequence[Record]) -> None:
        """Write records, whatever was there."""

    @abc.abstractmethod
    async def get(self, kind: Kind, name: bytes) -> Record | None:
        """One record, expired or not."""

    @abc.abstractmethod
    async def delete(self, kind: Kind, name: bytes) -> bool:
        """Remove one record; False where there was none."""

    @abc.abstractmethod
    def scan(self, kind: Kind) -> AsyncIterator[Record]:
        """Every record of a kind, in no order, with flat memory; what changes meanwhile may be missed."""

    @abc.abstractmethod
    async def sweep(self, now: int) -> bool:
        """Take one step through the records and remove what expired before `now`; False when the round is finished."""

    @abc.abstractmethod
    async def note(self, name: str, value: bytes) -> None:
        """Keep a note for the other users of the store: the settings, the primary's heartbeat."""

    @abc.abstractmethod
    async def noted(self, name: str) -> bytes | None:
        """Read a note."""

    @property
    def falling_back(self) -> bool:
        """Whether the shared store is away, so that what other hosts know is not known here."""
        return False


class Spec(NamedTuple):
    """Where a store is: a path for SQLite, or a Redis URL; `shown` is what may be printed of it."""

    url: str
    shown: str

    @property
    def is_path(self) -> bool:
        """Whether it is a file of SQLite."""
        return "://" not in self.url


SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
SECRETS = frozenset({"sentinel_password"})


def parse_spec(value: str) -> Spec:
    """What option -f says: a path, a URL, or ``file:/path`` of a file that holds the URL.

    Raises ConfigError for an unknown scheme, for a password in the command line (everybody who runs ps(1) would read
    it) and for a file with a password that others may read.
    """
    if value.startswith("file:"):
        path = value.removeprefix("file:")
        return _redis_spec(_secret_line(path), value)
    if "://" in value:
        url = split_url(value)
        if url is not None and (url.password is not None or SECRETS & url.options.keys()):
            raise ConfigError(
                f"-f {url.scheme}://...: no password in the command line; put the URL in a file: -f file:/path"
            )
        return _redis_spec(value, value if "@" not in value else value.partition("://")[0] + "://...")
    if not os.path.isabs(value):
        raise ConfigError(f"-f {value}: not an absolute path, nor a redis:// URL, nor file:/path")
    return Spec(value, value)


def _redis_spec(url: str, shown: str) -> Spec:
    parts = split_url(url)
    if parts is None or parts.scheme not in SCHEMES:
        raise ConfigError(f"-f {shown}: not a URL of redis://, rediss:// or redis+sentinel://")
    return Spec(url, shown)


def _secret_line(path: str) -> str:
    """The first line of a file only its owner (and group) may read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"-f file:{path}: not a regular file")
            if status.st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
                raise ConfigError(f"-f file:{path}: others may read or change it; chmod 0600 it")
            return file.readline().strip()
    except OSError as error:
        raise ConfigError(f"-f file:{path}: {error.strerror}") from None
    except UnicodeError:
        raise ConfigError(f"-f file:{path}: not a URL in UTF-8") from None


def open_spec(spec: Spec, log: Log, bounds: Bounds = DEFAULT_BOUNDS, *, alone: bool = False) -> Store:
    """The store a spec names, not opened yet; `log` gets a line when something happens to it. Raises ConfigError.

    alone: without a local store that carries on when Redis is away, as the operator's tool wants it.
    """
    if spec.is_path:
        from filter_greylist.store.sqlite.schema import check_directory
        from filter_greylist.store.sqlite.store import SqliteStore

        if (trouble := check_directory(spec.url)) is not None:
            raise ConfigError(f"-f {spec.url}: {trouble}")
        return SqliteStore(spec.url, log, bounds)
    from filter_greylist.store.redis.connect import check_target
    from filter_greylist.store.redis.store import RedisStore
    from filter_greylist.store.target import parse_target

    target = parse_target(spec)
    check_target(target)
    remote = RedisStore(target, log, bounds)
    if alone:
        return remote
    from filter_greylist.store.fallback import FallbackStore

    local = open_spec(parse_spec(target.fallback), log, bounds)
    return FallbackStore(remote, local, log)
