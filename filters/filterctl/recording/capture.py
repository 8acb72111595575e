"""``filterctl record file -- filter …``: stand in smtpd.conf in place of a filter and keep what it and smtpd say.

Bytes pass both ways unchanged on one socketpair, as under smtpd; the transcript is written beside them and can neither
delay nor stop them. The program lives exactly as long as the filter: when smtpd closes its end the filter is told by
end of file, when the filter ends smtpd is, by this process ending with the same status.
"""

from __future__ import annotations

import os
import signal
import subprocess
from types import FrameType

from filter_api.errors import UsageError
from filter_api.options import letters_of, split_options
from filter_api.text.sizes import parse_bytes
from filterctl.programs.command import end, split_command, start
from filterctl.recording.recording import Recorder, RotatingFile
from filterctl.recording.relay import Relay

OPTIONS = """\
-k files   how many older files are kept (default 4)
-s bytes   the size at which a new file is begun (default 64m)
"""

DEFAULT_SIZE = 64 * 1024 * 1024
DEFAULT_KEEP = 4
MIN_SIZE = 65536
PATIENCE = 5.0
"""Seconds a filter gets to end after smtpd is gone, or after it closed its output."""

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(arguments: list[str]) -> int:
    """Record until either side ends; the filter's exit status. Raises UsageError, ConfigError."""
    size, keep, path, command = _options(arguments)
    file = RotatingFile(path, size, keep)
    wakeup = _wake_on_signals()
    process, filter_end = start(command)
    _forward_signals(process)
    recorder = Recorder(file)
    with filter_end:
        relay = Relay(filter_end, recorder.take, wakeup, lambda: process.poll() is not None)
        ended = relay.run(PATIENCE)
    status = end(process, PATIENCE if ended else 0)
    recorder.finish()
    return status


def _size(text: str) -> int:
    """The value of -s. Raises UsageError."""
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise UsageError(f"-s: {error}") from None


def _options(arguments: list[str]) -> tuple[int, int, str, list[str]]:
    options, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    if arguments[len(arguments) - len(rest) - 1 : len(arguments) - len(rest)] == ["--"]:
        raise UsageError("the file stands before --")  # getopt took the -- away
    size, keep = DEFAULT_SIZE, DEFAULT_KEEP
    for letter, value in options:
        if letter == "-s":
            size = _size(value)
        elif not value.isdigit() or int(value) > 1000:
            raise UsageError(f"-k {value}: a number of files from 0 to 1000 is wanted")
        else:
            keep = int(value)
    if size < MIN_SIZE:
        raise UsageError(f"-s {size}: at least {MIN_SIZE} bytes")
    (path,), command = split_command(rest, 1)
    return size, keep, path, command


def _wake_on_signals() -> int:
    """A descriptor that becomes readable with every signal: the end of the filter must wake the relay."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reading


def _forward_signals(process: subprocess.Popen[bytes]) -> None:
    """What is sent to this process is meant for the filter."""

    def forward(number: int, _frame: FrameType | None) -> None:
        if process.returncode is None:
            process.send_signal(number)

    for number in _FORWARDED:
        signal.signal(number, forward)
