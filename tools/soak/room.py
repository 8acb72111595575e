"""A private smtpd with the whole chain and what it talks to, for as long as a soak runs.

It writes to a syslog socket whose log is rotated, runs under a clock that can be stepped, and its mailboxes are
emptied as they fill: `arrived` counts what was delivered by its token.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tools.private_smtpd import wait_until
from tools.private_smtpd.backends import FOLDER, Backend, start_clamd, start_redis, start_spamd
from tools.private_smtpd.syslogged import SyslogSmtpd

from . import config
from .mails import TOKEN

CLOCK: Final = "/opt/clock.so"
STEP: Final = "/opt/clock.step"
ALARMING: Final = (b"Traceback", b"fatal", b"lost processor")
"""What no filter and no smtpd may ever log."""
KEPT: Final = 200
"""Alarming lines kept for the report."""


class SoakSmtpd(SyslogSmtpd):
    """An smtpd that logs as an installed one does, to a log that is rotated, and whose filters have a clock of theirs.

    logged: lines; alarms: those that must not be.
    """

    environment: Mapping[str, str] = {**SyslogSmtpd.environment, "LD_PRELOAD": CLOCK, "SOAK_CLOCK": STEP}

    def _furnish(self, files: Mapping[str, str | bytes], filters: Mapping[str, str], users: Iterable[str]) -> None:
        super()._furnish(files, filters, users)
        self.logged = 0
        self.alarms: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "clock.so")
            source = Path(__file__).with_name("clock.c")
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", made, source], check=True)
            self.room.write(CLOCK, made.read_bytes(), 0o755)
        self.room.write(STEP, bytes(8))

    def step_clock(self, seconds: int) -> None:
        """Set the time of day `seconds` from the true one, for all filters at once."""
        with self.room.path(STEP).open("r+b") as file, mmap.mmap(file.fileno(), 8) as page:
            page[:] = struct.pack("=q", seconds)

    def note(self, line: bytes) -> None:
        self.logged += 1
        if any(word in line for word in ALARMING) and len(self.alarms) < KEPT:
            self.alarms.append(line.decode(errors="backslashreplace"))


class Room:
    """One smtpd with its filters: `name` is "one" (a single process) or "many"."""

    def __init__(self, *, one: bool, version: str = "7", far: bool = True) -> None:
        """far: whether smtpd itself plays the other side, to which it relays."""
        self.one = one
        self.far = far
        self.name = "one" if one else "many"
        self.arrived: Counter[int] = Counter()
        self.strange = 0
        self.backends: dict[str, Backend] = {}
        zone = config.zone()
        self.smtpd = SoakSmtpd(version, config.IDLE, zone=zone, files=config.files(one=one), port=2500)
        try:
            self._furnish()
            self._start_backends(redis=not one)
            self.restart()
        except BaseException:
            self.close()
            raise

    def restart(self) -> None:
        """Stop smtpd, with its filters, and start it again."""
        self.smtpd.restart(config.configuration(one=self.one, far=self.far), port=config.LOCAL[1])
        wait_until(self._greets, 60, "smtpd does not greet")  # it does when all filters are ready
        self.filters = {each.pid: each.command for each in self.smtpd.filters()}

    def _greets(self) -> bool:
        try:
            with self.smtpd.client("192.0.2.100", timeout=60) as client:
                client.quit()
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything in the room."""
        self.smtpd.close()

    def _furnish(self) -> None:
        for folder in (config.STORES, f"{config.QUARANTINE}/virus", f"{config.QUARANTINE}/spam"):
            self.run("install", "-d", "-o", "opensmtpd", "-g", "opensmtpd", "-m", "700", folder)
        self.run("chgrp", "-R", "opensmtpd", "/etc/mail/dkim")
        self.run("chmod", "640", "/etc/mail/dkim/soak")

    def _start_backends(self, *, redis: bool) -> None:
        room = self.smtpd.room
        folder = room.top / FOLDER.lstrip("/") / "rules"
        folder.mkdir()
        (folder / "all.cf").write_text(config.RULES)
        self.backends["clamd"] = start_clamd(room)
        self.backends["spamd"] = start_spamd(room, f"--configpath={FOLDER}/rules")
        if redis:
            self.backends["redis"] = start_redis(room)

    def run(self, *command: str) -> str:
        """Run a command inside; its output. RuntimeError if it fails."""
        code, output = self.smtpd.room.run(list(command))
        if code:
            raise RuntimeError(f"{command}: {output}")
        return output

    def maildirs(self, user: str) -> list[Path]:
        """What was delivered to a user, to every folder."""
        return list(self.smtpd.room.path(f"/home/{user}/Maildir").glob("**/new/*"))

    def empty_mailboxes(self) -> None:
        """Count what was delivered, by token, and remove it."""
        for user in ("alice", "bob", "carol"):
            for path in self.maildirs(user):
                found = TOKEN.search(path.read_bytes())
                if found is None:
                    self.strange += 1
                else:
                    self.arrived[int(found[1])] += 1
                path.unlink()

    def empty_queue(self, seconds: float) -> bool:
        """Have smtpd try everything in its queue at once, until it is empty; whether that came in time."""
        limit = time.monotonic() + seconds
        while self.run("smtpctl", "show", "queue"):
            if time.monotonic() > limit:
                return False
            self.run("smtpctl", "schedule", "all")
            time.sleep(2)
        return True

    def store_bytes(self) -> int:
        """What filters keep on disk: greylist and quarantine."""
        total = 0
        for folder in (config.STORES, config.QUARANTINE):
            for path in self.smtpd.room.path(folder).rglob("*"):
                with contextlib.suppress(OSError):
                    total += path.stat().st_size if path.is_file() else 0
        return total

    def redis_bytes(self) -> int:
        """The data that Redis holds, without its own buffers; 0 where there is none or it does not answer."""
        if "redis" not in self.backends:
            return 0
        try:
            with self.smtpd.room.socket() as connection:
                connection.settimeout(1)
                connection.connect(("127.0.0.1", 6379))
                connection.sendall(b"INFO memory\r\n")
                text = connection.recv(1 << 16)
        except OSError:
            return 0
        found = [line for line in text.splitlines() if line.startswith(b"used_memory_dataset:")]
        return int(found[0].partition(b":")[2]) if found else 0

    def dead(self) -> list[str]:
        """What has died: nothing, as it should be."""
        dead = [] if self.smtpd.alive() else ["smtpd"]
        now = {each.pid for each in self.smtpd.filters()}
        return dead + [command for pid, command in self.filters.items() if pid not in now]
