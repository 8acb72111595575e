"""``filterctl auth report`` and ``store``: send the aggregate reports of days that are over, or look at them first."""

from __future__ import annotations

import asyncio
import datetime
import re
import smtplib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from filter_api.bounds import REPORT_DAYS
from filter_api.dmarc.record import parse_record
from filter_api.errors import ConfigError, UsageError, named, reason
from filter_api.net.dns import Resolver
from filter_api.net.endpoint import Endpoint, parse_endpoint
from filter_api.options import options_of
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels
from filter_auth.reports.believed import is_row
from filter_auth.reports.destinations import Destination, destinations
from filter_auth.reports.document import Report, Reporter
from filter_auth.reports.store import SECONDS_A_DAY, Day, Store, StoreError, in_words, open_store
from filter_auth.tool.alone import alone

LISTENER: Final = "127.0.0.1:25"
STORE: Final = "-f store   the file of option -f of filter-auth\n"
REPORT: Final = """\
-D domain        only for this domain
-d day           only for this day, such as 2026-11-28
-e address       where reports come from
-f store         the file of option -f of filter-auth
-n               only list what would be sent
-O organisation  who we are
-o directory     write the reports into files there
-S host:port     our listener that takes the mail (default 127.0.0.1:25)
-v               tell what was sent, too
"""

