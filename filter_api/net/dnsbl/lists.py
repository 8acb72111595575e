"""Whom a filter asks about clients: the resolver, the self tests, and who is told of lists in trouble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filter_api.net.dns import Resolver
from filter_api.net.dnsbl.entries import Zone
from filter_api.net.dnsbl.inquiry import Inquiry
from filter_api.net.dnsbl.selftest import SelfTests

TOLD_EVERY: Final = 3600.0
"""Seconds between two complaints of one list."""


class Lists:
    """Makes inquiries. `tests` is None where lists are believed untested.

    `tell` gets the public name of a list in trouble and what is wrong with it, once an hour by `clock` (seconds).
    """

    def __init__(
        self,
        resolver: Resolver,
        tests: SelfTests | None,
        tell: Callable[[str, str], None] = lambda _list, _why: None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._resolver = resolver
        self._tests = tests
        self._tell = tell
        self._clock = clock
        self._told: dict[str, float] = {}

    def inquiry(self) -> Inquiry:
        """A new one, for a session or a message."""
        return Inquiry(self._resolver, self._tests, self._trouble)

    def retest(self) -> None:
        """Test every list again when it is next asked."""
        if self._tests is not None:
            self._tests.repeat()

    def _trouble(self, zone: Zone, why: str) -> None:
        """Told by the inquiries, for every question; the lists are the operator's, so they are few."""
        now = self._clock()
        if now >= self._told.get(zone.shown, now):
            self._told[zone.shown] = now + TOLD_EVERY
            self._tell(zone.shown, why)
