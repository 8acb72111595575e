"""Find and start filter programs: from argument lists, never through a shell, on one socketpair as smtpd does."""

from __future__ import annotations

import glob
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence

from filter_api.errors import ConfigError, UsageError, reason
from filterctl.programs.smtpd import PLACES

LIBEXEC = (
    "/usr/local/libexec/smtpd",  # OpenBSD
    "/usr/libexec/opensmtpd",  # Debian 12 and later, Void
    "/usr/lib/opensmtpd",  # Alpine
    "/usr/lib/smtpd/opensmtpd",  # Arch
    "/usr/lib/*/opensmtpd",  # older Debian
    "/usr/local/libexec/opensmtpd",  # FreeBSD and pip installations that follow it
    "/usr/pkg/libexec/opensmtpd",  # NetBSD
)
"""Where one smtpd or another looks for commands without a leading slash."""

MAX_PROGRAM = 64 << 20
"""Bytes of smtpd that are looked at; it has less than one million."""

_COMPILED_IN = re.compile(rb"\0(/[!-~]{1,200}/(?:open)?smtpd)/?(?=\0)")


def libexec_directories() -> list[str]:
    """Where the smtpd of this system looks, which it says itself; without one, the known directories that exist."""
    return compiled_in(PLACES) or known_directories()


def known_directories() -> list[str]:
    """Those of the known directories that exist here."""
    return [path for pattern in LIBEXEC for path in sorted(glob.glob(pattern)) if os.path.isdir(path)]


def compiled_in(places: Sequence[str]) -> list[str]:
    """The directory that the first of these programs names, PATH_LIBEXEC of smtpd; [] where there is none."""
    program = next((place for place in places if os.path.isfile(place)), None)
    try:
        with open(program or os.devnull, "rb") as file:
            found = _COMPILED_IN.findall(file.read(MAX_PROGRAM))
    except OSError:
        return []
    names = dict.fromkeys(os.fsdecode(path) for path in found)
    return [path for path in names if "/lib" in path and not path.startswith("/var/") and os.path.isdir(path)]


def find_program(name: str) -> str:
    """The path of a program named on the command line: as given if it has a slash, else where smtpd looks, beside
    filterctl itself, and in PATH. Raises ConfigError.
    """
    if "/" in name:
        candidates = [name]
    else:
        folders = [*libexec_directories(), os.path.dirname(sys.argv[0]), os.path.dirname(sys.executable)]
        candidates = [os.path.join(folder, name) for folder in folders if folder]
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    found = None if "/" in name else shutil.which(name)
    if found is None:
        raise ConfigError(f"{name}: no such program")
    return found


def split_command(arguments: Sequence[str], operands: int) -> tuple[list[str], list[str]]:
    """The operands before ``--`` and the command behind it; UsageError if there are not so many of them."""
    if "--" not in arguments:
        raise UsageError("the command stands behind --")
    at = list(arguments).index("--")
    before, command = list(arguments[:at]), list(arguments[at + 1 :])
    if len(before) != operands or not command:
        raise UsageError("")
    return before, command


def start(command: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a filter with one end of a socketpair as both its stdin and stdout; give the process and the other end.

    Raises ConfigError if it cannot be started.
    """
    program = find_program(command[0])
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen([program, *command[1:]], stdin=theirs.fileno(), stdout=theirs.fileno())  # noqa: S603 - a list, no shell
    except OSError as error:
        ours.close()
        raise ConfigError(f"{program}: {reason(error)}") from None
    finally:
        theirs.close()
    return process, ours


def end(process: subprocess.Popen[bytes], patience: float) -> int:
    """Wait `patience` seconds for a process to end by itself, then make it. The exit status, 128 + n for a signal."""
    for action in (None, process.terminate, process.kill):
        if action is not None:
            action()
        try:
            status = process.wait(patience if action is None else 2)
        except subprocess.TimeoutExpired:
            continue
        return status if status >= 0 else 128 - status
    return 137
