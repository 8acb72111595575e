"""A read that cannot be taken as a whole is taken line by line; what is lost even so costs no other line."""

from __future__ import annotations

import pytest

from filter_api.protocol.events import DataLines
from filter_api.protocol.framing import Framing
from filter_api.protocol.parser import Parser
from filter_api.protocol.sink import Values
from filter_api.runtime.intake import Intake

LINES = [b"filter|0.7|1.1|smtp-in|helo|%016x|81|x\n" % number for number in range(1, 6)]
TEXT = [b"filter|0.7|1.1|smtp-in|data-line|%016x|88|%d\n" % (7, number) for number in range(40)]


class Failing(Values):
    """A sink of which some calls fail. failures: how often a request of that session does."""

    def __init__(self, failures: dict[bytes, int]) -> None:
        super().__init__()
        self.failures = failures
        self.told: list[BaseException] = []

    def request(self, phase: bytes, session_id: bytes, token: bytes, argument: bytes) -> None:
        if self.failures.get(session_id, 0):
            self.failures[session_id] -= 1
            raise MemoryError
        super().request(phase, session_id, token, argument)

    def data_lines(self, session_id: bytes, token: bytes, text: bytes) -> None:
        if self.failures.get(session_id, 0):
            self.failures[session_id] -= 1
            raise MemoryError
        super().data_lines(session_id, token, text)

    def broke(self, error: BaseException) -> None:
        self.told.append(error)


class Tight(Framing):
    """There is no memory for a read of more than 1,024 bytes, or for none at all."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def feed(self, data: bytes, ends: bool = False) -> list[bytes]:
        if len(data) > self.limit:
            raise MemoryError
        return super().feed(data, ends=ends)


def take(sink: Failing, data: bytes, limit: int | None = None) -> tuple[list[bytes], list[BaseException]]:
    """Which sessions asked; and the errors for which a part was given up."""
    lost: list[BaseException] = []
    begun: list[None] = []
    intake = Intake(Parser(), sink, begin=lambda: begun.append(None), lose=lost.append)
    if limit is not None:
        intake._framing = Tight(limit)
    intake.take(data)
    intake.take(b"filter|0.7|1.1|smtp-in|helo|%016x|81|x\n" % 99)
    assert begun == [None]
    return [getattr(event, "session_id", b"") for event in sink.events], lost


def ids(*numbers: int) -> list[bytes]:
    return [b"%016x" % number for number in numbers]


def test_a_line_that_fails_once_is_told_again() -> None:
    sink = Failing({b"%016x" % 3: 1})
    assert take(sink, b"".join(LINES)) == (ids(1, 2, 3, 4, 5, 99), [])
    assert [type(error) for error in sink.told] == [MemoryError]


def test_a_line_that_fails_again_is_tried_once_more_when_messages_were_given_up() -> None:
    sink = Failing({b"%016x" % 3: 2})
    asked, lost = take(sink, b"".join(LINES))
    assert asked == ids(1, 2, 3, 4, 5, 99)
    assert [type(error) for error in lost] == [MemoryError]


def test_a_line_that_never_works_is_lost_and_the_others_are_not() -> None:
    sink = Failing({b"%016x" % 3: 100})
    asked, lost = take(sink, b"".join(LINES))
    assert asked == ids(1, 2, 4, 5, 99)
    assert len(lost) == 1


@pytest.mark.parametrize("cut", [0, 17])
def test_a_read_too_large_for_memory_is_taken_in_slices(cut: int) -> None:
    """A line at the end of one slice goes on in the next, and half a line at the end in the next read."""
    data = b"".join(LINES + TEXT)
    sink = Failing({})
    asked, lost = take(sink, data[: len(data) - cut] + (b"" if not cut else TEXT[-1][-cut:]), limit=1_024)
    assert asked == ids(1, 2, 3, 4, 5, *[7] * 40, 99)
    assert lost == []


def test_a_slice_for_which_there_is_no_memory_is_lost_with_a_word() -> None:
    sink = Failing({})
    asked, lost = take(sink, b"".join(LINES * 10), limit=60)
    assert asked == ids(99)
    assert lost
    assert {type(error) for error in sink.told} == {MemoryError}


def test_message_lines_that_fail_once_are_told_again_as_they_were() -> None:
    sink = Failing({b"%016x" % 7: 1})
    asked, lost = take(sink, b"".join(TEXT))
    assert (set(asked), lost) == ({b"%016x" % 7, b"%016x" % 99}, [])
    told = [event.text for event in sink.events if isinstance(event, DataLines)]
    assert b"\n".join(told) == b"\n".join(b"%d" % number for number in range(40))


@pytest.mark.parametrize("first", [b"report|0.7|1.1|smtp-in|timeout|%016x\n" % 1, LINES[0]])
def test_what_is_wanted_is_said_before_the_first_event_and_not_for_the_handshake(first: bytes) -> None:
    said: list[int] = []
    sink = Values()
    intake = Intake(Parser(), sink, begin=lambda: said.append(len(sink.events)), lose=lambda _: None)
    intake.take(b"config|protocol|0.7\n")
    assert said == []
    intake.take(first)
    intake.take(first)
    assert said == [1]
