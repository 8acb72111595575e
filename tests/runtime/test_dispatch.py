"""Hooks, the barrier around them, deadlines: what a filter may do wrong, and what the client is told then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, ClassVar

import pytest

from filter_api import (
    AddHeader,
    CannotCheck,
    Decision,
    Disconnect,
    Failure,
    Filter,
    Junk,
    Message,
    PerSession,
    PerTransaction,
    Proceed,
    Reject,
    RemoveHeader,
    Rewrite,
    Session,
    Verdict,
)
from filter_api.testing import Outcome, Player
from filter_api.testing.clock import FakeTimeLoop
from tests.support.scarcity import asked

TEMPFAIL = "451 4.3.0 temporary local problem"


def at_mail(answer: Callable[[], Any]) -> Filter:
    class Answering(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            result: Decision = answer()
            return result

    return Answering()


def at_message(answer: Callable[[Message], Any]) -> Filter:
    class Examining(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            verdict: Verdict = answer(message)
            return verdict

    return Examining()


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> object:
        raise error

    return fail


async def later(value: object, seconds: float = 1.0) -> object:
    await asyncio.sleep(seconds)
    if isinstance(value, BaseException):
        raise value
    return value


async def stubborn() -> object:
    """Ignores its cancellation, and answers all the same."""
    try:
        await asyncio.sleep(1_000)
    except asyncio.CancelledError:
        await asyncio.sleep(50)
    return Reject(550, None, "too late")


@pytest.mark.parametrize(
    ("answer", "verdict", "reply"),
    [
        (Proceed, "proceed", ""),
        (Junk, "junk", ""),
        (lambda: Reject(550, "5.7.1", "no"), "reject", "550 5.7.1 no"),
        (lambda: Disconnect(421, None, "bye"), "disconnect", "421 bye"),
        (lambda: Rewrite("x@example.org"), "rewrite", "<x@example.org>"),
        (lambda: later(Proceed()), "proceed", ""),
        (lambda: later(Reject(550, "5.7.1", "no"), 9), "reject", "550 5.7.1 no"),
        (lambda: None, "reject", TEMPFAIL),
        (lambda: "proceed", "reject", TEMPFAIL),
        (lambda: Reject, "reject", TEMPFAIL),
        (Verdict, "reject", TEMPFAIL),
        (lambda: later(None), "reject", TEMPFAIL),
        (lambda: later(later), "reject", TEMPFAIL),
        (lambda: later(Proceed(), 11), "reject", TEMPFAIL),
        (lambda: later(ValueError("bug")), "reject", TEMPFAIL),
        (lambda: later(SystemExit(0)), "reject", TEMPFAIL),
        (lambda: later(KeyboardInterrupt()), "reject", TEMPFAIL),
        (lambda: later(asyncio.CancelledError()), "reject", TEMPFAIL),
        (lambda: later(CannotCheck("backend down")), "reject", TEMPFAIL),
        (stubborn, "reject", TEMPFAIL),
        (failing(ValueError("bug")), "reject", TEMPFAIL),
        (failing(SystemExit(0)), "reject", TEMPFAIL),
        (failing(CannotCheck("backend down")), "reject", TEMPFAIL),
        (failing(RecursionError()), "reject", TEMPFAIL),
        (failing(MemoryError()), "reject", TEMPFAIL),
        (failing(GeneratorExit()), "reject", TEMPFAIL),
    ],
)
def test_whatever_a_hook_does_the_client_gets_one_answer(answer: Callable[[], Any], verdict: str, reply: str) -> None:
    with Player(at_mail(answer)) as smtpd:
        client = smtpd.connect()
        client.helo()
        assert client.mail_from() == (verdict, reply)
        smtpd.advance(100)
        assert smtpd.oracle.asked == smtpd.oracle.answered


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_an_awaitable_in_an_awaitable_is_no_decision() -> None:
    with Player(at_mail(lambda: later(later(Proceed())))) as smtpd:
        assert smtpd.connect().mail_from().reply == TEMPFAIL


def test_answers_of_one_moment_leave_in_one_write() -> None:
    with Player(at_mail(lambda: later(Junk()))) as smtpd:
        for number in (1, 2, 3):
            smtpd.feed(asked(smtpd, number, b"mail-from"))
        smtpd.written.clear()
        smtpd.settle()
        assert [data.count(b"|junk\n") for data in smtpd.written] == [3]


def test_an_answer_is_written_while_other_questions_are_open() -> None:
    seconds = iter((1.0, 5.0))
    with Player(at_mail(lambda: later(Junk(), next(seconds)))) as smtpd:
        for number in (1, 2):
            smtpd.feed(asked(smtpd, number, b"mail-from"))
        smtpd.advance(2)
        assert [line.split(b"|")[1::2] for line in smtpd.lines()[-1:]] == [[b"%016x" % 1, b"junk"]]
        smtpd.advance(5)
        assert [line.split(b"|")[1::2] for line in smtpd.lines()[-1:]] == [[b"%016x" % 2, b"junk"]]


@pytest.mark.parametrize("late", [False, True])
def test_what_there_is_no_memory_to_write_is_written_with_the_next_read(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_data: bytes) -> None:
        raise MemoryError

    with Player(at_mail(lambda: later(Proceed()) if late else Proceed())) as smtpd:
        with monkeypatch.context() as patch:
            patch.setattr(smtpd.dispatcher.outbox, "write", no_memory)
            smtpd.feed(asked(smtpd, 1, b"mail-from"))
            smtpd.settle()
        assert smtpd.lines()[-1].startswith(b"register|")
        assert any("MemoryError" in line for line in smtpd.log)
        smtpd.feed(asked(smtpd, 2, b"mail-from"))
        smtpd.settle()
        assert [line.split(b"|")[1::2] for line in smtpd.lines()[-2:]] == [
            [b"%016x" % 1, b"proceed"],
            [b"%016x" % 2, b"proceed"],
        ]


def test_answers_of_one_moment_ask_the_loop_for_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Callable[[], None]] = []

    class Loop:
        def call_soon(self, callback: Callable[[], None]) -> None:
            called.append(callback)

    with Player(at_mail(lambda: later(Junk()))) as smtpd:
        smtpd.feed(asked(smtpd, 1, b"mail-from"))
        monkeypatch.setattr(smtpd.dispatcher, "_loop", Loop())
        smtpd.dispatcher._flush_soon()
        smtpd.dispatcher._flush_soon()
        assert len(called) == 1
        called[0]()
        smtpd.dispatcher._flush_soon()
        assert len(called) == 2
        called[1]()
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("policy", "verdict", "reply"),
    [
        (Failure.ACCEPT, "proceed", ""),
        (Failure.TEMPFAIL, "reject", TEMPFAIL),
        (Failure.REJECT, "reject", "550 5.3.0 message cannot be checked here"),
    ],
)
def test_the_failure_policy_answers(policy: Failure, verdict: str, reply: str) -> None:
    filter_ = at_mail(failing(CannotCheck("no answer from the daemon")))
    filter_.options = type(filter_.options)()
    filter_.options.failure = policy
    with Player(filter_) as smtpd:
        assert smtpd.connect().mail_from() == (verdict, reply)
        assert any('reason="no answer from the daemon"' in line for line in smtpd.log)


def test_a_failure_at_connect_does_not_leave_the_client_hanging_on() -> None:
    class Broken(Filter):
        def on_connect(self, session: Session) -> Decision:
            raise ValueError("bug")

    with Player(Broken()) as smtpd:
        assert smtpd.connect().verdict == "disconnect"


@pytest.mark.parametrize(
    ("phase", "decision"),
    [("connect", Rewrite("x")), ("data", Rewrite("x")), ("commit", Junk()), ("commit", Rewrite("x"))],
)
def test_an_illegal_decision_never_leaves(phase: str, decision: Decision) -> None:
    class Illegal(Filter):
        def on_connect(self, session: Session) -> Decision:
            return decision if phase == "connect" else Proceed()

        def on_data(self, session: Session) -> Decision:
            return decision if phase == "data" else Proceed()

        def on_commit(self, session: Session) -> Decision:
            return decision if phase == "commit" else Proceed()

    with Player(Illegal()) as smtpd:
        client = smtpd.connect()
        if phase == "connect":
            assert client.verdict == "disconnect"
        else:
            assert client.mail().reply == TEMPFAIL
        assert any("illegal decision" in line for line in smtpd.log)


def test_a_hook_that_blocks_is_told_of_and_overdue_answers_go_first() -> None:
    order: list[str] = []

    class Blocking(Filter):
        command_deadline: ClassVar[float] = 0.2

        def on_mail_from(self, session: Session, sender: bytes) -> Decision | Awaitable[Decision]:
            return self.slow()

        async def slow(self) -> Decision:
            await asyncio.sleep(100)
            return Proceed()

        def on_helo(self, session: Session, identity: bytes) -> Decision:
            order.append("helo asked")
            return Proceed()

        def on_connect(self, session: Session) -> Decision:
            time.sleep(1.1)
            return Proceed()

    loop = asyncio.new_event_loop()
    with Player(Blocking(), loop=loop) as smtpd:
        smtpd.feed(b"filter|0.7|1.1|smtp-in|mail-from|00000000000000aa|85|x@y\n")
        written = len(smtpd.lines())
        smtpd.connect("192.0.2.2")  # blocks beyond the deadline of the first
        assert any("stalled" in line for line in smtpd.log)
        smtpd.feed(b"filter|0.7|1.1|smtp-in|ehlo|00000000000000ab|82|x\n")
        lines = smtpd.lines()[written:]
        overdue = next(
            n for n, line in enumerate(lines) if line.startswith(b"filter-result|00000000000000aa|85|reject")
        )
        asked = next(n for n, line in enumerate(lines) if line.startswith(b"filter-result|00000000000000ab|82|"))
        assert overdue < asked
        assert order == ["helo asked"]


def test_what_is_overdue_is_answered_before_anything_is_read() -> None:
    """After a stall the timer comes too late for that."""
    loop = FakeTimeLoop()
    with Player(at_mail(lambda: later(Proceed(), 100.0)), loop=loop) as smtpd:
        smtpd.dispatcher.members[0].command_seconds = 1.0
        smtpd.feed(asked(smtpd, 1, b"mail-from"))
        loop._jumping.now += 2.0
        smtpd.dispatcher.feed(asked(smtpd, 2, b"data"))
        answers = [line.split(b"|")[1::2] for line in smtpd.lines()[-2:]]
        assert answers == [[b"%016x" % 1, b"reject"], [b"%016x" % 2, b"proceed"]]


@pytest.mark.parametrize("hook", ["on_helo", "on_mail_from", "on_rcpt_to", "on_data", "on_message", "on_commit"])
@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
def test_a_hook_that_returns_nothing_is_told_what_it_may_have_forgotten(hook: str, late: bool) -> None:
    async def later(*_arguments: object) -> None:
        return None

    forgetful = type("Forgetful", (Filter,), {hook: later if late else lambda *_arguments: None})
    with Player(forgetful()) as smtpd:
        client = smtpd.connect()
        client.helo()
        client.mail()
        told = [line for line in smtpd.log if "illegal" in line]
    assert len(told) == 1
    assert "None; did a branch forget to return?" in told[0]


def test_a_client_that_goes_cancels_its_question() -> None:
    cancelled: list[bool] = []

    class Waiting(Filter):
        async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise
            return Proceed()

    with Player(Waiting()) as smtpd:
        client = smtpd.connect()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|mail-from|%b|85|x@y\n" % client.id)
        client.vanish()
        smtpd.advance(20)
        assert cancelled == [True]
        assert len(smtpd.dispatcher.ledger) == 0
        assert not any(line.startswith(b"filter-result|%b|85" % client.id) for line in smtpd.lines())


def test_a_question_asked_again_before_its_answer_gets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    with Player(at_mail(lambda: later(Proceed()))) as smtpd:
        client = smtpd.connect()
        question = b"filter|0.7|1.1|smtp-in|mail-from|%b|85|x@y\n" % client.id
        monkeypatch.setattr(smtpd.oracle, "filter_wrote", lambda _: None)  # smtpd never asks like this
        smtpd.feed(question + question)
        smtpd.advance(5)
        client.vanish()
        assert sum(line.startswith(b"filter-result|%b" % client.id) for line in smtpd.lines()) == 2


# --- messages ------------------------------------------------------------------------------------------------------

BODY = b"Subject: x\r\nX-Virus-Status: forged\r\n\r\n.dots\r\n\r\nlast"


def play(answer: Callable[[Message], Any], **options: object) -> Outcome:
    filter_ = at_message(answer)
    filter_.options = type(filter_.options)()
    for name, value in options.items():
        setattr(filter_.options, name, value)
    with Player(filter_) as smtpd:
        client = smtpd.connect()
        client.helo()
        return client.mail(BODY)


@pytest.mark.parametrize("answer", [lambda _: Verdict(), lambda _: later(Verdict(), 59)])
def test_an_unedited_message_comes_back_byte_for_byte(answer: Callable[[Message], Any]) -> None:
    outcome = play(answer)
    assert outcome.ok
    assert outcome.text.endswith(BODY + b"\r\n")
    assert b"..dots" in b"\n".join(outcome.lines)


def test_edits_are_applied_as_lines_are_released() -> None:
    outcome = play(lambda _: Verdict(edits=[RemoveHeader("X-Virus-*"), AddHeader("X-Virus-Status", "Clean")]))
    assert outcome.text.startswith(b"X-Virus-Status: Clean\r\nReceived:")
    assert b"forged" not in outcome.text


@pytest.mark.parametrize(
    "answer", [lambda _: Verdict(Reject(554, "5.7.1", "no")), lambda _: later(Verdict(Reject(554, "5.7.1", "no")))]
)
def test_a_refused_message_is_not_given_back(answer: Callable[[Message], Any]) -> None:
    assert play(answer) == ("reject", "554 5.7.1 no", ())


@pytest.mark.parametrize(
    "answer",
    [
        failing(ValueError("bug")),
        failing(SystemExit()),
        lambda _: None,
        lambda _: Proceed(),
        lambda _: later(Verdict(), 61),
        lambda _: later(KeyError("bug")),
        lambda _: stubborn(),
    ],
)
def test_a_failed_examination_follows_the_policy(answer: Callable[[Message], Any]) -> None:
    assert play(answer) == ("reject", TEMPFAIL, ())
    accepted = play(answer, failure=Failure.ACCEPT)
    assert accepted.ok
    assert accepted.text.startswith(b"X-Filter-Unchecked: filter\r\n")
    assert accepted.text.endswith(BODY + b"\r\n")


def test_the_message_deadline_is_an_option() -> None:
    assert play(lambda _: later(Verdict(), 5), timeout=4.0).reply == TEMPFAIL
    assert play(lambda _: later(Verdict(), 5), timeout=6.0).ok
    assert play(lambda _: later(Verdict(), 150), timeout=200.0).ok, "one that is alone has no bound but its own"


def test_observing_changes_nothing() -> None:
    outcome = play(lambda _: Verdict(Reject(554, None, "no"), [AddHeader("X", "y")]), observe=True)
    assert outcome.ok
    assert outcome.text.endswith(BODY + b"\r\n")
    assert b"X: y" not in outcome.text
    assert play(failing(ValueError()), observe=True).ok


def test_observing_says_what_it_would_do() -> None:
    filter_ = at_mail(lambda: Reject(550, "5.7.1", "no"))
    filter_.options = type(filter_.options)()
    filter_.options.observe = True
    with Player(filter_) as smtpd:
        assert smtpd.connect().mail_from().ok
        assert any('action=observe-reject reply="550 5.7.1 no"' in line for line in smtpd.log)


@pytest.mark.parametrize("size", [65_485, 65_486, 65_534])
def test_a_line_too_long_to_give_back_is_refused(size: int) -> None:
    with Player(at_message(lambda _: Verdict())) as smtpd:
        client = smtpd.connect()
        outcome = client.mail(b"A: b\r\n\r\n" + b"x" * size)
        assert outcome.ok == (size == 65_485)
        if size > 65_485:
            assert outcome == ("reject", "550 5.6.0 line too long", ())
            (line,) = smtpd.log
            assert 'message result=refused reason=line-too-long action=reject reply="550 5.6.0 line too long"' in line
        assert client.mail(BODY).ok


@pytest.mark.parametrize("observe", [False, True])
def test_a_header_too_long_to_edit_is_told_of_behind_the_verdict(*, observe: bool) -> None:
    filter_ = at_message(lambda _: Verdict(edits=[AddHeader("X-A", "b")], facts={"result": "clean"}))
    filter_.options = type(filter_.options)()
    filter_.options.observe = observe
    with Player(filter_) as smtpd:
        outcome = smtpd.connect().mail(b"A: b\r\n" * 60_000 + b"\r\nx\r\n")
        assert outcome.ok == observe
        told = [line for line in smtpd.log if "result=refused reason=header-too-long action=reject" in line]
        assert len(told) == (not observe)


class Promised:
    """What can be waited for, and is no coroutine."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, object]:
        yield from asyncio.sleep(1).__await__()
        return self.value


