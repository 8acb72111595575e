"""Record the log of the whole chain under a real smtpd, for the tests of what reads logs.

    python -m tests.smtpd.record_maillog        # as root; writes tests/transcripts/maillog

The configuration is examples/smtpd.conf. Times and host are made up, and one session and one message of the quarantine
get the ids that the manual pages speak of; everything else is as it was logged.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from demo import zone
from demo.host import IDLE, STARTERS, USERS, configuration, files, furnish
from demo.scenes.authors import forged
from demo.scenes.contents import scored, spam, virus
from demo.stage import Seen, Stage, send
from tools.private_smtpd import Process
from tools.private_smtpd.daemon import CODE, CONFIGURATION
from tools.private_smtpd.syslogged import SyslogSmtpd

MAILLOG: Final = Path(__file__).parents[1] / "transcripts" / "maillog"
HOST: Final = "mx1"
SESSION: Final = "f9f470e4d4702127"
QUARANTINED: Final = "20261120-095311-3f9a2c41"
NAMELESS, HOME, NEW = "198.51.100.9", "203.0.113.7", "203.0.113.8"
ZONE: Final = {
    HOME: "h-203-0-113-7.example.net",
    "h-203-0-113-7.example.net": [f"A {HOME}"],
    NEW: "mx.example.net",
    "mx.example.net": [f"A {NEW}"],
    "example.net": ["MX 10 mx.example.net."],
    "bad.example": ["MX 10 mx.good.example."],
}


def nameless(stage: Stage) -> Seen:
    return send(stage, NAMELESS, helo="mx.bad.example", sender="ann@bad.example")


def home(stage: Stage) -> Seen:
    return send(stage, HOME, helo="pc.example.net", sender="joe@example.net")


def new(stage: Stage) -> Seen:
    recipient = "user@example.org"
    return send(stage, NEW, helo="mx.example.net", sender="joe@example.net", recipient=recipient, again=False)


def good(stage: Stage) -> Seen:
    return send(stage, zone.GOOD)


def listed(stage: Stage) -> Seen:
    return send(stage, zone.LISTED)


def on_a_dns_list(stage: Stage) -> Seen:
    return send(stage, zone.IN_A_DNS_LIST, helo="mx.onlist.example", sender="a@onlist.example")


def trapped(stage: Stage) -> Seen:
    return send(
        stage, zone.SPAMMER, helo="mx.spam.example", sender="x@spam.example", recipient="never-used@example.org"
    )


VISITS: Final[tuple[tuple[str, Callable[[Stage], Seen]], ...]] = (
    ("2026-11-14 08:00:40", good),
    ("2026-11-18 11:20:09", scored),
    ("2026-11-19 16:02:55", spam),
    ("2026-11-20 07:31:12", listed),
    ("2026-11-20 08:02:44", on_a_dns_list),
    ("2026-11-20 09:40:27", home),
    ("2026-11-20 09:53:11", nameless),
    ("2026-11-20 09:53:11", virus),
    ("2026-11-20 09:58:30", forged),
    ("2026-11-20 10:01:03", new),
    ("2026-11-20 10:12:40", trapped),
)
"""When, and who comes then."""


class Quiet(SyslogSmtpd):
    """One that logs as an installed one does, without -v."""

    def _start(self) -> Process:
        self._listen()
        return self.room.spawn(["smtpd", "-F", "-f", CONFIGURATION], env={"PYTHONPATH": f"{CODE}:{CODE}/filters"})


def settled(smtpd: SyslogSmtpd) -> str:
    """The log once nothing more is written to it."""
    log = ""
    while log != (log := smtpd.log()):
        time.sleep(1)
    return log


def stamped(when: str, text: str) -> str:
    """Lines as syslogd(8) writes them."""
    at = datetime.strptime(when, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - a log has local time
    head = f"{at:%b} {at.day:2} {at:%H:%M:%S} {HOST} smtpd[89374]: "
    text = re.sub(r"\b\d{8}-\d{6}(?=-[0-9a-f]{8}\b)", f"{at:%Y%m%d-%H%M%S}", text)
    return "".join(f"{head}{line}\n" for line in text.splitlines())


def renamed(text: str) -> str:
    """With the ids of the manual pages."""
    session = re.search(r"rdns: ([0-9a-f]{16}) .*from=<ann@bad\.example>", text)
    kept = re.search(r"result=virus .*?\bid=([\w-]+)", text)
    if session is None or kept is None:
        raise ValueError("nobody was refused")
    return text.replace(session[1], SESSION).replace(kept[1], QUARANTINED)


def record() -> str:
    """Everything that was logged."""
    given = {**files(), "/etc/mail/aliases": "root: carol\nuser: bob\n"}
    with Quiet("7", IDLE, zone={**zone.ZONE, **ZONE}, files=given, users=USERS, port=2500) as smtpd:
        furnish(smtpd)
        stage = Stage(smtpd)
        for name, start in STARTERS.items():
            stage.backends[name] = start(smtpd.room)
        before = len(settled(smtpd))
        smtpd.restart(configuration())
        log = settled(smtpd)
        parts = [stamped("2026-11-14 00:00:02", log[before:])]
        for when, visit in VISITS:
            before = len(log)
            visit(stage)
            log = settled(smtpd)
            parts.append(stamped(when, log[before:]))
        return renamed("".join(parts))


if __name__ == "__main__":
    MAILLOG.write_text(record())
