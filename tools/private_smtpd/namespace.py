"""Namespaces of their own for a mail server and everything it talks to.

    with Namespace(system) as room:
        room.write("/etc/motd", "hello\\n")
        process = room.spawn(["cat", "/etc/motd"], inside=True)
        listener = room.socket(bind=("203.0.113.7", 25), backlog=5)

Mounts, network, processes and host name are private: nothing in there sees or touches a file, a port or a daemon of
the machine, and leaving the block ends every process in it. Every IPv4 and IPv6 address is local in there. Sockets
made by `socket` live in the private network but belong to the caller, who uses them like any other.

Linux and root only (see `systems.require`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .systems import System, Unavailable

AGENT = Path(__file__).with_name("agent.py")
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--mount-proc", "--fork", "--kill-child")


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What /proc tells about one process inside."""

    pid: int
    """Process id in the private process namespace."""
    command: str
    cpu: float
    """Seconds of processor time used so far, user and system."""
    children: float
    """The same, of its children that have ended."""
    resident: int
    """Bytes of resident memory."""


class Process:
    """A process started in a Namespace."""

    def __init__(self, room: Namespace, pid: int) -> None:
        self.room = room
        self.pid = pid

    def exit_code(self) -> int | None:
        """How it ended: its exit status, minus the signal that ended it, or None while it runs."""
        result = self.room.ask("exit_code", pid=self.pid)
        return result if isinstance(result, int) else None

    def wait(self, timeout: float) -> int:
        """Wait until it ends; TimeoutError after `timeout` seconds."""
        codes: list[int] = []

        def ended() -> bool:
            code = self.exit_code()
            codes.extend([] if code is None else [code])
            return code is not None

        wait_until(ended, timeout, "the process did not end")
        return codes[0]

    def signal(self, number: int) -> None:
        self.room.ask("kill", pid=self.pid, signal_number=number)

    def stop(self, timeout: float = 5.0) -> int:
        """SIGTERM, and SIGKILL when that does not end it within `timeout` seconds. Return how it ended."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return self.wait(timeout)


class Namespace:
    """One private room, from construction to `close`."""

    def __init__(self, system: System, hostname: str = "mx.example.org") -> None:
        self.system = system
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        agent = [sys.executable, "-I", "-S", str(AGENT), str(theirs.fileno()), str(system.folder), hostname]
        self._unshare = subprocess.Popen([*UNSHARE, *agent], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._control = ours
        self._asking = threading.Lock()
        try:
            self._read_answer()
        except Unavailable:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything inside. May be called twice."""
        self._control.close()
        try:
            self._unshare.wait(5)
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            self._unshare.wait()

    def ask(self, operation: str, descriptors: Iterable[int] = (), **arguments: object) -> object:
        """Send one request to the agent and return its answer, from any thread. OSError if it failed there."""
        request = json.dumps({"do": operation, **arguments}).encode()
        with self._asking:
            socket.send_fds(self._control, [request], list(descriptors))
            answer, received = self._read_answer()
        if received:
            return received[0]
        if "error" in answer:
            raise OSError(answer["error"])
        return answer["result"]

    def _read_answer(self) -> tuple[dict[str, Any], list[int]]:
        packet, received, _, _ = socket.recv_fds(self._control, 1 << 16, 1)
        if not packet:
            raise Unavailable("namespaces could not be made here (see the message of unshare above)")
        answer: dict[str, Any] = json.loads(packet)
        return answer, received

    @property
    def top(self) -> Path:
        """The private file tree as seen from outside; `path` is usually what is wanted."""
        return Path(f"/proc/{self._unshare.pid}/root")

    def path(self, name: str) -> Path:
        """Where the absolute path `name` of the inner system can be opened from outside."""
        return self.top / "run/system" / name.lstrip("/")

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> Path:
        """Write a file of the inner system, folders included, replacing what was there (also a symbolic link)."""
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.touch(mode)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def spawn(
        self,
        argv: list[str],
        *,
        inside: bool = True,
        env: Mapping[str, str] | None = None,
        output: Path | None = None,
        cwd: str = "/",
    ) -> Process:
        """Start a process in the namespaces: `inside` the inner system, or with the machine's own file tree.

        Its stdout and stderr are appended to `output` (a path as seen from outside); without, they are dropped.
        """
        with Path(os.devnull).open("rb") as nothing, (output or Path(os.devnull)).open("ab") as out:
            descriptors = [nothing.fileno(), out.fileno(), out.fileno()]
            pid = self.ask("spawn", descriptors, argv=argv, env=dict(env or {}), inside=inside, cwd=cwd)
        return Process(self, int(str(pid)))

    def run(self, argv: list[str], *, inside: bool = True, timeout: float = 30.0) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed, errors included."""
        output = self.top / f"run/output.{time.monotonic_ns()}"
        code = self.spawn(argv, inside=inside, output=output).wait(timeout)
        text = output.read_text(errors="backslashreplace")
        output.unlink()
        return code, text

    def socket(
        self,
        *,
        family: int = socket.AF_INET,
        kind: int = socket.SOCK_STREAM,
        bind: tuple[str, int] | None = None,
        backlog: int | None = None,
    ) -> socket.socket:
        """A new socket in the private network, bound and listening if asked. The caller closes it."""
        number = self.ask("socket", family=int(family), kind=int(kind), bind=bind, backlog=backlog)
        return socket.socket(fileno=int(str(number)))

    def processes(self) -> list[ProcessFacts]:
        """Every process inside but the first."""
        found = []
        for entry in (self.top / "proc").iterdir():
            if entry.name.isdecimal() and entry.name != "1":
                with suppress(OSError):  # it may end while it is looked at
                    found.append(_process_facts(entry))
        return found


def _process_facts(entry: Path) -> ProcessFacts:
    # proc(5): the command may hold blanks and parentheses, so count the fields from the last ")"
    fields = (entry / "stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return ProcessFacts(
        pid=int(entry.name),
        command=(entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip(),
        cpu=(int(fields[11]) + int(fields[12])) / tick,
        children=(int(fields[13]) + int(fields[14])) / tick,
        resident=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
    )


def wait_until(condition: Callable[[], bool], timeout: float, why: str) -> None:
    """Ask `condition` until it is true; TimeoutError(why) after `timeout` seconds."""
    limit = time.monotonic() + timeout
    pause = 0.002
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"{why} within {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
