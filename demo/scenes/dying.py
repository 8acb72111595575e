"""A scanner dies: mail waits, nothing slips through, and nobody has to restart anything but the scanner."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import Final

from demo import zone
from demo.stage import Scene, Seen, Stage, send

PATIENCE: Final = 60.0
"""Seconds in which a filter has noticed that its scanner is back."""


def unscanned(stage: Stage) -> Seen:
    """clamd is killed, and nobody looks at the mail: it is told to come back."""
    clamd = stage.backends["clamd"]
    clamd.process.signal(signal.SIGKILL)
    clamd.process.wait(10)
    seen = send(stage, zone.GOOD)
    return replace(seen, why=f"kill -9 of clamd; {seen.why}")


def scanned_again(stage: Stage) -> Seen:
    """clamd is there again, and the same mail comes back."""
    clamd = stage.backends["clamd"]
    if not clamd.answers():
        clamd.start()
    until = time.monotonic() + PATIENCE
    while True:
        seen = send(stage, zone.GOOD)
        if seen.answer.startswith("250") or time.monotonic() > until:
            return seen
        time.sleep(0.5)


DYING: Final = (
    Scene("good server", zone.GOOD, "a mail, after kill -9 of clamd", unscanned, 451),
    Scene("good server", zone.GOOD, "the same, with clamd back", scanned_again, 250),
)
