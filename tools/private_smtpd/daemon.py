"""A private OpenSMTPD with its filters, its DNS and its clients, in namespaces of its own.

    with Smtpd("7", config, zone={"192.0.2.10": "mx1.example.net", "mx1.example.net": ["A 192.0.2.10"]}) as smtpd:
        with smtpd.client("192.0.2.10") as client:
            client.ehlo("mx1.example.net")
            …
        smtpd.maildir("bob")      # what was delivered, one bytes object per message
        smtpd.log()               # everything smtpd printed
        smtpd.alive()

Inside:
- smtpd is the one of the chosen system (`systems.SYSTEMS`), its configuration is /etc/smtpd.conf, and it listens where
  that says; clients may have any address, IPv4 or IPv6, and reach it at SERVER and SERVER6 unless told otherwise;
- this project's filters, as they are in the checkout, are in the directory smtpd looks in, so that
  `proc-exec "filter-rdns -v"` works as it does when installed, under that system's own Python and libraries;
- `filters` adds further executables there (name → Python source), for tests;
- users (each with a home directory and ~/Maildir) are alice, bob and carol unless told otherwise;
- the name server on 127.0.0.1:53 answers from `zone`, a dict described in `dns`, which may be changed at any time:
  `smtpd.dns.zone["192.0.2.66"] = Trouble.SERVFAIL`.

Nothing of it outlives the block. Raises systems.Unavailable where it cannot be done, RuntimeError when smtpd refuses
to start, with its words.
"""

from __future__ import annotations

import shutil
import signal
import socket
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .client import Client
from .dns import DnsServer, Zone
from .namespace import Namespace, Process, ProcessFacts, wait_until
from .systems import require

CHECKOUT: Final = Path(__file__).parents[2]
CODE: Final = "/opt/opensmtpd-filters"
LIBEXEC: Final = "/usr/libexec/opensmtpd"
CONFIGURATION: Final = "/etc/smtpd.conf"
SERVER: Final = "203.0.113.25"
SERVER6: Final = "2001:db8:25::25"
HOSTNAME: Final = "mx.example.org"
FIRST_UID: Final = 2000
LISTENING: Final = "0A"
"""TCP_LISTEN as /proc/net/tcp has it."""


def install_filters(room: Namespace) -> None:
    """Put the checkout's packages and one executable per console script into the inner system.

    A copy, not a mount: the user smtpd runs filters as may not be allowed to walk to the checkout.
    """
    for package in ("filter_api", "filters"):
        shutil.copytree(
            CHECKOUT / package, room.path(f"{CODE}/{package}"), ignore=shutil.ignore_patterns("__pycache__")
        )
    code, output = room.run(["chmod", "-R", "a+rX", CODE])
    if code:
        raise RuntimeError(output)
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for name, target in project["scripts"].items():
        module, _, function = target.partition(":")
        room.write(
            f"{LIBEXEC}/{name}",
            f"#!/usr/bin/python3\nimport sys\nsys.path[:0] = ['{CODE}', '{CODE}/filters']\n"
            f"from {module} import {function}\nsys.exit({function}())\n",
            0o755,
        )


def add_users(room: Namespace, users: Iterable[str]) -> None:
    """Accounts that can get mail: appended to the private copies of passwd(5) and group(5)."""
    passwd, group = room.path("/etc/passwd"), room.path("/etc/group")
    for uid, user in enumerate(users, FIRST_UID):
        with passwd.open("a") as lines:
            lines.write(f"{user}:x:{uid}:{uid}::/home/{user}:/bin/sh\n")
        with group.open("a") as lines:
            lines.write(f"{user}:x:{uid}:\n")
        home = room.path(f"/home/{user}")
        home.mkdir(mode=0o700)
        shutil.chown(home, uid, uid)


