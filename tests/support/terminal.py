"""What a command prints on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios


def filterctl_on_a_terminal(*arguments: str, width: int, **environment: str) -> list[str]:
    """What a terminal of that width shows of a filterctl that succeeds, its lines without their ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    known = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
    command = [sys.executable, "-m", "filterctl", *arguments]
    with subprocess.Popen(command, stdout=theirs, stdin=subprocess.DEVNULL, env={**known, **environment}) as process:
        os.close(theirs)
        data = b""
        try:
            while piece := os.read(ours, 65_536):
                data += piece
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    return data.decode().replace("\r\n", "\n").splitlines()
