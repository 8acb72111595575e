"""What a greylist does beside its decisions: remove what has expired, tell others it is there, watch the clock.

Every `BEAT_SECONDS` a filter that serves a primary MX notes the time in the store, and one with -M reads it; the other
way round, too, as the primary notes its clients only for somebody with -M. A round
through the expired records goes in small steps with pauses, so that decisions never wait for it; after a jump of the
clock there is none for a day.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from filter_api.figures import Figure, counter, gauge
from filter_greylist.deciding.clock import SteadyClock
from filter_greylist.deciding.owner import Owner
from filter_greylist.deciding.trap import BEAT_SECONDS
from filter_greylist.rules.records import Move
from filter_greylist.store.background import end
from filter_greylist.store.base import StoreError

SWEEP_SECONDS = 300.0
PAUSE = 0.02

SETTLE_SECONDS = 2.0
"""For so long decisions wait until the store has followed a step of the clock."""

BEAT = "primary"
LOW_PRIORITY = "low-priority"
SETTINGS = "settings"


class Upkeep:
    """The background task of one filter."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._told_jump = False
        self._compared: SteadyClock | None = None
        self._following: asyncio.Task[None] | None = None
        self._rounds = 0
        self._ended = 0.0

    def figures(self) -> list[Figure]:
        """Whether what has expired is removed."""
        return [
            counter("greylist_rounds", "Rounds through the records, to remove what has expired.", self._rounds),
            gauge("greylist_round_seconds", "When the last of them ended; 0 for never.", self._ended),
        ]

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        """Go round for ever; a store that is out of order is tried again the next time."""
        first = True
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while True:
            try:
                if first:
                    await self._first()
                    first = False
                await self.beat()
                if loop.time() - swept >= SWEEP_SECONDS:
                    await self.sweep()
                    swept = loop.time()
            except StoreError as error:
                self._owner.log.debug(None, "upkeep", error=error)
            await asyncio.sleep(BEAT_SECONDS)

    async def compare_clock(self) -> None:
        """Ask this host's store when it was written: was that clock ahead of ours? The first decision waits for it."""
        owner, clock = self._owner, self._owner.clock
        try:
            written = await owner.store.witnessed()
        finally:
            self._compared = clock  # only now: a decision that comes meanwhile compares, too
        if written is not None and (behind := clock.distrust(written)):
            self._told_jump = True
            owner.log.warning(None, "clock", behind=behind, note="nothing expires for a day")

    async def _first(self) -> None:
        """Leave the settings for the operator's tool, and compare the clocks if that was not possible before."""
        owner = self._owner
        await owner.store.note(SETTINGS, settings_text(owner).encode("ascii"))
        await self.compare_clock()

    @property
    def unsettled(self) -> bool:
        """Whether the clock was not compared yet, or followed a step and the store has not done so."""
        clock = self._owner.clock
        return clock.moved or clock is not self._compared or not (self._following is None or self._following.done())

    async def settle(self) -> None:
        """Let the store follow the clock; goes on in the background if that takes long."""
        if self._owner.clock is not self._compared:
            with contextlib.suppress(StoreError):  # whoever asks it something will tell
                await self.compare_clock()
            self._owner.clock.now()
        if (moves := self._owner.clock.moves()) or self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow(moves, self._following))
        await asyncio.wait({self._following}, timeout=SETTLE_SECONDS)

    async def _follow(self, moves: Sequence[Move], earlier: asyncio.Task[None] | None) -> None:
        owner = self._owner
        if earlier is not None:
            await asyncio.wait({earlier})
        for move in moves:
            owner.log.warning(None, "clock", jump=move.by, note="followed, and what is remembered moves with it")
            try:
                await owner.store.redate(move, owner.own.timers)
            except StoreError as error:
                owner.log.warning(None, "clock", note="what is remembered did not follow", error=error)

    async def beat(self) -> None:
        """Give and take signs of life; follow the clock."""
        owner, now = self._owner, self._owner.clock.now()
        if self.unsettled:
            await self.settle()
        if owner.clock.suspended and not self._told_jump:
            owner.log.warning(None, "clock", jump=owner.clock.jump, note="nothing expires for a day")
        self._told_jump = owner.clock.suspended
        if not owner.clock.suspended and not owner.clock.doubtful:
            await owner.store.witness(now)
        if owner.low_mx.wanted:
            await owner.store.mark(LOW_PRIORITY, now)
        if owner.low_mx.is_primary:
            await owner.store.mark(BEAT, now)
            asked = await owner.store.marked(LOW_PRIORITY)
            owner.low_mx.asked(None if asked is None else now - asked)
        elif owner.low_mx.wanted and not owner.store.falling_back:
            beat = await owner.store.marked(BEAT)
            if beat is not None:
                owner.low_mx.heard(owner.monotonic(), now - beat)

    async def sweep(self) -> None:
        """One round through what has expired."""
        owner, going = self._owner, True
        while going and not owner.clock.suspended:
            going = await owner.store.sweep(owner.clock.now())
            await asyncio.sleep(PAUSE)
        if not going:
            self._rounds += 1
            self._ended = owner.wall()


def settings_text(owner: Owner) -> str:
    """The options that a record depends on, as they would stand in a command line."""
    passes, grey, white = owner.own.timers
    v4, v6 = owner.own.prefixes
    return f"-G {passes // 60}:{grey // 3600}:{white // 3600} -k {v4}:{v6}"