class Smtpd:
    """See the module. Every argument but the first two is optional."""

    environment: Mapping[str, str] = {"PYTHONPATH": f"{CODE}:{CODE}/filters"}
    """smtpd's, which filters inherit, smtpd-filters(7): so a test's own filter finds filter_api."""

    def __init__(
        self,
        version: str,
        config: str,
        *,
        zone: Zone | None = None,
        files: Mapping[str, str | bytes] | None = None,
        filters: Mapping[str, str] | None = None,
        users: Iterable[str] = ("alice", "bob", "carol"),
        port: int | None = 25,
        hostname: str = HOSTNAME,
    ) -> None:
        """Start it and wait until it listens on `port` (None: do not wait).

        `files` are written into the inner system (absolute path → content) before smtpd starts, those named `.key`
        for root alone.
        """
        self.version = version
        self.room = Namespace(require(version), hostname)
        try:
            self._furnish(files or {}, filters or {}, users)
            self.dns = DnsServer(
                self.room.socket(kind=socket.SOCK_DGRAM, bind=("127.0.0.1", 53)),
                self.room.socket(bind=("127.0.0.1", 53), backlog=64),
                zone or {},
            )
            self.room.write(CONFIGURATION, config, 0o600)
            self._log = self.room.write("/run/smtpd.log", "")
            self.process = self._start()
            if port is not None:
                self.wait_listening(port)
        except BaseException:
            self.room.close()
            raise

    def _furnish(self, files: Mapping[str, str | bytes], filters: Mapping[str, str], users: Iterable[str]) -> None:
        self.room.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.room.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.room.write("/etc/mailname", f"{HOSTNAME}\n")
        add_users(self.room, users)
        install_filters(self.room)
        for name, source in filters.items():
            self.room.write(f"{LIBEXEC}/{name}", f"#!/usr/bin/python3\n{source}", 0o755)
        for name, content in files.items():
            self.room.write(name, content, 0o600 if name.endswith(".key") else 0o644)

    def _start(self) -> Process:
        return self.room.spawn(["smtpd", "-d", "-v", "-f", CONFIGURATION], env=self.environment, output=self._log)

    def restart(self, config: str | None = None, port: int | None = 25) -> None:
        """Stop smtpd, wait for its filters to end, and start it again, with another configuration if given."""
        self.process.stop()
        wait_until(lambda: not self.filters(), 10, "the filters did not end after smtpd")
        if config is not None:
            self.room.write(CONFIGURATION, config, 0o600)
        self.process = self._start()
        if port is not None:
            self.wait_listening(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End smtpd and everything that ran with it."""
        self.dns.close()
        self.room.close()

    def wait_listening(self, port: int, timeout: float = 20.0) -> None:
        """Wait until something listens on `port`; RuntimeError with smtpd's log if smtpd ended instead."""
        wait_until(lambda: self.listens(port) or not self.alive(), timeout, f"nothing listens on port {port}")
        if not self.alive():
            raise RuntimeError(f"smtpd did not start:\n{self.log()}")

    def listens(self, port: int) -> bool:
        for table in ("tcp", "tcp6"):
            for line in (self.room.top / f"proc/1/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    return True
        return False

    def alive(self) -> bool:
        return self.process.exit_code() is None

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Wait for smtpd to end; its exit code. TimeoutError if it lives on."""
        return self.process.wait(timeout)

    def log(self) -> str:
        """Everything smtpd, and so every filter on its stderr, has printed so far."""
        return self._log.read_text(errors="backslashreplace")

    def wait_log(self, text: str, timeout: float = 10.0) -> None:
        """Wait until `text` is in the log."""
        wait_until(lambda: text in self.log(), timeout, f"{text!r} was not logged")

    def connection(self, source: str = "192.0.2.1", server: str | None = None, port: int = 25) -> socket.socket:
        """A TCP connection from `source` to smtpd."""
        six = ":" in source
        family = socket.AF_INET6 if six else socket.AF_INET
        made = self.room.socket(family=family, bind=(source, 0))
        made.settimeout(20)
        try:
            made.connect((server or (SERVER6 if six else SERVER), port))
        except OSError:
            made.close()
            raise
        return made

    def client(
        self,
        source: str = "192.0.2.1",
        server: str | None = None,
        *,
        port: int = 25,
        timeout: float = 20.0,
        tls: bool = False,
    ) -> Client:
        """An SMTP client at the address `source`, connected and greeted; `tls` from the first byte (smtps)."""
        client = Client(self.connection(source, server, port), timeout, greeted=not tls)
        if tls:
            client.wrap()
            client.greet()
        return client

    def maildir(self, user: str, folder: str = "") -> list[bytes]:
        """The messages in a user's Maildir, or in its sub-folder, e.g. ".Junk"; in order of delivery."""
        base = self.room.path(f"/home/{user}/Maildir") / folder
        found = [path for part in ("new", "cur") for path in (base / part).glob("*")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def wait_mail(self, user: str, count: int = 1, folder: str = "", timeout: float = 10.0) -> list[bytes]:
        """Wait until `count` messages are delivered; return them all."""
        why = f"{user} did not get {count} messages"
        wait_until(lambda: len(self.maildir(user, folder)) >= count, timeout, why)
        return self.maildir(user, folder)

    def processes(self) -> list[ProcessFacts]:
        return self.room.processes()

    def filters(self) -> list[ProcessFacts]:
        """The filter processes: those that run a Python program of smtpd's directory."""
        prefix = f"/usr/bin/python3 {LIBEXEC}/"
        return [each for each in self.processes() if each.command.startswith(prefix)]

    def lookup_cpu(self) -> float:
        """Seconds of processor time the lookup process, which talks to the filters, has used."""
        return sum(each.cpu for each in self.processes() if each.command == "smtpd: lookup")

    def hang_up(self) -> None:
        """SIGHUP to every filter."""
        for each in self.filters():
            self.room.ask("kill", pid=each.pid, signal_number=int(signal.SIGHUP))
