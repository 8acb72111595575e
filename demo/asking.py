"""What an operator asks afterwards: filterctl why, of the log of this very demo."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from demo import zone
from demo.host import FILTERCTL, run
from demo.stage import Stage

ASKED: Final = zone.NO_NAME
LOG: Final = "/tmp/maillog"  # noqa: S108 - of the private room


def why(stage: Stage) -> tuple[str, str]:
    """The command, and what it tells of a mail that a filter refused."""
    head = f"{datetime.now():%b %e %H:%M:%S} mx smtpd[1]: "  # noqa: DTZ005 - a log has local time
    lines = "".join(f"{head}{line}\n" for line in stage.smtpd.log().splitlines())
    stage.smtpd.room.write(LOG, lines)
    return f"filterctl why {ASKED}", run(stage.smtpd, FILTERCTL, "why", ASKED, LOG)
