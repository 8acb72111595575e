"""Preferences of two users in a real spamd: alice wants no spam at all, bob wants everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.directories import open_directory
from tests.support.process import RECEIVED, Smtpd, running_filter
from tests.support.shapes import SHAPES
from tests.support.spamd import GTUBE, running_spamd

pytestmark = pytest.mark.daemon

MAIL = SHAPES["plain"]
"""Ham for everybody but alice."""

ALICE, BOB, CAROL = "Alice+list@example.com", "bob@example.com", "carol@example.com"


@pytest.fixture(scope="module")
def spamd() -> Iterator[Path]:
    with open_directory() as directory:
        for user, points in (("alice", 50), ("bob", -2000)):
            home = directory / "users" / user
            home.mkdir(parents=True)
            (home / "user_prefs").write_text(f"score FOR_EVERYBODY {points}\n")
        rule = "header FOR_EVERYBODY Subject =~ /minutes/\nscore FOR_EVERYBODY 0.1\nrequired_score 10\n"
        virtual = f"--virtual-config-dir={directory}/users/%u"
        with running_spamd(directory, virtual, configuration=rule) as path:
            yield path


def run(scenario: Callable[[Smtpd], Awaitable[None]], spamd: Path, *arguments: str | Path) -> None:
    async def main() -> None:
        everything = ["-a", str(spamd), "-r", "15", *map(str, arguments)]
        async with running_filter("filter_spamassassin", *everything) as smtpd:
            await scenario(smtpd)

    asyncio.run(main())


async def refused(smtpd: Smtpd, *recipients: str, message: bytes = MAIL) -> bool:
    return (await smtpd.send(message, recipients=recipients)).reply is not None


def test_one_recipient_is_judged_by_its_own_preferences(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        assert await refused(smtpd, ALICE)
        assert smtpd.messages()[-1]["user"] == "alice"
        assert not await refused(smtpd, BOB, message=MAIL + GTUBE + b"\r\n")
        assert not await refused(smtpd, CAROL)
        assert await refused(smtpd, CAROL, message=MAIL + GTUBE + b"\r\n")

    run(scenario, spamd, "-u", "rcpt:localpart")


def test_several_recipients_are_judged_by_the_default_user(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        assert not await refused(smtpd, ALICE, BOB)
        assert "user" not in smtpd.messages()[-1]
        assert await refused(smtpd, ALICE, "alice@example.com"), "they are one user"

    async def with_default(smtpd: Smtpd) -> None:
        assert await refused(smtpd, BOB, CAROL)
        assert smtpd.messages()[-1]["user"] == "alice"

    run(scenario, spamd, "-u", "rcpt:localpart")
    run(with_default, spamd, "-u", "rcpt:localpart", "-u", "alice")


def test_without_a_rule_everybody_is_the_named_user(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        assert await refused(smtpd, BOB)

    run(scenario, spamd, "-u", "alice")


def test_each_user_has_a_say(spamd: Path) -> None:
    """Option -e: refused only if it is for every one of them; the header is the default user's."""

    async def scenario(smtpd: Smtpd) -> None:
        spam = MAIL + GTUBE + b"\r\n"
        assert not await refused(smtpd, ALICE, BOB, message=spam)
        assert await refused(smtpd, ALICE, CAROL, message=spam)
        outcome = await smtpd.send(MAIL, recipients=[ALICE, CAROL])
        assert outcome.reply is None
        assert b"X-Spam-Status: No, score=" in outcome.text
        assert await refused(smtpd, ALICE, "alice@example.net")
        nine = [ALICE, BOB, *(f"user{number}@example.com" for number in range(7))]
        assert await refused(smtpd, *nine, message=spam), "too many: the default user's verdict alone"
        assert not await refused(smtpd, *nine[:8], message=spam)

    run(scenario, spamd, "-e", "-u", "rcpt:localpart")


def test_recipients_with_settings_of_their_own_come_alone(spamd: Path) -> None:
    """Option -E: the second user's copy is put off, so that each is judged by its own preferences."""

    async def scenario(smtpd: Smtpd) -> None:
        session = smtpd.connect()
        answers = await smtpd.envelope(session, "x@example.org", [BOB, ALICE, "bob+more@example.net", CAROL])
        later = "452 4.5.3 this recipient has spam settings of its own, send it a copy of its own"
        assert answers == [None, later, None, later]
        outcome = await smtpd.data(session, MAIL + GTUBE + b"\r\n")
        assert outcome.reply is None
        assert smtpd.messages()[-1]["user"] == "bob"
        ours = smtpd.connect("127.0.0.1")
        assert await smtpd.envelope(ours, "x@example.org", [BOB, ALICE]) == [None, None]

    run(scenario, spamd, "-E", "-u", "rcpt:localpart")


def test_map(spamd: Path, tmp_path: Path) -> None:
    table = tmp_path / "map"
    table.write_text("sales@example.com alice\nexample.net bob\n")

    async def scenario(smtpd: Smtpd) -> None:
        assert await refused(smtpd, "sales+x@example.com")
        assert not await refused(smtpd, "any@example.net", message=MAIL + GTUBE + b"\r\n")
        assert not await refused(smtpd, ALICE)
        assert "user" not in smtpd.messages()[-1]

    run(scenario, spamd, "-u", f"file:{table}")


def test_a_recipient_smtpd_refused_has_no_say(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        session = smtpd.connect()
        await smtpd.envelope(session, "x@example.org", [BOB])
        number = f"{int(session, 16) & 0xFFFFFFFF:08x}"
        smtpd.write(f"report|0.7|1.0|smtp-in|tx-rcpt|{session}|{number}|permfail|{ALICE}")
        outcome = await smtpd.data(session, MAIL)
        assert outcome.text.endswith(RECEIVED + MAIL)
        assert smtpd.messages()[-1]["user"] == "bob"

    run(scenario, spamd, "-u", "rcpt:localpart")


def test_names_that_are_no_users_are_the_default_user(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for odd in ("root@example.com", "..@example.com", "../alice@example.com", "a|b@example.com", "x" * 65 + "@x"):
            assert not await refused(smtpd, odd)
            assert "user" not in smtpd.messages()[-1]

    run(scenario, spamd, "-u", "rcpt:localpart")
