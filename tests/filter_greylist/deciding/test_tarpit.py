"""The tarpit holds some, never all."""

from __future__ import annotations

import asyncio

from filter_api.testing import FakeTimeLoop
from filter_greylist.deciding.tarpit import AT_ONCE, PER_ADDRESS, Tarpit


def held(tarpit: Tarpit, addresses: list[bytes], longest: float = 8.0) -> list[float]:
    async def together() -> list[float]:
        return await asyncio.gather(*(tarpit.hold(address, longest) for address in addresses))

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(together())


def test_it_holds_for_the_time_that_was_asked_for() -> None:
    assert held(Tarpit(5.0), [b"192.0.2.1"]) == [5.0]
    assert held(Tarpit(5.0), [b"192.0.2.1"], longest=2.0) == [2.0]
    assert held(Tarpit(0.5), [b"192.0.2.1"]) == [0.5]
    assert held(Tarpit(0.0), [b"192.0.2.1"]) == [0.0]


def test_an_address_has_few_places() -> None:
    assert sorted(held(Tarpit(5.0), [b"192.0.2.1"] * 10)) == [0.0] * (10 - PER_ADDRESS) + [5.0] * PER_ADDRESS


def test_all_together_have_a_hundred() -> None:
    times = held(Tarpit(5.0), [b"%d" % number for number in range(150)])
    assert sum(time > 0 for time in times) == AT_ONCE


def test_places_become_free_again_even_if_a_session_is_cut() -> None:
    tarpit = Tarpit(5.0)

    async def cut() -> float:
        waiting = [asyncio.create_task(tarpit.hold(b"192.0.2.1", 8.0)) for _ in range(PER_ADDRESS)]
        await asyncio.sleep(1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await tarpit.hold(b"192.0.2.1", 8.0)

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        assert runner.run(cut()) == 5.0


def test_each_place_of_an_address_is_free_again_by_itself() -> None:
    tarpit = Tarpit(5.0)

    async def cut() -> list[float]:
        waiting = [asyncio.create_task(tarpit.hold(b"192.0.2.1", 8.0)) for _ in range(PER_ADDRESS)]
        await asyncio.sleep(1)
        for task in waiting[:2]:
            task.cancel()
        await asyncio.sleep(0)
        more = await asyncio.gather(*(tarpit.hold(b"192.0.2.1", 8.0) for _ in range(4)))
        await asyncio.gather(*waiting, return_exceptions=True)
        return more

    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        assert sorted(runner.run(cut())) == [0.0, 0.0, 5.0, 5.0]
    assert (tarpit._total, dict(tarpit._held)) == (0, {})
