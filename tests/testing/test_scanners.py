"""The scanner in memory: a filter of somebody else's that asks a daemon is tested in a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api import CannotCheck, Reject, Session, Verdict
from filter_api.bases.scanning import ScanningFilter, ScanSettings
from filter_api.errors import UsageError
from filter_api.message.message import Message
from filter_api.message.spool import SpoolError
from filter_api.net.backend import Backend, BackendError
from filter_api.net.conversation import BadAnswer, Question
from filter_api.options import parse_options
from filter_api.testing import FakeScanner, Player
from filter_api.testing.servers import hang, say, served, served_apart

MAIL = b"Subject: x\r\n\r\nsome text\r\n"


def read(reply: bytes) -> str:
    word, end, rest = reply.partition(b"\n")
    if not end or rest or word not in {b"good", b"bad"}:
        raise BadAnswer("neither good nor bad")
    return word.decode()


class Words(ScanningFilter):
    """Somebody's own scanner: it asks whether a text is good or bad."""

    name = "filter-words"

    async def examine(self, session: Session, message: Message, deadline: float) -> Verdict:
        question = Question(message.text, read, lambda reply: b"\n" in reply, limit=20)
        word = await self.settings.backends.ask(question, deadline)
        if word == "bad":
            return await self.refuse(session, message, Reject(550, "5.7.1", "bad words"), {"result": word}, deadline)
        return Verdict(facts={"result": word})


def playing(scanner: FakeScanner, *arguments: str) -> Player:
    filter_ = Words(ScanSettings(scanner, size_limit=0, keeper=None))
    _, filter_.options = parse_options("", arguments)
    return Player(filter_)


def test_the_daemon_gets_the_message_and_its_answer_decides() -> None:
    scanner = FakeScanner(lambda asked: b"bad\n" if b"evil" in asked else b"good\n")
    with playing(scanner) as smtpd:
        assert smtpd.connect().mail(MAIL).ok
        assert smtpd.connect().mail(MAIL + b"evil\r\n").reply == "550 5.7.1 bad words"
    assert [asked.endswith(b"\r\n") for asked in scanner.asked] == [True, True]
    assert b"Subject: x\r\n\r\nsome text\r\n" in scanner.asked[0]


@pytest.mark.parametrize(
    "answer",
    [b"", b"what?", b"good\nand more", b"good" * 10, None, BackendError("connection refused"), CannotCheck("odd")],
    ids=["nothing", "nonsense", "more", "too much", "silence", "refused", "cannot"],
)
@pytest.mark.parametrize(("policy", "code"), [("accept", ""), ("tempfail", "451"), ("reject", "550")])
def test_whatever_goes_wrong_is_answered_by_the_failure_policy(
    answer: bytes | BaseException | None, policy: str, code: str
) -> None:
    with playing(FakeScanner(answer), "-F", policy, "-T", "5") as smtpd:
        assert smtpd.connect().mail(MAIL).reply[:3] == code
        (line,) = [line for line in smtpd.log if " message " in line]
        assert "result=failed" in line


def test_a_slow_daemon_costs_the_test_no_time() -> None:
    scanner = FakeScanner(b"bad\n", seconds=40)
    with playing(scanner) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "550 5.7.1 bad words"
        before = smtpd.loop.time()
        scanner.seconds = 400
        assert smtpd.connect().mail(MAIL).reply != "550 5.7.1 bad words"
        assert smtpd.loop.time() - before < 60


@pytest.mark.parametrize("policy", ["accept", "tempfail", "reject"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_message_that_cannot_be_read_is_put_off_whatever_the_policy(
    policy: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing to do with the daemon, and nobody knows what is in it: 452, and the client comes again."""
    text = Message.text

    def broken(self: Message) -> Iterator[bytes]:
        for number, block in enumerate(text(self)):
            if number >= after:
                break
            yield block
        raise SpoolError("Input/output error")

    monkeypatch.setattr(Message, "text", broken)
    with playing(FakeScanner(b"good\n"), "-F", policy) as smtpd:
        assert smtpd.connect().mail(MAIL).reply == "452 4.3.1 insufficient system storage"


def test_a_message_that_is_bad_is_refused_even_if_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filter_api.quarantine.directory import QuarantineDirectory
    from filter_api.quarantine.keeper import Keeper, Limits

    (tmp_path / "q").mkdir(mode=0o700)
    keeper = Keeper(QuarantineDirectory(str(tmp_path / "q")), Limits())
    filter_ = Words(ScanSettings(FakeScanner(b"bad\n"), size_limit=0, keeper=keeper))
    with Player(filter_, loop=asyncio.new_event_loop()) as smtpd:
        assert "; id 20" in smtpd.connect().mail(MAIL).reply
        monkeypatch.setattr("os.fsync", broken_disk)
        assert smtpd.connect().mail(MAIL).reply == "550 5.7.1 bad words"
        assert any("quarantine kept=no reason=" in line or "kept=False" in line for line in smtpd.log)
    assert len(list((tmp_path / "q").iterdir())) == 2
    keeper.directory.close()


def broken_disk(_descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def test_options_are_those_of_any_filter() -> None:
    with pytest.raises(UsageError):
        playing(FakeScanner(b""), "-F", "what")


def test_a_daemon_in_a_thread_answers_a_filter_elsewhere(tmp_path: Path) -> None:
    async def ask() -> str:
        question = Question(lambda: (b"x",), read, half_close=True)
        return await Backend(endpoint).ask(question, asyncio.get_running_loop().time() + 10)

    with served_apart(say(b"good\n"), tmp_path / "socket") as endpoint:
        assert asyncio.run(ask()) == "good"
    assert not (tmp_path / "socket").exists()


def test_a_daemon_that_hangs_holds_up_neither_the_test_nor_its_end(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(hang, tmp_path / "socket") as endpoint:
            question = Question(lambda: (b"x",), read)
            with pytest.raises(BackendError, match="deadline"):
                await Backend(endpoint).ask(question, asyncio.get_running_loop().time() + 0.1)

    asyncio.run(ask())