@pytest.mark.parametrize("promise", [later, Promised, lambda value: asyncio.ensure_future(later(value))])
def test_a_hook_may_give_anything_that_can_be_waited_for(promise: Callable[[object], Any]) -> None:
    with Player(at_mail(lambda: promise(Reject(550, None, "no")))) as smtpd:
        assert smtpd.connect().mail_from().reply == "550 no"
    with Player(at_message(lambda _: promise(Verdict(Reject(550, None, "no"))))) as smtpd:
        assert smtpd.connect().mail(BODY).reply == "550 no"


def test_messages_that_pass_are_counted() -> None:
    with Player(at_message(lambda _: Verdict())) as smtpd:
        for _ in range(3):
            assert smtpd.connect().mail(BODY).ok
        assert smtpd.dispatcher.members[0].counts.passed == 3


@pytest.mark.parametrize("protocol", ["0.4", "0.5"])
@pytest.mark.parametrize("decision", [Proceed(), Proceed(facts={"result": "odd"}), Reject(550, None, "no")])
def test_what_is_decided_on_a_message_is_answered_at_commit_and_forgotten(
    protocol: str, decision: Proceed | Reject
) -> None:
    with Player(at_message(lambda _: Verdict(decision)), protocol=protocol) as smtpd:
        assert smtpd.connect().mail(BODY).ok == isinstance(decision, Proceed)
        assert len(smtpd.dispatcher.held) == 0


