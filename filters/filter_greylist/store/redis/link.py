"""The connections to Redis: one command at a time, connected anew where the server has closed an idle connection.

A server closes connections that were idle (its option `timeout`), an operator does so with CLIENT KILL, and so does a
firewall. That is no trouble: the command is sent once more over a new connection, within the same deadline. It may have
been carried out although its connection broke, so it is told that it comes again, and counts nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from filter_greylist.store.base import StoreError
from filter_greylist.store.redis.connect import close, make_link
from filter_greylist.store.redis.sentinel import Follower
from filter_greylist.store.target import Target

COMMAND_SECONDS = 2.0


class BadEntry(StoreError):
    """One key of the greylist cannot be used; the server and all others can."""


class Link:
    """Commands for the server of a target.

    reconnected: called when a connection had to be made anew. switched: called with the address of a new master.
    """

    def __init__(self, target: Target, reconnected: Callable[[], None], switched: Callable[[str], None]) -> None:
        self._target = target
        self._reconnected = reconnected
        self._switched = switched
        self._client: Any = None
        self._follower: Follower | None = None

    def open(self) -> None:
        """Make ready; nothing is connected yet."""
        self._client, sentinels = make_link(self._target)
        if sentinels is not None and self._target.master is not None:
            self._follower = Follower(sentinels, self._target.master, self._client.connection_pool, self._switched)
            self._follower.start()

    async def close(self) -> None:
        """Close the connections."""
        if self._follower is not None:
            await self._follower.stop()
        if self._client is not None:
            with contextlib.suppress(Exception):  # the server is gone: so are the connections
                await close(self._client)

    async def execute(self, arguments: Callable[[bool], Sequence[bytes | str | int]]) -> Any:  # noqa: ANN401 - as redis-py has it
        """Send a command, and once more if the connection was closed: nobody knows whether it was carried out then.

        arguments: gives the command, told whether it is sent again. Raises what redis-py raises.
        """
        try:
            return await self._client.execute_command(*arguments(False))
        except Exception as error:
            if not _was_closed(error):
                raise
        with contextlib.suppress(Exception):  # the others may be closed as well
            await self._client.connection_pool.disconnect(inuse_connections=False)
        self._reconnected()
        return await self._client.execute_command(*arguments(True))

    async def command(self, *arguments: bytes | str | int) -> Any:  # noqa: ANN401 - as redis-py has it
        """The same within `COMMAND_SECONDS`. Raises StoreError, BadEntry for a key of a wrong type."""
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                return await self.execute(lambda _again: arguments)
        except Exception as error:
            raise trouble(error) from error


def _was_closed(error: Exception) -> bool:
    """Whether a connection was closed that had been open; not what could not be connected to."""
    kind = type(error)
    if kind.__name__ == "ConnectionError" and kind.__module__.startswith("redis"):
        return not str(error).startswith("Error ") or "while reading" in str(error) or "while writing" in str(error)
    return isinstance(error, ConnectionResetError | BrokenPipeError | EOFError)


def trouble(error: Exception) -> StoreError:
    """Any error as ours, with its text but never with an address that holds a password."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return StoreError("Redis does not answer")
    if str(error).startswith("WRONGTYPE"):
        return BadEntry(f"{error}")
    return StoreError(f"Redis: {error}" if str(error) else f"Redis: {type(error).__name__}")
