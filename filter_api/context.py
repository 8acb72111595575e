"""What a process gives to each of its filters: smtpd's word, the log, the clocks, the spool, and what they share.

    filter_.bind(context)                       # once, before anything else; the runtime and the player do it
    resolver = self.context.shared(Resolver)    # one for all filters of the process, made at first use
    vouching = self.context.shared(Vouching, resolver, self.monotonic)

There is one `Context` for a process; each filter of a chain gets it by its own name, see `named`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from filter_api.log import Logger
from filter_api.message.spool import Spool
from filter_api.server import Server

Shared = TypeVar("Shared")


class Context:
    """server: what smtpd says of itself. wall: seconds since 1970. monotonic: seconds of the event loop's clock.

    spool: the account of all messages held. log: that of the filter this context was given to. confined: what holds
    the process to its needs, a line for a status (`filter_api.confinement`).
    """

    __slots__ = ("_made", "confined", "log", "monotonic", "server", "spool", "wall")

    def __init__(
        self,
        log: Logger | None = None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        server: Server | None = None,
        spool: Spool | None = None,
        confined: str = "nothing",
    ) -> None:
        self.log = Logger() if log is None else log
        self.wall = wall
        self.monotonic = monotonic
        self.server = Server() if server is None else server
        self.spool = Spool() if spool is None else spool
        self.confined = confined
        self._made: dict[object, Any] = {}

    def named(self, label: str, *, verbose: bool = False) -> Context:
        """The same context for one member of a chain: its log lines carry the label; all else is shared."""
        log = self.log.named(label, verbose=verbose)
        same = Context(
            log,
            wall=self.wall,
            monotonic=self.monotonic,
            server=self.server,
            spool=self.spool,
            confined=self.confined,
        )
        same._made = self._made
        return same

    def shared(self, make: Callable[..., Shared], *arguments: object) -> Shared:
        """What `make` gives, made once for all filters of the process: a resolver with its cache, for example.

        arguments: for `make`; those of whoever is first.
        """
        if make not in self._made:
            self._made[make] = make(*arguments)
        found: Shared = self._made[make]
        return found
