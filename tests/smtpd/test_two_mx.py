"""examples/two-mx.conf on two servers with one Redis between them: what one has seen, the other knows, also when the
first one is gone.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smtpd.bridge import Bridge
from tests.smtpd.chain import GOOD, IDLE, LONE_1, ZONE, Seen, converse, mail
from tools.private_smtpd import Namespace, Smtpd, require, wait_until
from tools.private_smtpd.backends import start_redis

EXAMPLE = (Path(__file__).resolve().parents[2] / "examples/two-mx.conf").read_text()
FIRST, SECOND = "192.0.2.25", "192.0.2.26"
REDIS = ("127.0.0.1", 6379)
USERS = ("alice", "bob", "carol", "_greylist")
FILES = {
    "/etc/mail/aliases": "root: carol\n",
    "/etc/mail/common_domains": "",
    "/etc/mail/greylist-store": "redis://127.0.0.1:6379/0\n",
}


def configuration(address: str) -> str:
    """The example, for a client that comes back at once."""
    text = EXAMPLE
    for old, new in (
        (f"listen on {FIRST}", f"listen on {address}"),
        ("filter-greylist -o", "filter-greylist -o -G 0:4:864"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


class Mx:
    """One of the two."""

    def __init__(self, version: str, address: str, redis: Namespace) -> None:
        self.address = address
        self.smtpd = Smtpd(
            version, IDLE, zone=ZONE, files=FILES, users=USERS, port=2500, hostname=f"mx.{address}.example.org"
        )
        room = self.smtpd.room
        self.bridge = Bridge(room.socket(bind=REDIS, backlog=16), lambda: connect(redis))
        for command in (
            ["chown", "_greylist:_greylist", "/etc/mail/greylist-store"],
            ["chmod", "600", "/etc/mail/greylist-store"],
            ["mkdir", "-p", "/var/lib/opensmtpd-filters"],
            ["install", "-d", "-o", "_greylist", "-g", "_greylist", "-m", "700", "/var/lib/opensmtpd-filters/greylist"],
        ):
            assert room.run(command) == (0, ""), command
        self.start()

    def start(self) -> None:
        self.smtpd.restart(configuration(self.address))

    def kill(self) -> None:
        self.smtpd.process.signal(signal.SIGKILL)
        wait_until(lambda: not self.smtpd.listens(25) and not self.smtpd.filters(), 10, "smtpd does not die")

    def offer(self, source: str, sender: str, text: bytes) -> Seen:
        with self.smtpd.client(source, self.address) as client:
            client.ehlo("mx.good.example")
            return converse(client, sender, "bob@example.org", text)

    def close(self) -> None:
        self.bridge.__exit__(None, None, None)
        self.smtpd.close()


def connect(room: Namespace) -> socket.socket:
    made = room.socket()
    try:
        made.connect(REDIS)
    except OSError:
        made.close()
        raise
    return made


@pytest.fixture
def pair(version: str) -> Iterator[tuple[Mx, Mx]]:
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(Namespace(require(version)))
        start_redis(redis)
        first = Mx(version, FIRST, redis)
        stack.callback(first.close)
        second = Mx(version, SECOND, redis)
        stack.callback(second.close)
        yield first, second
        assert second.smtpd.alive(), second.smtpd.log()


def test_one_of_two_is_killed_and_no_server_waits_twice(pair: tuple[Mx, Mx]) -> None:
    first, second = pair
    text = mail("to two")
    assert first.offer(GOOD, "alice@good.example", text).code == 451
    assert first.offer(LONE_1, "alice@lone.example", text).code == 451
    first.kill()
    with pytest.raises(ConnectionRefusedError):
        first.offer(GOOD, "alice@good.example", text)
    assert second.offer(GOOD, "alice@good.example", text).code == 250
    assert b"hello" in second.smtpd.wait_mail("bob")[0]
    first.start()
    assert first.offer(GOOD, "somebody@good.example", mail("from a known server")).code == 250
    assert first.offer(LONE_1, "alice@lone.example", text).code == 250
    assert second.offer(LONE_1, "somebody@lone.example", mail("from another known server")).code == 250
