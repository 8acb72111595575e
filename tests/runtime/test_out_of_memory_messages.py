"""Where memory runs out for a message, or for the log: it ends with its dot, is answered, and never passes in half."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import pytest

from filter_api import Session
from filter_api.protocol import writer
from filter_api.runtime import decision_log, memory
from filter_api.runtime.memory import Reserve
from tests.support.scarcity import Both, answered, asked, feed, no_memory, once
from tests.support.talk import Talk

LOST = b"reject|451 4.3.0 temporary local problem"
NO_SPACE = b"reject|452 4.3.1 insufficient system storage"
PROCEED = b"proceed"


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_verdict_that_cannot_be_taken_refuses_the_message(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    monkeypatch.setattr(type(one.smtpd.dispatcher.members[0]), "line_of", no_memory)
    one.lines(b"x", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])
    assert [line for line in one.smtpd.log if " error=" in line] == ['library error="MemoryError: "']


@pytest.mark.parametrize("large", [False, True])
def test_a_message_that_cannot_be_given_back_is_refused(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """A line or two may be out already: smtpd drops what it got of a message that is refused."""
    one = talk(Both())
    one.lines(*[b"x" * 900] * (1_000 if large else 1))
    monkeypatch.setattr(writer, "datalines", no_memory)
    one.lines(b".")
    one.smtpd.advance(1)
    one.commit()
    assert (one.back, one.answers) == ([b"."], [NO_SPACE])


def test_a_release_for_which_no_task_can_be_made_is_a_refusal(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    for _ in range(10):
        one.lines(*[b"x" * 900] * 100)
    start = one.head + b"data-line|%b|%b|.\n" % (one.client.id, one.smtpd.token(b"data-line"))
    with monkeypatch.context() as patch:
        patch.setattr(one.smtpd.loop, "create_task", no_memory)
        feed(one.smtpd, start)
    one.commit()
    assert (one.back, one.answers) == ([b"."], [NO_SPACE])
    assert f"{one.client.id.decode()} spool error=MemoryError" in one.smtpd.log


def test_the_dot_is_made_when_the_reserve_is_gone(talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch) -> None:
    one = talk(Both())
    monkeypatch.setattr(writer, "end_of_data", once(writer.end_of_data))
    one.lines(b"x", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"x", b"."], [PROCEED])
    assert one.smtpd.dispatcher._reserve.spent


def test_a_release_that_is_cancelled_from_outside_ends_with_a_refusal(talk: Callable[..., Talk]) -> None:
    """As at the end of a process: half a message must not pass."""
    one = talk(Both())
    for _ in range(10):
        one.lines(*[b"x" * 900] * 100)
    one.smtpd.dispatcher.outbox.pause()
    one.lines(b".")
    (held,) = one.smtpd.dispatcher.held.open.values()
    assert held.task is not None
    held.task.cancel()
    one.smtpd.advance(1)
    one.smtpd.dispatcher.outbox.resume()
    one.commit()
    assert (one.back, one.answers) == ([b"."], [NO_SPACE])


# --- the log ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [decision_log, None])
def test_a_log_for_which_there_is_no_memory_keeps_no_answer_back(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    one = talk(Both())
    smtpd = one.smtpd
    if module is None:
        smtpd.context.log.sink = smtpd.filter.log.sink = no_memory
    else:
        for name in ("decision", "of_message", "refusal"):
            monkeypatch.setattr(module, name, no_memory)
    smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    assert answered(smtpd, 1) == [b"reject|550 5.7.1 no"]
    one.lines(b"x", b".")
    one.commit()
    one.client.mail_from()
    one.lines(b"y" * 70_000, b".")
    one.commit()
    assert one.answers == [PROCEED, b"reject|550 5.6.0 line too long"]
    smtpd.dispatcher.broke(ValueError("nobody hears of it"))
    assert smtpd.dispatcher._broken(Session(b"00000000000000aa"), MemoryError()).reply[:3] == "452"


def test_the_reserve_is_let_go_once_and_set_aside_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    reserve = Reserve(lambda: now, fd=writing)
    reserve.restore()
    reserve.spend()
    reserve.spend()
    assert os.read(reading, 4_096).count(b"memory has run out") == 1
    reserve.restore()
    assert reserve.spent, "what comes next may need it"
    now += 1.0
    with monkeypatch.context() as patch:
        patch.setattr(memory, "MEMORY_RESERVE", 1 << 62)
        reserve.restore()
    assert reserve.spent, "there is no room yet"
    reserve.restore()
    assert not reserve.spent
    os.close(writing)
    os.close(reading)


def test_a_reserve_whose_log_has_gone_is_let_go_all_the_same() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    reserve = Reserve(lambda: 0.0, fd=writing)
    reserve.spend()
    assert reserve.spent


def test_a_read_without_memory_ends_with_the_reserve_set_aside_again(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher), "unknown", no_memory)
        smtpd.feed(b"nonsense\n")
    assert smtpd.dispatcher._reserve.spent
    smtpd.advance(2)
    smtpd.feed(b"nonsense\n")
    assert not smtpd.dispatcher._reserve.spent


def test_a_message_whose_first_line_cannot_be_taken_is_refused_in_the_name_of_its_client(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    with monkeypatch.context() as patch:
        patch.setattr(type(one.smtpd.dispatcher.held), "take", no_memory)
        one.lines(b"x")
    one.lines(b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])
    told = [line for line in one.smtpd.log if " message result=failed reason=lost action=reject " in line]
    assert len(told) == 1
    assert " client=192.0.2.1 " in told[0]


def test_a_message_that_cannot_be_held_is_a_line_of_the_level_error(talk: Callable[..., Talk]) -> None:
    smtpd = talk(Both()).smtpd
    told: list[tuple[int, str]] = []
    smtpd.context.log.sink = lambda level, line: told.append((level, line))
    assert smtpd.dispatcher._broken(Session(b"00000000000000aa"), OSError("disk full")).reply[:3] == "452"
    assert smtpd.dispatcher._broken(Session(b"00000000000000ab"), OSError()).reply[:3] == "452"
    assert told == [
        (logging.ERROR, '00000000000000aa spool error="disk full"'),
        (logging.ERROR, "00000000000000ab spool error=OSError"),
    ]


def test_a_log_that_cannot_tell_of_a_message_tells_why(talk: Callable[..., Talk]) -> None:
    smtpd = talk(Both()).smtpd
    smtpd.context.log.sink = once(smtpd.context.log.sink)  # type: ignore[assignment]
    smtpd.dispatcher._broken(Session(b"00000000000000aa"), OSError("disk full"))
    assert smtpd.log[0].startswith('library error="MemoryError: ')


def test_a_refusal_that_cannot_be_logged_is_answered_and_told(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    monkeypatch.setattr(decision_log, "refusal", no_memory)
    one.lines(b"y" * 70_000, b".")
    one.commit()
    assert one.answers == [b"reject|550 5.6.0 line too long"]
    assert [line for line in one.smtpd.log if "error=" in line] == ['library error="MemoryError: "']
