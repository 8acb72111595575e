"""Ask the smtpd of this system what it thinks of a configuration: ``smtpd -n -f``, from an argument list."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from filter_api.errors import reason

PLACES = ("/usr/sbin/smtpd", "/usr/local/sbin/smtpd", "/usr/pkg/sbin/smtpd", "/usr/bin/smtpd")
"""OpenBSD, Debian, Alpine; FreeBSD; NetBSD; Void, Arch. No other place is looked in, as root runs what is found."""

PATIENCE = 30.0
"""Seconds: smtpd -n resolves the names of listeners, and may wait for DNS."""

MAX_LINES = 50
"""Sentences of smtpd's that are told: beyond them one mistake has caused the rest."""


def refusals(path: str, places: Sequence[str] | None = None) -> list[str] | None:
    """Its sentences, ``file:line: …``, none if it takes the file; None if there is no smtpd here. Never raises."""
    program = next((place for place in places or PLACES if os.access(place, os.X_OK)), None)
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell
            [program, "-n", "-f", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [f"{path}: smtpd -n could not be asked: {reason(error)}"]
    if done.returncode == 0:
        return []
    lines = done.stdout.decode(errors="backslashreplace").splitlines()
    return lines[:MAX_LINES] or [f"{path}: smtpd -n ended with status {done.returncode} and said nothing"]
