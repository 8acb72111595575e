"""Put refused messages into a quarantine, within its bounds, without holding up the mail.

    keeper = Keeper(QuarantineDirectory(path), parse_limits("1g:30"))
    name = await keeper.keep(message.text(), message.size, facts, network="192.0.2.0/24")

Bounds: bytes in all, at most a tenth of them from one client network, days of age, and none at all while the file
system has less than a tenth of its blocks or inodes free. Bytes are those that the disk gives (`account`). `NotKept`
says which bound it was; the message is refused all the same. What an operator or another filter does in the same
directory is noticed by its time stamp.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from filter_api.bounds import MAX_FACTS
from filter_api.errors import ConfigError, UsageError, reason
from filter_api.figures import Figure, gauge
from filter_api.quarantine.account import Account, Kept, whole_blocks
from filter_api.quarantine.directory import (
    FACTS,
    MESSAGE,
    UNFINISHED,
    QuarantineDirectory,
    dump_facts,
    new_id,
)
from filter_api.text.sizes import parse_bytes

_SHARE: Final = 10
"""One client network may use one in so many bytes; one in so many blocks and inodes must stay free."""

_LEAST: Final = _SHARE * 2 * 4096
"""Bytes in all with which a network's share holds one small message, on a file system with blocks of 4 KB."""

_MORE_FACTS: Final = 512
"""Bytes by which the facts may grow later: when it was released, and to whom it was meant to be."""

_LOOK_SECONDS: Final = 10.0
"""How long a directory is looked at for its figures alone."""

_EXPIRE_EVERY: Final = 3600.0
_JUMP: Final = 3600.0
_PATIENCE: Final = 86_400.0


class NotKept(Exception):
    """The message could not be put into quarantine; its text says why, for the log."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a quarantine holds: bytes of the disk in all, days of age."""

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
    if limits.size < _LEAST:
        raise UsageError(
            f"-Q {text!r}: no message fits into a tenth of it, which one network may use; at least {_LEAST}"
        )
    return limits


