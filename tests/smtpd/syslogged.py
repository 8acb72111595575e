"""A private smtpd that logs as an installed one does: by syslog(3), whose lines are whole however many processes write.

In the foreground with -d smtpd's processes share one stderr, and a C library that writes a line in pieces mixes them.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from tools.private_smtpd import Process, Smtpd
from tools.private_smtpd.daemon import CODE, CONFIGURATION

_HEAD = re.compile(rb"<\d+>(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8} )?[\w-]+\[\d+\]: ")
"""What syslog(3) writes before the text: priority, time, program."""


class SyslogSmtpd(Smtpd):
    """`log` is what a syslogd would have written, without the time and smtpd's name."""

    def _start(self) -> Process:
        self._listen()
        path = {"PYTHONPATH": f"{CODE}:{CODE}/filters"}
        return self.room.spawn(["smtpd", "-F", "-v", "-f", CONFIGURATION], env=path)

    def _listen(self) -> None:
        device = self.room.path("/dev/log")
        if not device.exists():
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.bind(str(device))
            device.chmod(0o666)
            listener.settimeout(0.5)
            self._listening = True
            self._syslogd = threading.Thread(target=self._write, args=(listener,), daemon=True)
            self._syslogd.start()

    def _write(self, listener: socket.socket) -> None:
        with listener, self._log.open("ab", buffering=0) as log:
            while self._listening:
                with contextlib.suppress(TimeoutError):
                    log.write(_HEAD.sub(b"", listener.recv(1 << 16), count=1).rstrip(b"\n") + b"\n")

    def close(self) -> None:
        self._listening = False
        self._syslogd.join(5)
        super().close()
