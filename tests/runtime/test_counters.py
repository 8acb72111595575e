"""What is counted of decisions and of the time they take, and that it is what happened."""

from __future__ import annotations

import asyncio

import pytest

from filter_api import CannotCheck, Decision, Disconnect, Filter, Junk, Message, Proceed, Reject, Session, Verdict
from filter_api.bounds import MAX_REPLY_CODES
from filter_api.control.classes import CLASSES
from filter_api.control.document import Status
from filter_api.runtime.controlling import Control
from filter_api.runtime.counters import NO_REASON, Counts, Durations
from filter_api.testing import Player
from tests.support.scarcity import asked


def status(smtpd: Player) -> Status:
    """What this process would tell of itself."""
    return Control(smtpd.dispatcher, [], "filter-test", ["-n"], unwritten=lambda: 7)._status()


def decisions(smtpd: Player, member: int = 0) -> dict[str, int]:
    """Phase, verdict and, where there is one, reason → how often."""
    found = status(smtpd)["members"][member]["decisions"]
    return {f"{each['phase']} {each['verdict']} {each['reason']}".removesuffix(" -"): each["count"] for each in found}


class Judging(Filter):
    """Decides by the sender."""

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        if sender == b"bad@example.net":
            return Reject(550, "5.7.1", "no")
        if sender == b"worse@example.net":
            return Disconnect(554, None, "no")
        if sender == b"broken@example.net":
            raise RuntimeError("broken")
        if sender == b"doubt@example.net":
            raise CannotCheck("doubt")
        return Junk() if sender == b"spam@example.net" else Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict(Reject(554, "5.7.1", "no")) if message.wire_size > 200 else Verdict()


def test_each_decision_is_counted_by_phase_and_verdict_and_each_refusal_by_its_codes() -> None:
    with Player(Judging()) as smtpd:
        for sender in ("good", "good", "spam", "bad", "worse", "broken", "doubt"):
            smtpd.connect().mail_from(f"{sender}@example.net")
        client = smtpd.connect()
        client.mail(b"Subject: x\r\n\r\nshort\r\n")
        client.mail(b"Subject: x\r\n\r\n" + b"long\r\n" * 100)
        assert decisions(smtpd) == {
            "mail-from proceed": 4,
            "mail-from junk": 1,
            "mail-from reject": 1,
            "mail-from reject failed": 2,
            "mail-from disconnect": 1,
            "message proceed": 1,
            "message reject": 1,
        }
        member = status(smtpd)["members"][0]
        assert [(each["code"], each["enhanced"], each["count"]) for each in member["replies"]] == [
            ("451", "4.3.0", 2),
            ("550", "5.7.1", 1),
            ("554", "-", 1),
            ("554", "5.7.1", 1),
        ]
        assert (member["failed"], member["timed_out"], member["exceptions"]) == (2, 0, 1)


def test_what_is_only_observed_is_counted_as_such() -> None:
    with Player(Judging(), observe=True) as smtpd:
        smtpd.connect().mail_from("bad@example.net")
        smtpd.connect().mail_from("good@example.net")
        smtpd.connect().mail(b"Subject: x\r\n\r\n" + b"long\r\n" * 100, sender="good@example.net")
        assert decisions(smtpd) == {
            "mail-from observe-reject": 1,
            "mail-from proceed": 2,
            "message observe-reject": 1,
        }


class Second(Filter):
    """Lets everything through."""

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return Proceed()


def test_in_a_chain_each_member_has_its_own_counts_and_who_is_not_asked_counts_nothing() -> None:
    with Player({"first": Second(), "judge": Judging(), "last": Second()}) as smtpd:
        for sender in ("good", "good", "bad", "spam"):
            smtpd.connect().mail_from(f"{sender}@example.net")
        assert [each["name"] for each in status(smtpd)["members"]] == ["first", "judge", "last"]
        assert decisions(smtpd, 0) == {"mail-from proceed": 4}
        assert decisions(smtpd, 1) == {"mail-from proceed": 2, "mail-from reject": 1, "mail-from junk": 1}
        assert decisions(smtpd, 2) == {"mail-from proceed": 3}


class Slow(Filter):
    """Takes its time."""

    async def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        await asyncio.sleep(float(sender.partition(b"@")[0]))
        return Proceed()

    async def on_message(self, session: Session, message: Message) -> Verdict:
        await asyncio.sleep(4)
        return Verdict()


