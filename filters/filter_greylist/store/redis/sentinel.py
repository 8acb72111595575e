"""Follow the Sentinels: when they have made another server the master, leave the old one at once.

redis-py asks them when it connects. A connection that is open stays with the old master, which may well be alive and
take writes until it is told that it is a replica now: everything written then is lost. So the Sentinels are asked all
the time, all of them, and the one with the latest configuration counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from filter_greylist.store.background import end
from filter_greylist.store.redis.connect import close

POLL_SECONDS = 1.0
ASK_SECONDS = 1.0

Host = tuple[str, int]


class Follower:
    """Watches for a switch of the master called `name`. `pool` has the connections; `switched` is told where to."""

    def __init__(self, sentinels: Any, name: str, pool: Any, switched: Callable[[str], None]) -> None:  # noqa: ANN401 - redis-py's
        self._sentinels = sentinels
        self._name = name
        self._pool = pool
        self._switched = switched
        self._master: Host | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, and close the connections to the Sentinels."""
        if self._task is not None:
            await end(self._task)
        for client in self._sentinels.sentinels:
            with contextlib.suppress(Exception):  # it is gone
                await close(client)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # whoever needs the master will tell that it cannot be found
                await self._look()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        clients = list(self._sentinels.sentinels)
        found = await asyncio.gather(*(self._ask(client) for client in clients), return_exceptions=True)
        known = [(each, client) for each, client in zip(found, clients, strict=True) if isinstance(each, tuple)]
        if not known:
            return
        (_, master), client = max(known, key=lambda each: each[0][0])
        self._sentinels.sentinels = [client, *(other for other in clients if other is not client)]  # it is asked first
        if self._master is None:
            self._master = getattr(self._pool, "master_address", None) or master
        if master != self._master:
            self._master = master
            await self._pool.disconnect(inuse_connections=True)
            self._switched(f"{master[0]}:{master[1]}")

    async def _ask(self, client: Any) -> tuple[int, Host]:  # noqa: ANN401 - redis-py's
        """The epoch of this Sentinel's configuration, and the master in it. Raises whatever goes wrong.

        While it carries out a failover, ``SENTINEL MASTER`` still has the old address, but the new epoch.
        """
        async with asyncio.timeout(ASK_SECONDS):
            reply = await client.execute_command("SENTINEL", "MASTER", self._name)
            host, port = await client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=False)
        known = {_text(key): _text(value) for key, value in pairs}
        return int(known["config-epoch"]), (_text(host), int(port))


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
