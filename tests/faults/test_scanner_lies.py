"""The daemon answers garbage, without end, with NULs, in another protocol: never taken for clean, never copied."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filter_api.testing.servers import Handler, close_at_once, flood, half_close_silently, say
from filter_api.text.escape import unescape
from tests.support.clamd import EICAR
from tests.support.process import RECEIVED, Smtpd
from tests.support.scanners import (
    CLAMAV,
    MAIL,
    SPAMASSASSIN,
    Scanner,
    each_scanner,
    with_server,
)

pytestmark = pytest.mark.timed

GARBAGE = {
    "nothing": close_at_once,
    "half-close": half_close_silently,
    "NULs": say(b"\0" * 5000),
    "random": say(bytes(range(256)) * 20),
    "SMTP": say(b"220 mx.example.org ESMTP\r\n250 OK\r\n"),
    "HTTP": say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "each other's": say(b"stream: OK"),
    "newer": say(b"SPAMD/2.0 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; 0.0 / 5.0\r\n\r\n"),
    "half": say(b"SPAMD/1.1 0 EX_OK\r\nContent-length: 10\r\nSpam: False ; 0.0 / 5.0\r\n\r\nhalf"),
    "half a line": say(b"SPAMD/1.1 0 EX_"),
    "an error": say(b"SPAMD/1.0 76 Bad header line: (EOF during headers)\r\n"),
    "clamd's error": say(b"INSTREAM: Can't write to temporary file. ERROR\0"),
}


@each_scanner
@pytest.mark.parametrize("name", [*GARBAGE])
def test_garbage_is_no_verdict(scanner: Scanner, name: str, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        scanner.check(await smtpd.send(MAIL))
        assert smtpd.messages()[0]["result"] == "failed"

    with_server(scanner, GARBAGE[name], tmp_path, scenario)


@each_scanner
def test_a_hundred_megabytes_are_not_read(scanner: Scanner, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(MAIL)
        scanner.check(outcome)
        assert outcome.seconds < 1

    with_server(scanner, flood(100 << 20), tmp_path, scenario)


@each_scanner
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"foo\\bar\r\n\x1b[2J \xff", r"foo\\bar\x0d\x0a\x1b[2J \xff"),
        (rb"C:\\x0a\n is text", r"C:\\\\x0a\\n is text"),
        (b"result=clean \xe2\x80\xa8 action=proceed", r"result=clean \xe2\x80\xa8 action=proceed"),
        (b"tab\there \x7f \x85 caf\xe9", r"tab\x09here \x7f \x85 caf\xe9"),
    ],
)
def test_what_a_daemon_says_is_escaped_once_in_the_log(
    scanner: Scanner, tmp_path: Path, said: bytes, shown: str
) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        await smtpd.send(MAIL)
        (line,) = smtpd.messages()
        assert line["result"] == "failed"
        assert line["reason"].endswith(": " + shown)
        assert unescape(line["reason"]).endswith(said)

    with_server(scanner, say(said), tmp_path, scenario)


HOSTILE = b"A\r\nBcc: all@example.com\r\n\r\nbody\n.\r\n\x1b[31m\0caf\xe9 %s " + b"x" * 3000

HOSTILE_NAME = say(b"stream: " + HOSTILE[:900].replace(b"\0", b"") + b" FOUND\0")


def test_clamd_cannot_write_our_headers_with_a_name(tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(MAIL)
        first, second, rest = outcome.text.split(b"\r\n", 2)
        assert first == b"X-Virus-Scanned: ClamAV on mx.test"
        assert second.startswith(b"X-Virus-Status: Infected (A_Bcc:_all@example.com_")
        assert all(32 <= byte <= 126 for byte in second)
        assert rest == RECEIVED + MAIL
        assert "\x1b" not in smtpd.log

    with_server(CLAMAV, HOSTILE_NAME, tmp_path, scenario, "-h", "-i", "A=mark")


@pytest.mark.parametrize(
    "version",
    [
        b"ClamAV 1.4\r\nBcc: all@example.com\0",
        b"ClamAV \x1b[31m\0",
        b"ClamAV caf\xe9\0",
        b"ClamAV " + b"x" * 2000 + b"\0",
        b"\0",
        b"stream: OK\0",
    ],
)
def test_clamd_cannot_write_our_headers_with_a_version(version: bytes, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        writer.write(version if command == b"zVERSION\0" else CLAMAV.good)
        await writer.drain()

    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(MAIL)
        head = b"X-Virus-Scanned: ClamAV on mx.test\r\nX-Virus-Status: Clean\r\n"
        assert outcome.text == head + RECEIVED + MAIL

    with_server(CLAMAV, answer, tmp_path, scenario, "-h")


def test_clamd_cannot_write_our_replies(tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(MAIL + EICAR + b"\r\n")
        assert outcome.reply is not None
        assert outcome.reply.startswith("554 5.7.1 virus found: A_Bcc:_all@example.com_body_._")
        assert outcome.reply.isprintable()
        assert len(outcome.reply) < 200

    with_server(CLAMAV, HOSTILE_NAME, tmp_path, scenario)


def spamd_says(body: bytes, spam: bytes = b"Spam: True ; 15.0 / 5.0", extra: bytes = b"") -> Handler:
    head = b"SPAMD/1.1 0 EX_OK\r\n" + extra + b"Content-length: %d\r\n" % len(body) + spam + b"\r\n\r\n"
    return say(head + body)


INTO_SPAMASSASSIN: dict[str, Handler] = {
    "tests": spamd_says(b"GOOD,BAD\r\nBcc: all@example.com,X\nBcc: x,\x1b[31m,caf\xe9,\0,A B," + b"Z" * 200),
    "fields": spamd_says(
        b"Bcc: all@example.com\r\nX-Spam-Report: a\rBcc: all@example.com\r\nX-Spam-A: ok\r\n\r\nBcc: x@example.com\r\n"
        b"X-Spam-Flag: NO\r\nX-Spam-Status: No, tests=GOOD\r\nX-Spam-Esc: \x1b[31m\r\nSubject: x\r\n"
    ),
    "status": spamd_says(b"X-Spam-Status: Yes, tests=GOOD,BAD\r\n\tBcc: all@example.com,X\r\nSubject: a\rBcc: b\r\n"),
    "subject": spamd_says(b"Subject: tag\x1b[31m The minutes of Friday\r\nX-Spam-B: ok\r\n"),
    "own head": spamd_says(b"GOOD", extra=b"X-Spam-Status: No\r\nBcc: all@example.com\r\n"),
    "many": spamd_says(b"".join(b"X-Spam-%d: x\r\n" % number for number in range(4000))),
}


@pytest.mark.parametrize("name", [*INTO_SPAMASSASSIN])
@pytest.mark.parametrize("options", [[], ["-k"]], ids=["symbols", "headers"])
def test_spamd_cannot_write_our_headers(name: str, options: list[str], tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        outcome = await smtpd.send(MAIL)
        assert outcome.reply is None
        assert outcome.text.endswith(RECEIVED + MAIL)
        added = outcome.text.removesuffix(RECEIVED + MAIL)
        lines = added.removesuffix(b"\r\n").split(b"\r\n")
        assert lines[0] == b"X-Spam-Flag: YES"
        assert all(line.startswith((b"X-Spam-", b"\t")) for line in lines)
        assert all(byte in {9, 10, 13} or 32 <= byte <= 126 for byte in added)
        assert b"Bcc" not in added
        assert len(lines) <= 110
        assert added.count(b"X-Spam-Status:") == added.count(b"X-Spam-Flag:") == 1

    with_server(SPAMASSASSIN, INTO_SPAMASSASSIN[name], tmp_path, scenario, *options)


@each_scanner
def test_a_daemon_that_lied_five_times_is_left_alone(scanner: Scanner, tmp_path: Path) -> None:
    async def scenario(smtpd: Smtpd) -> None:
        for _ in range(8):
            scanner.check(await smtpd.send(MAIL))
        assert smtpd.log.count("is down: ") == 1
        assert "held to be down" in smtpd.messages()[-1]["reason"]

    with_server(scanner, say(b"lies\0"), tmp_path, scenario)
