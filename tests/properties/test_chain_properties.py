"""What holds for every chain, however its members behave and in whatever order smtpd tells: who asks gets one answer.

Members throw, stall, swallow cancellations and return nonsense; clients vanish in the middle, sessions mix, commits
come before verdicts, the spool is full. The seed of a failure makes it again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

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

NO = Reject(550, "5.7.1", "no")
BYE = Disconnect(421, None, "bye")
RAISED = (ValueError, MemoryError, SystemExit, KeyboardInterrupt, CannotCheck, asyncio.CancelledError, RecursionError)
DECISIONS = (Proceed(), Proceed(), Proceed(facts={"a": "b"}), NO, BYE, Junk(), Rewrite("x@example.org"), None, 7)
VERDICTS = (
    Verdict(),
    Verdict(),
    Verdict(edits=[AddHeader("X-One", "y"), RemoveHeader("Subject")]),
    Verdict(edits=[AddHeader("X", "y" * 70_000)]),
    Verdict(NO),
    Verdict(BYE),
    Proceed(),
    None,
)
HOOKS = ("on_connect", "on_mail_from", "on_rcpt_to", "on_data", "saw_mail", "saw_reset")


class Hostile(Filter):
    """Answers at once or later, with anything."""

    def __init__(self, random: Random, *hooks: str) -> None:
        self.random = random
        self.hooks = [*hooks, *(each for each in HOOKS if random.random() < 0.6)]
        self.options.failure = random.choice([None, *Failure])
        self.options.timeout = random.choice([None, None, 0.5, 3.0, 200.0])

    def wanted(self) -> Wanted:
        return Wanted(self.hooks)

    def answer(self, results: Sequence[object]) -> Any:  # noqa: ANN401 - anything is the point
        return self.at_once(results) if self.random.random() < 0.45 else self.in_time(results)

    def at_once(self, results: Sequence[object]) -> object:
        if self.random.random() < 0.15:
            raise self.random.choice(RAISED)
        return self.random.choice(results)

    async def in_time(self, results: Sequence[object]) -> object:
        for _ in range(self.random.choice([1, 1, 2])):
            try:
                await asyncio.sleep(self.random.choice([0, 0, 1, 10, 30, 60, 110, 200]))
            except asyncio.CancelledError:
                if self.random.random() < 0.5:
                    raise
        return self.in_time(results) if self.random.random() < 0.05 else self.at_once(results)

    def on_connect(self, session: Session) -> Decision:
        return self.answer(DECISIONS)  # type: ignore[no-any-return]

    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return self.answer(DECISIONS)  # type: ignore[no-any-return]

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return self.answer(DECISIONS)  # type: ignore[no-any-return]

    def on_data(self, session: Session) -> Decision:
        return self.answer(DECISIONS)  # type: ignore[no-any-return]

    def saw_mail(self, session: Session, result: str, sender: bytes) -> None:
        self.at_once(DECISIONS)

    def saw_reset(self, session: Session) -> None:
        self.at_once(DECISIONS)


class Looks(Hostile):
    """One that decides about messages."""

    def on_message(self, session: Session, message: Message) -> Verdict:
        if self.random.random() < 0.3:
            b"".join(message.text())
        return self.answer(VERDICTS)  # type: ignore[no-any-return]


class LooksBeside(Looks):
    """The same, with option -p beside others."""

    beside = True


class Commits(Hostile):
    """One that decides at commit."""

    def on_commit(self, session: Session) -> Decision:
        return self.answer(DECISIONS)  # type: ignore[no-any-return]


KINDS: Sequence[Callable[[Random], Hostile]] = (
    Hostile,
    lambda random: Looks(random, "on_message"),
    lambda random: LooksBeside(random, "on_message"),
    lambda random: LooksBeside(random, "on_message"),
    lambda random: Commits(random, "on_commit"),
)


class Smtpd:
    """Tells a chain what a real smtpd may, and more: any order, cut anywhere. Knows which questions need an answer."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.protocol = random.choice(["0.4", "0.5", "0.6", "0.7"])
        self.spool = Spool(random.choice([50, 200, 66_500, 2 << 30]))
        members = {f"m{n}": random.choice(KINDS)(random) for n in range(random.randint(2, 7))}
        self.player = Player(members, spool=self.spool, beside=random.random() < 0.7, protocol=self.protocol)
        self.phases = self.player.oracle.phases
        self.sessions: list[str] = []
        self.commits: dict[str, str] = {}  # session → token of a commit that a reset or another command overtakes
        self.owed: dict[str, str] = {}  # token → session
        self.unread = b""
        self.tokens = 0x100

    def tell(self, kind: str, what: str, *fields: str) -> None:
        """One line, read at once or with others, in two pieces."""
        self.unread += "|".join([kind, self.protocol, "1.000001", "smtp-in", what, *fields]).encode() + b"\n"
        if self.random.random() < 0.4:
            self.flush()

    def flush(self) -> None:
        cut = self.random.randint(0, len(self.unread))
        for part in (self.unread[:cut], self.unread[cut:]):
            self.player.loop.run_until_complete(self._feed(part))
        self.unread = b""

    async def _feed(self, data: bytes) -> None:
        if data:
            self.player.dispatcher.feed(data)

    def sleep(self, seconds: float) -> None:
        self.flush()
        self.player.loop.run_until_complete(asyncio.sleep(seconds))

    def ask(self, phase: str, session: str, argument: str = "") -> None:
        if phase.encode() in self.phases:
            self.overtake(session)
            self.tokens += 1
            token = f"{self.tokens:016x}"
            self.owed[token] = session
            if phase == "commit":
                self.commits[session] = token
            self.tell("filter", phase, session, token, argument)

    def overtake(self, session: str) -> None:
        self.owed.pop(self.commits.pop(session, ""), None)

    def send(self, session: str) -> None:
        if b"data-line" in self.phases:
            self.tokens += 1
            start = self.random.choice([[], ["Subject: x"], ["Subject: x", "", "..", "hello"], ["y" * 66_000]])
            for line in [*start, *self.random.choice([["."], ["."], ["."], []])]:
                self.tell("filter", "data-line", session, f"{self.tokens:016x}", line)
            self.sleep(self.random.choice([0, 1, 200]))
        if self.random.random() < 0.8:
            self.ask("commit", session)

    def connect(self) -> None:
        session = f"{self.random.getrandbits(64):016x}"
        self.sessions.append(session)
        self.tell("report", "link-connect", session, "host", "pass", "192.0.2.1:33", "192.0.2.2:25")
        self.ask("connect", session, "host|192.0.2.1")

    def reset(self, session: str) -> None:
        self.overtake(session)
        self.tell("report", "tx-reset", session, "01020304")

    def begin(self, session: str) -> None:
        self.tell("report", "tx-begin", session, "01020304")
        self.tell("report", "tx-mail", session, "01020304", "ok", "a@example.org")

    def vanish(self, session: str) -> None:
        self.sessions.remove(session)
        self.tell("report", "link-disconnect", session)

    def step(self) -> None:
        acts: list[Callable[[str], None]] = [self.reset, self.begin, self.vanish, self.send, self.send]
        acts += [lambda session: self.ask("mail-from", session, "<a@example.org>")]
        acts += [lambda session: self.ask("rcpt-to", session, "<b@example.org>")]
        acts += [lambda session: self.ask("data", session), lambda session: self.ask("commit", session)]
        acts += [lambda _: self.sleep(self.random.choice([0, 0.5, 1, 10, 30, 60, 110]))] * 3
        if not self.sessions or self.random.random() < 0.08:
            self.connect()
        self.random.choice(acts)(self.random.choice(self.sessions))

    def answers(self) -> Counter[str]:
        place = 1 if self.protocol == "0.4" else 2
        lines = [line.split(b"|") for written in self.player.written for line in written.split(b"\n")]
        return Counter(line[place].decode() for line in lines if line[0] == b"filter-result")


@pytest.mark.parametrize("block", range(8))
def test_every_question_has_one_answer_and_nothing_is_left_behind(block: int) -> None:
    for seed in range(25 * block, 25 * block + 25):
        smtpd = Smtpd(Random(seed))
        for _ in range(60):
            smtpd.step()
        smtpd.sleep(500)
        answers = smtpd.answers()
        for session in list(smtpd.sessions):
            missing = [token for token, asked in smtpd.owed.items() if asked == session and not answers[token]]
            assert missing == [], seed
            smtpd.vanish(session)
        smtpd.sleep(500)
        assert not answers or max(answers.values()) == 1, seed
        dispatcher = smtpd.player.dispatcher
        assert (len(dispatcher.ledger), len(dispatcher.held), len(dispatcher.sessions)) == (0, 0, 0), seed
        assert smtpd.spool.held == 0, seed
        assert [line for line in smtpd.player.log if line.startswith("library error=")] == [], seed
        smtpd.player.close(check=False)
