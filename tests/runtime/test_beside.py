"""Members that look at a message at the same time (option -p of filter-chain): together in time, in order in effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from filter_api import AddHeader, Failure, Filter, Message, Proceed, Reject, Session, Verdict
from filter_api.context import Context
from filter_api.message.spool import Spool
from filter_api.runtime.examining import turns_beside
from filter_api.runtime.guard import guard
from filter_api.testing import Player

NO = Reject(550, "5.7.1", "no")
MAIL = b"Subject: x\r\n\r\nhello\r\n"


class Scanner(Filter):
    """Gives a verdict after `seconds`, keeps what it saw and how its question ended."""

    beside: ClassVar[bool] = True

    def __init__(self, name: str, seconds: float, verdict: Callable[[], object] | None = None) -> None:
        self.title = name
        self.seconds = seconds
        self.verdict = verdict or (lambda: Verdict(edits=[AddHeader(name, "y")]))
        self.saw: list[bytes] = []
        self.ended: list[str] = []

    def on_message(self, session: Session, message: Message) -> Verdict:
        self.saw.append(b"".join(message.text()))
        answer: Any = self._later() if self.seconds else self.verdict()
        return answer  # type: ignore[no-any-return]  # what is no verdict is tried, too

    async def _later(self) -> object:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("answered")
        return self.verdict()


class InOrder(Scanner):
    """One that must see what those before it have added."""

    beside: ClassVar[bool] = False


def played(*members: Scanner, beside: bool = True, spool: Spool | None = None) -> Player:
    return Player({each.title: each for each in members}, beside=beside, spool=spool)


@pytest.mark.parametrize("times", [(3, 2), (2, 3), (3, 0), (0, 3), (3, 3), (0, 0)])
def test_two_take_as_long_as_the_slower_and_both_add_their_headers_in_order(times: tuple[int, int]) -> None:
    spool = Spool()
    one, two = Scanner("X-One", times[0]), Scanner("X-Two", times[1])
    with played(one, two, spool=spool) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        done = client.mail(MAIL)
        assert done.ok
        assert max(times) <= smtpd.loop.time() - began < max(times) + 1
        assert done.text.startswith(b"X-Two: y\r\nX-One: y\r\nReceived: ")
    assert one.saw == two.saw
    assert one.saw[0].startswith(b"Received: ")
    assert spool.held == 0


def test_without_the_option_each_waits_for_the_one_before_and_sees_its_header() -> None:
    one, two = Scanner("X-One", 3), Scanner("X-Two", 2)
    with played(one, two, beside=False) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        assert client.mail(MAIL).ok
        assert 5 <= smtpd.loop.time() - began < 6
    assert two.saw[0].startswith(b"X-One: y\r\nReceived: ")


def test_who_must_see_the_headers_of_others_is_asked_after_them() -> None:
    one, two, last = Scanner("X-One", 2), Scanner("X-Two", 3), InOrder("X-Last", 1)
    after = Scanner("X-After", 1), Scanner("X-Beside", 2)
    with played(one, two, last, *after) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        done = client.mail(MAIL)
        assert 6 <= smtpd.loop.time() - began < 7
    assert last.saw[0].startswith(b"X-Two: y\r\nX-One: y\r\nReceived: ")
    assert after[1].saw[0].startswith(b"X-Last: y\r\nX-Two: y\r\n")
    assert done.text.startswith(b"X-Beside: y\r\nX-After: y\r\nX-Last: y\r\n")


def test_one_that_refuses_ends_the_scans_of_those_behind_it_at_once() -> None:
    one, two = Scanner("X-One", 1, lambda: Verdict(NO)), Scanner("X-Two", 50)
    with played(one, two) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        assert client.mail(MAIL).reply == "550 5.7.1 no"
        assert smtpd.loop.time() - began < 2
        assert not len(smtpd.dispatcher.ledger)
        assert client.mail(MAIL).reply == "550 5.7.1 no"
    assert two.ended == ["cancelled"] * 2


@pytest.mark.parametrize("first", [0.0, 5.0])
def test_one_that_refuses_early_waits_for_those_before_it(first: float) -> None:
    """As without the option: whoever is first in the chain says what happens."""
    virus = Reject(554, "5.7.1", "b")
    one, two = Scanner("X-One", first, lambda: Verdict(NO)), Scanner("X-Two", 1, lambda: Verdict(virus))
    with played(one, two) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.7.1 no"
    three, four = Scanner("X-One", first), Scanner("X-Two", 1, lambda: Verdict(virus))
    with played(three, four) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "554 5.7.1 b"


@pytest.mark.parametrize("how", ["raises", "nonsense", "too late"])
@pytest.mark.parametrize("which", [0, 1])
def test_one_that_fails_follows_its_own_policy_and_the_other_counts_all_the_same(how: str, which: int) -> None:
    def broken() -> object:
        if how == "raises":
            raise ValueError(how)
        return 7

    bad = Scanner("X-Bad", 500 if how == "too late" else 1, broken)
    bad.options.failure = Failure.ACCEPT
    good = Scanner("X-Good", 2)
    members = [bad, good] if which == 0 else [good, bad]
    with played(*members) as smtpd:
        done = smtpd.connect().mail(MAIL)
        assert done.ok
        assert smtpd.loop.time() < 65
    assert b"X-Good: y\r\n" in done.text
    assert b"X-Filter-Unchecked: filter\r\n" in done.text


@pytest.mark.parametrize("timeouts", [(5.0, 20.0), (20.0, 5.0)])
def test_each_has_its_own_deadline(timeouts: tuple[float, float]) -> None:
    one, two = Scanner("X-One", 10), Scanner("X-Two", 10)
    one.options.timeout, two.options.timeout = timeouts
    one.options.failure = two.options.failure = Failure.ACCEPT
    with played(one, two) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        done = client.mail(MAIL)
        assert smtpd.loop.time() - began == pytest.approx(10, abs=0.5)
    assert (b"X-One: y" in done.text, b"X-Two: y" in done.text) == tuple(each > 10 for each in timeouts)
    assert done.text.count(b"X-Filter-Unchecked") == 1


@pytest.mark.parametrize("end", ["vanish", "close"])
def test_a_session_that_goes_away_takes_all_of_its_scans_along(end: str) -> None:
    one, two = Scanner("X-One", 9), Scanner("X-Two", 9)
    with played(one, two) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        client.rcpt_to()
        client.data()
        lines = [b"Subject: x", b"", b"hello", b"."]
        for line in lines:
            smtpd.feed(b"filter|0.7|1700000000.000000|smtp-in|data-line|%s|%s|%s\n" % (client.id, b"a" * 16, line))
        assert len(smtpd.dispatcher.ledger) == 2
        if end == "vanish":
            smtpd.feed(b"report|0.7|1700000000.000000|smtp-in|link-disconnect|%s\n" % client.id)
        else:
            smtpd.dispatcher.close("the end")
        smtpd.loop.run_until_complete(asyncio.sleep(0))
        assert not len(smtpd.dispatcher.ledger)
    assert one.ended == two.ended == ["cancelled"]


def test_with_one_alone_the_option_means_nothing() -> None:
    one = Scanner("X-One", 1)
    with played(one) as smtpd:
        assert smtpd.connect().mail(MAIL).text.startswith(b"X-One: y\r\n")
    assert isinstance(Verdict().decision, Proceed)


def test_one_for_whose_answer_there_is_no_memory_has_failed_and_the_others_may_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = Scanner("X-One", 0), Scanner("X-Two", 3)
    two.options.failure = Failure.ACCEPT

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    with played(one, two) as smtpd:
        client = smtpd.connect()
        monkeypatch.setattr(type(smtpd.dispatcher.deadlines), "add", no_memory)
        done = client.mail(MAIL)
        monkeypatch.undo()
        assert smtpd.log[0] == f'X-Two: {client.id.decode()} message error="MemoryError: "'
    assert done.ok
    assert done.text.startswith(b"X-Filter-Unchecked: filter\r\nX-One: y\r\n")


@pytest.mark.parametrize(
    ("members", "turns"),
    [
        ("", {}),
        ("b", {}),
        ("bb", {0: range(1, 2)}),
        ("bbb", {0: range(1, 3)}),
        ("ob", {}),
        ("obb", {1: range(2, 3)}),
        ("bob", {}),
        ("bbobb", {0: range(1, 2), 3: range(4, 5)}),
        ("bboob", {0: range(1, 2)}),
    ],
)
def test_only_neighbours_that_both_say_so_are_asked_together(members: str, turns: dict[int, range]) -> None:
    """b: looks beside others; o: must see what those before it have added."""
    filters = {str(turn): (Scanner if kind == "b" else InOrder)("X", 0) for turn, kind in enumerate(members)}
    assert turns_beside(guard(filters, Context())) == turns


def test_who_looks_beside_others_is_told_the_session_too_and_is_named_when_it_throws() -> None:
    class Throwing(Scanner):
        def on_message(self, session: Session, message: Message) -> Verdict:
            self.saw.append(session.id)
            raise ZeroDivisionError("bug")

    two = Throwing("X-Two", 0)
    two.options.failure = Failure.ACCEPT
    with played(Scanner("X-One", 2), two) as smtpd:
        client = smtpd.connect()
        assert client.mail(MAIL).ok
        assert smtpd.log[0] == f'X-Two: {client.id.decode()} message error="ZeroDivisionError: bug"'
    assert two.saw == [client.id]


def test_who_throws_later_beside_others_is_named_with_its_session() -> None:
    def bug() -> object:
        raise ZeroDivisionError("bug")

    two = Scanner("X-Two", 1, bug)
    two.options.failure = Failure.ACCEPT
    with played(Scanner("X-One", 2), two) as smtpd:
        client = smtpd.connect()
        assert client.mail(MAIL).ok
        assert smtpd.log[0] == f'X-Two: {client.id.decode()} message error="ZeroDivisionError: bug"'
