"""What a hook or a library prints past the log: taken in and logged, line by line.

fd 1 is not smtpd's any more when this is called, but stderr would be no better place for it: a line of 64 KiB there
makes smtpd's lookup process spin, and control bytes reach the terminal of whoever reads the log. So `print` and
`sys.stderr` go to the log, cut and escaped like everything in it; what is written to fd 1 itself, past Python, comes
in through a pipe. The pipe never blocks a writer: what does not fit is lost. fd 2 stays what it was, for the last
words of a process that dies.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from typing import Final, TextIO

from filter_api.bounds import LOG_LINE
from filter_api.log import Sink
from filter_api.text.escape import printable

_READ: Final = 65_536


class Lines(io.RawIOBase):
    """Collects bytes to lines of at most `LOG_LINE` and gives them to the log. Never raises."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._rest = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raw = bytes(memoryview(data))  # type: ignore[arg-type]  # io gives buffers of every kind
        *lines, self._rest = (self._rest + raw).split(b"\n")
        if len(self._rest) > LOG_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            if line:
                self._sink(logging.WARNING, printable(line, LOG_LINE))
        return len(raw)


def _text(sink: Sink) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(Lines(sink)), "utf-8", "backslashreplace", line_buffering=True)


def catch_stray_output(sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
    """From here on nothing but the log's own lines, and what is written to fd 2 itself, reaches stderr."""
    sys.stdout, sys.stderr = _text(sink), _text(sink)
    inward, outward = os.pipe()
    os.set_blocking(inward, False)
    os.set_blocking(outward, False)
    os.dup2(outward, 1)
    os.close(outward)
    lines = Lines(sink)

    def drain() -> None:
        try:
            lines.write(os.read(inward, _READ))
        except OSError:
            return

    loop.add_reader(inward, drain)
