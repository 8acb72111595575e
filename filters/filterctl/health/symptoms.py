"""What ``filterctl doctor`` looks at beside the filters: versions, the clock, the DNS, and the mail log."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from filter_api.confinement.system import offer

Remark = tuple[str, str]
"""Severity (ok, note, warning, error) and text."""

LIBRARIES = {
    "dnspython": ((2, 6), "before 2.6 a forged answer can stop a lookup (CVE-2023-29483)"),
    "cryptography": ((38,), "older ones were not tried"),
}
CLOCK_COMMANDS = (
    (("ntpctl", "-s", "status"), re.compile(r"clock synced")),
    (("chronyc", "-n", "tracking"), re.compile(r"Leap status\s*: Normal")),
    (("timedatectl", "show", "-p", "NTPSynchronized", "--value"), re.compile(r"^yes", re.MULTILINE)),
)
MAILLOGS = ("/var/log/maillog", "/var/log/mail.log", "/var/log/mail.info")
LOG_TAIL = 4 * 1024 * 1024
"""Bytes at the end of the mail log that are looked at."""

MIN_SESSIONS = 50
_SECONDS = 10.0
_VERSION = re.compile(r"OpenSMTPD ([0-9]+)\.([0-9]+)")
_CONNECTED = re.compile(rb" smtp connected address=(\S+)")
_HERE = re.compile(r"local|\[?::1\]?|127\.[0-9.]+")


def versions(smtpd: str | None = None) -> Iterator[Remark]:
    """Python, the libraries, smtpd. smtpd: its path; looked for in PATH and /usr/sbin if None."""
    yield "ok", f"Python {sys.version.split()[0]}"
    for name, (least, why) in LIBRARIES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield "error", f"{name} is not installed"
            continue
        old = tuple(int(part) for part in re.findall(r"\d+", version)[: len(least)]) < least
        yield ("warning", f"{name} {version}: {why}") if old else ("ok", f"{name} {version}")
    yield smtpd_version(output_of([smtpd or _program("smtpd"), "-h"]))


def confinement() -> Iterator[Remark]:
    """What this system has to hold filters to what they need."""
    found = offer()
    yield ("warning", f"filters have {found.summary()}") if found.missing else ("ok", f"filters have {found.summary()}")


def smtpd_version(text: str) -> Remark:
    """What ``smtpd -h`` says of itself."""
    found = _VERSION.search(text)
    if found is None:
        return "warning", "smtpd was not found, or does not tell its version"
    version = (int(found[1]), int(found[2]))
    if version < (7, 4):
        return "warning", f"{found[0]} cuts what filters write at 2047 bytes: messages with longer lines are refused"
    return "ok", found[0]


def clock(commands: Iterable[tuple[Sequence[str], re.Pattern[str]]] = CLOCK_COMMANDS) -> Iterator[Remark]:
    """Whether something keeps the clock right: greylisting, signatures and certificates live by it."""
    installed = os.stat(__file__).st_mtime
    if time.time() < installed - 86_400:
        yield "error", "the clock is behind: this program was installed in its future"
        return
    for command, pattern in commands:
        path = shutil.which(command[0])
        if path is not None:
            if pattern.search(output_of([path, *command[1:]])):
                yield "ok", f"the clock is synchronised, says {command[0]}"
            else:
                yield "warning", f"the clock is not synchronised, says {command[0]}"
            return
    yield "note", "nothing that keeps the clock right was found (ntpd, chrony, timesyncd)"


def dns() -> Iterator[Remark]:
    """Whether the name servers of resolv.conf(5) answer."""
    import asyncio

    from filter_api.net.dns import Resolver, Status

    async def ask() -> Status:
        resolver = Resolver()
        return (await resolver.resolve("a.root-servers.net", "A")).status

    began = time.monotonic()
    status = asyncio.run(ask())
    milliseconds = (time.monotonic() - began) * 1000
    if status is Status.TEMPFAIL:
        yield "error", "the name servers of /etc/resolv.conf do not answer"
    elif status is not Status.OK:
        yield "warning", "the name servers of /etc/resolv.conf do not know the root servers"
    else:
        yield "ok", f"the name servers answer ({milliseconds:.0f} ms)"


def sessions(path: str | None, *, proxied: bool) -> Iterator[Remark]:
    """Whether all sessions come from one address. path: the mail log; the usual places if None."""
    chosen = path or next((name for name in MAILLOGS if os.access(name, os.R_OK)), None)
    if chosen is None:
        yield "note", "no mail log to read: name it with -m"
        return
    with open(chosen, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL))
        addresses = Counter(match[1].decode("latin-1") for match in _CONNECTED.finditer(file.read()))
    strangers = Counter({name: count for name, count in addresses.items() if not _HERE.fullmatch(name)})
    total = strangers.total()
    if total >= MIN_SESSIONS and len(strangers) == 1:
        advice = "its proxy-v2 header is not used" if proxied else "is it a proxy? Then listen with proxy-v2"
        yield "error", f"all {total} sessions in {chosen} come from {next(iter(strangers))}: {advice}"
    else:
        yield "ok", f"{total} sessions from {len(strangers)} addresses in {chosen}"


def output_of(command: Sequence[str]) -> str:
    """What a program of this system prints, both streams; empty if it cannot be run or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


def _program(name: str) -> str:
    return shutil.which(name) or next(
        (path for folder in ("/usr/sbin", "/usr/local/sbin") if os.access(path := f"{folder}/{name}", os.X_OK)), name
    )