@pytest.mark.parametrize("size", [1_997, 1_998])
def test_before_7_4_shorter_lines_are_too_long(size: int) -> None:
    with Player(at_message(lambda _: Verdict()), protocol="0.6") as smtpd:
        assert smtpd.connect().mail(b"A: b\r\n\r\n" + b"x" * size).ok == (size == 1_997)


def test_a_large_message_is_released_in_steps() -> None:
    body = b"Subject: large\r\n\r\n" + b"x" * 998 + b"\r\n" + (b"y" * 70 + b"\r\n") * 40_000
    with Player(at_message(lambda _: Verdict(edits=[AddHeader("A", "b")]))) as smtpd:
        client = smtpd.connect()
        outcome = client.mail(body)
        assert outcome.text.startswith(b"A: b\r\nReceived")
        assert outcome.text.endswith(body)
        assert len(smtpd.written) > 40


def test_a_client_that_goes_in_the_middle_frees_its_message() -> None:
    with Player(at_message(lambda _: later(Verdict()))) as smtpd:
        for dot in (b"", b"\n."):
            client = smtpd.connect()
            client.mail_from()
            head = b"filter|0.7|1.1|smtp-in|data-line|%b|88|" % client.id
            smtpd.feed(b"".join(head + line + b"\n" for line in (b"A: b\n\nx" + dot).split(b"\n")))
            client.vanish()
            smtpd.feed(head + b"late\n" + head + b".\n")
            smtpd.advance(2)
        assert len(smtpd.dispatcher.held) == 0
        assert not any(line.startswith(b"filter-dataline") for line in smtpd.lines())


