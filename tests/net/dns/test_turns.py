"""Turns at the name servers: each session waits for itself, and who is silent keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context

import pytest

from filter_api.net.dns import Answer, Resolver, Status
from filter_api.net.dns import turns as module
from filter_api.net.dns.turns import Turns
from filter_api.session import asking
from filter_api.testing.dns import FakeZone, Slow


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to wait long for what is silent."""
    monkeypatch.setattr(module, "SOON", 0.02)


def asked_by(session: bytes, question: Callable[[], Awaitable[str]], turns: Turns) -> asyncio.Task[str]:
    """The question as a task of that session."""

    async def ask() -> str:
        asking.set(session)
        try:
            async with asyncio.timeout(20) as limit:
                return await turns.ask(limit, question, question)
        except TimeoutError:
            return "ended"

    return asyncio.get_running_loop().create_task(ask(), context=copy_context())


class InOrder:
    """A backend that waits until `go`, and then keeps the order in which it is asked."""

    def __init__(self, zone: FakeZone) -> None:
        self.zone = zone
        self.go = asyncio.Event()
        self.asked: list[str] = []

    async def query(self, name: str, kind: str, timeout: float) -> Answer:
        """The answer of the zone."""
        await self.go.wait()
        self.asked.append(name)
        return await self.zone.query(name, kind, timeout)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_sessions_take_turns_however_many_questions_one_has() -> None:
    async def run() -> None:
        turns = Turns(1, 0)
        order: list[str] = []
        go = asyncio.Event()

        def named(name: str) -> Callable[[], Awaitable[str]]:
            async def question() -> str:
                await go.wait()
                order.append(name)
                return name

            return question

        asked = [asked_by(b"a", named(f"a{number}"), turns) for number in range(5)]
        asked += [asked_by(session, named(name), turns) for session, name in ((b"b", "b0"), (b"c", "c0"), (b"b", "b1"))]
        await settled()
        go.set()
        await asyncio.gather(*asked)
        assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3", "a4"]

    asyncio.run(run())


def test_a_question_of_two_sessions_has_the_first_of_their_turns() -> None:
    """And who asked first loses none by it."""

    async def run() -> None:
        zone = {(f"{name}.example", "A"): ["192.0.2.1"] for name in ("a1", "a2", "a3", "shared", "a4", "b1")}
        backend = InOrder(FakeZone(zone))
        resolver = Resolver(backend=backend, parallel=1)

        async def ask(session: bytes, *names: str) -> None:
            asking.set(session)
            await asyncio.gather(*(resolver.resolve(f"{name}.example", "A") for name in names))

        first = asyncio.create_task(ask(b"a", "a1", "a2", "a3", "shared", "a4"))
        await settled()
        second = asyncio.create_task(ask(b"b", "shared", "shared", "b1"))
        await settled()
        backend.go.set()
        await asyncio.gather(first, second)
        assert [name.removesuffix(".example") for name in backend.asked] == ["a1", "a2", "shared", "a3", "b1", "a4"]

    asyncio.run(run())


@pytest.mark.usefixtures("soon")
def test_the_other_places_of_a_question_that_had_its_turn_make_nobody_wait() -> None:
    async def run() -> None:
        turns = Turns(1, 0)
        go = asyncio.Event()

        async def until_go() -> str:
            await go.wait()
            return "gone"

        async def late() -> str:
            await asyncio.sleep(0.1)
            return "late"

        first = asked_by(b"a", until_go, turns)
        await settled()
        second = asked_by(b"a", late, turns)
        await settled()
        for session in (b"b", b"c"):
            asking.set(session)
            turns.also(late)
        assert turns.wanted
        go.set()
        assert await first == "gone"
        await settled()
        assert not turns.wanted
        assert await second == "late", "it was not ended for somebody who waits"
        assert await asked_by(b"d", late, turns) == "late", "and its turn was given back once"

    asyncio.run(run())


