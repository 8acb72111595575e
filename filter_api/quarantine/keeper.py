"""Put refused messages into a quarantine, within its bounds, without holding up the mail.

    keeper = Keeper(QuarantineDirectory(path), Limits(parse...))
    name = await keeper.keep(message.text(), message.size, facts, network="192.0.2.0/24")

Bounds: bytes in all, as the disk counts them (whole blocks, the facts beside the message), at most a tenth of them from
one client network, days of age, and none at all while the file system has less than a tenth of its blocks or inodes
free. `NotKept` says which; the message is refused all the same.
What an operator or another filter does in the same directory is noticed by its time stamp.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.quarantine.directory import (
    FACTS,
    MESSAGE,
    UNFINISHED,
    NoSuchMessage,
    QuarantineDirectory,
    dump_facts,
    new_id,
)
from filter_api.text.sizes import parse_bytes

_SHARE: Final = 10
"""One client network may use one in so many bytes; one in so many blocks and inodes must stay free."""

_EXPIRE_EVERY: Final = 3600.0
_JUMP: Final = 3600.0
_PATIENCE: Final = 86_400.0


class NotKept(Exception):
    """The message could not be put into quarantine; its text says why, for the log."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a quarantine holds: bytes on the disk in all, days of age."""

    size: int = 1 << 30
    days: int = 30


def parse_limits(text: str) -> Limits:
    """The value of -Q: ``bytes:days``. Raises UsageError."""
    size, colon, days = text.partition(":")
    if not colon or not (days.isascii() and days.isdigit() and len(days) <= 5 and int(days) > 0):
        raise UsageError(f"-Q takes bytes:days, like 1g:30, not {text!r}")
    try:
        limits = Limits(parse_bytes(size), int(days))
    except ValueError as error:
        raise UsageError(f"-Q: {error}") from None
    if limits.size < _SHARE:
        raise UsageError(f"-Q {text!r}: no message fits")
    return limits


class _Kept(NamedTuple):
    size: int
    network: str


class Keeper:
    """Writes into one store. Belongs to one event loop; the slow calls of the disk are made in a thread."""

    def __init__(
        self,
        store: QuarantineDirectory,
        limits: Limits,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.limits = limits
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._looking = asyncio.Lock()
        self._kept: dict[str, _Kept] = {}
        self._used: Counter[str] = Counter()  # bytes by network
        self._writing: set[str] = set()
        self._looked_at = -1
        self._next_expiry = float("-inf")

    async def keep(self, blocks: Iterable[bytes], size: int, facts: Mapping[str, object], *, network: str) -> str:
        """Keep a message of `size` bytes; its id. `network` is whose share it counts against. Raises NotKept."""
        about: dict[str, object] = {"id": new_id(0.0), **facts, "size": size, "network": network}
        try:
            async with self._looking:
                await self._look_around()
                name = self._reserve(self._on_disk(size) + self._on_disk(len(dump_facts(about))), network)
        except (OSError, ConfigError) as error:
            raise NotKept(_why(error)) from None
        kept = False
        try:
            await self._write(name, blocks, {**about, "id": name})
            kept = True
        except OSError as error:
            raise NotKept(_why(error)) from None
        finally:
            self._writing.discard(name)
            if not kept:
                self._give_up(name)
        return name

    async def _look_around(self) -> None:
        """Expire once an hour, and read anew what is there when somebody else changed the directory."""
        self.store.follow()
        if self._expiry_is_due():
            self._looked_at = -1
            await asyncio.to_thread(self.store.expire, self.limits.days, self._wall())
        stamp = os.fstat(self.store.directory).st_mtime_ns
        if stamp != self._looked_at:
            self._looked_at = stamp
            known, busy = set(self._kept), set(self._writing)
            found = await asyncio.to_thread(self._read, known)
            self._take_over(found, known - busy - self._writing)

    def _expiry_is_due(self) -> bool:
        """Once an hour; after a jump of the wall clock not for a day, or a wrong clock would empty the quarantine."""
        now = self._monotonic()
        offset = self._wall() - now
        if abs(offset - self._offset) > _JUMP:
            self._offset = offset
            self._next_expiry = now + _PATIENCE
        if now < self._next_expiry:
            return False
        self._next_expiry = now + _EXPIRE_EVERY
        return True

    def _read(self, known: set[str]) -> dict[str, _Kept | None]:
        """What the directory holds; the facts of messages that are known are not read again."""
        return {name: None if name in known else self._facts(name) for name in self.store.ids()}

    def _take_over(self, found: Mapping[str, _Kept | None], settled: set[str]) -> None:
        """Add what others put there, drop what they removed; what was being written meanwhile stays as it is."""
        for name in settled - set(found):
            self._forget(name)
        for name, kept in found.items():
            if kept is not None and name not in self._kept:
                self._remember(name, kept)

    def _remember(self, name: str, kept: _Kept) -> None:
        self._kept[name] = kept
        self._used[kept.network] += kept.size

    def _forget(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._used[kept.network] -= kept.size
            if self._used[kept.network] <= 0:
                del self._used[kept.network]

    def _on_disk(self, size: int) -> int:
        """Bytes that a file of `size` bytes takes: whole blocks."""
        block = os.fstatvfs(self.store.directory).f_frsize or 512
        return -(-size // block) * block

    def _facts(self, name: str) -> _Kept:
        try:
            size = sum(self._on_disk(self.store.size(name + suffix)) for suffix in (MESSAGE, FACTS))
            network = self.store.facts(name).get("network")
        except (OSError, NoSuchMessage):
            return _Kept(0, "")  # gone meanwhile, or nothing to be read
        return _Kept(size, network if isinstance(network, str) else "")

    def _reserve(self, size: int, network: str) -> str:
        """An id, with its share taken before anything is awaited. Raises NotKept."""
        self._need_space(size)
        if self._used.total() + size > self.limits.size:
            raise NotKept("quarantine is full")
        if self._used[network] + size > self.limits.size // _SHARE:
            raise NotKept("the share of this client's network is used up")
        name = new_id(self._wall())
        self._remember(name, _Kept(size, network))
        self._writing.add(name)
        return name

    def _need_space(self, size: int) -> None:
        """A tenth of blocks and inodes must be free when both files are written. Raises NotKept."""
        space = os.fstatvfs(self.store.directory)
        blocks = space.f_bavail - size // space.f_frsize - 2
        if blocks * _SHARE < space.f_blocks or (space.f_files and (space.f_favail - 2) * _SHARE < space.f_files):
            raise NotKept("less than a tenth of the file system is free")

    async def _write(self, name: str, blocks: Iterable[bytes], facts: Mapping[str, object]) -> None:
        """The message, then its facts; only with the last rename it is there."""
        await self._write_file(name + MESSAGE, blocks)
        await self._write_file(name + FACTS, [dump_facts(facts)])
        await asyncio.to_thread(self.store.sync)
        self._looked_at = os.fstat(self.store.directory).st_mtime_ns

    async def _write_file(self, name: str, blocks: Iterable[bytes]) -> None:
        descriptor = self.store.create(name)
        try:
            for block in blocks:
                _write_all(descriptor, block)
                await asyncio.sleep(0)
            await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        self.store.finish(name)

    def _give_up(self, name: str) -> None:
        """Remove what is half written, and its share."""
        self._forget(name)
        with suppress(OSError):
            self.store.remove(*(start + name + suffix for suffix in (FACTS, MESSAGE) for start in (UNFINISHED, "")))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _why(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
