"""``filterctl lists``: what filter-lists knows of lists, and the one place that starts a list's program."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Generator, Sequence

from filter_api.bounds import BLOCK
from filter_api.errors import ConfigError, reason
from filter_api.text.escape import printable


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError and ConfigError."""
    from filter_lists.ctl import run as lists

    return lists(arguments, output_of)


def output_of(words: Sequence[str]) -> Generator[bytes, None, None]:
    """What a command prints, from its words and without a shell; it ends with the generator at the latest.

    Its stderr is ours. Raises ConfigError if it cannot be started or does not end with status 0.
    """
    name = printable(words[0])
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/", start_new_session=True
        )
    except OSError as error:
        raise ConfigError(f"{name}: {reason(error)}") from None
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        with process.stdout as pipe:
            while block := os.read(pipe.fileno(), BLOCK):
                yield block
        status = process.wait()
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status != 0:
        raise ConfigError(f"{name}: ended with status {status}, so what it printed is not taken")
