"""What the greylist does beside its decisions: rounds, signs of life, and the clock of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filter_api.figures import Figure
from filter_api.testing import FakeTimeLoop
from filter_greylist.deciding.clock import SteadyClock
from filter_greylist.deciding.upkeep import Upkeep
from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.records import Kind, Life, Move, Record, Timers
from filter_greylist.store.base import StoreError
from tests.filter_greylist.smtp import Smtpd

NOW = 1_800_000_000


class Remembering:
    """A store that notes what it is asked to do. Each of `failures` is raised by the next call of that name."""

    falling_back = False

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.failures: list[str] = []
        self.marks: dict[str, int | None] = {}
        self.written: int | None = None
        self.slow = 0.0
        self.steps = 1

    def _does(self, *what: Any) -> None:  # noqa: ANN401 - a name and whatever it was called with
        if what[0] in self.failures:
            self.failures.remove(what[0])
            raise StoreError("the disk is full")
        self.done.append(what)

    async def note(self, name: str, value: bytes) -> None:
        self._does("note", name, value)

    async def mark(self, name: str, now: int) -> None:
        self._does("mark", name, now)

    async def marked(self, name: str) -> int | None:
        self._does("marked", name)
        return self.marks.get(name)

    async def witness(self, now: int) -> None:
        self._does("witness", now)

    async def witnessed(self) -> int | None:
        self._does("witnessed")
        return self.written

    async def redate(self, move: Move, timers: Timers) -> None:
        await asyncio.sleep(self.slow)
        self._does("redate", move.by, timers)

    async def sweep(self, now: int) -> bool:
        self._does("sweep", now)
        self.steps -= 1
        return self.steps > 0

    def times(self, name: str) -> int:
        return sum(each[0] == name for each in self.done)


class LowMx:
    """What is known of the other MX."""

    def __init__(self, *, wanted: bool = False, is_primary: bool = False) -> None:
        self.wanted = wanted
        self.is_primary = is_primary
        self.ages: list[float | None] = []

    def asked(self, age: float | None) -> None:
        self.ages.append(age)

    def heard(self, now: float, age: float) -> None:
        self.ages += [now, age]


class Kept:
    """An owner of an upkeep. Its clocks go with the loop; `ahead` is by how much the one on the wall was set."""

    def __init__(self, low_mx: LowMx | None = None) -> None:
        self.ahead = 0.0
        self.log: list[tuple[Any, ...]] = []
        self.store = Remembering()
        self.low_mx = low_mx or LowMx()
        self.own = SimpleNamespace(timers=Timers(), prefixes=Prefixes())

    def begin(self) -> Upkeep:
        self.monotonic = asyncio.get_running_loop().time
        self.wall: Callable[[], float] = lambda: NOW + self.monotonic() + self.ahead
        self.clock = SteadyClock(self.wall, self.monotonic)

        def told(level: str) -> Callable[..., None]:
            return lambda session, what, **facts: self.log.append(
                (level, session, what, {name: str(value) for name, value in facts.items()})
            )

        owner: Any = SimpleNamespace(**vars(self))
        owner.log = SimpleNamespace(debug=told("debug"), warning=told("warning"))
        return Upkeep(owner)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a time of its own."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        runner.run(work())


def test_it_leaves_the_settings_gives_a_sign_each_15_seconds_and_makes_a_round_each_five_minutes() -> None:
    async def inside() -> None:
        kept = Kept()
        upkeep = kept.begin()
        upkeep.start()
        await asyncio.sleep(299)
        assert kept.store.done[0] == ("note", "settings", b"-G 25:4:864 -k 24:64")
        assert (kept.store.times("note"), kept.store.times("witness"), kept.store.times("sweep")) == (1, 20, 0)
        await asyncio.sleep(2)
        assert kept.store.times("sweep") == 1
        await asyncio.sleep(310)
        assert (kept.store.times("note"), kept.store.times("sweep")) == (1, 2)
        await upkeep.stop()
        seen = len(kept.store.done)
        await asyncio.sleep(600)
        assert len(kept.store.done) == seen, "it has ended"

    run(inside)


def test_one_that_has_not_begun_can_be_stopped() -> None:
    async def inside() -> None:
        await Kept().begin().stop()

    run(inside)


def test_a_store_out_of_order_is_told_and_tried_again() -> None:
    async def inside() -> None:
        kept = Kept()
        kept.store.failures = ["note", "witness"]
        upkeep = kept.begin()
        upkeep.start()
        await asyncio.sleep(50)
        trouble = ("debug", None, "upkeep", {"error": "the disk is full"})
        assert kept.log == [trouble, trouble]
        assert (kept.store.times("note"), kept.store.times("witness")) == (1, 2)
        await upkeep.stop()

    run(inside)


def test_a_clock_behind_the_store_is_told_once_and_nothing_is_written_or_removed() -> None:
    async def inside() -> None:
        kept = Kept()
        kept.store.written = NOW + 7200
        upkeep = kept.begin()
        await upkeep.compare_clock()
        await upkeep.beat()
        await upkeep.sweep()
        assert kept.log == [("warning", None, "clock", {"behind": "7200", "note": "nothing expires for a day"})]
        assert (kept.store.times("witness"), kept.store.times("sweep")) == (0, 0)

    run(inside)


def test_a_jump_is_told_once() -> None:
    async def inside() -> None:
        kept = Kept()
        upkeep = kept.begin()
        await upkeep.beat()
        kept.ahead = 7200.0
        for _ in range(3):
            await upkeep.beat()
        assert kept.log == [("warning", None, "clock", {"jump": "7200", "note": "nothing expires for a day"})]
        assert kept.store.times("witness") == 1

    run(inside)


def test_a_clock_that_cannot_be_compared_is_no_trouble() -> None:
    async def inside() -> None:
        kept = Kept()
        kept.store.failures = ["witnessed"]
        upkeep = kept.begin()
        assert upkeep.unsettled
        await upkeep.settle()
        assert not upkeep.unsettled
        assert kept.log == []

    run(inside)


def test_what_is_remembered_follows_each_step_one_after_the_other() -> None:
    async def inside() -> None:
        kept = Kept()
        upkeep = kept.begin()
        kept.store.slow = 86_410.0
        for by in (7200, 9000):
            kept.ahead += by
            kept.clock.now()
            await asyncio.sleep(86_400)
            kept.clock.now()
            asked = kept.monotonic()
            await upkeep.settle()
            assert kept.monotonic() - asked == 2.0, "nobody waits longer"
            kept.store.slow = 0.5
        await asyncio.sleep(20)
        followed = "followed, and what is remembered moves with it"
        assert kept.log == [("warning", None, "clock", {"jump": str(by), "note": followed}) for by in (7200, 9000)]
        assert [each for each in kept.store.done if each[0] == "redate"] == [
            ("redate", 7200, Timers()),
            ("redate", 9000, Timers()),
        ]

    run(inside)


def test_a_store_that_does_not_follow_is_told() -> None:
    async def inside() -> None:
        kept = Kept()
        upkeep = kept.begin()
        await upkeep.settle()
        kept.store.failures = ["redate"]
        kept.ahead = 7200.0
        kept.clock.now()
        await asyncio.sleep(86_400)
        kept.clock.now()
        await upkeep.settle()
        assert kept.log[1:] == [
            ("warning", None, "clock", {"note": "what is remembered did not follow", "error": "the disk is full"})
        ]

    run(inside)


def test_a_primary_gives_signs_and_hears_of_the_other_mx() -> None:
    async def inside() -> None:
        kept = Kept(LowMx(is_primary=True))
        kept.store.marks = {"low-priority": NOW - 30}
        await kept.begin().beat()
        kept.store.marks = {}
        await kept.begin().beat()
        signs = [each for each in kept.store.done if each[0].startswith("mark")]
        assert signs == [("mark", "primary", NOW), ("marked", "low-priority")] * 2
        assert kept.low_mx.ages == [30, None]

    run(inside)


def test_one_with_option_m_says_so_and_listens_for_the_primary() -> None:
    async def inside() -> None:
        kept = Kept(LowMx(wanted=True))
        kept.store.marks = {"primary": NOW - 20}
        await kept.begin().beat()
        assert kept.low_mx.ages == [0.0, 20]
        kept.store.falling_back = True
        await kept.begin().beat()
        kept.store.falling_back, kept.store.marks = False, {}
        await kept.begin().beat()
        signs = [each for each in kept.store.done if each[0].startswith("mark")]
        sign, look = ("mark", "low-priority", NOW), ("marked", "primary")
        assert signs == [sign, look, sign, sign, look], "a store that stands in has no sign of the primary"
        assert kept.low_mx.ages == [0.0, 20]

    run(inside)


def test_one_that_is_neither_gives_and_takes_no_signs() -> None:
    async def inside() -> None:
        kept = Kept()
        await kept.begin().beat()
        assert not any(each[0].startswith("mark") for each in kept.store.done)

    run(inside)


def test_a_round_has_as_many_steps_as_the_store_needs() -> None:
    async def inside() -> None:
        kept = Kept()
        kept.store.steps = 3
        await kept.begin().sweep()
        assert kept.store.times("sweep") == 3

    run(inside)


def test_rounds_and_the_end_of_the_last_one_are_figures(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        upkeep = smtpd.filter.upkeep
        rounds = "Rounds through the records, to remove what has expired."
        ended = "When the last of them ended; 0 for never."
        assert upkeep.figures() == [
            Figure("greylist_rounds", "counter", rounds, 0, {}),
            Figure("greylist_round_seconds", "gauge", ended, 0.0, {}),
        ]
        for _ in range(2):
            smtpd.loop.run_until_complete(upkeep.sweep())
        assert [figure.value for figure in upkeep.figures()] == [2, NOW]


def test_while_the_clock_is_in_doubt_no_round_is_made(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.put([Record(Kind.WHITE, b"192.0.2.1", Life(NOW, NOW, NOW + 10))])
        smtpd.hands.jump(5 * 3600)
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
        assert [figure.value for figure in smtpd.filter.upkeep.figures()] == [0, 0.0]
        assert len(smtpd.records(Kind.WHITE)) == 1
