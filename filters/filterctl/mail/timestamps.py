"""Times of logs and of the command line, as text that sorts: local time, ``2026-11-20T09:53:11``.

syslogd(8) writes ``Nov 20 09:53:11``, without a year, or RFC 3339. A log has no line from after it was written last, so
a line has the latest year that is not after that.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from filter_api.errors import UsageError
from filter_api.text.escape import printable

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER: Final = {name: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?")
_SLACK: Final = timedelta(days=1)
"""By how much the clock of another host may be ahead."""


class Span(NamedTuple):
    """Times from `since` on and before `until`."""

    since: str
    until: str


ANY_TIME: Final = Span("", "~")


class Calendar:
    """Reads the times of one log. latest: no line is from after this."""

    def __init__(self, latest: datetime) -> None:
        self._latest = (latest + _SLACK).isoformat(timespec="seconds")
        self._last = ("", "")  # many lines have the same

    def read(self, logged: str) -> str:
        """A time as it stands in the log; empty if it is none."""
        if logged != self._last[0]:
            self._last = (logged, _local(logged) if logged[0].isdigit() else self._with_year(logged))
        return self._last[1]

    def _with_year(self, logged: str) -> str:
        month = _NUMBER.get(logged[:3], "00")
        rest = f"-{month}-{logged[4:6].replace(' ', '0')}T{logged[7:]}"
        year = int(self._latest[:4])
        if rest > self._latest[4:]:
            year -= 1
        if rest.startswith("-02-29"):
            while year % 4:
                year -= 1
        return _checked(f"{year}{rest}")


@lru_cache(maxsize=1024)
def _local(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().replace(tzinfo=None).isoformat(timespec="seconds")
    except (ValueError, OverflowError):  # the latter is for what local time has no year for
        return ""


def _checked(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def local(seconds: float) -> datetime:
    """A time of the system, in seconds since 1970, as local time without a zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().replace(tzinfo=None)


def now() -> datetime:
    """This moment, as local time without a zone."""
    return local(time.time())


def since(text: str) -> str:
    """When a span begins: ``today``, ``yesterday``, ``2026-11-20`` or ``2026-11-20T09:53``. Raises UsageError."""
    return _bound(text, "-s")


def until(text: str) -> str:
    """When it ends: a day is meant to its end. Raises UsageError."""
    begin = _bound(text, "-u")
    whole_day = text in {"today", "yesterday"} or len(text) == len("2026-11-20")
    if not whole_day:
        return begin
    try:
        return (datetime.fromisoformat(begin) + timedelta(days=1)).isoformat()
    except OverflowError:  # of the last day that there is
        return ANY_TIME.until


def _bound(text: str, option: str) -> str:
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    if text == "today":
        return midnight.isoformat()
    if text == "yesterday":
        return (midnight - timedelta(days=1)).isoformat()
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}{found[3] or ':00'}").isoformat()
    except ValueError:
        pass
    raise UsageError(
        f"{option} takes today, yesterday, a date like 2026-11-20 or a time like 2026-11-20T09:53, "
        f"not {printable(text)}"
    )


def span_of(options: dict[str, str], default: str = "") -> Span:
    """The span of -s and -u; without -s it begins at `default`, and ``-s yesterday`` alone is that day.

    Raises UsageError.
    """
    begin = options.get("-s", default)
    end = options.get("-u", begin if begin == "yesterday" else "")
    span = Span(since(begin) if begin else ANY_TIME.since, until(end) if end else ANY_TIME.until)
    if span.since >= span.until:
        raise UsageError("-u is before -s: nothing lies between")
    return span


def days_ago(count: int) -> str:
    """The day so long ago, as -s takes it."""
    return (now() - timedelta(days=count)).date().isoformat()
