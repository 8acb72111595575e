"""Beginning and end: a refused start, a stop, a filter killed in the middle, a log that goes to syslog."""

from __future__ import annotations

import signal
import socket

import pytest

from tools.private_smtpd import Client, Gone, Smtpd, wait_until

CONFIG = """
filter "f" proc-exec "{command}"
listen on 0.0.0.0 filter "f"
action "local" maildir
match from any for domain "example.org" action "local"
"""
MAIL = b"Subject: x\r\n\r\nhello\r\n"
SLOW = """
import asyncio
from filter_api import Filter, Proceed, Verdict, main

class Slow(Filter):
    async def started(self):
        await asyncio.sleep(0.5)
        self.log.info(None, "started-late")

    async def on_mail_from(self, session, sender):
        self.log.info(session, "asked", tricky="a\\nb")
        if sender == b"slow@example.net":
            await asyncio.sleep(30)
        return Proceed()

    async def on_message(self, session, message):
        if b"slow" in message.header.get("Subject"):
            await asyncio.sleep(30)
        return Verdict()

    async def stopping(self):
        self.log.info(None, "goodbye")

main(Slow())
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("filter-rdns -Z", "usage: filter-rdns"),
        ("filter-rdns -T soon", "-T takes seconds"),
        ("filter-rdns -W /etc/nowhere", "/etc/nowhere"),
        ("filter-dyndns -f /etc/patterns", "/etc/patterns:2:"),
        ("filter-dyndns surplus", "usage: filter-dyndns"),
    ],
)
def test_smtpd_does_not_start_with_a_filter_that_cannot_work(version: str, command: str, said: str) -> None:
    files = {"/etc/patterns": "5 fine\n5 (unclosed\n"}
    with Smtpd(version, CONFIG.format(command=command), files=files, port=None) as smtpd:
        smtpd.wait_exit()
        smtpd.wait_log("lost processor: f")
        assert said in smtpd.log()


def test_smtpd_greets_at_once_however_slowly_a_filter_starts(version: str) -> None:
    with Smtpd(version, CONFIG.format(command="slow"), filters={"slow": SLOW}) as smtpd:
        with smtpd.client() as client:
            assert client.deliver(MAIL).code == 250
            assert "started-late" not in smtpd.log()
        smtpd.wait_log("started-late")


def test_a_filter_ends_with_smtpd_and_says_goodbye(version: str) -> None:
    with Smtpd(version, CONFIG.format(command="slow"), filters={"slow": SLOW}) as smtpd:
        waiting = smtpd.client()
        waiting.ehlo()
        waiting.send(b"MAIL FROM:<slow@example.net>\r\n")
        smtpd.wait_log("asked")
        smtpd.process.stop()
        wait_until(lambda: not smtpd.filters(), 2, "the filter did not end")
        with pytest.raises(Gone):
            waiting.reply()
        waiting.close()
        smtpd.restart()
        with smtpd.client() as client:
            assert client.deliver(MAIL).code == 250


def test_a_lost_filter_never_leaves_half_a_mail(version: str) -> None:
    """SIGKILL while a message is held: the client is not told 250, and nothing of it is delivered."""
    with Smtpd(version, CONFIG.format(command="slow"), filters={"slow": SLOW}) as smtpd:
        for _ in range(5):
            client = smtpd.client()
            reached_dot(client)
            wait_until(lambda: bool(smtpd.filters()), 5, "no filter")
            for each in smtpd.filters():
                smtpd.room.ask("kill", pid=each.pid, signal_number=int(signal.SIGKILL))
            with pytest.raises(Gone):
                client.reply()
            client.close()
            smtpd.wait_exit()
            smtpd.restart()
        with smtpd.client() as client:
            assert client.deliver(MAIL).code == 250
        assert len(smtpd.wait_mail("bob")) == 1
        queue = smtpd.room.path("/var/spool/smtpd/queue")
        wait_until(lambda: not [path for path in queue.rglob("*") if path.is_file()], 5, "the queue is not empty")


def reached_dot(client: Client) -> None:
    client.ehlo()
    client.mail_from()
    client.rcpt_to()
    client.data()
    client.send(b"Subject: slow\r\n\r\nhello\r\n.\r\n")


def test_a_log_of_ones_own(version: str) -> None:
    """Option -L: syslog, with priorities, nothing on smtpd's own log; a syslogd that does not read delays no mail."""
    with Smtpd(version, CONFIG.format(command="slow -L"), filters={"slow": SLOW}, port=None) as smtpd:
        smtpd.process.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            path = smtpd.room.path("/dev/log")
            syslog.bind(str(path))
            syslog.settimeout(10)
            path.chmod(0o666)
            smtpd.restart()
            for _ in range(20):  # more lines than the socket holds
                with smtpd.client() as client:
                    assert client.deliver(MAIL).code == 250
            line = syslog.recv(4096)
        assert line.startswith(b"<22>"), "facility mail, priority info"
        assert b"asked tricky=a\\x0ab" in line
        assert "asked" not in smtpd.log()
