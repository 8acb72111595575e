"""The same server with all filters in one process (examples/one-process.conf), which smtpd is restarted with here."""

from __future__ import annotations

from typing import Final

from demo import zone
from demo.host import to_one_process
from demo.scenes.contents import spam, virus
from demo.stage import Scene, Seen, Stage, send


def changed_over(stage: Stage) -> Seen:
    """The operator changes the configuration, and somebody who was known must be known anew: it is another greylist."""
    if "one process" not in stage.changes:
        to_one_process(stage.smtpd)
        stage.changes.add("one process")
    return send(stage, zone.GOOD)


def residential(stage: Stage) -> Seen:
    changed_over(stage)
    return send(stage, zone.RESIDENTIAL)


def infected(stage: Stage) -> Seen:
    changed_over(stage)
    return virus(stage)


def refused(stage: Stage) -> Seen:
    changed_over(stage)
    return spam(stage)


ONE: Final = (
    Scene("good server", zone.GOOD, "a mail", changed_over, 250),
    Scene("residential line", zone.RESIDENTIAL, "a mail", residential, 550),
    Scene("good server", zone.GOOD, "a virus (EICAR) in a zip file", infected, 554),
    Scene("good server", zone.GOOD, "spam (GTUBE)", refused, 550),
)
