"""The life of a filter behind its barrier: what it throws when it starts, reloads and stops is told, and no more."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable

import pytest

from filter_api import (
    AddHeader,
    CannotCheck,
    CommonOptions,
    Decision,
    Disconnect,
    Failure,
    Filter,
    Junk,
    Message,
    Proceed,
    Reject,
    Session,
    Verdict,
)
from filter_api.bounds import MAX_FIGURES
from filter_api.context import Context
from filter_api.figures import Figure, gauge
from filter_api.log import Logger
from filter_api.message.spool import SpoolError
from filter_api.protocol.events import Request
from filter_api.runtime import decision_log
from filter_api.runtime.guard import Guarded, awaited, guard, is_late
from filter_api.runtime.refusals import LINE_TOO_LONG, NO_SPACE, Failed
from tests.support.scarcity import once


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


def guarded(filter_: Filter, clock: Callable[[], float] = lambda: 0.0) -> tuple[Guarded, list[str]]:
    lines: list[str] = []
    log = Logger(lambda _level, line: lines.append(line))
    (member,) = guard({"one": filter_}, Context(log, monotonic=clock))
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


SESSION = Session(b"3c1bba49506bc31c")
HEAD = "one: 3c1bba49506bc31c"


class Clock:
    """Jumps by `step` while a hook is called."""

    now, step = 100.0, 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *_: object) -> Decision:
        self.now += self.step
        return Proceed()

    def fail(self, *_: object, **__: object) -> Decision:
        raise ZeroDivisionError("bug")


def test_what_a_hook_throws_is_told_with_its_session_and_name_and_counted() -> None:
    member, lines = guarded(Filter())
    ask = member.asking("helo", Clock().fail)
    for count in (1, 2):
        lines.clear()
        result = ask(SESSION, b"x")
        assert isinstance(result, Failed)
        assert (result.reason, result.refusal) == ("ZeroDivisionError in the filter", None)
        assert lines[0] == f'{HEAD} helo error="ZeroDivisionError: bug"'
        assert member.counts.exceptions == count
    lines.clear()
    member.telling("tx-mail", Clock().fail)(SESSION, [])  # type: ignore[arg-type]  # it throws
    assert lines[0] == f'{HEAD} tx-mail error="ZeroDivisionError: bug"'


@pytest.mark.parametrize("step", [1.0, 1.001])
def test_a_hook_that_blocks_for_more_than_a_second_is_told_with_its_session_and_name_once(step: float) -> None:
    clock = Clock()
    clock.step = step
    member, lines = guarded(Filter(), clock)
    told = [] if step == 1.0 else [f"{HEAD} stalled hook={hook} seconds=1.001" for hook in ("helo", "tx-mail")]
    assert member.asking("helo", clock.work)(SESSION, b"x") == Proceed()
    assert member.watch.last == clock.now
    member.telling("tx-mail", clock.work)(SESSION, [])  # type: ignore[arg-type]  # what it returns is dropped
    assert member.watch.last == clock.now
    assert lines == told
    assert member.watch.told is (told != [])


def test_a_message_is_asked_about_with_the_time_it_has_and_one_that_blocks_is_told() -> None:
    clock = Clock()
    clock.step = 2.0

    class Looking(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            clock.work()
            return Verdict()

    member, lines = guarded(Looking(), clock)
    for until, deadline in ((500.0, 160.0), (120.0, 120.0)):
        clock.now = 100.0
        message = Message()
        assert member.examine(SESSION, message, 100.0, until) == Verdict()
        assert (message.queued_at, message.deadline) == (100.0, deadline)
        assert member.watch.last == 102.0
    assert lines == [f"{HEAD} stalled hook=message seconds=2.0"] * 2


def test_who_cannot_check_and_who_has_no_room_say_why_and_count_as_no_mistake() -> None:
    member, lines = guarded(Filter())
    failed = [member.failure(SESSION, "helo", error) for error in (CannotCheck("down"), SpoolError("full"))]
    assert [(each.reason, each.refusal) for each in failed] == [("down", None), ("full", NO_SPACE)]
    assert member.counts.exceptions == 0
    assert lines == []


def test_where_the_log_fails_too_the_reason_says_so() -> None:
    member, _ = guarded(Filter())
    member.filter.log.sink = Clock().fail  # type: ignore[assignment]  # as of any function
    assert member.failure(SESSION, "helo", ValueError("x")).reason == "a hook failed, and so did the log of it"
    member.broke(SESSION, ValueError("x"))
    member.stalled(SESSION, "helo", 2.0)


@pytest.mark.parametrize(("phase", "kind"), [(b"connect", Disconnect), (b"helo", Reject)])
def test_the_policy_refuses_with_its_own_reply_and_says_why(phase: bytes, kind: type[Decision]) -> None:
    member, _ = guarded(Filter())
    member.filter.options.failure = Failure.REJECT
    decided = member.decided(SESSION, phase, Failed("down"))
    assert type(decided) is kind
    assert isinstance(decided, Reject | Disconnect)
    assert decided.reply == "550 5.3.0 message cannot be checked here"
    assert decided.facts == {"result": "failed", "reason": "down"}
    member.filter.options.failure = Failure.ACCEPT
    accepted = member.decided(SESSION, phase, Failed("down"))
    assert (accepted, accepted.facts) == (Proceed(), {"result": "failed", "reason": "down"})
    assert member.counts.failed == 2


@pytest.mark.parametrize("tempfail", [Reject(452, None, "own words"), "none"])
def test_a_message_that_nobody_can_mark_does_not_pass(tempfail: object) -> None:
    class Unmarked(Filter):
        def unchecked(self) -> list[AddHeader]:
            raise ZeroDivisionError("bug")

    member, lines = guarded(Unmarked())
    member.filter.options.failure = Failure.ACCEPT
    member.filter.tempfail = tempfail  # type: ignore[assignment, misc]  # which may be anything
    verdict = member.verdict(SESSION, Failed("down"))
    reply = "452 own words" if tempfail != "none" else "451 4.3.0 temporary local problem"
    assert isinstance(verdict.decision, Reject)
    assert verdict.decision.reply == reply
    assert verdict.facts == {"result": "failed", "reason": "down"}
    assert lines[0] == f'{HEAD} message error="ZeroDivisionError: bug"'


def test_a_log_that_cannot_be_made_is_told_as_a_mistake_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    member, lines = guarded(Filter())
    monkeypatch.setattr(decision_log, "decision", Clock().fail)
    monkeypatch.setattr(decision_log, "of_message", Clock().fail)
    member.tell_decision(SESSION, Request(b"helo", SESSION.id, b"1", b"x"), Junk())
    assert member.line_of(SESSION, Message(), Verdict(), 0.0) is None
    assert [line for line in lines if "error=" in line] == [f'{HEAD} library error="ZeroDivisionError: bug"'] * 2
    lines.clear()
    member.filter.log.sink = once(member.filter.log.sink)  # type: ignore[assignment]  # as of any function
    member.write((logging.INFO, SESSION, "message", {}))
    assert lines[0] == 'one: library error="MemoryError: "'


def test_figures_that_cannot_be_made_are_told_and_there_are_none() -> None:
    class Figureless(Filter):
        def figures(self) -> list[Figure]:
            raise ZeroDivisionError("bug")

    member, lines = guarded(Figureless())
    assert member.figures() == []
    assert lines[0] == 'one: figures error="ZeroDivisionError: bug"'


def test_an_awaitable_that_gives_an_awaitable_is_no_decision() -> None:
    async def never() -> None:
        raise AssertionError

    waiting = never()
    result = awaited(waiting)
    assert inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED, "it would complain that nobody awaited it"
    assert isinstance(result, Failed)
    assert result.reason == "illegal decision: an awaitable in an awaitable, coroutine"
    assert awaited(Proceed()) == Proceed()


def test_of_the_figures_of_a_filter_only_so_many_are_taken() -> None:
    many = [gauge(f"n{number}", "One.", number) for number in range(MAX_FIGURES + 5)]

    class Figured(Filter):
        def figures(self) -> list[Figure]:
            return many

    member, lines = guarded(Figured())
    assert member.figures() == many[:MAX_FIGURES]
    assert lines == []


def test_a_verdict_is_what_the_hook_gave_and_a_failure_that_is_accepted_marks_the_message() -> None:
    member, _ = guarded(Filter())
    given = Verdict(Reject(550, None, "no"))
    assert member.verdict(SESSION, given) is given
    member.filter.options.failure = Failure.ACCEPT
    accepted = member.verdict(SESSION, Failed("down"))
    assert accepted == Verdict(Proceed(), (AddHeader("X-Filter-Unchecked", "filter"),))
    assert accepted.facts == {"result": "failed", "reason": "down"}


def test_failures_are_counted_and_among_them_those_that_took_too_long() -> None:
    member, _ = guarded(Filter())
    for reason in ("deadline exceeded", "deadline exceeded", "down"):
        member.decided(SESSION, b"helo", Failed(reason))
    assert (member.counts.failed, member.counts.timed_out) == (3, 2)


def test_what_is_only_observed_is_logged_so() -> None:
    member, lines = guarded(Filter())
    member.filter.options.observe = True
    line = member.line_of(SESSION, Message(), Verdict(Reject(550, None, "no")), 0.0)
    assert line is not None
    assert line[3]["action"] == "observe-reject"
    member.tell_decision(SESSION, Request(b"helo", SESSION.id, b"1", b"x"), Reject(550, None, "no"))
    assert lines[0].startswith(f"{HEAD} helo action=observe-reject ")
    assert member.counts.decisions == {("helo", "observe-reject", "-"): 1}


def test_what_cannot_even_be_looked_at_is_no_answer_that_comes_later() -> None:
    class Hostile:
        __class__ = property(lambda self: 1 / 0)  # what a hook may return

    assert is_late(Hostile()) is False
    assert is_late(Verdict()) is False
    assert is_late(Proceed()) is False
    waiting = asyncio.sleep(0)
    assert is_late(waiting) is True
    waiting.close()


def test_each_member_has_its_own_name_in_the_log_and_its_own_wish_for_debug_lines() -> None:
    lines: list[str] = []
    context = Context(Logger(lambda _level, line: lines.append(line)))
    talkative, quiet, alone = Filter(), Filter(), Filter()
    for each in (talkative, quiet, alone):
        each.options = CommonOptions()
    talkative.options.verbose = True
    members = guard({"talkative": talkative, "quiet": quiet}, context)
    assert [member.observe for member in members] == [False, False]
    for each in (talkative, quiet):
        each.log.debug(None, "looking")
    assert lines == ["talkative: looking"]
    guard({"": alone}, context)
    assert alone.context is context
