"""The ledger of questions: each is settled once, whoever is first, and none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from filter_api import Filter, Proceed, Session
from filter_api.context import Context
from filter_api.log import Logger
from filter_api.runtime.deadline import Deadlines
from filter_api.runtime.guard import guard
from filter_api.runtime.pending import Asked, Ledger, Pending
from filter_api.runtime.refusals import Failed
from filter_api.session import asking
from filter_api.testing import FakeTimeLoop

ONE, OTHER = Session(b"00000000000000aa"), Session(b"00000000000000bb")
(MEMBER,) = guard({"": Filter()}, Context())


def on_a_loop(test: Callable[[Ledger], Coroutine[Any, Any, None]]) -> None:
    loop = FakeTimeLoop()
    try:
        loop.run_until_complete(test(Ledger(Deadlines(loop, lambda error: None), lambda: None)))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


async def after(seconds: float) -> object:
    await asyncio.sleep(seconds)
    return Proceed()


def test_two_questions_of_one_session_are_settled_each_by_its_own_answer() -> None:
    async def test(ledger: Ledger) -> None:
        settled: list[str] = []
        ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(2)), 10, lambda _: settled.append("rcpt-to"))
        ledger.ask(ONE, Asked(MEMBER, "message", after(1)), 10, lambda _: settled.append("message"))
        ledger.ask(OTHER, Asked(MEMBER, "message", after(3)), 10, lambda _: settled.append("other"))
        assert len(ledger) == 3
        await asyncio.sleep(1.5)
        assert (settled, len(ledger)) == (["message"], 2)
        ledger.settle_session(ONE, "asked again")
        assert (settled, len(ledger)) == (["message", "rcpt-to"], 1)
        await asyncio.sleep(5)
        assert settled == ["message", "rcpt-to", "other"]
        assert ledger.open == {}

    on_a_loop(test)


def test_at_the_end_every_question_is_settled_with_the_reason_for_all_members() -> None:
    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        for session in (ONE, OTHER):
            ledger.ask(session, Asked(MEMBER, "rcpt-to", after(2)), 10, settled.append)
        ledger.settle_all("shutting down")
        told = [(each.reason, each.for_all) for each in settled if isinstance(each, Failed)]
        assert told == [("shutting down", True)] * 2
        assert ledger.open == {}

    on_a_loop(test)


def test_a_question_that_cannot_be_kept_raises_and_leaves_nothing() -> None:
    """The caller answers it. What the hook gave to wait for is closed, and never runs."""

    class Full(dict[bytes, Any]):
        def setdefault(self, *_: object) -> Any:  # noqa: ANN401 - as of a dict
            raise MemoryError

    async def test(ledger: Ledger) -> None:
        ledger.open = Full()
        with pytest.raises(MemoryError):
            ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(2)), 10, lambda _: pytest.fail("nobody answered"))
        assert ledger.open == {}

    on_a_loop(test)


def test_an_answer_and_a_deadline_at_the_same_time_settle_once() -> None:
    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(5)), 5, settled.append)
        await asyncio.sleep(10)
        assert len(settled) == 1

    on_a_loop(test)


def test_what_cannot_be_cancelled_is_told_with_its_session_and_its_hook() -> None:
    class Hostile:
        __class__ = property(lambda self: 1 / 0)  # what a hook may give to wait for

    lines: list[str] = []
    (member,) = guard({"one": Filter()}, Context(Logger(lambda _level, line: lines.append(line))))
    hostile: Any = Hostile()
    Pending(ONE, Asked(member, "mail-from", hostile), lambda _: None).cancel()
    assert lines[0] == 'one: 00000000000000aa mail-from error="ZeroDivisionError: division by zero"'


def test_a_hook_that_throws_while_it_is_awaited_is_told_with_its_session_and_its_name() -> None:
    lines: list[str] = []
    (member,) = guard({"one": Filter()}, Context(Logger(lambda _level, line: lines.append(line))))

    async def throw() -> object:
        await asyncio.sleep(1)
        raise ZeroDivisionError("bug")

    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        ledger.ask(ONE, Asked(member, "rcpt-to", throw()), 10, settled.append)
        await asyncio.sleep(2)
        [failed] = settled
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.for_all) == ("ZeroDivisionError in the filter", False)

    on_a_loop(test)
    assert lines[0] == 'one: 00000000000000aa rcpt-to error="ZeroDivisionError: bug"'


def test_what_is_asked_again_is_settled_for_all_members() -> None:
    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(2)), 10, settled.append)
        ledger.settle_session(ONE, "asked again")
        [failed] = settled
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.for_all) == ("asked again", True)

    on_a_loop(test)


def test_a_hook_that_waits_does_so_in_the_name_of_its_session() -> None:
    """What it asks of others takes turns by session."""

    async def whose() -> object:
        await asyncio.sleep(1)
        return asking.get()

    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        for session in (ONE, OTHER):
            ledger.ask(session, Asked(MEMBER, "rcpt-to", whose()), 10, settled.append)
        await asyncio.sleep(2)
        assert settled == [ONE.id, OTHER.id]

    on_a_loop(test)


def test_a_question_can_be_closed_twice() -> None:
    async def test(ledger: Ledger) -> None:
        pending = ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(2)), 10, lambda _: pytest.fail("it is closed"))
        pending.close()
        pending.close()
        assert not pending.open
        await asyncio.sleep(20)

    on_a_loop(test)


def test_a_session_that_goes_and_has_asked_nothing_leaves_the_questions_of_others() -> None:
    async def test(ledger: Ledger) -> None:
        settled: list[object] = []
        ledger.ask(ONE, Asked(MEMBER, "rcpt-to", after(2)), 10, settled.append)
        ledger.forget(OTHER)
        await asyncio.sleep(5)
        assert settled == [Proceed()]

    on_a_loop(test)
