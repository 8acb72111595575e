"""Several filters in one process: asked in order, answered once, each by its own options."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
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
    Proceed,
    Reject,
    RemoveHeader,
    Rewrite,
    Session,
    Verdict,
)
from filter_api.message.spool import Spool
from filter_api.testing import Player
from filter_api.wanted import Wanted

TEMPFAIL = "451 4.3.0 temporary local problem"
NO = Reject(550, "5.7.1", "no")
MAIL = b"Subject: x\r\n\r\nhello\r\n"


class Member(Filter):
    """Answers MAIL FROM with what it is given, after `seconds`, and notes that it was asked."""

    def __init__(self, answer: object = None, seconds: float = 0.0, policy: Failure | None = None) -> None:
        self.answer = Proceed() if answer is None else answer
        self.seconds = seconds
        self.asked = 0
        self.options.failure = policy

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        self.asked += 1
        answer: Any = self._later() if self.seconds else self._now()
        return answer  # type: ignore[no-any-return]  # anything is the point

    def _now(self) -> object:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def _later(self) -> object:
        await asyncio.sleep(self.seconds)
        return self._now()


def ask(*members: Member, observe: bool = False) -> tuple[str, str, list[int], list[str]]:
    """The answer, who was asked, and the log."""
    with Player({f"m{n}": each for n, each in enumerate(members)}, observe=observe) as smtpd:
        word, reply = smtpd.connect().mail_from()
        return word, reply, [each.asked for each in members], smtpd.log


@pytest.mark.parametrize("seconds", [(0, 0, 0), (1, 0, 1), (1, 1, 1)])
@pytest.mark.parametrize(
    ("answers", "word", "asked"),
    [
        ((None, None, None), "proceed", [1, 1, 1]),
        ((NO, None, None), "reject", [1, 0, 0]),
        ((None, Disconnect(421, None, "bye"), None), "disconnect", [1, 1, 0]),
        ((None, Rewrite("x@example.org"), NO), "rewrite", [1, 1, 0]),
        ((Junk(), None, None), "junk", [1, 1, 1]),
        ((None, None, Junk()), "junk", [1, 1, 1]),
        ((Junk(), NO, None), "reject", [1, 1, 0]),
        ((Junk(), Junk(), Proceed(facts={"a": "b"})), "junk", [1, 1, 1]),
        ((CannotCheck("x"), None, None), "reject", [1, 0, 0]),
        ((None, 7, None), "reject", [1, 1, 0]),
    ],
)
def test_the_first_decision_that_ends_the_phase_answers_and_a_mark_is_remembered(
    answers: Sequence[object], word: str, asked: list[int], seconds: Sequence[float]
) -> None:
    got = ask(*(Member(answer, wait) for answer, wait in zip(answers, seconds, strict=True)))
    assert (got[0], got[2]) == (word, asked)


def test_a_member_that_fails_follows_its_own_policy_and_the_next_is_asked() -> None:
    word, reply, asked, log = ask(Member(ValueError("bug"), policy=Failure.ACCEPT), Member(NO))
    assert (word, reply, asked) == ("reject", "550 5.7.1 no", [1, 1])
    assert any(line.startswith("m0: ") and 'reason="ValueError in the filter"' in line for line in log)
    assert any(line.startswith("m1: ") and "action=reject" in line for line in log)
    assert all(line.startswith(("m0: ", "m1: ")) for line in log)


def test_observing_is_each_members_own_or_all_of_theirs() -> None:
    first = Member(NO)
    first.options.observe = True
    assert ask(first, Member(Junk()))[:3] == ("junk", "", [1, 1])
    word, _, asked, log = ask(Member(NO), Member(NO), observe=True)
    assert (word, asked) == ("proceed", [1, 1])
    assert sum("action=observe-reject" in line for line in log) == 2


def test_all_members_together_have_half_a_minute_for_a_command() -> None:
    """Each takes its ten seconds and fails; the fourth is not asked any more, and its policy answers."""
    slow = [Member(seconds=1_000, policy=Failure.ACCEPT) for _ in range(3)]
    word, reply, asked, log = ask(*slow, Member(NO, policy=Failure.REJECT))
    assert (word, reply, asked) == ("reject", "550 5.3.0 message cannot be checked here", [1, 1, 1, 0])
    assert any("the filters before this one took all the time" in line for line in log)


def test_two_members_have_the_time_of_a_chain_together_whatever_their_options_say() -> None:
    first, second = Member(seconds=1_000, policy=Failure.ACCEPT), Member(NO, policy=Failure.REJECT)
    first.options.timeout = 200.0
    word, reply, asked, _ = ask(first, second)
    assert (word, reply, asked) == ("reject", "550 5.3.0 message cannot be checked here", [1, 0])
    looking = Looking(Verdict, 1_000, policy="accept")
    looking.options.timeout = 200.0
    with Player({"one": looking, "two": Looking(policy="reject")}) as smtpd:
        client = smtpd.connect()
        began = smtpd.loop.time()
        assert client.mail(MAIL).reply == "550 5.3.0 message cannot be checked here"
        assert smtpd.loop.time() - began == pytest.approx(110, abs=0.5)
        assert ' reason="the filters before this one took all the time there is" ' in smtpd.log[-1]


@pytest.mark.parametrize(("seconds", "looked"), [(108.5, 1), (109.0, 1), (109.5, 0)])
def test_who_has_a_second_left_for_a_message_looks_at_it(seconds: float, looked: int) -> None:
    one, two = Looking(Verdict, seconds), Looking()
    one.options.timeout = 200.0
    with Player({"one": one, "two": two}) as smtpd:
        smtpd.connect().mail(MAIL)
    assert len(two.saw) == looked


@pytest.mark.parametrize(("seconds", "asked"), [(8.5, 1), (9.0, 1), (9.5, 0)])
def test_who_has_a_second_left_is_asked(seconds: float, asked: int) -> None:
    slow = [Member(seconds=1_000, policy=Failure.ACCEPT) for _ in range(2)]
    assert ask(*slow, Member(seconds=seconds), Member(NO))[2] == [1, 1, 1, asked]


def test_who_is_alone_has_the_time_its_options_say() -> None:
    member = Member(NO, seconds=100)
    member.options.timeout = 200.0
    assert ask(member)[:2] == ("reject", "550 5.7.1 no")


def test_a_question_asked_again_asks_nobody_who_has_not_been() -> None:
    first, second = Member(seconds=5, policy=Failure.ACCEPT), Member(NO)
    with Player({"one": first, "two": second}) as smtpd:
        client = smtpd.connect()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|mail-from|%b|%b|x@y\n" % (client.id, smtpd.token(b"mail-from")))
        smtpd.oracle.asked -= 1  # smtpd itself never asks again before it is answered
        smtpd.oracle._sessions[client.id].phase = b"mail-from"
        smtpd.dispatcher.close("shutting down")
        assert smtpd.lines()[-1].endswith(b"reject|451 4.3.0 temporary local problem")
        assert (first.asked, second.asked) == (1, 0)
        assert all(' reason="shutting down" ' in line for line in smtpd.log)
        smtpd.oracle.asked += 1


class Counting(Filter):
    """State per session, and the recipients that smtpd told of."""

    seen = PerSession(Counter[str])
    watch_outgoing: ClassVar[bool] = False

    def __init__(self) -> None:
        self.rcpts: list[int] = []

    def on_data(self, session: Session) -> Decision:
        self.seen[session]["data"] += 1
        assert session.transaction is not None
        self.rcpts.append(session.transaction.recipient_count)
        return Proceed(facts={"data": self.seen[session]["data"]})


def test_facts_are_folded_once_and_state_belongs_to_an_instance() -> None:
    one, two = Counting(), Counting()
    with Player({"one": one, "two": two}) as smtpd:
        client = smtpd.connect()
        client.mail(MAIL, "a@x", "b@x")
    assert one.rcpts == two.rcpts == [2], "two recipients, though two members were told of each"
    assert [line for line in smtpd.log if "data=1" in line].__len__() == 2


def test_outgoing_reports_reach_those_only_who_watch() -> None:
    class Watching(Filter):
        watch_outgoing: ClassVar[bool] = True

        def __init__(self) -> None:
            self.saw: list[bool] = []

        def saw_connect(self, session: Session) -> None:
            self.saw.append(session.outgoing)

    class Incoming(Watching):
        watch_outgoing: ClassVar[bool] = False

    watching, other = Watching(), Incoming()
    with Player({"w": watching, "i": other}) as smtpd:
        for direction in (b"in", b"out"):
            fields = (direction, 1 + len(direction))
            smtpd.feed(b"report|0.7|1.1|smtp-%b|link-connect|%016x|x|pass|192.0.2.1:1|192.0.2.2:25\n" % fields)
    assert (watching.saw, other.saw) == ([False, True], [False])


def test_hooks_are_wanted_by_an_instance() -> None:
    class Choosing(Member):
        def wanted(self) -> Wanted:
            return super().wanted().without("on_mail_from")

    quiet, asked = Choosing(NO), Member()
    assert quiet.wanted().phases == []
    with Player({"quiet": quiet, "asked": asked}) as smtpd:
        assert smtpd.connect().mail_from().ok
    assert (quiet.asked, asked.asked) == (0, 1)


def test_who_needs_no_long_addresses_is_asked_for_no_command_of_the_envelope() -> None:
    class Reading(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            return Verdict()

    wanted = Reading().wanted()
    assert wanted.phases == ["mail-from", "rcpt-to", "data-line", "commit"]
    assert wanted.as_reported().phases == ["data-line", "commit"]
    assert wanted.as_reported().without("saw_begin").phases == ["data-line", "commit"]
    assert wanted.as_reported().reports == wanted.reports


class Looking(Filter):
    """Gives a verdict on a message, and keeps what it saw."""

    def __init__(
        self, verdict: Callable[[], object] = Verdict, seconds: float = 0.0, *, policy: str = "tempfail"
    ) -> None:
        self.verdict = verdict
        self.seconds = seconds
        self.saw: list[bytes] = []
        self.options.failure = Failure(policy)

    def on_message(self, session: Session, message: Message) -> Verdict:
        self.saw.append(b"".join(message.text()))
        answer: Any = self._later() if self.seconds else self.verdict()
        return answer  # type: ignore[no-any-return]  # anything is the point

    async def _later(self) -> object:
        await asyncio.sleep(self.seconds)
        return self.verdict()


@pytest.mark.parametrize("seconds", [0.0, 1.0])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_each_member_sees_what_the_one_before_made_of_the_message(size: int, seconds: float) -> None:
    one = Looking(lambda: Verdict(edits=[AddHeader("X-One", "1"), RemoveHeader("Subject")]), seconds)
    two = Looking(lambda: Verdict(edits=[AddHeader("X-Two", "2", where="bottom")]), seconds)
    three = Looking(Verdict, seconds)
    spool = Spool()
    with Player({"one": one, "two": two, "three": three}, spool=spool) as smtpd:
        done = smtpd.connect().mail(MAIL + b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * (size // 72))
        assert done.ok
        assert done.text.startswith(b"X-One: 1\r\nReceived: ")
        assert b"Subject" not in done.text
    assert spool.held == 0
    assert one.saw[0].startswith(b"Received: ")
    assert two.saw[0].startswith(b"X-One: 1\r\nReceived: ")
    assert b"Subject" not in two.saw[0]
    head, _, body = three.saw[0].partition(b"\r\n\r\n")
    assert head.endswith(b"\r\nX-Two: 2")
    assert body == one.saw[0].partition(b"\r\n\r\n")[2]
    assert three.saw[0] == done.text


class Stripping(Looking):
    """Removes the results in our name, and puts its own on top."""

    def on_message(self, session: Session, message: Message) -> Verdict:
        super().on_message(session, message)
        forged = message.header.removals("X-Results", lambda value: value.startswith(b"ours"))
        return Verdict(edits=[*forged, AddHeader("X-Results", f"ours {len(forged)}")])


def test_each_member_picks_fields_of_what_the_one_before_left() -> None:
    one, two, three = Stripping(), Stripping(), Looking()
    mail = b"X-Results: ours forged\r\nX-Results: theirs\r\nx-results: ours\r\n forged\r\n\r\nbody\r\n"
    with Player({"one": one, "two": two, "three": three}) as smtpd:
        done = smtpd.connect().mail(mail)
    assert done.text.partition(b"Received")[0] == b"X-Results: ours 1\r\n"
    assert b"forged" not in two.saw[0]
    assert three.saw[0].count(b"X-Results: ") == done.text.count(b"X-Results: ") == 2
    assert b"X-Results: theirs\r\n" in done.text


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_refused_message_is_shown_to_nobody_after(seconds: float) -> None:
    one, two = Looking(lambda: Verdict(NO), seconds), Looking()
    with Player({"one": one, "two": two}) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.7.1 no"
    assert (len(one.saw), len(two.saw)) == (1, 0)


def test_a_member_that_fails_marks_the_message_and_the_next_sees_the_mark() -> None:
    one, two = Looking(lambda: None, policy="accept"), Looking()
    with Player({"one": one, "two": two}) as smtpd:
        assert smtpd.connect().mail(MAIL).ok
    assert two.saw[0].startswith(b"X-Filter-Unchecked: filter\r\n")


def test_all_members_together_have_110_seconds_for_a_message() -> None:
    members = {f"m{n}": Looking(Verdict, 1_000, policy="accept") for n in range(2)}
    members["late"] = Looking(Verdict, policy="reject")
    with Player(members) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.3.0 message cannot be checked here"
        assert smtpd.loop.time() <= 111
    assert members["late"].saw == []


def test_an_edit_that_cannot_be_made_refuses_the_message_for_all() -> None:
    one, two = Looking(lambda: Verdict(edits=[AddHeader("X", "y")])), Looking()
    with Player({"one": one, "two": two}) as smtpd:
        client = smtpd.connect()
        assert client.mail(b"A: b\r\n" * 60_000 + b"\r\nx\r\n").reply == "550 5.6.0 header too long"
        assert client.mail(MAIL).ok
    assert len(two.saw) == 1


def test_who_decides_at_commit_is_asked_after_those_who_looked() -> None:
    order: list[str] = []

    class Last(Filter):
        def on_commit(self, session: Session) -> Decision:
            order.append("commit")
            return NO

    class First(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            order.append("message")
            return Verdict()

    with Player({"last": Last(), "first": First()}) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.7.1 no"
    assert order == ["message", "commit"]


@pytest.mark.parametrize("policy", list(Failure))
def test_a_commit_without_a_message_is_answered_by_the_policy_of_who_looks(policy: Failure) -> None:
    looking = Looking(policy=policy.value)
    with Player({"a": looking, "b": Looking(policy="accept")}) as smtpd:
        client = smtpd.connect()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|commit|%b|%b|\n" % (client.id, smtpd.token(b"commit")))
        word = smtpd.lines()[-1].split(b"|")[3]
    assert word == (b"proceed" if policy is Failure.ACCEPT else b"reject")


def test_a_message_that_passes_without_a_word_is_no_line_in_the_log() -> None:
    with Player({"one": Looking(), "two": Looking(lambda: Verdict(edits=[AddHeader("X", "y")]))}) as smtpd:
        assert smtpd.connect().mail(MAIL).ok
        assert smtpd.log == []


def test_the_delay_in_the_log_is_from_when_a_member_was_asked_until_it_answered() -> None:
    one, two = (Looking(lambda: Verdict(facts={"seen": 1}), seconds) for seconds in (3.0, 5.0))
    with Player({"one": one, "two": two}) as smtpd:
        smtpd.advance(1_000)
        assert smtpd.connect().mail(MAIL).ok
        delays = [line.partition(" delay=")[2].split()[0] for line in smtpd.log]
    assert delays == ["3.0", "5.0"]


def test_a_message_that_cannot_be_edited_for_the_next_is_told_as_refused() -> None:
    one, two = Looking(lambda: Verdict(edits=[AddHeader("X", "y")])), Looking()
    with Player({"one": one, "two": two}) as smtpd:
        client = smtpd.connect()
        client.mail(b"A: b\r\n" * 60_000 + b"\r\nx\r\n")
        told = [line for line in smtpd.log if " message result=refused reason=header-too-long action=reject " in line]
    assert len(told) == 1
    assert not any(" error=" in line for line in smtpd.log), "it is no mistake of anybody's"


def test_before_7_4_no_header_with_a_longer_line_is_shown_to_the_next() -> None:
    one, two = Looking(lambda: Verdict(edits=[AddHeader("X", "y" * 2_500)])), Looking()
    with Player({"one": one, "two": two}, protocol="0.6") as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.6.0 header too long"
    assert two.saw == []


def test_what_all_members_let_through_at_once_is_only_added_to_a_number() -> None:
    for last, plain in ((Member(), 1), (Member(NO), 0)):
        with Player({"one": Member(), "two": Member(), "last": last}) as smtpd:
            smtpd.connect().mail_from()
            assert smtpd.dispatcher.calls[b"mail-from"].plain == plain


class Noting(Filter):
    """Notes the senders it is asked about, and the sessions that are committed."""

    def __init__(self, answer: Decision) -> None:
        self.answer = answer
        self.senders: list[bytes] = []
        self.committed: list[bytes] = []

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        self.senders.append(sender)
        return self.answer

    def on_commit(self, session: Session) -> Decision:
        self.committed.append(session.id)
        return Proceed()


def test_who_is_asked_after_a_mark_is_asked_with_the_same_argument() -> None:
    one, two = Noting(Junk()), Noting(Proceed())
    with Player({"one": one, "two": two}) as smtpd:
        assert smtpd.connect().mail_from("alice@example.org").verdict == "junk"
    assert one.senders == two.senders == [b"alice@example.org"]


def test_who_is_asked_at_commit_after_those_who_looked_is_told_the_session() -> None:
    noting = Noting(Proceed())
    with Player({"looking": Looking(), "noting": noting}) as smtpd:
        client = smtpd.connect()
        assert client.mail(MAIL).ok
    assert noting.committed == [client.id]


def test_what_the_only_hook_of_a_phase_throws_is_told_by_its_member_and_its_policy_answers() -> None:
    class Last(Filter):
        def on_commit(self, session: Session) -> Decision:
            return Proceed()

    one, two = Last(), Member(ValueError("bug"), policy=Failure.REJECT)
    one.options.failure = Failure.ACCEPT
    with Player({"one": one, "two": two}) as smtpd:
        client = smtpd.connect()
        assert client.mail_from() == ("reject", "550 5.3.0 message cannot be checked here")
        assert smtpd.log[0] == f'two: {client.id.decode()} mail-from error="ValueError: bug"'


def test_at_a_commit_without_a_message_who_decides_there_is_asked_after_those_who_would_have_looked() -> None:
    noting = Noting(Proceed())
    with Player({"looking": Looking(policy="accept"), "noting": noting}) as smtpd:
        client = smtpd.connect()
        smtpd.feed(b"filter|0.7|1.1|smtp-in|commit|%b|%b|\n" % (client.id, smtpd.token(b"commit")))
        assert smtpd.lines()[-1].endswith(b"|proceed")
        assert [line.partition(" ")[0] for line in smtpd.log] == ["looking:"]
    assert noting.committed == [client.id]


def test_who_looks_at_a_message_is_told_its_session() -> None:
    seen: list[bytes] = []

    class Seeing(Filter):
        def on_message(self, session: Session, message: Message) -> Verdict:
            seen.append(session.id)
            return Verdict()

    with Player({"one": Seeing(), "two": Seeing()}) as smtpd:
        client = smtpd.connect()
        client.mail(MAIL)
    assert seen == [client.id, client.id]
