"""Whom a filter asks about clients: the resolver, the self tests, and who is told of lists in trouble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filter_api.figures import Figure, counter, gauge
from filter_api.net.dns import Resolver
from filter_api.net.dnsbl.entries import Zone
from filter_api.net.dnsbl.inquiry import Inquiry
from filter_api.net.dnsbl.names import IPV6
from filter_api.net.dnsbl.selftest import SelfTests

_WORDS: Final = {True: "listed", False: "clear", None: "trouble"}
"""Of what a list answers."""

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
        self._answers: dict[str, tuple[Zone, dict[bool | None, int]]] = {}

    def inquiry(self) -> Inquiry:
        """A new one, for a session or a message."""
        return Inquiry(self._resolver, self._tests, self._trouble, self._count)

    def figures(self) -> list[Figure]:
        """What each list said, under its public name, and whether it counts."""
        found = []
        for shown, (zone, answers) in self._answers.items():
            good = self._tests is None or not self._tests.is_off(zone)
            found.append(gauge("dnsbl_list_good", "Whether its self test has not failed.", good, list=shown))
            for listed, word in _WORDS.items():
                labels = {"list": shown, "answer": word}
                found.append(counter("dnsbl_answers", "Answers of lists.", answers[listed], **labels))
        return found

    def _count(self, zone: Zone, kind: str, listed: bool | None) -> None:
        """One answer. A list that knows no IPv6 is no trouble."""
        if zone.shown not in self._answers:
            self._answers[zone.shown] = zone, dict.fromkeys(_WORDS, 0)
        if listed is not None or kind != IPV6:
            self._answers[zone.shown][1][listed] += 1

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
