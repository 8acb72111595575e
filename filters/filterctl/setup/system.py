"""What this system has: where its smtpd reads its files, which scanners and stores answer, and how it makes a user.

Only loopback and Unix sockets are asked, each for two seconds at most.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 2.0
"""Seconds for a daemon of this host to answer."""

MAX_FILE: Final = 1 << 20
"""Bytes of a daemon's configuration that are read."""

CLAMD: Final = "clamav"
SPAMD: Final = "spamassassin"
REDIS: Final = "redis"
RSPAMD: Final = "rspamd"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are: `mail`: files for smtpd and its filters; `state`: the directory of filter-chain's user."""

    configuration: str
    mail: str
    state: str
    aliases: str


OPENBSD: Final = Layout("/etc/mail/smtpd.conf", "/etc/mail", "/var/db/mailfilter", "/etc/mail/aliases")
ELSEWHERE: Final = Layout("/etc/smtpd.conf", "/etc/mail", "/var/lib/opensmtpd-filters/mail", "/etc/aliases")


@dataclass(frozen=True, slots=True)
class Daemon:
    """How a daemon is recognised: `question` gets an answer that has `answer` in it. Places are paths or host:port."""

    question: bytes
    answer: bytes
    places: Sequence[str]


DAEMONS: Final = {
    CLAMD: Daemon(
        b"zPING\0",
        b"PONG",
        ("/run/clamav/clamd.ctl", "/var/run/clamav/clamd.sock", "/run/clamd.scan/clamd.sock", "127.0.0.1:3310"),
    ),
    SPAMD: Daemon(
        b"PING SPAMC/1.2\r\n\r\n", b"PONG", ("127.0.0.1:783", "/run/spamd.sock", "/run/spamassassin/spamd.sock")
    ),
    REDIS: Daemon(
        b"PING\r\n", b"PONG", ("/run/redis/redis-server.sock", "/var/run/redis/redis.sock", "127.0.0.1:6379")
    ),
    RSPAMD: Daemon(b"GET /ping HTTP/1.0\r\n\r\n", b"pong", ("127.0.0.1:11333", "127.0.0.1:11334")),
}

CLAMD_CONF: Final = (
    "/etc/clamav/clamd.conf",
    "/etc/clamd.conf",
    "/etc/clamd.d/scan.conf",
    "/usr/local/etc/clamd.conf",
)

RESTARTS: Final = (
    ("rcctl", "rcctl restart smtpd"),
    ("systemctl", "systemctl restart opensmtpd"),
    ("rc-service", "rc-service smtpd restart"),
    ("sv", "sv restart opensmtpd"),
    ("service", f"service {'opensmtpd' if sys.platform == 'linux' else 'smtpd'} restart"),
)

CERTIFICATES: Final = (
    ("/etc/letsencrypt/live/{}/fullchain.pem", "/etc/letsencrypt/live/{}/privkey.pem"),
    ("/etc/ssl/{}.fullchain.pem", "/etc/ssl/private/{}.key"),
    ("/etc/ssl/{}.crt", "/etc/ssl/private/{}.key"),
    ("/etc/ssl/certs/{}.pem", "/etc/ssl/private/{}.key"),
)
"""Where acme clients and administrators put the certificate and key of a host name."""


def layout() -> Layout:
    """That of this system; a file that is there decides."""
    if sys.platform.startswith("openbsd"):
        return OPENBSD
    for path in ("/etc/smtpd.conf", "/etc/mail/smtpd.conf", "/etc/smtpd/smtpd.conf"):
        if os.path.exists(path):
            return Layout(path, ELSEWHERE.mail, ELSEWHERE.state, f"{os.path.dirname(path)}/aliases")
    return ELSEWHERE


def answering(name: str) -> str | None:
    """Where the daemon of this name answers: a path or host:port, as the filters take it; None if nowhere."""
    daemon = DAEMONS[name]
    places = [*(_clamd_places(CLAMD_CONF) if name == CLAMD else ()), *daemon.places]
    return next((place for place in dict.fromkeys(places) if _answers(place, daemon)), None)


def _answers(place: str, daemon: Daemon) -> bool:
    family = socket.AF_UNIX if place.startswith("/") else socket.AF_INET6 if "[" in place else socket.AF_INET
    host, _, port = place.rpartition(":")
    target = place if place.startswith("/") else (host.strip("[]"), int(port))
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as asking:
        asking.settimeout(PATIENCE)
        asking.connect(target)
        asking.sendall(daemon.question)
        said = b""
        while daemon.answer not in said and len(said) < 4096:
            more = asking.recv(4096)
            if not more:
                break
            said += more
        return daemon.answer in said
    return False


def _clamd_places(paths: Sequence[str]) -> Iterator[str]:
    """LocalSocket, and TCPSocket at TCPAddr, clamd.conf(5)."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            found = dict(re.findall(r"^(LocalSocket|TCPSocket|TCPAddr)\s+(\S+)", file.read(MAX_FILE), re.MULTILINE))
            if found.get("LocalSocket", "").startswith("/"):
                yield found["LocalSocket"]
            if found.get("TCPSocket", "").isdecimal() and int(found["TCPSocket"]) < 65536:
                address = found.get("TCPAddr", "127.0.0.1")
                if address in {"127.0.0.1", "localhost", "0.0.0.0"}:  # noqa: S104 - compared, not bound
                    yield f"127.0.0.1:{found['TCPSocket']}"


def certificate(host: str) -> tuple[str, str] | None:
    """Certificate and key of a host name, where both are there."""
    for pair in CERTIFICATES:
        found = [path.format(glob.escape(host)) for path in pair]
        if all(os.path.isfile(path) for path in found):
            return found[0], found[1]
    return None


def own_name(domain: str) -> str:
    """The name of this host for others: mailname(5)'s is smtpd's own default on Debian; else the kernel's."""
    for path in ("/etc/mail/mailname", "/etc/mailname"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            name = file.readline(256).strip().lower()
            if "." in name and name != domain:
                return name
    name = socket.gethostname().lower()
    return name if "." in name else f"{name}.{domain}"


def has_ipv6() -> bool:
    """Whether a socket of IPv6 can be bound to the address of loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as asking:
        asking.bind(("::1", 0))
        return True
    return False


def new_user(name: str) -> list[list[str]]:
    """The commands that make a system user with a group of its own name."""
    nologin = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if os.path.exists(path)), "/bin/false")
    if sys.platform.startswith("openbsd"):
        return [
            ["groupadd", name],
            ["useradd", "-g", name, "-L", "daemon", "-d", "/nonexistent", "-s", "/sbin/nologin", name],
        ]
    if shutil.which("useradd"):
        return [["useradd", "-r", "-U", "-d", "/nonexistent", "-s", nologin, name]]
    return [
        ["addgroup", "-S", name],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", nologin, "-G", name, name],
    ]


def restart_command() -> str:
    """What restarts smtpd here."""
    return next((command for tool, command in RESTARTS if shutil.which(tool)), "smtpctl stop; smtpd")