def test_answers_are_counted_by_the_time_they_took() -> None:
    with Player(Slow()) as smtpd:
        for seconds in ("0.2", "0.2", "3", "100"):
            smtpd.connect().mail_from(f"{seconds}@example.net")
        smtpd.connect().mail(sender="0@example.net")
        told = status(smtpd)
        took = dict(zip((*CLASSES, 999.0), told["commands"]["classes"], strict=True))
        assert {end: count for end, count in took.items() if count and end > 0.005} == {0.25: 2, 5.0: 1, 10.0: 1}
        assert 13.4 <= told["commands"]["seconds"] < 13.5
        assert dict(zip(CLASSES, told["examined"]["classes"], strict=False))[5.0] == 1
        assert told["members"][0]["timed_out"] == 1
        assert told["members"][0]["failed"] == 1


def test_commands_that_wait_for_a_slow_read_are_counted_as_slow() -> None:
    class Blocking(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            player.loop._jumping.now += 0.3  # type: ignore[attr-defined]  # as a hook that sleeps would see it
            return Proceed()

    with Player(Blocking()) as player:
        player.connect().mail_from("a@example.net")
        took = dict(zip(CLASSES, status(player)["commands"]["classes"], strict=False))
        assert took[0.5] == 1
        assert player.dispatcher.slow.seconds > 0.29


@pytest.mark.parametrize(("seconds", "slow"), [(0.005, 0), (0.006, 1)])
def test_a_read_of_five_milliseconds_is_not_slow(seconds: float, slow: int) -> None:
    class Blocking(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            player.loop._jumping.now = seconds  # type: ignore[attr-defined]  # as above
            return Proceed()

    with Player(Blocking()) as player:
        assert player.loop.time() == 0.0
        player.feed(asked(player, 1, b"mail-from"))
        assert sum(player.dispatcher.slow.classes) == slow


def test_all_commands_of_a_slow_read_are_counted_as_slow() -> None:
    class Blocking(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            player.loop._jumping.now += 0.3  # type: ignore[attr-defined]  # as above
            return Proceed()

    with Player(Blocking()) as player:
        player.feed(asked(player, 1, b"mail-from") + asked(player, 2, b"mail-from"))
        slow = player.dispatcher.slow
        assert dict(zip(CLASSES, slow.classes, strict=False))[1.0] == 2
        assert slow.seconds == pytest.approx(1.2)


def test_a_slow_read_that_cannot_be_counted_is_told_and_harms_nobody() -> None:
    class Blocking(Filter):
        def on_mail_from(self, session: Session, sender: bytes) -> Decision:
            player.loop._jumping.now += 0.3  # type: ignore[attr-defined]  # as above
            return Proceed()

    with Player(Blocking()) as player:
        client = player.connect()
        player.dispatcher.slow.classes.clear()
        assert client.mail_from("a@example.net").ok
        assert player.log[0] == 'library error="IndexError: list index out of range"'
        player.dispatcher.slow.classes.extend([0] * (len(CLASSES) + 1))


def test_messages_and_sessions_are_counted() -> None:
    with Player(Judging()) as smtpd:
        first = smtpd.connect()
        first.mail(b"Subject: x\r\n\r\n" + b"y" * 70_000 + b"\r\n")
        first.quit()
        smtpd.connect()
        told = status(smtpd)
        assert (told["sessions"], told["sessions_open"]) == (2, 1)
        assert (told["messages"], told["messages_held"], told["held_bytes"]) == (1, 0, 0)
        assert told["library_refusals"] == 1  # the line is longer than what smtpd takes
        assert told["unwritten_bytes"] == 7


def test_every_message_that_the_library_refuses_is_counted() -> None:
    with Player(Judging()) as smtpd:
        client = smtpd.connect()
        for number in (1, 2, 3):
            client.mail(b"Subject: x\r\n\r\n" + b"y" * 70_000 + b"\r\n")
            assert status(smtpd)["library_refusals"] == number
            assert status(smtpd)["messages"] == number


def test_reply_codes_beyond_the_bound_are_counted_together() -> None:
    counts = Counts()
    for number in range(MAX_REPLY_CODES + 5):
        counts.decided("mail-from", Reject(550, f"5.{number}.0", "no"), observe=False)
    counts.decided("mail-from", Reject(550, "5.0.0", "no"), observe=False)
    assert len(counts.replies) == MAX_REPLY_CODES + 1
    assert counts.replies["other", "other"] == 5
    assert counts.replies["550", "5.0.0"] == 2


def test_a_duration_at_the_end_of_a_class_belongs_to_it_and_above_all_there_is_one_more() -> None:
    durations = Durations()
    for seconds in (0.0, 0.005, 0.0051, 120.0, 121.0):
        durations.took(seconds)
    assert durations.classes == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_an_answer_is_in_the_lowest_class_that_holds_it() -> None:
    durations = Durations()
    for seconds in (0.0, CLASSES[0], CLASSES[1], CLASSES[-1]):
        durations.took(seconds)
    durations.took(CLASSES[-1] * 2, 3)
    assert durations.classes == [2, 1, *[0] * (len(CLASSES) - 3), 1, 3]
    assert durations.seconds == pytest.approx(CLASSES[1] + 7 * CLASSES[-1])


def test_refusals_are_counted_by_their_codes_and_beyond_the_bound_together() -> None:
    counts = Counts()
    counts.examined(Verdict(), observe=True)
    counts.examined(Verdict(Reject(550, None, "no")), observe=False)
    counts.decided("helo", Proceed(), observe=True)
    counts.decided("helo", Junk(), observe=True)
    counts.decided("helo", Junk(), observe=True)
    assert counts.passed == 1
    assert counts.decisions == {
        ("message", "reject", NO_REASON): 1,
        ("helo", "proceed", NO_REASON): 1,
        ("helo", "observe-junk", NO_REASON): 2,
    }
    assert counts.replies == {("550", "-"): 1}
    for number in range(MAX_REPLY_CODES + 5):
        counts.decided("data", Reject(550, f"5.7.{number}", "no"), observe=False)
    assert len(counts.replies) == MAX_REPLY_CODES + 1
    assert counts.replies["other", "other"] == 6
    counts.decided("data", Disconnect(550, "5.7.0", "no"), observe=False)
    assert counts.replies["550", "5.7.0"] == 2


class Word(str):
    """A string of a filter's own, which may do anything when it is compared."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("own", "more", "reason"),
    [
        ({"reason": "odd"}, {}, "odd"),
        ({"reason": "odd"}, {"reason": "spam"}, "odd"),
        ({}, {"reason": "spam"}, "spam"),
        ({"result": "spam"}, {}, "spam"),
        ({"result": "spam"}, {"result": "odd"}, "spam"),
        ({}, {"result": "spam"}, "spam"),
        ({"reason": "odd", "result": "spam"}, {}, "odd"),
        ({"reason": "the client's words", "result": "spam"}, {}, "spam"),
        ({"result": "failed", "reason": "odd"}, {}, "failed"),
        ({"reason": "odd"}, {"result": "failed"}, "failed"),
        ({"result": "spam"}, {"result": "failed"}, "spam"),
        ({"reason": "the client's words"}, {}, "other"),
        ({"result": "the client's words"}, {}, "other"),
        ({"reason": 7}, {}, "other"),
        ({"reason": Word("odd")}, {}, "other"),
        ({"result": Word("failed")}, {}, "other"),
        ({"reason": "line-too-long"}, {}, "line-too-long"),
        ({"score": 7}, {}, "-"),
        ({}, {"score": 7}, "-"),
        ({}, {}, "-"),
    ],
)
def test_a_decision_is_counted_by_a_word_of_the_filter_its_own_facts_before_those_of_the_verdict(
    own: dict[str, object], more: dict[str, object], reason: str
) -> None:
    counts = Counts(("odd", "spam"))
    counts.decided("message", Junk(facts=own), more, observe=False)
    assert counts.decisions == {("message", "junk", reason): 1}


def test_verdicts_are_counted_as_done_or_as_observed_with_the_reason_they_give() -> None:
    counts = Counts(("virus",))
    for _ in range(2):
        counts.examined(Verdict(), observe=False)
        counts.examined(Verdict(Reject(550, None, "no"), facts={"reason": "virus"}), observe=True)
    assert counts.passed == 2
    assert counts.decisions == {("message", "observe-reject", "virus"): 2}
