"""smtpd does not read: the filter stops reading, too, and neither memory nor a deadlock grows."""

from __future__ import annotations

import threading
import time

from tests.support.filter_process import FilterProcess

ECHO = """
from filter_api import *
class Echo(Filter):
    def on_message(self, session, message): return Verdict()
main(Echo())
"""
HEAD = b"filter|0.7|1.1|smtp-in|data-line|%016x|88|"
LINE = b"x" * 990


def test_reading_pauses_while_nobody_reads_and_goes_on_after() -> None:
    with FilterProcess(["-c", ECHO], buffer=8192) as smtpd:
        smtpd.handshake()
        base = smtpd.rss()
        sessions, lines = 40, 2_000  # 40 messages of 2 MB
        stop = threading.Event()

        def flood() -> None:
            for number in range(sessions):
                head = HEAD % number
                block = (head + LINE + b"\n") * 100
                for _ in range(lines // 100):
                    smtpd.write(block)
                smtpd.write(head + b".\n")
            stop.set()

        smtpd.sock.settimeout(60)
        writer = threading.Thread(target=flood, daemon=True)
        writer.start()
        time.sleep(2)
        assert not stop.is_set(), "the filter took everything although nobody read what it wrote"
        assert smtpd.rss() - base < 24 << 20
        came = 0
        while came < sessions:
            came += smtpd.read().count(b"|.\n")
        writer.join(10)
        smtpd.oracle.finish()


def test_both_sides_full_is_no_deadlock() -> None:
    """A thousand answers that wait for smtpd while smtpd waits to write."""
    source = ECHO.replace(
        "def on_message(self, session, message): return Verdict()", "def on_helo(self, session, x): return Proceed()"
    )
    with FilterProcess(["-c", source], buffer=4096) as smtpd:
        smtpd.handshake()
        count = 20_000

        def ask() -> None:
            for number in range(count):
                smtpd.write(b"filter|0.7|1.1|smtp-in|ehlo|%016x|82|client\n" % number)

        writer = threading.Thread(target=ask, daemon=True)
        writer.start()
        answers = 0
        while answers < count:
            answers += smtpd.read().count(b"|proceed\n")
        writer.join(10)
        smtpd.oracle.finish()
