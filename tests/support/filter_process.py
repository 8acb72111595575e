"""A filter as smtpd runs it: a process with one socket as fd 0 and fd 1, and stderr apart.

    with FilterProcess(["-c", SOURCE]) as smtpd:
        smtpd.handshake()
        smtpd.write(b"filter|0.7|…")
        smtpd.line()

What the process writes passes the oracle.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from filter_api.testing import Oracle

HANDSHAKE = b"config|smtpd-version|7.8.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\nconfig|admd|mx\nconfig|ready\n"
TIMEOUT = 10.0


class FilterProcess:
    """Starts a Python program; `sock` is smtpd's end of its wire. stderr is read when the process has ended."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stderr: int | None = None,
        env: dict[str, str] | None = None,
        buffer: int | None = None,
        preexec: Callable[[], None] | None = None,
    ) -> None:
        self.oracle = Oracle()
        self.sock, theirs = socket.socketpair()
        if buffer is not None:
            for end in (self.sock, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(TIMEOUT)
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE if stderr is None else stderr,
            env={**os.environ, **(env or {})},
            preexec_fn=preexec,  # noqa: PLW1509 - set before any thread starts
        )
        theirs.close()
        self._tail = b""

    def __enter__(self) -> FilterProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def write(self, data: bytes) -> None:
        """smtpd writes."""
        self.oracle.smtpd_wrote(data)
        self.sock.sendall(data)

    def read(self) -> bytes:
        """One read of what the filter wrote; b"" at its end."""
        data = self.sock.recv(1 << 20)
        self.oracle.filter_wrote(data)
        return data

    def line(self) -> bytes:
        """The next line the filter writes, without LF."""
        while b"\n" not in self._tail:
            data = self.read()
            if not data:
                raise EOFError(self.errors())
            self._tail += data
        line, _, self._tail = self._tail.partition(b"\n")
        return line

    def handshake(self) -> list[bytes]:
        """Configure and wait for register|ready; gives the lines of registration."""
        self.write(HANDSHAKE)
        lines = [self.line()]
        while lines[-1] != b"register|ready":
            lines.append(self.line())
        return lines

    def hang_up(self) -> int:
        """smtpd goes; gives the exit status."""
        self.sock.close()
        return self.process.wait(TIMEOUT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def errors(self) -> str:
        """All of stderr, after the end of the process."""
        if self.process.stderr is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(TIMEOUT)
        return self.process.stderr.read().decode("latin-1")

    def rss(self) -> int:
        """Bytes of memory the process has resident now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def cpu(self) -> float:
        """Seconds of processor time the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        """Descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None


def wait_until(condition: Callable[[], bool], seconds: float = TIMEOUT) -> bool:
    """Ask again and again until it is true; False when time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False
