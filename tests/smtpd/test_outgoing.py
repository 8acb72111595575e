"""What a filter sees of mail that leaves: smtp-out reports of a relay, and bounces through the local socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tools.private_smtpd import Smtpd, Zone

FAR = "203.0.113.99"
ZONE: Zone = {"far.example": ["MX 10 mx.far.example."], "mx.far.example": [f"A {FAR}"], FAR: "mx.far.example"}
CONFIG = """
filter "watch" proc-exec "watch"
listen on 203.0.113.25 filter "watch"
listen on socket filter "watch"
action "out" relay filter "watch"
action "local" maildir
match from any for domain "far.example" action "out"
match from any for domain "example.net" action "local"
match from any for domain "example.org" action "local"
"""
WATCH = """
from filter_api import Filter, Proceed, Verdict, main

class Watch(Filter):
    watch_outgoing = True

    def saw_rcpt(self, session, result, recipient):
        self.log.info(session, "rcpt", out=session.outgoing, result=result, recipient=recipient)

    def saw_commit(self, session, size):
        sender = None if session.transaction is None else session.transaction.sender
        self.log.info(session, "commit", out=session.outgoing, sender=sender)

    def on_mail_from(self, session, sender):
        self.log.info(session, "from", local=session.local, sender=sender)
        return Proceed()

    def on_message(self, session, message):
        self.log.info(session, "message", local=session.local)
        return Verdict()

main(Watch())
"""


class FarServer(threading.Thread):
    """The other side: takes mail for anybody but nobody@."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(daemon=True)
        self.listener = listener
        self.received: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as wire:
                wire.write(b"220 mx.far.example ESMTP\r\n")
                while line := wire.readline():
                    wire.write(self.answer(line, wire))

    def answer(self, line: bytes, wire: socket.SocketIO) -> bytes:
        if line.upper().startswith(b"DATA"):
            wire.write(b"354 go ahead\r\n")
            text = b""
            while (more := wire.readline()) not in {b".\r\n", b""}:
                text += more
            self.received.append(text)
        if b"nobody@" in line:
            return b"550 5.1.1 no such user\r\n"
        return b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n"


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with Smtpd(version, CONFIG, zone=ZONE, filters={"watch": WATCH}) as running:
        yield running


@pytest.fixture(scope="module")
def far(smtpd: Smtpd) -> Iterator[FarServer]:
    with smtpd.room.socket(bind=(FAR, 25), backlog=5) as listener:
        yield FarServer(listener)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_relayed_mail_is_seen_on_its_way_out(smtpd: Smtpd, far: FarServer) -> None:
    with smtpd.client() as client:
        assert client.deliver(b"Subject: out\r\n\r\nx\r\n", recipient="zoe@far.example").code == 250
    smtpd.wait_log("commit out=yes sender=alice@example.net")
    assert "rcpt out=yes result=ok recipient=zoe@far.example" in smtpd.log()
    assert "rcpt out=no result=ok recipient=zoe@far.example" in smtpd.log()
    assert b"Subject: out" in far.received[-1]
    assert smtpd.alive(), smtpd.log()


def test_a_refusal_out_there_comes_back_as_a_bounce_through_the_filter(smtpd: Smtpd, far: FarServer) -> None:
    before = len(far.received)
    with smtpd.client() as client:
        assert client.deliver(b"Subject: nobody\r\n\r\nx\r\n", recipient="nobody@far.example").code == 250
    assert b"no such user" in smtpd.wait_mail("alice")[0]
    assert "commit out=yes" not in smtpd.log().partition("nobody@far.example")[2]
    assert 'from local=yes sender=""' in smtpd.log()
    assert "message local=yes" in smtpd.log()
    assert len(far.received) == before
    assert smtpd.alive(), smtpd.log()
