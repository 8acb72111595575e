"""A store that does not answer in time: the mail is let in, and soon the store is not waited for any more. One that is
still being opened is waited for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

import pytest

from filter_api import Decision, Reject, Session, Transaction
from filter_greylist.deciding.judge import seen_tuple
from filter_greylist.filter import build
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import Kind, Life, Record, Timers, Tuple, address_name
from filter_greylist.store.base import Question, StoreError
from filter_greylist.store.sqlite.store import SqliteStore
from tests.filter_greylist.smtp import Smtpd


class Slow(SqliteStore):
    """Answers after `seconds`, and counts how often it was asked."""

    seconds = 0.0
    asked = 0

    async def consult(self, question: Question) -> Known:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return await super().consult(question)


@pytest.mark.timed
def test_a_late_store_trips_the_breaker(tmp_path: Path) -> None:
    store = Slow(str(tmp_path / "greylist.db"), print)
    with Smtpd(tmp_path, "-T", "0.2", store=store) as smtpd:
        store.seconds = 30.0
        for _ in range(5):
            assert not smtpd.filter.breaker.is_open
            assert smtpd.offer() == "", "the policy is to accept"
        assert smtpd.filter.breaker.is_open, "five late answers in a row"
        assert store.asked == 5
        begun = time.monotonic()
        for _ in range(10):
            assert smtpd.offer() == ""
        assert time.monotonic() - begun < 1.0, "it is not waited for"
        assert store.asked <= 6, "but for a probe"


def test_a_store_that_is_slow_but_in_time_does_not(tmp_path: Path) -> None:
    store = Slow(str(tmp_path / "greylist.db"), print)
    with Smtpd(tmp_path, "-T", "2", store=store) as smtpd:
        store.seconds = 0.1
        for number in range(7):
            assert smtpd.offer(recipient=f"r{number}@example.org").startswith("451")
        assert not smtpd.filter.breaker.is_open


def test_clients_that_leave_before_the_answer_say_nothing_about_the_store(tmp_path: Path) -> None:
    """A stranger who hangs up again and again must not switch greylisting off."""
    store = Slow(str(tmp_path / "greylist.db"), print)
    with Smtpd(tmp_path, "-T", "5", store=store) as smtpd:
        assert smtpd.offer().startswith("451")
        store.seconds = 1.0
        player = smtpd.player
        for _ in range(8):
            client = smtpd.client()
            client.mail_from()
            ask = (client.id, player.token(b"rcpt-to"))
            player.feed(b"filter|0.7|1.1|smtp-in|rcpt-to|%b|%b|us@example.org\n" % ask)
            smtpd.loop.run_until_complete(asyncio.sleep(0.01))
            client.vanish()
            smtpd.loop.run_until_complete(asyncio.sleep(0))
        assert store.asked == 9
        assert not smtpd.filter.breaker.is_open
        store.seconds = 0.0
        assert smtpd.offer().startswith("451")


def test_late_answers_between_good_ones_do_not(tmp_path: Path) -> None:
    store = Slow(str(tmp_path / "greylist.db"), print)
    with Smtpd(tmp_path, "-T", "0.2", store=store) as smtpd:
        for _ in range(3):
            store.seconds = 30.0
            for _ in range(4):
                assert smtpd.offer() == ""
            store.seconds = 0.0
            assert smtpd.offer().startswith("451")
        assert not smtpd.filter.breaker.is_open


def test_one_that_fails_trips_it_too_and_is_found_again(tmp_path: Path) -> None:
    class Failing(Slow):
        fails = True

        async def consult(self, question: Question) -> Known:
            if self.fails:
                raise StoreError("broken")
            return await super().consult(question)

    store = Failing(str(tmp_path / "greylist.db"), print)
    with Smtpd(tmp_path, store=store) as smtpd:
        for _ in range(5):
            assert smtpd.offer() == ""
        assert smtpd.filter.breaker.is_open
        store.fails = False
        smtpd.filter.breaker._next_probe = 0.0
        assert smtpd.offer().startswith("451")
        assert not smtpd.filter.breaker.is_open


class SlowToOpen(SqliteStore):
    """A store whose server takes its time."""

    async def open(self) -> None:
        await asyncio.sleep(0.3)
        await super().open()


def test_the_first_clients_wait_for_the_store_and_are_not_let_in(tmp_path: Path) -> None:
    filter_ = build(["-f", str(tmp_path / "x.db")], SlowToOpen(str(tmp_path / "greylist.db"), print))

    async def both() -> Decision:
        session = Session(b"0000000000000001")
        session.source = b"192.0.2.1:25"
        session.transaction = Transaction()
        session.transaction.sender = b"them"
        starting = asyncio.create_task(filter_.started())
        answer = filter_.on_rcpt_to(session, b"us@example.org")
        assert isinstance(answer, Awaitable)
        decision: Decision = await answer
        await starting
        await filter_.stopping()
        return decision

    decision = asyncio.run(both())
    assert isinstance(decision, Reject)
    assert decision.reply == "451 4.7.1 greylisted, please try again in 25 minutes"


class Recorded(SlowToOpen):
    """Tells what it was asked, and when it was open."""

    def __init__(self, path: str) -> None:
        super().__init__(path, print)
        self.asked: list[str] = []

    async def open(self) -> None:
        await super().open()
        self.asked.append("open")

    async def attempt(self, attempt: Tuple, now: int, timers: Timers) -> Life | None:
        self.asked.append("attempt")
        return await super().attempt(attempt, now, timers)

    async def merge(self, records: Sequence[Record]) -> list[Life]:
        self.asked.append("merge")
        return await super().merge(records)


def test_what_is_noted_in_the_background_waits_for_the_store_as_well(tmp_path: Path) -> None:
    """A shared store that was asked before it was open took itself for one that is away, and known clients waited."""
    store = Recorded(str(tmp_path / "greylist.db"))
    filter_ = build(["-M", "192.0.2.26", "-o", "-f", str(tmp_path / "x.db")], store)

    async def connect_and_commit() -> tuple[bool, bool]:
        session = Session(b"0000000000000001")
        session.source, session.destination = b"192.0.2.1:25", b"192.0.2.25:25"
        starting = asyncio.create_task(filter_.started())
        await asyncio.sleep(0)
        filter_.saw_connect(session)
        now = filter_.clock.now()
        filter_.learner.whiten(ipaddress.ip_address("192.0.2.7"), now, now, passed=1)
        await starting
        await filter_.background.finish()
        noted = await store.get(Kind.GREY, seen_tuple(ipaddress.ip_address("192.0.2.1"), filter_.own.prefixes).key)
        white = await store.get(Kind.WHITE, address_name(ipaddress.ip_address("192.0.2.7")))
        await filter_.stopping()
        return noted is not None, white is not None

    assert asyncio.run(connect_and_commit()) == (True, True)
    assert store.asked[0] == "open"
    assert {"attempt", "merge"} <= set(store.asked)
    assert not filter_.breaker.is_open


def test_a_filter_that_is_stopped_before_it_started_ends(tmp_path: Path) -> None:
    filter_ = build(["-M", "192.0.2.26", "-f", str(tmp_path / "x.db")], SqliteStore(str(tmp_path / "g.db"), print))

    async def stop_at_once() -> None:
        session = Session(b"0000000000000001")
        session.source, session.destination = b"192.0.2.1:25", b"192.0.2.25:25"
        filter_.saw_connect(session)
        await filter_.stopping()

    asyncio.run(asyncio.wait_for(stop_at_once(), 10))
