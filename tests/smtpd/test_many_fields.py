"""Messages whose headers are made to keep us busy, under filter-spamassassin: an honest client does not notice.

The scanner takes no time and calls everything spam, so that what is measured is the filter: it tags every Subject.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.bounds import MAX_FIELDS
from tests.smtpd.honest import slowest
from tools.private_smtpd import Smtpd
from tools.private_smtpd.backends import Backend

pytestmark = pytest.mark.timed

ATTACKERS = 2
START = 'listen on 0.0.0.0\naction "local" maildir\nmatch from any for domain "example.org" action "local"\n'
CONFIG = """
filter "spam" proc-exec "filter-spamassassin -j [spam] -F accept -a 127.0.0.1:783"
listen on 0.0.0.0 filter "spam"
action "local" maildir
match from any for domain "example.org" action "local"
"""
QUICK_SPAMD = Path(__file__).with_name("quick_spamd.py")

REFUSED = {
    "28,000 subjects": b"Subject: x\r\n" * 28_000,
    "14,000 subjects": b"Subject: x\r\n" * 14_000,
    "as many as go": b"a:\r\n" * 85_000,
    "forged marks": b"X-Spam-Status: No\r\n" * 13_000,
    "no fields at all": b"what is this\r\n" * 17_000,
    "one too many": b"Subject: x\r\n" * MAX_FIELDS,  # with smtpd's own
    "folds": b"Subject: x\r\n" + b" y\r\n" * 60_000,
}
TAKEN = {
    "a thousand subjects": b"Subject: x\r\n" * (MAX_FIELDS - 1),
    "forged marks, and few": b"X-Spam-Status: No\r\n" * (MAX_FIELDS - 1),
    "a long list": b"To: a@example.org" + b",\r\n b@example.org" * 2_500 + b"\r\nSubject: x\r\n",
    "an ordinary one": b"Subject: x\r\n" + b"Received: from a by b; Fri, 20 Nov 2026 09:53:11 +0000\r\n" * 40,
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, START, users=("bob", "carol", "dora")) as running:
        arguments = ["python3", "-S", "-E", str(QUICK_SPAMD), "783"]
        Backend(running.room, "quick_spamd", arguments, 783, (b"PING SPAMC/1.5\r\n\r\n", b"PONG"))
        running.restart(CONFIG)
        yield running
        assert running.alive(), running.log()[-8000:]
        for word in ("Traceback", "stalled", "is down"):
            assert word not in running.log()


class Attack:
    """Several clients that send the same message again and again, each from an address of its own."""

    def __init__(self, smtpd: Smtpd, header: bytes) -> None:
        self.replies: list[str] = []
        self._over = threading.Event()
        message = header + b"\r\nbuy\r\n"
        self._threads = [
            threading.Thread(target=self._send, args=(smtpd, f"192.0.2.{100 + number}", message))
            for number in range(ATTACKERS)
        ]

    def __enter__(self) -> Attack:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, smtpd: Smtpd, address: str, message: bytes) -> None:
        while not self._over.is_set():
            with smtpd.client(address, timeout=60) as client:
                self.replies.append(str(client.deliver(message, recipient="carol@example.org")))


def beside(smtpd: Smtpd, header: bytes) -> tuple[float, list[str]]:
    """Seconds of the slowest reply to an honest client, of many, and what the attackers were told."""
    with Attack(smtpd, header) as attack:
        longest = 0.0
        until = time.monotonic() + 3
        while time.monotonic() < until or not attack.replies:
            with smtpd.client("203.0.113.50", timeout=60) as honest:
                longest = max(longest, slowest(honest))
    return longest, attack.replies


@pytest.mark.parametrize("name", REFUSED)
def test_an_honest_client_beside_the_attack_is_answered_and_the_attack_gets_nothing(smtpd: Smtpd, name: str) -> None:
    longest, replies = beside(smtpd, REFUSED[name])
    assert longest < 1.0
    assert len(replies) >= ATTACKERS
    assert {reply[:9] for reply in replies} == {"550 5.6.0"}, set(replies)


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_within_the_bounds_is_tagged_and_delivered_and_delays_nobody(smtpd: Smtpd, name: str) -> None:
    longest, replies = beside(smtpd, TAKEN[name])
    assert longest < 1.0
    assert {reply[:3] for reply in replies} == {"250"}, set(replies)


def test_every_subject_of_a_thousand_is_tagged(smtpd: Smtpd) -> None:
    with smtpd.client("192.0.2.9") as client:
        reply = client.deliver(TAKEN["a thousand subjects"] + b"\r\nbuy\r\n", recipient="dora@example.org")
    assert reply.code == 250
    (mail,) = smtpd.wait_mail("dora", 1)
    assert mail.splitlines().count(b"Subject: [spam] x") == MAX_FIELDS - 1
    assert b"\nX-Spam-Flag: YES\n" in mail