def test_a_commit_before_our_dot_is_answered_after_it() -> None:
    with Player(at_message(lambda _: later(Verdict()))) as smtpd:
        client = smtpd.connect()
        head = b"|0.7|1.1|smtp-in|"
        smtpd.feed(b"filter%bdata-line|%b|88|A: b\n" % (head, client.id))
        smtpd.feed(b"filter%bdata-line|%b|88|.\n" % (head, client.id))
        smtpd.feed(b"filter%bcommit|%b|89|\n" % (head, client.id))
        smtpd.advance(3)
        assert [line.split(b"|")[0] for line in smtpd.lines()[-3:]] == [b"filter-dataline"] * 2 + [b"filter-result"]


def test_a_commit_without_a_message_is_not_a_clean_one() -> None:
    with Player(at_message(lambda _: Verdict())) as smtpd:
        client = smtpd.connect()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|commit|%b|89|\n" % client.id)
        assert smtpd.lines()[-1].endswith(b"reject|451 4.3.0 temporary local problem")
        (line,) = smtpd.log
        assert line.startswith(f'{client.id.decode()} commit action=reject reply="451 4.3.0 temporary local problem" ')
        assert ' reason="no message before commit" ' in line


def test_lines_behind_a_dot_never_come_back() -> None:
    with Player(at_message(lambda _: Verdict())) as smtpd:
        client = smtpd.connect()
        head = b"filter|0.7|1.1|smtp-in|data-line|%b|88|" % client.id
        smtpd.feed(b"".join(head + line + b"\n" for line in (b"A: b", b".", b"smuggled", b"x")))
        assert not any(b"smuggled" in line for line in smtpd.lines())


