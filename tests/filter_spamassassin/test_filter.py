"""filter-spamassassin as smtpd runs it, with a real spamd behind it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.process import RECEIVED, Smtpd, refuses_to_start, running_filter
from tests.support.shapes import SHAPES, digest, without_fields
from tests.support.spamd import GTUBE

pytestmark = pytest.mark.daemon

OURS = ("X-Spam-Flag", "X-Spam-Status", "X-Spam-Score", "X-Spam-Level", "X-Spam-Checker-Version")
SPAM = SHAPES["plain"] + GTUBE + b"\r\n"
UNKNOWN = b"X-Spam-Status: Unknown, not checked "


def run(scenario: Callable[[Smtpd], Awaitable[None]], *arguments: str | Path, protocol: str = "0.7") -> None:
    async def main() -> None:
        async with running_filter("filter_spamassassin", *map(str, arguments), protocol=protocol) as smtpd:
            await scenario(smtpd)

    asyncio.run(main())


def test_mail_of_every_shape_is_unchanged_but_for_the_header(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcomes = await asyncio.gather(*(smtpd.send(message) for message in SHAPES.values()))
        for (name, message), outcome in zip(SHAPES.items(), outcomes, strict=True):
            assert outcome.reply is None, name
            assert digest(without_fields(outcome.text, OURS)) == digest(RECEIVED + message), name
            assert re.match(rb"(X-Spam-Flag: YES\r\n)?X-Spam-Status: (Yes|No), score=", outcome.text), name
        assert {line["result"] for line in smtpd.messages()} <= {"ham", "spam"}

    run(scenario, "-a", spamd)


def test_twenty_five_megabytes_pass_unscanned(spamd: Path) -> None:
    line = b"twenty-five megabytes of mail take three hundred thousand lines of this kind\r\n"
    message = SPAM + line * (25_000_000 // len(line))

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(message)
        assert outcome.reply is None
        head = UNKNOWN + b"(larger than 512000 bytes)\r\n"
        assert outcome.text.startswith(head)
        assert digest(outcome.text[len(head) :]) == digest(RECEIVED + message)
        assert smtpd.messages()[0]["result"] == "toolarge"

    run(scenario, "-a", spamd, "-r", "15")


def test_spam_is_marked_and_with_a_threshold_refused(spamd: Path) -> None:
    async def marked(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(SPAM)
        assert outcome.reply is None
        assert outcome.text.startswith(b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=100")
        assert without_fields(outcome.text, OURS) == RECEIVED + SPAM
        (line,) = smtpd.messages()
        assert (line["result"], line["action"], line["required"]) == ("spam", "proceed", "5.0")
        assert float(line["score"]) > 999
        assert "GTUBE" in line["tests"].split(",")

    async def refused(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(SPAM)
        assert outcome.reply == "550 5.7.1 message refused as spam"
        assert outcome.text == b""
        assert (await smtpd.send(SHAPES["plain"])).reply is None

    run(marked, "-a", spamd)
    run(refused, "-a", spamd, "-r", "15")
    run(marked, "-a", spamd, "-r", "2000")


def test_forged_headers_are_removed(spamd: Path) -> None:
    forged = b"X-Spam-Status: No\r\nx-spam-FLAG: YES\r\nX-Spam-Anything: a\r\n b\r\nX-Spammy: stays\r\n"

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(forged + SHAPES["plain"])
        assert without_fields(outcome.text, OURS) == RECEIVED + b"X-Spammy: stays\r\n" + SHAPES["plain"]
        assert b"X-Spam-Flag" not in outcome.text

    run(scenario, "-a", spamd)


def test_tag(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(SPAM)
        assert b"\r\nSubject: [spam] The minutes of Friday\r\n" in outcome.text
        assert b"\r\nSubject: The minutes of Friday\r\n" in (await smtpd.send(SHAPES["plain"])).text

    run(scenario, "-a", spamd, "-j", "[spam]")


def test_spamds_own_fields(spamd: Path) -> None:
    """report_safe is on there, which would wrap the message in an attachment: here only fields are taken over."""

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(SPAM)
        assert re.search(rb"\r\nX-Spam-Report: *\r\n(\t\*.*\r\n)*\t\* 1000 GTUBE", outcome.text)
        assert re.search(rb"\r\nSubject: \*\*\*\*\*SPAM [\d.]+\*\*\*\*\* The minutes of Friday\r\n", outcome.text)
        assert outcome.text.count(b"X-Spam-Status:") == 1
        assert b"multipart" not in outcome.text
        names = (*OURS, "X-Spam-Report", "X-Spam-Relay", "Subject")
        assert without_fields(outcome.text, names) == without_fields(RECEIVED + SPAM, ["Subject"])

    run(scenario, "-k", "-a", spamd)


def test_spamd_is_told_the_envelope(spamd: Path) -> None:
    """SpamAssassin's SPF rests on it; a field of the same name in the mail must not take its place."""

    async def scenario(smtpd: Smtpd) -> None:
        for forged in (b"", b"X-Envelope-From: <x@forged.example>\r\n", b"Return-Path: <x@forged.example>\r\n"):
            outcome = await smtpd.send(forged + SHAPES["plain"], sender="x@believed.example")
            assert outcome.text.endswith(RECEIVED + forged + SHAPES["plain"]), "the mail itself is not touched"
        for line in smtpd.messages():
            tests = line["tests"].split(",")
            assert "FROM_ENVELOPE" in tests
            assert not {"FROM_FORGED", "NO_ENVELOPE"} & set(tests)

    run(scenario, "-a", spamd)


