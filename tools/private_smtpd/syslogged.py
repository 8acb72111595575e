"""A private smtpd that logs as an installed one does: by syslog(3), whose lines are whole however many processes write.

In the foreground with -d smtpd's processes share one stderr, and a C library that writes a line in pieces mixes them.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from .daemon import CONFIGURATION, Smtpd
from .namespace import Process

_HEAD = re.compile(rb"<\d+>(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8} )?[\w-]+\[\d+\]: ")
"""What syslog(3) writes before the text: priority, time, program."""


class SyslogSmtpd(Smtpd):
    """`log` is what a syslogd would have written, without the time and smtpd's name."""

    _syslog: socket.socket | None = None

    def _start(self) -> Process:
        self._listen()
        return self.room.spawn(["smtpd", "-F", "-v", "-f", CONFIGURATION], env=self.environment)

    def _listen(self) -> None:
        if self._syslog is None:
            self._open_syslog()

    def _open_syslog(self) -> None:
        device = self.room.path("/dev/log")
        device.unlink(missing_ok=True)
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._syslog.bind(str(device))
        device.chmod(0o666)
        self._syslogd = threading.Thread(target=self._write, args=(self._syslog,), name="syslogd", daemon=True)
        self._syslogd.start()

    def _write(self, listener: socket.socket) -> None:
        with listener, self._log.open("ab", buffering=0) as log:
            while line := listener.recv(1 << 16):
                text = _HEAD.sub(b"", line, count=1).rstrip(b"\n")
                log.write(text + b"\n")
                self.note(text)

    def note(self, line: bytes) -> None:
        """Called with each line that is logged, in a thread of its own."""

    def rotate_log(self) -> None:
        """As newsyslog(8) and a restart of syslogd: the log is another file, /dev/log another socket."""
        self._log.rename(self._log.with_suffix(".log.0"))
        self._log.touch()
        self._close_syslog()
        self._open_syslog()

    def _close_syslog(self) -> None:
        if self._syslog is not None:
            with contextlib.suppress(OSError):
                self._syslog.shutdown(socket.SHUT_RD)  # recv returns nothing from now on
            self._syslogd.join(5)

    def close(self) -> None:
        self._close_syslog()
        super().close()
