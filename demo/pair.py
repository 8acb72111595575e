"""examples/two-mx.conf on two servers, each in a room of its own, with one Redis between them in a third."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from demo.host import EXAMPLES, IDLE, WAITS_NOT, run
from demo.stage import offer
from tools.private_smtpd import Namespace, Reply, Smtpd, Zone, require, wait_until
from tools.private_smtpd.backends import start_redis
from tools.private_smtpd.bridge import Bridge

FIRST, SECOND = "192.0.2.25", "192.0.2.26"
REDIS: Final = ("127.0.0.1", 6379)
USERS: Final = ("alice", "bob", "carol", "_greylist")
FILES: Final = {
    "/etc/mail/aliases": "root: carol\n",
    "/etc/mail/common_domains": "",
    "/etc/mail/greylist-store": "redis://127.0.0.1:6379/0\n",
}
STORE: Final = "/var/lib/opensmtpd-filters/greylist"


def configuration(address: str) -> str:
    """The example for the server at `address`, and for a client that comes back at once."""
    text = (EXAMPLES / "two-mx.conf").read_text()
    for old, new in (
        (f"listen on {FIRST}", f"listen on {address}"),
        ("filter-greylist -o", f"filter-greylist -o {WAITS_NOT}"),
    ):
        if old not in text:
            raise ValueError(f"two-mx.conf does not say {old!r}")
        text = text.replace(old, new)
    return text


def connect(room: Namespace) -> socket.socket:
    """A connection to the Redis of another room."""
    made = room.socket()
    try:
        made.connect(REDIS)
    except OSError:
        made.close()
        raise
    return made


class Mx:
    """One of the two."""

    def __init__(self, version: str, address: str, redis: Namespace, zone: Zone) -> None:
        self.address = address
        self.smtpd = Smtpd(
            version, IDLE, zone=zone, files=FILES, users=USERS, port=2500, hostname=f"mx{address[-1]}.example.org"
        )
        self.bridge = Bridge(self.smtpd.room.socket(bind=REDIS, backlog=16), lambda: connect(redis))
        run(self.smtpd, "chown", "_greylist:_greylist", "/etc/mail/greylist-store")
        run(self.smtpd, "chmod", "600", "/etc/mail/greylist-store")
        run(self.smtpd, "mkdir", "-p", "/var/lib/opensmtpd-filters")
        run(self.smtpd, "install", "-d", "-o", "_greylist", "-g", "_greylist", "-m", "700", STORE)
        self.start()

    def start(self) -> None:
        self.smtpd.restart(configuration(self.address))

    def kill(self) -> None:
        """SIGKILL, and nothing of it answers any more."""
        self.smtpd.process.signal(signal.SIGKILL)
        wait_until(lambda: not self.smtpd.listens(25) and not self.smtpd.filters(), 10, "smtpd does not die")

    def offer(self, source: str, sender: str, text: bytes, helo: str = "mx.good.example") -> Reply:
        """One mail for bob. ConnectionRefusedError when the server is dead."""
        with self.smtpd.client(source, self.address) as client:
            client.ehlo(helo)
            return offer(client, sender, "bob@example.org", text)

    def close(self) -> None:
        self.bridge.__exit__(None, None, None)
        self.smtpd.close()


@contextmanager
def open_pair(version: str, zone: Zone) -> Iterator[tuple[Mx, Mx]]:
    """Both, running."""
    with ExitStack() as stack:
        redis = stack.enter_context(Namespace(require(version)))
        start_redis(redis)
        pair = []
        for address in (FIRST, SECOND):
            pair.append(Mx(version, address, redis, zone))
            stack.callback(pair[-1].close)
        yield pair[0], pair[1]
