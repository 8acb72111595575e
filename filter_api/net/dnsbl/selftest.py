"""The self test of RFC 5782, section 5: a list that works lists 127.0.0.2 and not 127.0.0.1.

For IPv6 these are ::ffff:7f00:2 and ::ffff:7f00:1, for lists of domains TEST and INVALID. Without it a list that ended
would list nobody, or everybody. A list is tested when it is first asked, and again every hour; where the DNS does not
answer, after a minute. Until then what was known holds.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Final

from filter_api.net.dns import Resolver
from filter_api.net.dnsbl.answers import read_answer
from filter_api.net.dnsbl.entries import Zone
from filter_api.net.dnsbl.names import DOMAIN, IPV4, IPV6

EVERY: Final = 3600.0
AGAIN: Final = 60.0

_NIBBLES: Final = "0.0.0.0.0.f.7.f.f.f.f." + ".".join("0" * 20)  # of ::ffff:7f00:0, without the last
_POINTS: Final = {
    IPV4: ("2.0.0.127", "1.0.0.127"),
    IPV6: ("2." + _NIBBLES, "1." + _NIBBLES),
    DOMAIN: ("test", "invalid"),
}


class Standing(enum.Enum):
    """What the self test of a list says of it."""

    PASSED = "passed"
    OFF = "off"  # it lists nobody or everybody
    UNKNOWN = "unknown"  # the DNS did not answer, or the list refuses our questions


class _Known:
    """One list and kind of question. `task` is the test under way."""

    __slots__ = ("standing", "task", "until", "why")

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.why = ""
        self.until = 0.0
        self.task: asyncio.Task[None] | None = None


class SelfTests:
    """Tests lists and remembers. `clock` is monotonic, in seconds; one for a process, so that a list is tested once."""

    def __init__(self, resolver: Resolver, clock: Callable[[], float]) -> None:
        self._resolver = resolver
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}

    def standing(self, zone: Zone, kind: str) -> Standing | None:
        """What is known of a list, None before its first test has ended; begins a test that is due."""
        known = self._current(zone, kind)
        if known.task is None and self._clock() >= known.until:
            loop = asyncio.get_running_loop()
            known.task = loop.create_task(self._test(known, zone, kind))
        return known.standing

    def why(self, zone: Zone, kind: str) -> str:
        """What was wrong in the last test; empty if nothing was. Never holds a key."""
        return self._current(zone, kind).why

    def is_off(self, zone: Zone) -> bool:
        """Whether a list does not count now; one that knows no IPv6 does. Begins nothing."""
        tested = [self._known.get((zone.name, kind)) for kind in (IPV4, DOMAIN)]
        return any(known is not None and known.standing is Standing.OFF for known in tested)

    async def settled(self, zone: Zone, kind: str) -> Standing:
        """The same, waited for."""
        standing = self.standing(zone, kind)
        task = self._current(zone, kind).task
        if standing is None and task is not None:
            await asyncio.shield(task)
            standing = self._current(zone, kind).standing
        return standing or Standing.UNKNOWN

    def repeat(self) -> None:
        """Test every list again when it is next asked; until then what was known holds."""
        for known in self._known.values():
            known.until = 0.0

    def _current(self, zone: Zone, kind: str) -> _Known:
        return self._known.setdefault((zone.name, kind), _Known())

    async def _test(self, known: _Known, zone: Zone, kind: str) -> None:
        try:
            standing, why = await self._result(zone, kind)
            known.until = self._clock() + (AGAIN if standing is Standing.UNKNOWN else EVERY)
            known.why = why
            if standing is not Standing.UNKNOWN or known.standing is None:
                known.standing = standing
        finally:
            known.task = None

    async def _result(self, zone: Zone, kind: str) -> tuple[Standing, str]:
        asked = [self._resolver.resolve(f"{point}.{zone.name}", "A") for point in _POINTS[kind]]
        listed, free = [read_answer(zone, answer) for answer in await asyncio.gather(*asked)]
        broken = [reading for reading in (listed, free) if reading.broken]
        if broken:
            return Standing.OFF, broken[0].trouble
        if free.addresses:
            return Standing.OFF, "lists its test entry for what is never listed, so it may list everybody"
        if listed.trouble or free.trouble:
            return Standing.UNKNOWN, listed.trouble or free.trouble
        if not listed.addresses:
            return Standing.OFF, "does not list its test entry, so it may list nobody"
        return Standing.PASSED, ""
