"""The clock of Redis, which is the time of all that is kept there: servers whose own clocks differ share it.

A filter's records have the filter's times. They are moved by `shift` on their way to Redis and back again, so that a
tuple that has waited for ten minutes has done so for everybody. The server's clock is read with every batch. It is
followed as the filter's own clock follows the one on the wall: at the pace of the monotonic clock. If it gains more
than a minute on that, it is believed at once: this host may have been asleep. If it falls behind, it was set, and the
old time is kept for a day.
"""

from __future__ import annotations

from filter_greylist.store.base import Clock, Log

TOLERANCE = 60.0
"""Seconds by which clocks may differ without anybody taking notice."""

CHANGED = 3600.0
"""Seconds by which a difference must have changed to be told again."""

PATIENCE = 24 * 3600.0
"""Seconds for which a server's clock that went back is not followed."""


class ServerClock:
    """How far the server's time is from ours."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._base: float | None = None  # the server's time, less our monotonic one
        self._follows = 0.0
        self._back = 0.0
        self._shift = 0
        self._exact = 0.0
        self._told = 0.0
        self._silent = False
        self._source: object = None
        self._heard: float | None = None

    def known(self, clock: Clock) -> bool:
        """Whether it was ever read with this clock of ours, or is known not to be told."""
        return (self._base is not None and clock.source[0] is self._source) or self._silent

    def heard(self, server: float, clock: Clock, *, tell: bool) -> None:
        """The server says that it is `server`, in seconds. tell: log by how much that is not our time."""
        monotonic = clock.monotonic()
        read = server - monotonic
        source, begun = clock.source
        if source is not self._source:
            self._base, self._source = (None if self._heard is None else self._heard - begun), source
        self._heard = server
        if self._base is None or read > self._base + TOLERANCE:
            self._base = read
        elif read < self._base - TOLERANCE:
            self._went_back(read, monotonic)
        else:
            self._back = 0.0
        if tell and self._base is not None:
            self._tell(self._base - (clock.time() - monotonic))

    def silent(self) -> None:
        """The server does not say what time it is: ours has to do."""
        if not self._silent:
            self._silent = True
            self._log("Redis does not tell its time: the servers that share it need clocks that agree")

    def _went_back(self, read: float, monotonic: float) -> None:
        """Follow when it has stayed behind for a day."""
        if self._base is None:
            return
        if abs(self._base - read - self._back) > TOLERANCE:
            self._back, self._follows = self._base - read, monotonic + PATIENCE
        elif monotonic >= self._follows:
            self._base, self._back = read, 0.0

    def _tell(self, ahead: float) -> None:
        if abs(ahead) <= TOLERANCE:
            if self._told:
                self._told = 0.0
                self._log("the clocks of Redis and of this host agree again")
        elif not self._told or abs(ahead - self._told) > CHANGED:
            self._told = ahead
            way = "ahead of" if ahead > 0 else "behind"
            seconds = abs(round(ahead))
            self._log(f"the clock of Redis is {seconds} seconds {way} ours, and what is kept there has its time")

    def shift(self, clock: Clock) -> int:
        """Seconds to add to our times for the server's; 0 while they differ by no more than `TOLERANCE`."""
        base = self._base
        if base is None:
            return 0
        exact = base - (clock.time() - clock.monotonic())
        if abs(exact - self._exact) > 1.0:
            self._exact = exact
            self._shift = round(exact) if abs(exact) > TOLERANCE else 0
        return self._shift
