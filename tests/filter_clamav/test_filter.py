"""filter-clamav as smtpd runs it, with a real clamd behind it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.clamd import EICAR, EICAR_NAME, PUA, PUA_NAME, attachment, running_clamd, zipped
from tests.support.process import RECEIVED, Smtpd, refuses_to_start, running_filter
from tests.support.shapes import SHAPES, digest, without_fields

pytestmark = pytest.mark.daemon

OURS = ("X-Virus-Scanned", "X-Virus-Status")


def run(scenario: Callable[[Smtpd], Awaitable[None]], *arguments: str | Path, protocol: str = "0.7") -> None:
    async def main() -> None:
        async with running_filter("filter_clamav", *map(str, arguments), protocol=protocol) as smtpd:
            await scenario(smtpd)

    asyncio.run(main())


@pytest.mark.parametrize("headers", [False, True])
def test_clean_mail_of_every_shape_is_unchanged(clamd: Path, headers: bool) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for name, message in SHAPES.items():
            outcome = await smtpd.send(message)
            assert outcome.reply is None, name
            assert without_fields(outcome.text, OURS if headers else ()) == RECEIVED + message, name
            if headers:
                assert outcome.text.startswith(b"X-Virus-Scanned: ClamAV "), name
                assert b"\r\nX-Virus-Status: Clean\r\n" in outcome.header, name
        assert {line["result"] for line in smtpd.messages()} == {"clean"}

    run(scenario, "-a", clamd, *(["-h"] if headers else []))


def test_twenty_five_megabytes(clamd: Path) -> None:
    line = b"twenty-five megabytes of mail take three hundred thousand lines of this kind\r\n"
    message = SHAPES["plain"] + line * (25_000_000 // len(line))

    async def scenario(smtpd: Smtpd) -> None:
        clean = await smtpd.send(message)
        assert clean.reply is None
        assert digest(without_fields(clean.text, OURS)) == digest(RECEIVED + message)
        infected = await smtpd.send(message + EICAR + b"\r\n")
        assert infected.reply == f"554 5.7.1 virus found: {EICAR_NAME}"

    run(scenario, "-a", clamd, "-h")


@pytest.mark.parametrize(
    "message",
    [
        SHAPES["plain"] + EICAR + b"\r\n",
        attachment("x.com", EICAR),
        attachment("x.zip", zipped("x.com", EICAR)),
        b"Subject: x\r\n\r\n" + EICAR,
    ],
    ids=["plain", "base64", "zip", "alone"],
)
def test_a_virus_is_refused_by_name(clamd: Path, message: bytes) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(message)
        assert outcome.reply == f"554 5.7.1 virus found: {EICAR_NAME}"
        assert outcome.text == b""
        (line,) = smtpd.messages()
        assert (line["result"], line["virus"], line["action"]) == ("virus", EICAR_NAME, "reject")
        assert (line["from"], line["to"]) == ("<sender@example.org>", "<alice@example.com>")

    run(scenario, "-a", clamd)


def test_text_of_the_refusal(clamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(attachment("x.com", EICAR))
        assert outcome.reply == f"554 5.7.1 we do not take {EICAR_NAME} here"

    run(scenario, "-a", clamd, "-r", "we do not take %v here")


def test_actions_by_prefix(clamd: Path) -> None:
    message = SHAPES["plain"] + PUA + b"\r\n"

    async def refused(smtpd: Smtpd) -> None:
        assert (await smtpd.send(message)).reply == f"554 5.7.1 virus found: {PUA_NAME}"

    async def marked(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(message)
        assert outcome.reply is None
        assert outcome.text == b"X-Virus-Status: Infected (" + PUA_NAME.encode() + b")\r\n" + RECEIVED + message
        assert (await smtpd.send(attachment("x.com", EICAR))).reply is not None

    async def accepted(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(message)
        assert outcome.reply is None
        assert b"Infected" not in outcome.text
        assert smtpd.messages()[0]["virus"] == PUA_NAME

    run(refused, "-a", clamd)
    run(marked, "-a", clamd, "-i", "PUA.=mark")
    run(accepted, "-a", clamd, "-i", "PUA.=accept")


def test_forged_headers_are_removed(clamd: Path) -> None:
    forged = (
        b"X-Virus-Status: Clean\r\nx-virus-SCANNED: by\r\n nobody\r\nX-Virus-Report : none\r\nX-Virulent: stays\r\n"
    )

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(forged + SHAPES["plain"])
        assert outcome.text == RECEIVED + b"X-Virulent: stays\r\n" + SHAPES["plain"]

    run(scenario, "-a", clamd)


def test_size_limit_of_the_filter(clamd: Path) -> None:
    message = SHAPES["plain"] + b"x" * 70 + b"\r\n" + EICAR + b"\r\n"

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(message)
        assert outcome.reply is None
        head = b"X-Virus-Status: Unknown, not scanned (larger than 500 bytes)\r\n"
        assert outcome.text == head + RECEIVED + message
        assert smtpd.messages()[0]["result"] == "toolarge"

    run(scenario, "-a", clamd, "-b", "500")


def test_size_limit_of_clamd_is_permanent(tmp_path: Path) -> None:
    """Whatever -F says: the message will not be smaller tomorrow."""
    message = SHAPES["plain"] + b"twenty bytes a line\r\n" * 100_000

    async def scenario(smtpd: Smtpd) -> None:
        for _ in range(7):
            outcome = await smtpd.send(message)
            assert outcome.reply == "552 5.3.4 message is larger than the virus scanner takes"
        assert smtpd.messages()[0]["result"] == "toolarge"
        assert (await smtpd.send(SHAPES["plain"])).reply is None
        assert "is down" not in smtpd.log

    with running_clamd(tmp_path, stream_max=1 << 20) as path:
        run(scenario, "-a", path, "-F", "accept")


def test_our_own_mail_is_scanned_too(clamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for address, user in (("127.0.0.1", ""), ("192.0.2.1", "alice"), ("unix:/run/smtpd.sock", "")):
            outcome = await smtpd.send(attachment("x.com", EICAR), address=address, user=user)
            assert outcome.reply is not None

    run(scenario, "-a", clamd)


def test_exempt(clamd: Path, tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("198.51.100.7\nto:lab@example.com\n")
    virus = attachment("x.com", EICAR)

    async def scenario(smtpd: Smtpd) -> None:
        for outcome in (
            await smtpd.send(virus, address="198.51.100.7"),
            await smtpd.send(virus, recipients=["lab@example.com", "Lab@Example.COM"]),
        ):
            assert outcome.reply is None
            assert outcome.text == b"X-Virus-Status: Unknown, not scanned (exempt)\r\n" + RECEIVED + virus
        assert (await smtpd.send(virus, recipients=["lab@example.com", "bob@example.com"])).reply is not None
        assert [line["result"] for line in smtpd.messages()] == ["skipped", "skipped", "virus"]

    run(scenario, "-a", clamd, "-W", table)


def test_observe_only(clamd: Path, tmp_path: Path) -> None:
    (tmp_path / "q").mkdir(mode=0o700)

    async def scenario(smtpd: Smtpd) -> None:
        virus = b"X-Virus-Status: Clean\r\n" + attachment("x.com", EICAR)
        outcome = await smtpd.send(virus)
        assert outcome.reply is None
        assert outcome.text == RECEIVED + virus
        assert smtpd.messages()[0]["action"] == "observe-reject"
        assert list((tmp_path / "q").iterdir()) == []

    run(scenario, "-n", "-h", "-a", clamd, "-q", tmp_path / "q")


def test_quarantine(clamd: Path, tmp_path: Path) -> None:
    directory = tmp_path / "q"
    directory.mkdir(mode=0o700)
    virus = attachment("x.com", EICAR)

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(virus, recipients=["alice@example.com", "bob@example.com"])
        name = smtpd.messages()[0]["id"]
        assert outcome.reply == f"554 5.7.1 virus found: {EICAR_NAME}; id {name}"
        assert (directory / f"{name}.eml").read_bytes() == RECEIVED + virus
        facts = json.loads((directory / f"{name}.json").read_text())
        assert facts["virus"] == EICAR_NAME
        assert facts["to"] == ["alice@example.com", "bob@example.com"]
        assert facts["from"] == "sender@example.org"
        for path in (directory / f"{name}.eml", directory / f"{name}.json"):
            path.unlink()
        directory.rmdir()
        outcome = await smtpd.send(virus)
        assert outcome.reply == f"554 5.7.1 virus found: {EICAR_NAME}"
        assert f'quarantine kept=no reason="{directory}: No such file or directory"' in smtpd.log
        assert (await smtpd.send(SHAPES["plain"])).reply is None

    run(scenario, "-a", clamd, "-q", directory)


def test_a_full_quarantine_still_refuses(clamd: Path, tmp_path: Path) -> None:
    (tmp_path / "q").mkdir(mode=0o700)

    async def scenario(smtpd: Smtpd) -> None:
        virus = attachment("x.com", EICAR)
        replies = [(await smtpd.send(virus)).reply or "" for _ in range(3)]
        assert ["; id " in reply for reply in replies] == [True, False, False]
        assert "share of this client's network is used up" in smtpd.log

    run(scenario, "-a", clamd, "-q", tmp_path / "q", "-Q", f"{20 * os.statvfs(tmp_path).f_frsize}:30")


def test_long_lines_on_an_old_smtpd(clamd: Path) -> None:
    """Before 7.4 smtpd cuts what a filter gives back: such a message cannot be passed."""

    async def scenario(smtpd: Smtpd) -> None:
        assert (await smtpd.send(SHAPES["long line"])).reply == "550 5.6.0 line too long"
        assert (await smtpd.send(SHAPES["plain"])).reply is None

    run(scenario, "-a", clamd, "-F", "accept", protocol="0.6")


def test_the_second_clamd_is_asked(clamd: Path, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for _ in range(7):
            assert (await smtpd.send(attachment("x.com", EICAR))).reply is not None
            assert (await smtpd.send(SHAPES["plain"])).reply is None
        assert smtpd.log.count("none is down: No such file or directory") == 1

    run(scenario, "-a", tmp_path / "none", "-a", clamd)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-a", "host:0"], "not a port"),
        (["-i", "PUA."], "-i takes prefix=action"),
        (["-q", "/nonexistent"], "/nonexistent: No such file"),
        (["-q", "/tmp"], "/tmp: mode is 0777"),
        (["-W", "/nonexistent"], "/nonexistent: No such file"),
    ],
)
def test_refuses_to_start(arguments: list[str], message: str) -> None:
    assert message in refuses_to_start("filter_clamav", *arguments)