@pytest.mark.usefixtures("soon")
def test_who_wants_a_question_whose_turn_has_just_come_makes_nobody_wait_either() -> None:
    async def run() -> None:
        turns = Turns(2, 0)
        go, never = asyncio.Event(), asyncio.Event()

        async def until_go() -> str:
            await go.wait()
            return "gone"

        async def nothing() -> str:
            await never.wait()
            return "answered"

        async def at_once() -> str:
            return "at once"

        async def want() -> None:
            await go.wait()
            asking.set(b"c")
            turns.also(nothing)

        first = [asked_by(b"a", until_go, turns) for _ in range(2)]
        await settled()
        silent = asked_by(b"b", nothing, turns)
        wanting = asyncio.create_task(want())
        await settled()
        go.set()
        await asyncio.gather(*first, wanting)
        assert await asked_by(b"d", at_once, turns) == "at once"
        assert not silent.done(), "one of the two turns was free"
        never.set()
        assert await silent == "answered"

    asyncio.run(run())


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("silent", [0, 1, 5, 100])
def test_questions_that_are_silent_are_bounded_and_the_others_get_their_turns(silent: int) -> None:
    async def run() -> None:
        turns = Turns(2, silent)
        never = asyncio.Event()

        async def nothing() -> str:
            await never.wait()
            return "answered"

        async def at_once() -> str:
            return "at once"

        mute = [asked_by(b"a", nothing, turns) for _ in range(40)]
        await asyncio.sleep(0)
        assert await asked_by(b"b", at_once, turns) == "at once"
        while turns.wanted:
            await asyncio.sleep(0.01)
        out = [task for task in mute if not task.done()]
        assert len(out) <= silent + 2
        never.set()
        answers = await asyncio.gather(*mute)
        assert answers.count("answered") == len(out)
        assert answers.count("ended") == 40 - len(out)
        fresh = [asked_by(b"c", at_once, turns) for _ in range(10)]
        assert set(await asyncio.gather(*fresh)) == {"at once"}, "every turn was given back"

    asyncio.run(run())


@pytest.mark.usefixtures("soon")
def test_a_silent_question_goes_on_while_nobody_waits() -> None:
    async def run() -> None:
        turns = Turns(1, 0)

        async def late() -> str:
            await asyncio.sleep(0.1)
            return "late"

        assert await asked_by(b"a", late, turns) == "late"

    asyncio.run(run())


def test_who_no_longer_waits_passes_the_turn_on() -> None:
    async def run() -> None:
        turns = Turns(1)
        go = asyncio.Event()

        async def until_go() -> str:
            await go.wait()
            return "gone"

        async def at_once() -> str:
            return "at once"

        first = asked_by(b"a", until_go, turns)
        await settled()
        waiting = [asked_by(b"b", at_once, turns) for _ in range(3)]
        last = asked_by(b"c", at_once, turns)
        await settled()
        waiting[0].cancel()
        go.set()
        await asyncio.sleep(0)
        for task in waiting[1:]:
            task.cancel()  # one of them just as its turn comes
        assert await first == "gone"
        assert await asyncio.wait_for(last, 5) == "at once"
        assert await asyncio.wait_for(asked_by(b"d", at_once, turns), 5) == "at once"

    asyncio.run(run())


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("strangers", [1, 20])
def test_name_servers_of_strangers_that_are_silent_hide_no_answer(strangers: int) -> None:
    """By one session with many questions, or many with some."""

    async def run() -> None:
        zone = {(f"{number}.silent.example", "A"): Slow(60.0) for number in range(200)}
        backend = FakeZone({**zone, ("good.example", "A"): ["192.0.2.1"]})
        resolver = Resolver(backend=backend, parallel=4, timeout=2.0)

        async def mute(session: int, numbers: range) -> None:
            asking.set(b"%d" % session)
            await asyncio.gather(*(resolver.resolve(f"{number}.silent.example", "A") for number in numbers))

        each = 200 // strangers
        asked = [asyncio.create_task(mute(n, range(n * each, n * each + each))) for n in range(strangers)]
        await settled()
        asking.set(b"honest")
        assert (await resolver.resolve("good.example", "A")).status is Status.OK
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(run())