GIVEN_UP: Final = 2  # days after the day of a report on which it is tried for the last time
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options ask for. now: seconds since 1970. only_domain, only_day: of all that are due."""

    reporter: Reporter
    listener: Endpoint
    now: float
    only_domain: str = ""
    only_day: int | None = None
    list_only: bool = False
    directory: Path | None = None
    verbose: bool = False


def store(arguments: list[str]) -> int:
    """List the days, domains and numbers of messages in a store. Raises UsageError and ConfigError."""
    options, rest = options_of(arguments, STORE)
    if "-f" not in options or rest:
        raise UsageError("store takes -f store")
    with _opened(options["-f"]) as opened:
        for day in opened.days():
            print(f"{_date(day.day)} {day.domain}: {day.messages} messages in {day.rows} rows")
    return 0


def report(arguments: list[str], resolver: Resolver | None = None, now: float | None = None) -> int:
    """Send what is due. Raises UsageError and ConfigError; `resolver` and `now` (seconds since 1970) are for tests."""
    options, rest = options_of(arguments, REPORT)
    if rest or not {"-e", "-f", "-O"} <= options.keys():
        raise UsageError("report takes -e address, -O organisation and -f store")
    wanted = _wanted(options, time.time() if now is None else now)
    sends = not wanted.list_only and wanted.directory is None
    with _opened(options["-f"]) as opened, alone(options["-f"]) if sends else nullcontext():
        if not wanted.list_only:
            opened.address = wanted.reporter.address
        return asyncio.run(_report(opened, wanted, resolver or Resolver()))


def _wanted(options: dict[str, str], now: float) -> Wanted:
    if not _ADDRESS.match(options["-e"]):
        raise UsageError(f"-e takes an address like dmarc@example.org, not '{printable(options['-e'], 40)}'")
    try:
        listener = parse_endpoint(options.get("-S", LISTENER), 25)
        loopback = ip_address(listener.host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"-S takes a loopback address and port like {LISTENER}: reports are sent through our own smtpd"
        )
    if not options["-O"].strip():
        raise UsageError("-O takes the name of the organisation that reports, such as Example")
    return Wanted(
        Reporter(options["-O"], options["-e"]),
        listener,
        now,
        a_labels(options.get("-D", "").encode("utf-8", "surrogateescape")).decode("latin-1").removesuffix("."),
        _day(options["-d"]) if "-d" in options else None,
        list_only="-n" in options,
        directory=Path(options["-o"]) if "-o" in options else None,
        verbose="-v" in options,
    )


def _day(text: str) -> int:
    try:
        return (datetime.date.fromisoformat(text) - datetime.date(1970, 1, 1)).days
    except ValueError:
        raise UsageError(f"-d takes a day like 2026-11-28, not '{printable(text, 40)}'") from None


def _date(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(day)).isoformat()


@contextmanager
def _opened(path: str) -> Iterator[Store]:
    """The store, closed afterwards. Raises ConfigError where it cannot be used, also if that turns out later."""
    try:
        with closing(open_store(path, create=False)) as store:
            yield store
    except StoreError as error:
        raise ConfigError(str(error)) from None
    except sqlite3.Error as error:
        raise ConfigError(f"{path}: {in_words(error)}") from None


def due(opened: Store, wanted: Wanted) -> Iterator[Day]:
    """Days that are over and not too long ago, with a message that is a reason for a report."""
    today = int(wanted.now // SECONDS_A_DAY)
    for day in opened.days():
        if not day.plain or not day.rows or (wanted.only_domain and day.domain != wanted.only_domain):
            continue
        if wanted.only_day is not None and day.day != wanted.only_day:
            continue
        if today - min(GIVEN_UP, REPORT_DAYS) <= day.day < today:
            yield day


async def _report(opened: Store, wanted: Wanted, resolver: Resolver) -> int:
    status = 0
    for day in list(due(opened, wanted)):
        record = parse_record(day.text.encode("latin-1"))
        if record is None or not record.usable:
            continue
        rows = [each for each in opened.rows(day.day, day.record) if is_row(each[0])]
        if len(rows) < day.rows:
            print(f"{_date(day.day)} {day.domain}: {day.rows - len(rows)} rows are none of filter-auth, left out")
        if not rows:
            continue
        made = Report(wanted.reporter, day.domain, record, day.day, rows)
        if wanted.directory is not None:
            with named(str(wanted.directory)):
                (wanted.directory / made.filename).write_bytes(made.compressed())
            print(f"{made.filename}: {day.messages} messages")
            continue
        for target in await destinations(resolver, day.domain, record):
            status = max(status, _deliver(opened, wanted, day, made, target))
    return status


def _deliver(opened: Store, wanted: Wanted, day: Day, made: Report, target: Destination) -> int:
    """One report to one address; 1 if it will be tried again."""
    what = f"{_date(day.day)} {day.domain} to {printable(target.address)}"
    before = opened.state(day.day, day.record, target.uri)
    if before:
        if wanted.verbose:
            print(f"{what}: {before} before")
        return 0
    if target.why:
        print(f"{what}: {'later' if target.again else 'not sent'}, {printable(target.why)}")
        return int(target.again and not wanted.list_only)
    if wanted.list_only:
        print(f"{what}: {day.messages} messages in {day.rows} rows")
        return 0
    try:
        with smtplib.SMTP(wanted.listener.host, wanted.listener.port, wanted.reporter.domain, _SECONDS) as smtp:
            smtp.sendmail(wanted.reporter.address, [target.address], made.mail(target.address, wanted.now))
    except (OSError, smtplib.SMTPException) as error:
        refused = _is_final(error)
        if refused:
            opened.set_state(day.day, day.record, target.uri, "refused")
        print(f"{what}: {'refused' if refused else 'later'}, {printable(_said(error))}")
        return 0 if refused else 1
    opened.set_state(day.day, day.record, target.uri, "sent")
    if wanted.verbose:
        print(f"{what}: sent, {day.messages} messages in {day.rows} rows")
    return 0


def _replies(error: Exception) -> list[tuple[int, bytes]]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return list(error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return [(error.smtp_code, said if isinstance(said, bytes) else said.encode())]
    return []


def _is_final(error: Exception) -> bool:
    """Whether smtpd will never take it: it refuses the recipient or the message, and not us."""
    theirs = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    return theirs and all(code >= 500 for code, _ in _replies(error))


def _said(error: Exception) -> str:
    return "; ".join(f"{code} {text.decode('latin-1')}" for code, text in _replies(error)) or reason(error)
