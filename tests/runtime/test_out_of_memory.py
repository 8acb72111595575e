"""Where memory runs out, or the library itself fails: what waits is answered, and no message passes with lines missing.

The faults are put in by hand here, one place at a time; tests/faults has a process whose memory really runs out.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from filter_api import Decision, Failure, Junk, Proceed, Reject, Session, Verdict
from filter_api.protocol import writer
from filter_api.testing import Player
from tests.support.scarcity import Both, answered, asked, feed, no_memory, once
from tests.support.talk import Talk

LOST = b"reject|451 4.3.0 temporary local problem"
NO_SPACE = b"reject|452 4.3.1 insufficient system storage"
PROCEED = b"proceed"


class Full:
    """An event loop that takes nothing more."""

    call_soon = call_at = time = no_memory


def errors(smtpd: Player) -> int:
    """How often the log says that the library itself met the end of its memory."""
    return sum(line.startswith('library error="MemoryError: ') for line in smtpd.log)


# --- input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Failure.TEMPFAIL, Failure.ACCEPT])
def test_a_lost_line_leaves_nobody_waiting_and_no_message_whole(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, policy: Failure
) -> None:
    """Nobody knows whose line it was, so every question is answered, and every message that is not whole refused."""
    filter_ = Both()
    filter_.options.failure = policy
    one = talk(filter_)
    smtpd = one.smtpd
    one.lines(b"A: b", b"", b"x")
    smtpd.feed(asked(smtpd, 1, b"mail-from") + asked(smtpd, 2, b"mail-from"))
    assert answered(smtpd, 1) == []
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher), "unknown", no_memory)
        smtpd.feed(b"nonsense\n" + asked(smtpd, 3, b"rcpt-to"))
    assert answered(smtpd, 1) == answered(smtpd, 2) == [PROCEED if policy is Failure.ACCEPT else LOST]
    assert answered(smtpd, 3) == [b"reject|550 5.7.1 no"], "what else was in the read is not lost"
    one.lines(b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST]), "whatever the policy says"
    assert errors(smtpd) == 3, "of the read, of the line, and of the line again"
    assert sum('reason="input lost"' in line for line in smtpd.log) == 2, "one for each question"


def test_where_even_giving_up_fails_the_next_line_is_still_taken(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher), "unknown", no_memory)
        patch.setattr(type(smtpd.dispatcher.held), "lose_all", no_memory)
        smtpd.feed(b"nonsense\n" + asked(smtpd, 3, b"rcpt-to"))
    assert answered(smtpd, 3) == [b"reject|550 5.7.1 no"]
    assert errors(smtpd) == 4, "of the read, of the line, of what was to be given up, and of the line again"


def test_lines_that_can_neither_be_held_nor_given_up_cost_no_other_session(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both(), judged=False)
    with monkeypatch.context() as patch:
        patch.setattr(type(one.smtpd.dispatcher.held), "take", no_memory)
        patch.setattr(type(one.smtpd.dispatcher.held), "lose", no_memory)
        one.lines(b"x")
        one.smtpd.feed(asked(one.smtpd, 3, b"rcpt-to"))
    assert answered(one.smtpd, 3) == [b"reject|550 5.7.1 no"]
    assert errors(one.smtpd) == 2


def test_a_line_of_a_session_for_which_there_is_no_memory_refuses_its_message(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both(), judged=False).smtpd
    head = b"filter|0.7|1.1|smtp-in|data-line|%016x|%b|" % (77, smtpd.token(b"data-line"))
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher.sessions), "add", no_memory)
        smtpd.feed(head + b"x\n")
    smtpd.feed(head + b"y\n" + head + b".\n")
    smtpd.feed(asked(smtpd, 77, b"commit", b""))
    assert answered(smtpd, 77) == [LOST]
    assert not any(line.endswith((b"|x", b"|y")) for line in smtpd.lines())


def test_a_report_that_cannot_be_taken_costs_nothing_else(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher.sessions), "add", no_memory)
        smtpd.feed(b"report|0.7|1.1|smtp-in|tx-reset|%016x|0badcafe\n" % 77)
    assert any("library error=" in line and "MemoryError" in line for line in smtpd.log)
    smtpd.feed(asked(smtpd, 77, b"rcpt-to"))
    assert answered(smtpd, 77) == [b"reject|550 5.7.1 no"]


def test_a_question_of_a_session_for_which_there_is_no_memory_is_answered_and_logged_with_its_id(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        patch.setattr(type(smtpd.dispatcher.sessions), "add", no_memory)
        smtpd.feed(asked(smtpd, 77, b"rcpt-to"))
    assert answered(smtpd, 77) == [LOST]
    assert any(line.startswith("000000000000004d rcpt-to action=reject ") for line in smtpd.log)


@pytest.mark.parametrize("text", [False, True], ids=["no message is open", "between message lines"])
def test_a_hook_of_facts_that_throws_costs_nothing_else(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, text: bool
) -> None:
    one = talk(Both())
    smtpd = one.smtpd
    if text:
        one.lines(b"x")
    monkeypatch.setitem(smtpd.dispatcher._told[False], b"tx-data", no_memory)
    smtpd.feed(b"report|0.7|1.1|smtp-in|tx-data|%b|0badcafe|ok\n" % one.client.id + asked(smtpd, 3, b"rcpt-to"))
    assert answered(smtpd, 3) == [b"reject|550 5.7.1 no"]


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_cannot_be_written_now_is_written_with_the_next(talk: Callable[..., Talk]) -> None:
    smtpd = talk(Both()).smtpd
    real, smtpd.dispatcher.outbox.write = smtpd.dispatcher.outbox.write, no_memory
    smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    smtpd.dispatcher.outbox.write = real
    assert answered(smtpd, 1) == []
    assert errors(smtpd) == 1
    smtpd.feed(asked(smtpd, 2, b"rcpt-to"))
    assert answered(smtpd, 1) == answered(smtpd, 2) == [b"reject|550 5.7.1 no"]


def test_an_answer_that_cannot_wait_for_others_is_written_at_once(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    smtpd.feed(asked(smtpd, 1, b"mail-from"))
    with monkeypatch.context() as patch:
        patch.setattr(smtpd.dispatcher, "_loop", Full())
        smtpd.dispatcher.ledger.settle_all("the end")
        smtpd.dispatcher._flush_soon()
    assert answered(smtpd, 1) == [LOST]


def test_so_is_one_beside_which_another_still_waits(talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch) -> None:
    smtpd = talk(Both()).smtpd
    for number in (1, 2):
        smtpd.feed(asked(smtpd, number, b"mail-from"))
    first = next(iter(smtpd.dispatcher.ledger.open.values()))[0].session
    with monkeypatch.context() as patch:
        patch.setattr(smtpd.dispatcher, "_loop", Full())
        smtpd.dispatcher.ledger.settle_session(first, "asked again")
        smtpd.dispatcher._flush_soon()
    assert (answered(smtpd, 1), answered(smtpd, 2)) == ([LOST], [])


def test_an_answer_that_cannot_be_made_is_made_again_without_the_reserve(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    monkeypatch.setattr(writer, "result", once(writer.result))
    smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    assert answered(smtpd, 1) == [LOST]


def test_a_filter_that_only_observes_lets_through_what_cannot_be_answered(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    filter_ = Both()
    filter_.options.observe = True
    smtpd = talk(filter_).smtpd
    real = writer.result
    monkeypatch.setattr(writer, "result", once(real))
    monkeypatch.setattr(type(smtpd.dispatcher.members[0]), "tell_decision", no_memory)
    smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    assert answered(smtpd, 1) == [PROCEED]


def test_a_client_whose_answer_at_connect_cannot_be_made_is_disconnected(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Judging(Both):
        def on_connect(self, session: Session) -> Decision:
            return Junk() if session.id == b"%016x" % 1 else Proceed()

    smtpd = talk(Judging()).smtpd
    monkeypatch.setattr(writer, "result", once(writer.result))
    smtpd.feed(asked(smtpd, 1, b"connect", b"mx|192.0.2.1"))
    assert answered(smtpd, 1) == [b"disconnect|451 4.3.0 temporary local problem"]


def test_a_refusal_that_cannot_be_written_behind_its_message_is_to_come_again(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    monkeypatch.setattr(Both, "on_message", lambda self, session, message: Verdict(Reject(550, "5.7.1", "no")))
    monkeypatch.setattr(writer, "result", once(writer.result))
    one.lines(b"x", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])
    assert [line for line in one.smtpd.log if " error=" in line] == ['library error="MemoryError: "']


def test_where_no_answer_can_be_made_at_all_the_others_are_made(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        patch.setattr(writer, "result", no_memory)
        smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    smtpd.feed(asked(smtpd, 2, b"rcpt-to"))
    assert (answered(smtpd, 1), answered(smtpd, 2)) == ([], [b"reject|550 5.7.1 no"])
    assert errors(smtpd) == 2, "of the answer, and of the one in its place"


@pytest.mark.parametrize("place", ["task", "deadline"])
def test_a_question_for_which_no_task_can_be_made_is_answered(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    smtpd = talk(Both()).smtpd
    with monkeypatch.context() as patch:
        if place == "task":
            patch.setattr(smtpd.loop, "create_task", no_memory)
            feed(smtpd, asked(smtpd, 1, b"mail-from"))
        else:
            patch.setattr(type(smtpd.dispatcher.deadlines), "add", no_memory)
            smtpd.feed(asked(smtpd, 1, b"mail-from"))
    assert answered(smtpd, 1) == [LOST]
    assert not smtpd.dispatcher.ledger.open


def test_of_a_message_that_is_being_looked_at_nothing_is_lost(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its lines were there at its dot; only what is not whole is given up. Its question is answered, as all are."""
    one = talk(Both())
    monkeypatch.setattr(Both, "on_message", lambda self, session, message: Both.on_mail_from(self, session, b""))
    one.lines(b"x", b".")
    with monkeypatch.context() as patch:
        patch.setattr(type(one.smtpd.dispatcher), "unknown", no_memory)
        one.smtpd.feed(b"nonsense\n")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])


def test_lines_that_are_lost_with_the_dot_behind_them_end_their_message(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talk(Both())
    with monkeypatch.context() as patch:
        patch.setattr(type(one.smtpd.dispatcher.held), "take", no_memory)
        one.lines(b"x", b".")
    one.commit()
    assert (one.back, one.answers) == ([b"."], [LOST])


def test_a_deadline_that_throws_is_told_and_costs_no_answer(talk: Callable[..., Talk]) -> None:
    smtpd = talk(Both()).smtpd
    smtpd.dispatcher.deadlines.add(smtpd.loop.time() - 1.0, no_memory)
    smtpd.feed(asked(smtpd, 1, b"rcpt-to"))
    assert answered(smtpd, 1) == [b"reject|550 5.7.1 no"]
    assert errors(smtpd) == 1