def test_many_messages_in_one_session() -> None:
    with Player(at_message(lambda m: Verdict(edits=[AddHeader("X-Size", str(m.size))]))) as smtpd:
        client = smtpd.connect()
        for n in range(20):
            assert client.mail(b"Subject: %d\r\n\r\n" % n + b"x\r\n" * n).ok
        assert len(smtpd.dispatcher.held) == 0


# --- facts and state -----------------------------------------------------------------------------------------------


class Counting(Filter):
    """Keeps state of every kind, and tells what it saw."""

    greeted = PerSession(list[bytes])
    recipients = PerTransaction(list[bytes])

    def __init__(self) -> None:
        self.seen: list[object] = []

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        self.greeted[session].append(identity)
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        self.recipients[session].append(recipient)
        return Proceed()

    def saw_commit(self, session: Session, size: int) -> None:
        transaction = session.transaction
        assert transaction is not None
        self.seen.append((transaction.sender, tuple(self.recipients[session]), tuple(transaction.recipients), size > 0))

    def saw_auth(self, session: Session, result: str, user: bytes) -> None:
        self.seen.append((result, user, session.user))

    def saw_disconnect(self, session: Session) -> None:
        self.seen.append(self.greeted[session])


@pytest.mark.parametrize("protocol", ["0.4", "0.6", "0.7", "0.9"])
def test_state_lives_as_long_as_what_it_hangs_on(protocol: str) -> None:
    filter_ = Counting()
    with Player(filter_, protocol=protocol) as smtpd:
        client = smtpd.connect()
        client.helo("one")
        client.auth("al|ice")
        assert client.mail(BODY, "b@x", "c@x").ok
        client.helo("two")
        assert client.mail(BODY, "d@x", sender="").ok
        client.quit()
        assert smtpd.dispatcher.sessions.open == {}
    assert filter_.seen == [
        ("pass", b"al|ice", b"al|ice"),
        (b"a@example.net", (b"b@x", b"c@x"), (b"b@x", b"c@x"), True),
        (b"", (b"d@x",), (b"d@x",), True),
        [b"one", b"two"],
    ]


