"""A hook that blocks the process is told of by the name of its member, and nobody is blamed for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from filter_api import Decision, Failure, Filter, Message, Proceed, Session, Verdict
from filter_api.log import Logger
from filter_api.runtime.stall import Watch, commands_in, phases_in, shown, tell
from filter_api.testing import Player
from filter_api.testing.clock import FakeTimeLoop

MAIL = b"Subject: x\r\n\r\nhello\r\n"


class Clock(FakeTimeLoop):
    """An event loop on which time passes while nothing else runs."""

    blocked = 0.0

    def time(self) -> float:
        return super().time() + self.blocked


class Blocks(Filter):
    """Each of its hooks takes so many seconds, and gives nothing to wait for."""

    beside: ClassVar[bool] = True

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self.clock = clock
        self.options.failure = Failure.ACCEPT

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        self.clock.blocked += self.seconds
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        self.clock.blocked += self.seconds
        return Verdict()


class Waits(Blocks):
    """The same between two waits, which take long as well, and stall nobody."""

    async def on_mail_from(self, session: Session, sender: bytes) -> Decision:  # type: ignore[override]
        await asyncio.sleep(3)
        self.clock.blocked += self.seconds
        await asyncio.sleep(3)
        return Proceed()

    async def on_message(self, session: Session, message: Message) -> Verdict:  # type: ignore[override]
        await asyncio.sleep(3)
        try:
            self.clock.blocked += self.seconds
            await asyncio.sleep(100)
        except asyncio.CancelledError:  # its deadline
            self.clock.blocked += self.seconds
        return Verdict()


def stalls(
    seconds: Sequence[float], *, beside: bool = False, label: str = "m{}", kind: type[Blocks] = Blocks
) -> list[str]:
    clock = Clock()
    members = {label.format(n): kind(each, clock) for n, each in enumerate(seconds)}
    with Player(members, beside=beside, loop=clock) as smtpd:
        assert smtpd.connect().mail(MAIL).ok
        return [line for line in smtpd.log if "stalled" in line]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    ("seconds", "blamed"), [((0, 2), ["m1:"]), ((2, 0), ["m0:"]), ((0.9, 0.9), []), ((2, 2), ["m0:", "m1:"])]
)
def test_hooks_that_wait_are_told_of_for_what_they_take_between_two_waits(
    seconds: Sequence[float], blamed: list[str], *, beside: bool
) -> None:
    told = stalls(seconds, beside=beside, kind=Waits)
    assert names(told, "mail-from") == blamed
    assert sorted(names(told, "message")) == sorted([*blamed, *blamed]), "before its deadline, and cancelled"


def names(lines: Sequence[str], hook: str) -> list[str]:
    return [line.partition(" ")[0] for line in lines if f"stalled hook={hook} " in line]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    ("seconds", "blamed"),
    [
        ((2, 0, 0), ["m0:"]),
        ((0, 2, 0), ["m1:"]),
        ((0.6, 0, 2), ["m2:"]),
        ((2, 0.9, 2), ["m0:", "m2:"]),
    ],
)
def test_a_stall_names_the_member_whose_hook_it_was(
    seconds: Sequence[float], blamed: list[str], *, beside: bool
) -> None:
    told = stalls(seconds, beside=beside)
    assert names(told, "mail-from") == blamed
    assert names(told, "message") == blamed


@pytest.mark.parametrize("seconds", [(0.6, 0.6, 0), (0, 0.6, 0.6), (0.5, 0.5, 0.5), (0.9, 0, 0.9)])
def test_several_that_together_take_long_are_told_of_without_a_name(seconds: Sequence[float]) -> None:
    (first, *_) = stalls(seconds)
    assert first == f"stalled hook=mail-from seconds={sum(seconds)}"


@pytest.mark.parametrize(("label", "head"), [("", ""), ("only", "only: ")])
def test_one_that_is_alone_has_its_own_name(label: str, head: str) -> None:
    (first, *_) = stalls([2.5], label=label)
    assert first == f"{head}stalled hook=mail-from seconds=2.5"


def test_a_watch_begins_now_with_nothing_told() -> None:
    watch = Watch(lambda: 7.0)
    assert (watch.last, watch.told) == (7.0, False)


def test_a_line_in_the_log_names_three_phases_and_the_session() -> None:
    assert shown([b"helo", b"mail-from", b"rcpt-to", b"data"]) == "helo,mail-from,rcpt-to"
    lines: list[str] = []
    tell(Logger(lambda _level, line: lines.append(line)), Session(b"3c1bba49506bc31c"), "helo", 1.23456)
    assert lines == ["3c1bba49506bc31c stalled hook=helo seconds=1.235"]


def test_commands_are_told_from_message_lines_and_reports() -> None:
    start = b"|0.7|1700000000.000000|smtp-in|"
    lines = [
        b"filter" + start + b"helo|3c1bba49506bc31c|80bb07f5d532c2d0|x",
        b"filter" + start + b"data-line|3c1bba49506bc31c|80bb07f5d532c2d0|x",
        b"filter" + start + b"rcpt-to|3c1bba49506bc31c|80bb07f5d532c2d0|" + b"y" * 90 + b"|data-line|",
        b"report" + start + b"helo|3c1bba49506bc31c",
        b"filter|0.7|1|smtp-in|helo",
        b"",
    ]
    assert commands_in(lines) == 3
    assert phases_in(lines, {b"helo": 1, b"rcpt-to": 1, b"data": 1}) == [b"helo", b"rcpt-to"]
    assert phases_in(lines, {b"rcpt-to": 1}) == [b"rcpt-to"]
    assert phases_in([b"filter|0.7|1|smtp-in|helo"], {b"helo": 1}) == [], "half a line"


def test_a_hook_that_waits_is_told_of_with_its_session() -> None:
    told = stalls([2], kind=Waits, label="only")
    assert [line.split(" ")[2:4] for line in told] == [["stalled", f"hook={hook}"] for hook in STALLED]
    (session,) = {line.split(" ")[1] for line in told}
    assert len(session) == 16


STALLED = ("mail-from", "message", "message")
"""The second hook stalls before its deadline, and when it is cancelled."""


@pytest.mark.parametrize("seconds", [(1.0,), (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("kind", [Blocks, Waits])
def test_a_second_exactly_is_no_stall(seconds: Sequence[float], kind: type[Blocks]) -> None:
    assert stalls(seconds, kind=kind) == []
