"""smtpd in memory with a greylist on a real SQLite file, and a clock that is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filter_api.net.dns import Resolver
from filter_api.testing import Client, Player
from filter_api.testing.dns import FakeZone
from filter_greylist.deciding.clock import SteadyClock
from filter_greylist.filter import Greylist, build
from filter_greylist.rules.records import Kind, Record
from filter_greylist.store.base import Store

ZONE: Mapping[tuple[str, str], Any] = {}


class Hands:
    """Both clocks. `jump` moves the one on the wall alone."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 1000.0

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds


class Smtpd:
    """A mail server with filter-greylist. Use it in a with statement."""

    def __init__(
        self,
        directory: Path,
        *options: str,
        zone: Mapping[tuple[str, str], Any] = ZONE,
        store: Store | None = None,
        hands: Hands | None = None,
    ) -> None:
        self.hands = hands or Hands()
        arguments = [*options] if "-f" in options else ["-f", str(directory / "greylist.db"), *options]
        self.filter: Greylist = build(arguments, store, Resolver(backend=FakeZone(zone)))
        self.loop = asyncio.new_event_loop()
        self.player = Player(self.filter, loop=self.loop)
        self.filter.wall = lambda: self.hands.wall
        self.filter.monotonic = lambda: self.hands.monotonic
        self.filter.clock = SteadyClock(self.filter.wall, self.filter.monotonic)

    def __enter__(self) -> Smtpd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.player.__exit__(kind, error, trace)

    @property
    def log(self) -> list[str]:
        return self.player.log

    def client(self, address: str = "192.0.2.1", helo: str = "mx.example.net", **facts: str | None) -> Client:
        """A connection that has said EHLO."""
        client = self.player.connect(address, **facts)  # type: ignore[arg-type]  # rdns, fcrdns, destination
        client.helo(helo)
        return client

    def offer(
        self,
        address: str = "192.0.2.1",
        sender: str | bytes = "them@example.net",
        recipient: str | bytes = "us@example.org",
        **facts: str | None,
    ) -> str:
        """Offer a message in a connection of its own; the reply to RCPT TO, empty where it was let in."""
        client = self.client(address, **facts)  # type: ignore[arg-type]  # helo is none of them
        client.mail_from(sender)
        reply = client.rcpt_to(recipient).reply
        client.quit()
        return reply

    def deliver(self, address: str = "192.0.2.1", *recipients: str, sender: str = "them@example.net") -> bool:
        """Deliver a message, commit included; whether it was taken."""
        client = self.client(address)
        taken = client.mail(b"Subject: x\r\n\r\nx\r\n", *(recipients or ("us@example.org",)), sender=sender).ok
        client.quit()
        self.settle()
        return taken

    def settle(self) -> None:
        """Wait for what is written after a commit."""
        while self.filter.background:
            self.loop.run_until_complete(asyncio.sleep(0.005))

    def records(self, *kinds: Kind) -> list[Record]:
        async def everything() -> list[Record]:
            return [record for kind in kinds or Kind async for record in self.filter.store.scan(kind)]

        return self.loop.run_until_complete(everything())

    def put(self, records: Iterable[Record]) -> None:
        self.loop.run_until_complete(self.filter.store.put(list(records)))
