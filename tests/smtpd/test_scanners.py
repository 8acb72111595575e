"""filter-clamav and filter-spamassassin in one chain under real daemons: smtpd, clamd, spamd."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clamd import attachment, zipped
from tests.support.shapes import SHAPES, digest, without_fields
from tools.private_smtpd import Smtpd, Unavailable
from tools.private_smtpd.backends import EICAR, FOLDER, GTUBE, Backend, start_clamd, start_spamd
from tools.private_smtpd.client import Client

QUARANTINE = "/var/spool/quarantine"
CHAIN, BARE, IMPATIENT, JUNK = 25, 2501, 2502, 2503

START = """
listen on 0.0.0.0
action "local" maildir
match from any for domain "example.org" action "local"
"""
CONFIG = f"""
filter "clamav" proc-exec "filter-clamav -h -a {FOLDER}/clamd.sock -q {QUARANTINE}"
filter "spamassassin" proc-exec "filter-spamassassin -r 15 -a 127.0.0.1:783 -q {QUARANTINE} -Q 2g:30"
filter "quickav" proc-exec "filter-clamav -T 2 -a 127.0.0.1:3310"
filter "quickspam" proc-exec "filter-spamassassin -T 2 -r 15 -a {FOLDER}/spamd.sock"
filter "marks" proc-exec "filter-spamassassin -j [spam] -a {FOLDER}/spamd.sock"
listen on 0.0.0.0 filter {{ "clamav", "spamassassin" }} hostname mx.example.org
listen on 0.0.0.0 port {BARE} hostname mx.example.org
listen on 0.0.0.0 port {IMPATIENT} filter {{ "quickav", "quickspam" }} hostname mx.example.org
listen on 0.0.0.0 port {JUNK} filter "marks" hostname mx.example.org
listen on lo port 10026
action "local" maildir junk
match from any for domain "example.org" action "local"
"""
FIELDS = (
    "X-Virus-Scanned",
    "X-Virus-Status",
    "X-Spam-Flag",
    "X-Spam-Status",
    "X-Spam-Score",
    "X-Spam-Level",
    "X-Spam-Checker-Version",
)
SPAM = SHAPES["plain"] + GTUBE + b"\r\n"
USERS = ("bob", "alice", "carol", "dora", "erin", "fred", "gina")
"""bob gets what nobody looks for; the others have a test each, as deliveries come when they come."""

SLOW = {"long lines"}
"""Shapes SpamAssassin takes seconds for; the tests of its filter have them."""

OTHERWISE = {"starts with a fold"}
"""Shapes smtpd itself sees otherwise as soon as there is any filter: then this fold belongs to its own Received."""


@dataclass
class Room:
    """One daemon of each kind, for all tests of a version."""

    smtpd: Smtpd
    clamd: Backend
    spamd: Backend

    def send(self, message: bytes, port: int = CHAIN, recipient: str = "bob@example.org") -> str:
        with self.smtpd.client("192.0.2.1", port=port, timeout=60) as client:
            return str(client.deliver(message, recipient=recipient))

    def filterctl(self, *arguments: str) -> str:
        code, output = self.smtpd.room.run(
            ["/usr/libexec/opensmtpd/filterctl", "quarantine", "-q", QUARANTINE, *arguments]
        )
        assert code == 0, output
        return output

    def logged(self, words: str) -> int:
        return len(re.findall(rf"^\w+: [0-9a-f]{{16}} message {words}", self.smtpd.log(), re.MULTILINE))


@pytest.fixture(scope="module")
def room(version: str) -> Iterator[Room]:
    with Smtpd(version, START, users=USERS) as smtpd:
        try:
            clamd = start_clamd(smtpd.room)
            spamd = start_spamd(smtpd.room, configuration="required_score 100\n")  # odd shapes are not for .Junk
        except Unavailable as error:
            pytest.skip(str(error))
        owner = "opensmtpd"  # the user smtpd runs filters as
        code, output = smtpd.room.run(["install", "-d", "-o", owner, "-m", "700", QUARANTINE])
        assert code == 0, output
        smtpd.restart(CONFIG)
        yield Room(smtpd, clamd, spamd)
        assert smtpd.alive(), smtpd.log()[-8000:]
        assert "Traceback" not in smtpd.log()


@pytest.mark.parametrize(
    "message",
    [
        SHAPES["plain"] + EICAR + b"\r\n",
        attachment("x.com", EICAR),
        attachment("x.zip", zipped("x.com", EICAR)),
    ],
    ids=["plain", "base64", "zip"],
)
def test_a_virus_is_refused(room: Room, message: bytes) -> None:
    reply = room.send(message)
    assert re.fullmatch(r"554 5\.7\.1 virus found: Eicar-Test-Signature\.UNOFFICIAL; id \d{8}-\d{6}-[0-9a-f]{8}", reply)
    assert room.logged("result=virus virus=Eicar-Test-Signature.UNOFFICIAL id=") >= 1


def test_gtube_is_refused(room: Room) -> None:
    assert re.fullmatch(r"550 5\.7\.1 message refused as spam; id [0-9a-f-]{24}", room.send(SPAM))


def test_spam_goes_to_the_junk_folder(room: Room) -> None:
    assert room.send(SPAM, JUNK, "gina@example.org").startswith("250")
    (message,) = room.smtpd.wait_mail("gina", 1, ".Junk")
    assert b"\nX-Spam-Flag: YES\n" in message
    assert b"\nSubject: [spam] The minutes of Friday\n" in message


def plain(message: bytes) -> bytes:
    """What was delivered, without what differs from one delivery to the next, and without the fields of filters."""
    message = without_fields(message.replace(b"\n", b"\r\n"), FIELDS)
    message = re.sub(rb"\b(ESMTP id|for) \S+", rb"\1", message, count=2)
    return re.sub(rb"(?m)^(Return-Path|Delivered-To):.*\r\n|^\t\w{3}, .*\r\n", b"", message)


def test_ham_of_every_shape_is_delivered_as_without_filters(room: Room) -> None:
    """Sent twice, past the filters and through them: smtpd's answer and what it delivers are the same."""
    smtpd = room.smtpd
    old = smtpd.version == "6.8"
    passed = filtered = 0
    for name, message in SHAPES.items():
        if name in SLOW | OTHERWISE:
            continue
        without, through = room.send(message, BARE, "carol@example.org"), room.send(message, CHAIN, "dora@example.org")
        if old and name in {"long line", "long header"}:
            assert (without[:3], through) == ("250", "550 5.6.0 line too long"), name
            smtpd.wait_mail("carol", passed + 1)
            passed += 1
            continue
        assert through[:3] == without[:3], (name, through, without)
        if not through.startswith("250"):
            continue  # refused by smtpd itself, as no message of RFC 5322
        passed, filtered = passed + 1, filtered + 1
        one = smtpd.wait_mail("carol", passed)[passed - 1]
        other = smtpd.wait_mail("dora", filtered)[filtered - 1]
        assert other.count(b"X-Virus-Status: Clean\n") == 1, name
        assert other.count(b"\nX-Spam-Status: ") == 1, name
        assert digest(plain(other)) == digest(plain(one)), name
    assert filtered > 25


