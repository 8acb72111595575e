"""Whatever a filter returns, throws or overrides, each request is answered once; the log comes after the answer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from filter_api import (
    CannotCheck,
    CommonOptions,
    Decision,
    Failure,
    Filter,
    Message,
    Proceed,
    Reject,
    Session,
    Verdict,
)
from filter_api import facts as session_facts
from filter_api.bounds import MAX_FIELDS
from filter_api.message.spool import SpoolError
from filter_api.testing import Player
from tests.support.hostile import ERRORS, Shy
from tests.support.hostile_awaitables import NeverDone
from tests.support.talk import talks

TEMPFAIL = "451 4.3.0 temporary local problem"
MAIL = b"Subject: x\r\n\r\nhello\r\n"


class Bad(Reject):
    """A decision whose reply cannot be told."""

    __slots__ = ()

    @property
    def reply(self) -> str:
        if hasattr(self, "facts"):
            raise RuntimeError("no reply")
        return ""


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class UnprintableError(Exception):
    __str__ = Unprintable.__str__
    __repr__ = Unprintable.__repr__


def wrong_facts() -> Decision:
    return Reject(550, "5.7.1", "no", facts=["reason"])  # type: ignore[arg-type]  # what a filter's author may do


def unprintable_facts() -> Decision:
    return Reject(550, "5.7.1", "no", facts={"why": Unprintable()})


def unprintable_error() -> Decision:
    raise UnprintableError


def hostile_group() -> Decision:
    raise BaseExceptionGroup("several", [KeyboardInterrupt(), MemoryError()])


ANSWERS: dict[Callable[[], Decision], str] = {
    wrong_facts: TEMPFAIL,
    unprintable_facts: "550 5.7.1 no",
    unprintable_error: TEMPFAIL,
    hostile_group: TEMPFAIL,
    lambda: Bad(550, None, "x"): TEMPFAIL,
    lambda: None: TEMPFAIL,  # type: ignore[dict-item, return-value]  # a branch forgot to return
}


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("returns", ANSWERS)
def test_a_hostile_decision_is_answered_and_so_is_everybody_else_in_the_same_read(
    returns: Callable[[], Decision], late: bool
) -> None:
    class Hostile(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return returns() if sender == b"bad@example.org" else Proceed()

    class HostileLate(Filter):
        async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            await asyncio.sleep(0)
            return returns() if sender == b"bad@example.org" else Proceed()

    with Player(HostileLate() if late else Hostile()) as smtpd:
        one, other = smtpd.connect("192.0.2.1"), smtpd.connect("192.0.2.2")
        assert one.mail_from("bad@example.org").reply == ANSWERS[returns]
        assert other.mail_from("good@example.org").ok
        assert one.mail_from("good@example.org").ok


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
def test_a_policy_that_throws_is_answered_by_come_again(late: bool) -> None:
    class Unhelpful(Filter):
        def failed(self) -> Proceed | Reject:
            raise ZeroDivisionError

        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            raise CannotCheck("nobody knows")

        def on_message(self, session: Session, message: Message) -> Verdict:
            raise CannotCheck("nobody knows")

    class UnhelpfulLate(Unhelpful):
        async def on_mail_from(self, session: Session, sender: bytes) -> Decision:  # type: ignore[override]  # either
            raise CannotCheck("nobody knows")

    with Player(UnhelpfulLate() if late else Unhelpful()) as smtpd:
        client = smtpd.connect()
        assert client.mail_from().reply == TEMPFAIL
        assert f"{client.id.decode()} library error=ZeroDivisionError" in "".join(smtpd.log).replace('"', "")


def test_a_message_of_a_policy_that_throws_is_put_off() -> None:
    class Unhelpful(Filter):
        def failed(self) -> Proceed | Reject:
            raise ZeroDivisionError

        def on_message(self, session: Session, message: Message) -> Verdict:
            raise CannotCheck("nobody knows")

    with Player(Unhelpful()) as smtpd:
        client = smtpd.connect()
        assert client.mail(MAIL).reply == TEMPFAIL
        assert smtpd.log[0] == f'{client.id.decode()} library error="ZeroDivisionError: "'


def test_a_log_that_throws_keeps_no_answer_back() -> None:
    class Refusing(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return Reject(550, "5.7.1", "no")

        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict(Reject(550, "5.7.1", "no"))

    def throw(_level: int, _line: str) -> None:
        raise MemoryError

    with Player(Refusing()) as smtpd:
        client = smtpd.connect()
        client.helo("x")
        smtpd.filter.log.sink = throw
        assert client.mail_from().reply == "550 5.7.1 no"


def raise_spool() -> Verdict:
    raise SpoolError("cannot read a spooled message")


def raise_in_a_group() -> Verdict:
    raise ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [SpoolError("disk")])])


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("failure", list(Failure))
@pytest.mark.parametrize("throw", [raise_spool, raise_in_a_group])
def test_a_message_that_cannot_be_read_is_put_off_whatever_the_policy_says(
    throw: Callable[[], Verdict], failure: Failure, late: bool
) -> None:
    with Player(with_policy(throwing(throw, late), failure)) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "452 4.3.1 insufficient system storage"
        assert sum("spool error=" in line for line in smtpd.log) == 1


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("failure", list(Failure))
def test_a_header_of_too_many_fields_is_refused_whatever_the_policy_says(failure: Failure, late: bool) -> None:
    class Looks(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            message.header.get("Subject")
            return Verdict()

    class LooksLate(Filter):
        async def on_message(self, session: Session, message: Message) -> Verdict:
            message.header.get("Subject")
            return Verdict()

    with Player(with_policy(LooksLate() if late else Looks(), failure)) as smtpd:
        client = smtpd.connect()
        done = client.mail(b"Subject: x\r\n" * (MAX_FIELDS + 1) + b"\r\nhello\r\n")
        assert done.reply == "550 5.6.0 too many header fields"
        assert sum("reason=too-many-fields" in line for line in smtpd.log) == 1
        assert client.mail(MAIL).ok


def throwing(throw: Callable[[], Verdict], late: bool) -> Filter:
    class Throwing(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            return throw()

    class ThrowingLate(Filter):
        async def on_message(self, session: Session, message: Message) -> Verdict:
            await asyncio.sleep(0)
            return throw()

    return ThrowingLate() if late else Throwing()


def with_policy(filter_: Filter, failure: Failure) -> Filter:
    filter_.options = CommonOptions()
    filter_.options.failure = failure
    return filter_


def test_a_policy_that_accepts_what_it_cannot_mark_puts_it_off() -> None:
    """A message nobody could mark as unchecked must not pass as a checked one."""

    class Unmarked(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            raise CannotCheck("no scanner")

        def unchecked(self) -> tuple[()]:
            raise ZeroDivisionError

    with Player(with_policy(Unmarked(), Failure.ACCEPT)) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == TEMPFAIL


@pytest.mark.parametrize("late", [False, True], ids=["sync", "async"])
def test_failures_leave_no_circles_for_the_collector(late: bool) -> None:
    """It is told to come rarely; a filter whose backend is down would grow until then."""

    class Failing(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            raise ValueError("x")

    class FailingLate(Filter):
        async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            raise ValueError("x")

    with Player(FailingLate() if late else Failing()) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                client.mail_from()
            assert gc.collect() < 50
        finally:
            gc.enable()


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [("on_connect", "session"), ("on_rcpt_to", "session, recipient"), ("saw_auth", "session, result, user")],
)
def test_a_hook_that_cannot_take_its_arguments_is_no_class(hook: str, arguments: str) -> None:
    """At the first mail it would be too late: every one would fail."""
    for wrong in (lambda self: None, lambda self, a, b, c, d, e: None, lambda self, session, *, more: None):
        with pytest.raises(TypeError, match=rf"Wrong\.{hook} is called as {hook}\({arguments}\)"):
            type("Wrong", (Filter,), {hook: wrong})
    type("Right", (Filter,), {hook: lambda self, *arguments: None})
    type("Mixin", (Filter,), {hook: lambda self, session, more=None, another=None: None})


def test_a_refusal_of_a_message_that_cannot_be_told_is_one_all_the_same() -> None:
    """Its text was set when it had been checked; the message must neither pass nor wait."""

    class Late(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            refusal = Reject(550, "5.7.1", "no")
            refusal.text = "no\r\n250 yes"
            return Verdict(refusal)

    with Player(Late()) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == TEMPFAIL


def test_what_goes_wrong_behind_an_answer_does_not_answer_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_session: Session) -> None:
        raise RuntimeError("a mistake of the library's own")

    class Refusing(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return Reject(550, "5.7.1", "no")

    monkeypatch.setattr(session_facts, "mail_from_refused", broken)
    with Player(Refusing()) as smtpd:
        assert smtpd.connect().mail_from().reply == "550 5.7.1 no"
        assert any("a mistake of the library's own" in line for line in smtpd.log)


def test_a_value_that_cannot_be_looked_at_is_no_decision() -> None:
    class Refusing(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return Shy()  # type: ignore[return-value]  # what a filter's author may do

    with Player(Refusing()) as smtpd:
        assert smtpd.connect().mail_from().reply == TEMPFAIL


def test_what_throws_when_it_is_cancelled_costs_no_other_question() -> None:
    class Stubborn(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            return NeverDone()  # type: ignore[return-value]  # as above

    with Player(Stubborn()) as smtpd:
        clients = [smtpd.connect() for _ in range(3)]
        for client in clients:
            smtpd.feed(b"filter|0.7|1.1|smtp-in|mail-from|%b|%b|x@y\n" % (client.id, smtpd.token(b"mail-from")))
        smtpd.advance(0)
        clients[0].vanish()
        smtpd.dispatcher.close("shutting down")
        assert [line.split(b"|")[1] for line in smtpd.lines()[-2:]] == [clients[1].id, clients[2].id]
        assert len(smtpd.dispatcher.sessions) == 2
        smtpd.oracle.finish()


@pytest.mark.parametrize("name", ["a deep group", "an odd group"])
def test_a_group_of_errors_is_looked_through_as_far_as_it_goes(name: str) -> None:
    """Deep in it may stand that the message could not be read."""

    class Failing(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            raise ERRORS[name]()

    with Player(with_policy(Failing(), Failure.REJECT)) as smtpd:
        reply = smtpd.connect().mail(MAIL).reply
    assert reply[:9] == ("452 4.3.1" if name == "a deep group" else "550 5.3.0")


def test_when_the_process_ends_a_message_is_shown_to_nobody_else() -> None:
    seen: list[str] = []

    class Waiting(Filter):
        default_failure = Failure.ACCEPT

        async def on_message(self, session: Session, message: Message) -> Verdict:
            seen.append("one")
            await asyncio.sleep(50)
            return Verdict()

    class Next(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            seen.append("two")
            return Verdict()

    with talks() as make:
        one = make({"one": Waiting(), "two": Next()})
        one.lines(b"A: b", b"", b"x", b".")
        one.smtpd.advance(1)
        one.smtpd.dispatcher.close("shutting down")
        one.commit()
        assert one.back == [b"."]
        assert one.answers == [b"reject|" + TEMPFAIL.encode()]
    assert seen == ["one"]
