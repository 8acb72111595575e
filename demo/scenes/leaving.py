"""Mail that leaves: signed by filter-dkimsign, and remembered by the greylist."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dkim

from demo import zone
from demo.host import FILTERCTL, PASSWORD, run
from demo.stage import Scene, Seen, Stage, mail, offer, send
from tools.private_smtpd import wait_until

ALICE: Final = "alice@example.org"
ZOE: Final = "zoe@far.example"


class FarEnd(threading.Thread):
    """Another mail server, which takes everything."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(daemon=True)
        self.listener = listener
        self.received: list[bytes] = []

    def run(self) -> None:
        try:
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self.serve(connection)
        except OSError:
            return  # closed

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rwb", buffering=0) as wire:
            wire.write(b"220 mx.far.example ESMTP\r\n")
            while line := wire.readline():
                if line.upper().startswith(b"DATA"):
                    wire.write(b"354 go ahead\r\n")
                    self.received.append(b"".join(iter(wire.readline, b".\r\n")))
                wire.write(b"250 fine\r\n")


@contextmanager
def far_end(stage: Stage) -> Iterator[FarEnd]:
    listener = stage.smtpd.room.socket(bind=(zone.FAR, 25), backlog=5)
    server = FarEnd(listener)
    server.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def verified(stage: Stage, message: bytes) -> str:
    """What dkimpy, which shares no code with this suite, says of each signature."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return "".join(re.findall(r'"([^"]*)"', str(stage.smtpd.dns.zone[name.decode().rstrip(".")]))).encode()

    count = message.count(b"DKIM-Signature:")
    held = [dkim.DKIM(message).verify(idx=index, dnsfunc=look_up) for index in range(count)]
    return f"{sum(held)} of {count} signatures hold"


def submitted(stage: Stage) -> Seen:
    """Alice, at home on a residential line, logs in and writes to somebody far away."""
    subject = stage.subject("contract")
    with far_end(stage) as far, stage.smtpd.client(zone.RESIDENTIAL, port=587, timeout=60) as client:
        client.ehlo("laptop.example.net")
        client.starttls()
        client.ehlo("laptop.example.net")
        client.auth_plain("alice", PASSWORD)
        reply = offer(client, ALICE, ZOE, mail(subject, "We pay 100.\n", sender=ALICE))
        client.quit()
        wait_until(lambda: bool(far.received), 20, "nothing reached the far end")
        return Seen(str(reply), "", "logged in: not judged, but signed", f"zoe: {verified(stage, far.received[0])}")


def answered(stage: Stage) -> Seen:
    """The server our mail went to has never been here; it need not wait."""
    if zone.FAR not in run(stage.smtpd, FILTERCTL, "greylist"):
        submitted(stage)
    wait_until(lambda: zone.FAR in run(stage.smtpd, FILTERCTL, "greylist"), 10, "the greylist has learned nothing")
    return send(stage, zone.FAR, helo="mx.far.example", sender=ZOE, again=False)


LEAVING: Final = (
    Scene("our user at home", zone.RESIDENTIAL, "a mail to the far end", submitted, 250, tls=True),
    Scene("the far end", zone.FAR, "an answer", answered, 250, tls=True),
)
