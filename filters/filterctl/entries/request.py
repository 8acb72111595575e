"""What ``filterctl allow`` and ``deny`` have in common: their options, who asks, and how entries are listed."""

from __future__ import annotations

import os
import pwd
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from filter_api.errors import UsageError
from filter_api.options import options_of, parse_whole
from filterctl.conf.check import usual_configuration
from filterctl.entries.lines import Listed, Stamp
from filterctl.entries.what import What, parse, refuse_wide
from filterctl.mail.mailtext import shown

OPTIONS: Final = """\
-c comment   why, for whoever reads it later
-d           delete entries
-f file      the configuration of smtpd
-l           list the entries
-t days      for so many days
"""
MAX_COMMENT: Final = 200
"""Characters of -c."""

_MOST_DAYS: Final = 3_660
_USER: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")


class Request(NamedTuple):
    """conf: the configuration. what: the entries. until: a date, or "" for ever. listing, deleting: -l, -d."""

    conf: str
    what: list[What]
    stamp: Stamp
    until: str
    listing: bool
    deleting: bool


def request_of(arguments: list[str]) -> Request:
    """Raises UsageError, and ConfigError where there is no configuration."""
    options, operands = options_of(arguments, OPTIONS)
    listing, deleting = "-l" in options, "-d" in options
    if listing and (operands or deleting):
        raise UsageError("-l takes nothing")
    if deleting and ("-c" in options or "-t" in options):
        raise UsageError("-d deletes an entry whatever stands behind it: leave -c and -t away")
    if not listing and not operands:
        raise UsageError("whom? An address, a network, host:name, from:domain ...")
    now = datetime.fromtimestamp(time.time(), UTC)
    days = parse_whole("-t", options["-t"], 1, _MOST_DAYS, what="days") if "-t" in options else 0
    until = (now + timedelta(days)).date().isoformat() if days else ""
    stamp = Stamp(now.date().isoformat(), _who(), _comment(options.get("-c", "")))
    what = [parse(each) for each in operands]
    for each in [] if deleting else what:
        refuse_wide(each)
    conf = options.get("-f") or usual_configuration()
    return Request(conf, what, stamp, until, listing, deleting)


def _comment(text: str) -> str:
    text = text.strip()
    if len(text) > MAX_COMMENT or not shown(text, MAX_COMMENT) == text:
        raise UsageError(f"-c takes one line of at most {MAX_COMMENT} printable characters")
    return text


def _who() -> str:
    """The user at the keyboard; root only where nobody became root."""
    asked = (os.environ.get(name, "") for name in ("DOAS_USER", "SUDO_USER"))
    user = next((name for name in asked if name and os.geteuid() == 0), "")
    if not user:
        try:
            user = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            user = str(os.getuid())
    return user if _USER.fullmatch(user) else str(os.getuid())


def row(entry: Listed) -> str:
    """An entry for a terminal: what, until when, since when, by whom and why."""
    until = f"until {entry.until}{' (expired)' if entry.expires <= time.time() else ''}" if entry.until else ""
    told = [entry.stamp.when, entry.stamp.who, entry.stamp.why]
    return shown(f"{entry.text:<32} {until:<16} {' '.join(filter(None, told))}", 900).rstrip()