def test_twenty_five_megabytes(room: Room) -> None:
    smtpd = room.smtpd
    line = b"nine hundred bytes of text " * 33 + b"\r\n"
    message = SHAPES["plain"] + line * (25_000_000 // len(line))
    assert room.send(message, CHAIN, "fred@example.org").startswith("250")
    (delivered,) = smtpd.wait_mail("fred", timeout=60)
    assert b"X-Virus-Status: Clean\n" in delivered[:1000]
    assert b"X-Spam-Status: Unknown, not checked (" in delivered[:1000]
    assert digest(delivered.partition(b"\n\n")[2]) == digest(message.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"))
    assert "554 5.7.1 virus found" in room.send(message + EICAR + b"\r\n")


@pytest.mark.timed
def test_a_frozen_clamd_puts_mail_off(room: Room) -> None:
    room.clamd.freeze()
    try:
        started = time.monotonic()
        assert room.send(SHAPES["plain"], IMPATIENT).startswith("451 4.7.1 message cannot be scanned for viruses now")
        assert 1.7 < time.monotonic() - started < 2.6
    finally:
        room.clamd.thaw()
    assert room.send(SHAPES["plain"], IMPATIENT).startswith("250")


@pytest.mark.timed
def test_a_frozen_spamd_lets_mail_pass_marked(room: Room) -> None:
    room.spamd.freeze()
    try:
        started = time.monotonic()
        assert room.send(SPAM, IMPATIENT, "erin@example.org").startswith("250")
        assert 1.7 < time.monotonic() - started < 2.6
    finally:
        room.spamd.thaw()
    (delivered,) = room.smtpd.wait_mail("erin")
    assert b"X-Spam-Status: Unknown, not checked (spamd not available)\n" in delivered
    assert room.send(SPAM, IMPATIENT).startswith("550 5.7.1")


def test_daemons_that_are_stopped_and_started(room: Room) -> None:
    room.clamd.stop()
    room.spamd.stop()
    try:
        assert room.send(SHAPES["plain"]).startswith("451 4.7.1")
        assert room.send(SPAM, JUNK).startswith("250")
    finally:
        room.spamd.start()
        room.clamd.start()
    assert room.send(SHAPES["plain"]).startswith("250")
    assert room.send(SPAM).startswith("550 5.7.1")


@pytest.mark.timed
def test_fifty_dripping_clients_do_not_delay_another(room: Room) -> None:
    clients: list[Client] = []
    try:
        for number in range(50):
            client = room.smtpd.client(f"192.0.2.{number + 1}")
            clients.append(client)
            client.ehlo()
            client.mail_from()
            client.rcpt_to()
            assert client.data().code == 354
            client.send(b"Subject: slowly\r\n")
        for _ in range(3):
            for client in clients:
                client.send(b"X-Slow: one more line\r\n")
            started = time.monotonic()
            assert room.send(SHAPES["plain"]).startswith("250")
            assert time.monotonic() - started < 2
    finally:
        for client in clients:
            client.close()


def test_many_at_once(room: Room) -> None:
    """Clean, infected and spam side by side: each gets its own verdict."""
    messages = [SHAPES["plain"], attachment("x.com", EICAR), SPAM] * 10
    replies: dict[int, str] = {}

    def send(number: int, client: Client) -> None:
        with client:
            replies[number] = str(client.deliver(messages[number]))

    # greeted one after the other: smtpd's accept queue holds five
    clients = [room.smtpd.client(timeout=60) for _ in messages]
    threads = [threading.Thread(target=send, args=one) for one in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [replies[number][:3] for number in range(len(messages))] == ["250", "554", "550"] * 10


def test_release_gives_a_message_back(room: Room) -> None:
    """What was refused by mistake reaches its recipient through the listener without filters, byte for byte."""
    smtpd = room.smtpd
    message = SHAPES["dots"] + GTUBE + b"\r\n"
    name = room.send(message, recipient="alice@example.org").rpartition(" ")[2]
    assert name in room.filterctl("list")
    assert "X-Spam" not in room.filterctl("show", name)
    assert room.filterctl("release", name).startswith(f"{name}: released: 250 ")
    delivered = smtpd.wait_mail("alice")[0].replace(b"\n", b"\r\n")
    assert delivered.count(b"Received: ") == 2
    assert delivered.endswith(message)
    assert room.filterctl("delete", name) == f"{name}: deleted\n"
    assert name not in room.filterctl("list", "-1")


def test_reports_of_what_was_logged(room: Room, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filterctl.__main__ import main

    room.send(SPAM)
    log = tmp_path / "maillog"
    lines = room.smtpd.log().splitlines()
    log.write_text("".join(f"Nov 20 09:53:11 mx smtpd[1]: {line}\n" for line in lines))
    assert main(["report", "messages", "-m", "action=reject", "-m", "score>=15", str(log)]) == 0
    assert "<alice@example.net>" not in (text := capsys.readouterr().out)
    assert "alice@example.net -> bob@example.org" in text
    assert 'spam!     "The minutes of Friday"' in text
