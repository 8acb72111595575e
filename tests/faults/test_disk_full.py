"""No room to hold a message: its client shall come again, everybody else is served."""

from __future__ import annotations

import resource

from tests.support.filter_process import FilterProcess

ECHO = """
from filter_api import *
class Echo(Filter):
    def on_message(self, session, message): return Verdict()
main(Echo())
"""


def test_a_message_that_cannot_be_spooled_is_told_to_come_again() -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    with FilterProcess(
        ["-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + ECHO], preexec=small_files
    ) as smtpd:
        smtpd.handshake()
        for number, size in ((1, 3_000), (2, 10), (3, 3_000), (4, 10)):
            sid = b"%016x" % number
            head = b"filter|0.7|1.1|smtp-in|data-line|%b|88|" % sid
            smtpd.write(head + b"Subject: x\n" + head + b"\n")
            for _ in range(size // 10):
                smtpd.write((head + b"y" * 990 + b"\n") * 10)
            smtpd.write(head + b".\n")
            while not smtpd.line().endswith(b"|."):
                pass
            smtpd.write(b"filter|0.7|1.1|smtp-in|commit|%b|89|\n" % sid)
            answer = smtpd.line()
            expected = b"reject|452 4.3.1 insufficient system storage" if size > 10 else b"proceed"
            assert answer == b"filter-result|%b|89|%b" % (sid, expected)
        smtpd.oracle.finish()
        smtpd.hang_up()
        assert "File too large" in smtpd.errors()