class Keeper:
    """Writes into one directory. Belongs to one event loop; the slow calls of the disk are made in a thread."""

    def __init__(
        self,
        directory: QuarantineDirectory,
        limits: Limits,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self.limits = limits
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._looking = asyncio.Lock()
        self._block = directory.block()
        self._account = Account()
        self._writing: set[str] = set()
        self._looked_at = -1
        self._next_expiry = float("-inf")
        self._looked: asyncio.Task[None] | None = None

    async def keep(self, blocks: Iterable[bytes], size: int, facts: Mapping[str, object], *, network: str) -> str:
        """Keep a message of `size` bytes; its id. `network` is whose share it counts against. Raises NotKept."""
        name = new_id(self._wall())
        about = _bounded({"id": name, **facts, "size": size, "network": network})
        try:
            async with self._looking:
                await self._look_around()
                self._reserve(name, size, len(about), network)
        except (OSError, ConfigError) as error:
            raise NotKept(reason(error)) from None
        kept = False
        try:
            await self._write(name, blocks, about)
            self._settle(name, network)
            kept = True
        except OSError as error:
            raise NotKept(reason(error)) from None
        finally:
            self._writing.discard(name)
            if not kept:
                self._give_up(name)
        return name

    def figures(self) -> list[Figure]:
        """What it holds, as it was when it was last looked at; that it is looked at again is begun."""
        if self._looked is None or self._looked.done():
            self._looked = asyncio.get_running_loop().create_task(self.look())
        return [
            gauge("quarantine_messages", "Messages in quarantine.", len(self._account.kept)),
            gauge("quarantine_bytes", "Bytes of the disk that they take.", self._account.total),
            gauge("quarantine_limit_bytes", "Bytes that they may take.", self.limits.size),
        ]

    async def look(self) -> None:
        """Learn what is there; nothing expires by it. Gives up after some seconds, and where it cannot be read."""
        with suppress(OSError, ConfigError, TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS), self._looking:
                self.directory.follow()
                await self._learn()

    async def _look_around(self) -> None:
        """Expire once an hour, and read anew what is there when somebody else changed the directory."""
        self.directory.follow()
        if self._expiry_is_due():
            self._looked_at = -1
            await asyncio.to_thread(self.directory.expire, self.limits.days, self._wall())
        await self._learn()

    async def _learn(self) -> None:
        stamp = os.fstat(self.directory.descriptor).st_mtime_ns
        if stamp != self._looked_at:
            self._looked_at = stamp
            gone, found = await asyncio.to_thread(self._survey, self._account.kept.copy(), self._writing.copy())
            for name in gone:
                self._account.forget(name)
            for name, kept in found.items():
                self._account.remember(name, kept)

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

    def _survey(self, known: Mapping[str, Kept], busy: set[str]) -> tuple[list[str], dict[str, Kept]]:
        """What others removed, and what they put there, or are just writing. Run in a thread.

        The files of messages that are known and whole are not looked at again.
        """
        groups = self.directory.groups()
        gone = [name for name in known if name not in groups and name not in busy]
        found = {
            name: self.directory.kept(name, files)
            for name, files in groups.items()
            if name not in busy and not (name in known and known[name].whole)
        }
        return gone, found

    def _reserve(self, name: str, size: int, about: int, network: str) -> None:
        """Take the share of a message and of `about` bytes of facts before anything is awaited. Raises NotKept."""
        self._need_space(size, about)
        cost = whole_blocks(size, self._block) + whole_blocks(about + _MORE_FACTS, self._block)
        self._account.remember(name, Kept(cost, network, whole=False))
        try:
            self._need_share(network)
        except NotKept:
            self._account.forget(name)
            raise
        self._writing.add(name)

    def _need_share(self, network: str) -> None:
        """Raises NotKept if there is more, in all or of one network, than there may be."""
        if self._account.total > self.limits.size:
            raise NotKept("quarantine is full")
        if self._account.of(network) > self.limits.size // _SHARE:
            raise NotKept("the share of this client's network is used up")

    def _settle(self, name: str, network: str) -> None:
        """Count what the disk gave, which is more if a file is in many pieces. Raises NotKept."""
        reserved = self._account.kept[name].cost
        took = self.directory.cost([name + MESSAGE, name + FACTS])
        self._account.remember(name, Kept(max(took, reserved), network))
        if took > reserved:
            self._need_share(network)

    def _need_space(self, size: int, about: int) -> None:
        """A tenth of blocks and inodes must be free when both files are written. Raises NotKept."""
        space = os.fstatvfs(self.directory.descriptor)
        blocks = space.f_bavail - size // space.f_frsize - about // space.f_frsize - 2
        if blocks * _SHARE < space.f_blocks or (space.f_files and (space.f_favail - 2) * _SHARE < space.f_files):
            raise NotKept("less than a tenth of the file system is free")

    async def _write(self, name: str, blocks: Iterable[bytes], about: bytes) -> None:
        """The message, then its facts; only with the last rename it is there."""
        await self._write_file(name + MESSAGE, blocks)
        await self._write_file(name + FACTS, [about])
        await asyncio.to_thread(self.directory.sync)
        self._looked_at = os.fstat(self.directory.descriptor).st_mtime_ns

    async def _write_file(self, name: str, blocks: Iterable[bytes]) -> None:
        descriptor = self.directory.create(name)
        try:
            for block in blocks:
                _write_all(descriptor, block)
                await asyncio.sleep(0)
            await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        self.directory.finish(name)

    def _give_up(self, name: str) -> None:
        """Remove what is half written, and its share."""
        self._account.forget(name)
        with suppress(OSError):
            self.directory.remove(*(start + name + suffix for suffix in (FACTS, MESSAGE) for start in (UNFINISHED, "")))


def _bounded(facts: Mapping[str, object]) -> bytes:
    """The facts as they are written; without the recipients if they are too long to be read again."""
    about = dump_facts(facts)
    if len(about) + _MORE_FACTS <= MAX_FACTS:
        return about
    return dump_facts({**facts, "to": [], "complete": False})


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
