"""A circuit breaker: a daemon that failed often in a row is left alone, and tried again from time to time.

    if not breaker.admits():
        raise BackendError(...)     # not asked at all
    ...
    breaker.succeeded()             # or breaker.failed("connection refused")

Closed: everything is let through. After `threshold` failures in a row it opens: nothing is let through but one probe
every `pause` seconds, a real question. The first answer closes it. Both changes are logged, once each, through the
logger ``filter_api.backend``; failures in between are not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from filter_api import in_use

THRESHOLD = 5
PAUSE = 10.0

_LOG = logging.getLogger("filter_api.backend")


class Breaker:
    """The state of one daemon, called `name` in the log. `pause` and `clock` are in seconds, monotonic."""

    def __init__(
        self,
        name: str,
        *,
        threshold: int = THRESHOLD,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._threshold = threshold
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._next_probe: float | None = None  # None: closed
        self._opened = 0.0
        in_use.BREAKERS.add(self)

    @property
    def is_open(self) -> bool:
        """Whether the daemon is held to be down."""
        return self._next_probe is not None

    def admits(self) -> bool:
        """Whether to ask the daemon now. While open this is True once in `pause` seconds, for the probe."""
        if self._next_probe is None:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + self._pause
        return True

    def succeeded(self) -> None:
        """The daemon gave an answer that makes sense."""
        self._failures = 0
        if self._next_probe is not None:
            self._next_probe = None
            seconds = round(self._clock() - self._opened)
            _LOG.warning("backend %s is back after %d seconds", self.name, seconds)

    def failed(self, why: str) -> None:
        """The daemon could not be asked, or what it answered makes no sense."""
        self._failures += 1
        if self._next_probe is None and self._failures >= self._threshold:
            self._opened = self._clock()
            self._next_probe = self._opened + self._pause
            _LOG.error("backend %s is down: %s (tried again every %d seconds)", self.name, why, self._pause)
