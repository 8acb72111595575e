"""More of everything: sessions, reports, lines; memory stays bounded and comes back."""

from __future__ import annotations

import threading

from tests.support.filter_process import FilterProcess

WATCH = """
from filter_api import *
class Watch(Filter):
    def on_helo(self, session, identity): return Proceed()
main(Watch())
"""


def drain(smtpd: FilterProcess, answers: int) -> None:
    came = 0
    while came < answers:
        came += smtpd.read().count(b"|proceed\n")


def test_ten_thousand_sessions_at_once() -> None:
    count = 10_000
    with FilterProcess(["-c", WATCH]) as smtpd:
        smtpd.handshake()
        base = smtpd.rss()
        reader = threading.Thread(target=drain, args=(smtpd, count), daemon=True)
        reader.start()
        smtpd.sock.settimeout(60)
        for number in range(count):
            sid = b"%016x" % (number + 1)
            smtpd.write(
                b"report|0.7|1.1|smtp-in|link-connect|%b|mx%d.example.net|pass|192.0.2.1:%d|198.51.100.1:25\n"
                b"filter|0.7|1.1|smtp-in|ehlo|%b|82|client.example.net\n"
                b"report|0.7|1.1|smtp-in|link-identify|%b|EHLO|client.example.net\n"
                b"report|0.7|1.1|smtp-in|tx-begin|%b|%08x\n"
                b"report|0.7|1.1|smtp-in|tx-mail|%b|%08x|ok|sender@example.net\n"
                b"report|0.7|1.1|smtp-in|tx-rcpt|%b|%08x|ok|recipient@example.org\n"
                % (sid, number, number % 65536, sid, sid, sid, number, sid, number, sid, number)
            )
        reader.join(60)
        assert not reader.is_alive()
        assert (smtpd.rss() - base) / count < 4096
        for number in range(count):
            smtpd.write(b"report|0.7|1.1|smtp-in|link-disconnect|%016x\n" % (number + 1))
        smtpd.write(b"filter|0.7|1.1|smtp-in|ehlo|00000000ffffffff|82|x\n")
        drain(smtpd, 1)
        smtpd.oracle.finish()


def test_lines_nobody_understands() -> None:
    with FilterProcess(["-c", WATCH]) as smtpd:
        smtpd.handshake()
        base = smtpd.rss()
        for _ in range(200):
            smtpd.sock.sendall(b"what is this\n" * 1_000 + b"report|9.9|1.1|smtp-in|new-event|00000000000000aa|x|y\n")
        smtpd.sock.sendall(b"x" * 5_000_000 + b"\n")
        smtpd.write(b"filter|0.7|1.1|smtp-in|ehlo|00000000000000aa|82|x\n")
        drain(smtpd, 1)
        assert smtpd.rss() - base < 4 << 20
        smtpd.hang_up()
        assert smtpd.errors() == ""
