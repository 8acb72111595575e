"""A store that does not answer in time: the mail is let in, and soon the store is not waited for any more."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from filter_greylist.rules.policy import Known
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
