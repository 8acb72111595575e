"""filter-greylist -o under a real smtpd: what leaves teaches, by the ids that smtpd gives a message on both sides."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.smtpd.greylisting import STORE, greylisting
from tests.smtpd.test_outgoing import FAR, ZONE, FarServer
from tools.private_smtpd import Smtpd
from tools.private_smtpd.namespace import wait_until

USER, STRANGER = "203.0.113.50", "203.0.113.51"
START = 'listen on 203.0.113.25\naction "local" maildir\nmatch from any for domain "example.org" action "local"\n'
CONFIG = f"""
filter "greylist" proc-exec "filter-greylist -o -G 0:4:864 -N {USER} -f {STORE}"
listen on 203.0.113.25 filter "greylist"
action "out" relay filter "greylist"
action "local" maildir
match from any for domain "far.example" action "out"
match from any for domain "example.org" action "local"
"""


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with greylisting(version, START, CONFIG, zone=ZONE) as running:
        yield running


def listing(smtpd: Smtpd) -> str:
    code, output = smtpd.room.run(["/usr/libexec/opensmtpd/filterctl", "greylist", "-f", STORE])
    assert code == 0, output
    return output


def test_who_takes_mail_of_ours_is_known_and_who_takes_a_strangers_is_not(smtpd: Smtpd) -> None:
    with smtpd.room.socket(bind=(FAR, 25), backlog=5) as listener:
        far = FarServer(listener)
        for _ in range(2):  # the stranger is asked to come back
            with smtpd.client(STRANGER) as client:
                client.deliver(b"Subject: forwarded\r\n\r\nx\r\n", recipient="zoe@far.example")
        wait_until(lambda: any(b"forwarded" in text for text in far.received), 20, "it is not relayed")
        assert f"WHITE|{FAR}|" not in listing(smtpd)
        assert "PAIR|" not in listing(smtpd)
        with smtpd.client(USER) as client:
            reply = client.deliver(b"Subject: ours\r\n\r\nx\r\n", sender="bob@example.org", recipient="zoe@far.example")
        assert reply.code == 250, "ours never wait"
        wait_until(lambda: f"WHITE|{FAR}|" in listing(smtpd), 20, "nothing is learned")
        assert "PAIR|<zoe@far.example>|<bob@example.org>|" in listing(smtpd)
        with smtpd.client(FAR) as client:
            assert client.deliver(b"Subject: answer\r\n\r\nx\r\n", recipient="bob@example.org").code == 250
        listener.shutdown(socket.SHUT_RDWR)
