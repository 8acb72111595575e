"""A hook that blocks holds everybody up: the log names the member and the hook, so that somebody can mend it."""

from __future__ import annotations

import re

import pytest

from filter_api import Decision, Filter, Message, Proceed, Session, Verdict
from filter_api.testing import Player

MAIL = b"Subject: x\r\n\r\nhello\r\n"
#: Hook → what the log calls it, which is the name that smtpd has for it.
NAMES = {
    "on_connect": "connect",
    "on_helo": "ehlo",
    "on_rcpt_to": "rcpt-to",
    "on_data": "data",
    "on_message": "message",
    "saw_rcpt": "tx-rcpt",
    "saw_commit": "tx-commit",
}


class Blocking(Filter):
    """One of its hooks takes 12 seconds of the player's clock."""

    def __init__(self, hook: str) -> None:
        self.hook = hook
        self.smtpd: Player | None = None

    def _maybe(self, hook: str) -> None:
        if hook == self.hook and self.smtpd is not None:
            self.smtpd.loop._jumping.now += 12.0  # type: ignore[attr-defined]  # as a hook that sleeps would see it

    def on_connect(self, session: Session) -> Decision:
        self._maybe("on_connect")
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        self._maybe("on_helo")
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        self._maybe("on_rcpt_to")
        return Proceed()

    def on_data(self, session: Session) -> Decision:
        self._maybe("on_data")
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        self._maybe("on_message")
        return Verdict()

    def saw_rcpt(self, session: Session, result: str, recipient: bytes) -> None:
        self._maybe("saw_rcpt")

    def saw_commit(self, session: Session, size: int) -> None:
        self._maybe("saw_commit")


class Calm(Filter):
    def on_mail_from(self, session: Session, sender: bytes) -> Decision:
        return Proceed()


class CalmToo(Calm):
    def on_connect(self, session: Session) -> Decision:
        return Proceed()

    def on_helo(self, session: Session, identity: bytes) -> Decision:
        return Proceed()

    def on_rcpt_to(self, session: Session, recipient: bytes) -> Decision:
        return Proceed()

    def on_message(self, session: Session, message: Message) -> Verdict:
        return Verdict()


def stalled(hook: str, *others: tuple[str, Filter]) -> list[str]:
    blocking = Blocking(hook)
    before = dict(others)
    with Player({**before, "slow" if before else "": blocking}) as smtpd:
        blocking.smtpd = smtpd
        client = smtpd.connect()
        client.helo()
        assert client.mail(MAIL).ok
        return [line for line in smtpd.log if "stalled" in line]


@pytest.mark.parametrize("hook", NAMES)
def test_of_a_filter_that_is_alone_the_hook_is_named(hook: str) -> None:
    (line,) = stalled(hook)
    assert re.fullmatch(rf"([0-9a-f]{{16}} )?stalled hook={NAMES[hook]} seconds=12\.0", line)


@pytest.mark.parametrize("other", [Calm, CalmToo], ids=["asked at other phases", "asked at the same phases"])
@pytest.mark.parametrize("hook", NAMES)
def test_of_several_the_member_is_named_whoever_else_was_asked(hook: str, other: type[Filter]) -> None:
    (line,) = stalled(hook, ("first", other()), ("second", other()))
    assert re.fullmatch(rf"slow: ([0-9a-f]{{16}} )?stalled hook={NAMES[hook]} seconds=12\.0", line)


def test_a_log_that_throws_when_it_tells_of_a_stall_costs_nothing() -> None:
    blocking = Blocking("on_helo")
    with Player({"first": CalmToo(), "slow": blocking}) as smtpd:
        blocking.smtpd = smtpd
        client = smtpd.connect()

        def throw(_level: int, _line: str) -> None:
            raise MemoryError

        blocking.log.sink = throw
        assert client.helo().ok
        assert client.mail(MAIL).ok


def test_what_takes_less_than_a_second_is_no_stall() -> None:
    blocking = Blocking("on_helo")
    with Player(blocking) as smtpd:
        assert smtpd.connect().helo().ok
        assert not any("stalled" in line for line in smtpd.log)


def test_a_slow_read_at_which_nobody_was_asked_is_nobodys() -> None:
    """Many lines of a message may take long together; no hook is to blame."""
    blocking = Blocking("on_helo")
    with Player(blocking) as smtpd:
        client = smtpd.connect()
        client.mail_from()
        blocking.smtpd, blocking.hook = smtpd, ""
        real = smtpd.dispatcher.held.take

        def slow(session: Session, token: bytes, text: bytes) -> None:
            smtpd.loop._jumping.now += 2.0  # type: ignore[attr-defined]  # as above
            real(session, token, text)

        smtpd.dispatcher.held.__class__ = type(
            "Slow", (type(smtpd.dispatcher.held),), {"__slots__": (), "take": lambda _, *args: slow(*args)}
        )
        assert client.message(MAIL).ok
        assert not any("stalled" in line for line in smtpd.log)