def test_ours_are_not_scanned(spamd: Path) -> None:
    clients = [("127.0.0.1", ""), ("198.51.100.9", "alice"), ("unix:/run/smtpd.sock", ""), ("203.0.113.5", "")]

    async def scenario(smtpd: Smtpd) -> None:
        message = b"X-Spam-Flag: YES\r\n" + SPAM
        for address, user in clients:
            outcome = await smtpd.send(message, address=address, user=user)
            assert outcome.reply is None
            assert outcome.text == RECEIVED + message
        assert [(line["result"], line["reason"]) for line in smtpd.messages()] == [("skipped", "ours")] * len(clients)
        assert (await smtpd.send(SPAM)).reply is not None

    async def scanned(smtpd: Smtpd) -> None:
        for address, user in clients:
            assert (await smtpd.send(SPAM, address=address, user=user)).reply is not None

    networks = ("-N", "127.0.0.0/8,203.0.113.0/24")
    run(scenario, "-a", spamd, "-r", "15", *networks)
    run(scanned, "-a", spamd, "-r", "15", "-A", *networks)


def test_exempt(spamd: Path, tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("host:mx.example.org\n")

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(b"X-Spam-Flag: NO\r\n" + SPAM)
        assert outcome.text == UNKNOWN + b"(exempt)\r\n" + RECEIVED + SPAM
        assert smtpd.messages()[0]["reason"] == "exempt"

    run(scenario, "-a", spamd, "-r", "15", "-W", table)


def test_observe_only(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        message = b"X-Spam-Flag: NO\r\n" + SPAM
        outcome = await smtpd.send(message)
        assert (outcome.reply, outcome.text) == (None, RECEIVED + message)
        assert smtpd.messages()[0]["action"] == "observe-reject"

    run(scenario, "-n", "-a", spamd, "-r", "15")


def test_sender_scores(spamd: Path, tmp_path: Path) -> None:
    """Up always; down only for who authenticated (SPF cannot pass here) or where the line says unverified."""
    table = tmp_path / "scores"
    table.write_text("bad.example 20\n.good.example -2000\ntrusted.example -2000 unverified\n")

    async def scenario(smtpd: Smtpd) -> None:
        bad = await smtpd.send(SHAPES["plain"], sender="x@bad.example")
        assert bad.reply == "550 5.7.1 message refused as spam"
        assert smtpd.messages()[-1]["tests"].endswith("SENDER_SCORE=20")
        table.write_text("bad.example  6\n.good.example -2000\ntrusted.example -2000 unverified\n")
        await asyncio.sleep(1.1)  # a table is looked at once a second
        marked = await smtpd.send(SHAPES["plain"], sender="x@bad.example")
        assert b"X-Spam-Flag: YES" in marked.text
        assert b"SENDER_SCORE=6" in marked.header.replace(b"\r\n\t", b"")
        assert (await smtpd.send(SPAM, sender="x@trusted.example")).reply is None
        assert (await smtpd.send(SPAM, sender="x@mail.good.example")).reply is not None
        assert (await smtpd.send(SPAM, sender="x@mail.good.example", user="alice")).reply is None
        assert (await smtpd.send(SPAM, sender="")).reply is not None

    run(scenario, "-A", "-a", spamd, "-r", "15", "-s", table)


def test_quarantine(spamd: Path, tmp_path: Path) -> None:
    directory = tmp_path / "q"
    directory.mkdir(mode=0o700)

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(b"X-Spam-Flag: NO\r\n" + SPAM)
        (line,) = smtpd.messages()
        assert outcome.reply == f"550 5.7.1 message refused as spam; id {line['id']}"
        kept = directory / f"{line['id']}.eml"
        assert kept.read_bytes() == RECEIVED + b"X-Spam-Flag: NO\r\n" + SPAM
        assert json.loads(kept.with_suffix(".json").read_text())["score"] == line["score"]

    run(scenario, "-a", spamd, "-r", "15", "-q", directory)


def test_long_lines_on_an_old_smtpd(spamd: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        assert (await smtpd.send(SHAPES["long line"])).reply == "550 5.6.0 line too long"

    run(scenario, "-a", spamd, protocol="0.6")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-a", "[::1"], "-a: not [v6address]:port"),
        (["-e"], "-e needs -u"),
        (["-e", "-E", "-u", "rcpt:address"], "-e and -E exclude each other"),
        (["-j", "caf\xe9"], "-j takes up to 100 printable"),
        (["-r", "high"], "-r takes a score"),
        (["-s", "/nonexistent"], "/nonexistent: No such file"),
        (["-u", "root"], "-u: not a user's name"),
        (["-q", "/nonexistent"], "/nonexistent: No such file"),
    ],
)
def test_refuses_to_start(arguments: list[str], message: str) -> None:
    assert message in refuses_to_start("filter_spamassassin", *arguments)


def test_a_bad_line_of_a_table_is_named(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("good.example 5\nbad.example much\n")
    assert f"{table}:2: " in refuses_to_start("filter_spamassassin", "-s", str(table))
    assert f"{table}:1: " in refuses_to_start("filter_spamassassin", "-u", f"file:{table}", "-W", str(table))
