"""The life of a filter behind its barrier: what it throws when it starts, reloads and stops is told, and no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from filter_api import Disconnect, Filter, Junk, Message, Proceed, Reject, Session, Verdict
from filter_api.context import Context
from filter_api.log import Logger
from filter_api.runtime.guard import Guarded, guard
from filter_api.runtime.refusals import LINE_TOO_LONG, NO_SPACE, Failed


class Failing(Filter):
    """Throws everywhere."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def preload(self) -> None:
        raise self.error

    async def started(self) -> None:
        raise self.error

    async def stopping(self) -> None:
        raise self.error

    def reload(self) -> None:
        raise self.error


class Hanging(Filter):
    """Waits for ever."""

    async def started(self) -> None:
        await asyncio.sleep(1_000)

    async def stopping(self) -> None:
        await asyncio.sleep(1_000)


def guarded(filter_: Filter) -> tuple[Guarded, list[str]]:
    lines: list[str] = []
    (member,) = guard({"one": filter_}, Context(Logger(lambda _level, line: lines.append(line))))
    return member, lines


@pytest.mark.parametrize(
    "error",
    [ImportError("no module"), SystemExit(7), KeyboardInterrupt(), MemoryError()],
    ids=lambda e: type(e).__name__,
)
def test_what_a_filter_throws_in_its_life_is_told_with_its_name(error: BaseException) -> None:
    member, lines = guarded(Failing(error))

    async def live() -> None:
        member.preload()
        await member.start()
        member.reload()
        await member.stop()

    asyncio.run(live())
    told = [line.split(" error=")[0] for line in lines if " error=" in line]
    assert told == ["one: preload", "one: started", "one: reload", "one: stopping"]
    assert all(type(error).__name__ in line for line in lines if " error=" in line)


@pytest.mark.parametrize("part", [Guarded.start, Guarded.stop])
def test_a_filter_that_hangs_can_be_left(part: Callable[[Guarded], Awaitable[None]]) -> None:
    """At the end of the process there is a second or two for all of it."""
    member, lines = guarded(Hanging())

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await part(member)

    asyncio.run(leave())
    assert lines == []


class Broken(Filter):
    """Even its failure policy throws."""

    def failed(self) -> Proceed | Reject:
        raise ZeroDivisionError("no policy")


@pytest.mark.parametrize("phase", [b"connect", b"mail-from"])
def test_a_policy_that_throws_is_told_with_the_session_and_the_client_is_to_come_again(phase: bytes) -> None:
    member, lines = guarded(Broken())
    session = Session(b"3c1bba49506bc31c")
    decided = member.decided(session, phase, None)
    assert type(decided) is (Disconnect if phase == b"connect" else Reject)
    assert decided.reply == "451 4.3.0 temporary local problem"
    assert lines[0] == 'one: 3c1bba49506bc31c library error="ZeroDivisionError: no policy"'
    lines.clear()
    verdict = member.verdict(session, None)
    assert verdict == Verdict(Reject(451, "4.3.0", "temporary local problem"))
    assert lines[0] == 'one: 3c1bba49506bc31c library error="ZeroDivisionError: no policy"'


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "illegal decision: None; did a branch forget to return?"),
        (7, "illegal decision: int"),
        (Junk(), "illegal decision: Junk()"),
        (Failed("deadline exceeded"), "deadline exceeded"),
    ],
)
def test_what_is_no_legal_decision_is_answered_by_the_policy_and_counted(result: object, reason: str) -> None:
    member, _ = guarded(Filter())
    decided = member.decided(Session(b"1"), b"commit", result)
    assert decided == Reject(451, "4.3.0", "temporary local problem")
    assert decided.facts == {"result": "failed", "reason": reason}
    assert (member.counts.failed, member.counts.timed_out) == (1, int(reason == "deadline exceeded"))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "illegal verdict: None; did a branch forget to return?"),
        (Proceed(), "illegal verdict: Proceed(); a message is answered with a Verdict"),
        ("x", "illegal verdict: str"),
    ],
)
def test_what_is_no_verdict_is_answered_by_the_policy_with_the_remedy(result: object, reason: str) -> None:
    member, _ = guarded(Filter())
    verdict = member.verdict(Session(b"1"), result)
    assert verdict == Verdict(Reject(451, "4.3.0", "temporary local problem"))
    assert verdict.facts == {"result": "failed", "reason": reason}
    assert member.counts.failed == 1


def test_a_message_that_cannot_be_read_is_refused_whatever_the_policy_and_a_full_disk_is_an_error() -> None:
    member, lines = guarded(Filter())
    assert member.verdict(Session(b"1"), Failed("x", LINE_TOO_LONG)) == Verdict(LINE_TOO_LONG)
    assert lines == []
    assert member.verdict(Session(b"1"), Failed("disk full", NO_SPACE)) == Verdict(NO_SPACE)
    assert lines == ['one: 1 spool error="disk full"']
    assert member.counts.failed == 0


def test_a_full_disk_is_a_line_of_the_level_error() -> None:
    levels: list[int] = []
    (member,) = guard({"one": Filter()}, Context(Logger(lambda level, _line: levels.append(level))))
    member.verdict(Session(b"1"), Failed("disk full", NO_SPACE))
    assert levels == [logging.ERROR]


def test_what_a_filter_throws_at_a_message_is_told_by_that_name() -> None:
    class Throwing(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            raise ZeroDivisionError("bug")

    member, lines = guarded(Throwing())
    result = member.examine(Session(b"3c1bba49506bc31c"), Message(), 0.0, 60.0)
    assert isinstance(result, Failed)
    assert lines[0] == 'one: 3c1bba49506bc31c message error="ZeroDivisionError: bug"'