def test_transaction_state_needs_a_transaction() -> None:
    filter_ = Counting()
    with pytest.raises(LookupError):
        filter_.recipients[Session(b"1")].append(b"x")
    assert Session(b"1") not in filter_.recipients


def test_a_hook_that_sees_may_fail() -> None:
    class Clumsy(Filter):
        def saw_connect(self, session: Session) -> None:
            raise SystemExit(1)

        def on_connect(self, session: Session) -> Decision:
            return Proceed()

    with Player(Clumsy()) as smtpd:
        assert smtpd.connect().last.ok
        assert any("SystemExit" in line for line in smtpd.log)


def test_long_senders_are_known_from_the_request() -> None:
    senders: list[bytes | None] = []

    class Asking(Filter):
        def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
            senders.append(session.sender)
            return Proceed()

        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return Reject(550, None, "no") if sender == b"refused" else Proceed()

    with Player(Asking()) as smtpd:
        client = smtpd.connect()
        client.mail_from("x" * 300 + "@example.org")
        client.rcpt_to()
        client.rset()
        client.mail_from("refused")
        client.rcpt_to()
    assert senders == [b"x" * 300 + b"@example.org", None]


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
def test_a_sender_is_known_until_it_is_refused_itself(*, late: bool) -> None:
    senders: list[bytes | None] = []

    class Asking(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Any:  # noqa: ANN401 - a decision, or a wait for one
            return later(Junk()) if late else Junk()

        def on_rcpt_to(self, session: Session, recipient: bytes) -> Any:  # noqa: ANN401 - as above
            senders.append(session.sender)
            return later(Reject(550, None, "no")) if late else Reject(550, None, "no")

    with Player(Asking()) as smtpd:
        for phase, argument in ((b"mail-from", b"a@example.org"), (b"rcpt-to", b"b@x"), (b"rcpt-to", b"c@x")):
            smtpd.feed(asked(smtpd, 1, phase, argument))  # and no report: smtpd tells of no long sender
            smtpd.advance(2)
    assert senders == [b"a@example.org", b"a@example.org"]


def test_an_unknown_sender_is_not_logged_as_the_null_sender() -> None:
    """smtpd reports no sender over 254 bytes, and a filter before this one may have answered the request."""
    with Player(at_message(lambda _: Verdict(Reject(554, "5.7.1", "no")))) as smtpd:
        client = smtpd.connect()
        client.report("tx-begin", b"00100000")
        client.report("tx-rcpt", b"00100000", b"ok", b"recipient@example.org")
        client.message(BODY)
        smtpd.connect().mail(BODY, sender="")
        unknown, null = smtpd.log
    assert " from=- " in unknown
    assert " from=<> " in null


def test_more_recipients_than_are_kept() -> None:
    with Player(Counting()) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        for n in range(1_200):
            client.report("tx-rcpt", b"%08x" % (int(client.id, 16) * 256 + 1), b"ok", b"r%d@x" % n)
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.transaction is not None
        assert session.transaction.recipient_count == 1_200
        assert len(session.transaction.recipients) == 1_000
        client.vanish()


def test_hooks_with_a_typing_error_are_refused() -> None:
    with pytest.raises(TypeError, match=r"on_conect is no hook; did you mean on_connect\?"):
        type("Typo", (Filter,), {"on_conect": lambda self, session: Proceed()})
    with pytest.raises(TypeError, match="saw_connect"):
        type("Typo", (Filter,), {"saw_conect": lambda self, session: None})
    with pytest.raises(TypeError, match="on_message and on_commit"):
        type("Both", (Filter,), {"on_message": lambda *_: Verdict(), "on_commit": lambda *_: Proceed()})


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("default_failure", "accept", "Wrong.default_failure is no str, but Failure"),
        ("command_deadline", "10", "Wrong.command_deadline is no str, but int or float"),
        ("tempfail", "451 later", "Wrong.tempfail is no str, but Reject"),
        ("later", "hashlib", "Wrong.later is no str, but tuple"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused_when_the_class_is_made(attribute: str, value: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        type("Wrong", (Filter,), {attribute: value})


def test_a_decision_in_place_of_a_verdict_is_told_with_the_remedy() -> None:
    made = type("Bare", (Filter,), {"on_message": lambda self, session, message: Proceed()})
    with Player(made()) as smtpd:
        assert not smtpd.connect().mail().ok
    assert any("illegal verdict: Proceed(); a message is answered with a Verdict" in line for line in smtpd.log)


def test_what_is_overridden_is_registered() -> None:
    class Chatty(Filter):
        watch_outgoing: ClassVar[bool] = True

        def saw_protocol_client(self, session: Session, line: bytes) -> None: ...

        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict()

    assert Chatty().wanted().phases == ["mail-from", "rcpt-to", "data-line", "commit"]
    assert ("smtp-out", "link-connect") in Chatty().wanted().reports
    assert ("smtp-in", "protocol-client") in Chatty().wanted().reports
    assert ("smtp-in", "tx-envelope") in Chatty().wanted().reports
    assert ("smtp-in", "tx-data") not in Chatty().wanted().reports
    assert len(Chatty().wanted().reports) == len(set(Chatty().wanted().reports))
    assert Counting().wanted().phases == ["mail-from", "rcpt-to", "helo", "ehlo"]


def test_what_one_smtpd_says_stays_with_its_filter() -> None:
    with Player(at_mail(Proceed)) as smtpd:
        assert smtpd.filter.server.admd == b"mx.example.org"
        assert smtpd.filter.server.protocol == (0, 7)
    assert at_mail(Proceed).server.admd == b""


# --- lines that come early or late ---------------------------------------------------------------------------------


def test_a_question_of_a_session_that_is_over_is_waved_through_and_makes_no_session() -> None:
    """Reports and requests come by different ways; smtpd has forgotten the session by then."""
    with Player(at_mail(lambda: Reject(550, None, "no"))) as smtpd:
        client = smtpd.connect()
        client.vanish()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|mail-from|%b|85|x@y\n" % client.id)
        assert smtpd.lines()[-1] == b"filter-result|%b|85|proceed" % client.id
        assert len(smtpd.dispatcher.sessions) == 0


def test_message_lines_of_a_session_nobody_told_of_are_held() -> None:
    with Player(at_message(lambda _: Verdict())) as smtpd:
        head = b"filter|0.7|1.1|smtp-in|data-line|00000000000000cc|%b|" % smtpd.token(b"data-line")
        smtpd.advance(5)
        smtpd.feed(head + b"A: b\n" + head + b".\n")
        assert smtpd.lines()[-2:] == [smtpd.head(b"00000000000000cc") + line for line in (b"A: b", b".")]
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.connected_at == 5.0


@pytest.mark.parametrize("again", [b"mail-from", b"commit"])
def test_a_question_asked_again_is_answered_by_the_policy_before_the_next_is_asked(
    monkeypatch: pytest.MonkeyPatch, again: bytes
) -> None:
    """smtpd has one question open for each session; one it does not wait for any more may not hold up the next."""
    order: list[bytes] = []

    class Waiting(Filter):
        async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            order.append(sender)
            await asyncio.sleep(1)
            return Proceed()

        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict()

    with Player(Waiting()) as smtpd:
        client = smtpd.connect()
        monkeypatch.setattr(smtpd.oracle, "filter_wrote", lambda _: None)  # smtpd never asks like this
        start = b"filter|0.7|1.1|smtp-in|"
        smtpd.feed(start + b"mail-from|%b|85|one\n" % client.id)
        smtpd.advance(0.5)
        smtpd.feed(start + b"%b|%b|86|two\n" % (again, client.id))
        answers = [line for line in smtpd.lines() if line.startswith(b"filter-result|%b" % client.id)]
        assert answers[0] == b"filter-result|%b|85|reject|%b" % (client.id, TEMPFAIL.encode())
        smtpd.advance(5)
        answers = [line for line in smtpd.lines() if line.startswith(b"filter-result|%b" % client.id)]
        expected = b"proceed" if again == b"mail-from" else b"reject|" + TEMPFAIL.encode()
        assert answers[1:] == [b"filter-result|%b|86|%b" % (client.id, expected)]
        assert sum(' reason="asked again" ' in line for line in smtpd.log) == 1
        client.vanish()


def test_the_subject_a_filter_knows_is_the_one_that_is_logged() -> None:
    facts = {"subject": "known", "msgid": "<known@x>"}
    with Player(at_message(lambda _: Verdict(facts=facts))) as smtpd:
        assert smtpd.connect().mail(b"Subject: other\r\n\r\nx\r\n").ok
        (line,) = smtpd.log
        assert line.endswith("subject=known msgid=<known@x>")


@pytest.mark.parametrize(("protocol", "start"), [("0.4", b"81|00000000000000cc|"), ("0.5", b"00000000000000cc|81|")])
@pytest.mark.parametrize(("decision", "end"), [(Proceed(), b"proceed"), (Junk(), b"junk")])
def test_before_protocol_0_5_the_token_of_an_answer_comes_first(
    protocol: str, start: bytes, decision: Decision, end: bytes
) -> None:
    with Player(at_mail(lambda: decision), protocol=protocol) as smtpd:
        smtpd.feed(b"filter|%b|1.1|smtp-in|mail-from|00000000000000cc|81|x@y\n" % protocol.encode())
        assert smtpd.lines()[-1] == b"filter-result|" + start + end


@pytest.mark.parametrize("what", ["question", "report"])
def test_a_session_began_when_it_was_first_heard_of(what: str) -> None:
    with Player(at_mail(Proceed)) as smtpd:
        smtpd.advance(5)
        report = b"report|0.7|1.1|smtp-in|tx-reset|%016x|0badcafe\n" % 1
        smtpd.feed(asked(smtpd, 1, b"mail-from") if what == "question" else report)
        (session,) = smtpd.dispatcher.sessions.open.values()
        assert session.connected_at == 5.0
