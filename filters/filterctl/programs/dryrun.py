"""Start a filter as smtpd would, let it register, and end it by end of file: no session, nothing on the network.

A filter that registers has parsed its options and read its files; one that cannot says why on stderr. It runs as the
user its line names (where this process may become that user), from the list of its words, in ``/``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from filter_api.errors import reason
from filter_api.testing.oracle import Oracle, SmtpdError
from filterctl.programs.access import Identity
from filterctl.programs.command import end

PATIENCE = 10.0
"""Seconds to register, and as many to end after end of file."""

CHUNK = 65536
MAX_STDERR = 4096

_TOO_EARLY = "ended before register|ready"


@dataclass(slots=True)
class DryRun:
    """What a filter did: `problem` is empty if smtpd would be content. `complaints`: its stderr, line by line."""

    problem: str = ""
    complaints: list[str] = field(default_factory=list)
    phases: frozenset[str] = frozenset()
    as_user: bool = True


def handshake(subsystems: Sequence[str]) -> bytes:
    """What smtpd says first."""
    lines = ["smtpd-version|7.8.0", "protocol|0.7", "smtp-session-timeout|300"]
    lines += [f"subsystem|{name}" for name in subsystems]
    lines += ["admd|" + socket.gethostname(), "ready"]
    return b"".join(f"config|{line}\n".encode() for line in lines)


def dry_run(command: Sequence[str], who: Identity, subsystems: Sequence[str]) -> DryRun:
    """Run it; never raises for what the filter does."""
    result = DryRun(as_user=os.geteuid() == 0 or who.uid == os.geteuid())
    oracle = Oracle()
    with tempfile.TemporaryFile() as stderr:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                process = _start(command, who, theirs.fileno(), stderr.fileno())
            except (OSError, subprocess.SubprocessError) as error:
                result.problem = f"cannot be started: {reason(error)}"
                return result
            theirs.close()
            result.problem = _talk(ours, oracle, handshake(subsystems))
        status = end(process, PATIENCE if not result.problem else 1.0)
        stderr.seek(0)
        text = stderr.read(MAX_STDERR).decode("utf-8", "backslashreplace")
    result.complaints = [line for line in text.splitlines() if line.strip()]
    result.phases = frozenset(phase.decode("ascii") for phase in oracle.phases)
    if not result.problem and status != 0:
        result.problem = f"ended with status {status} at end of file"
    elif result.problem == _TOO_EARLY:
        result.problem = f"does not start: it ended with status {status}"
    return result


def _start(command: Sequence[str], who: Identity, wire: int, stderr: int) -> subprocess.Popen[bytes]:
    if os.geteuid() != 0 or who.uid == 0:
        return subprocess.Popen(  # noqa: S603 - a list of words, no shell
            command, stdin=wire, stdout=wire, stderr=stderr, cwd="/", start_new_session=True
        )
    return subprocess.Popen(  # noqa: S603 - a list of words, no shell
        command,
        stdin=wire,
        stdout=wire,
        stderr=stderr,
        cwd="/",
        start_new_session=True,
        user=who.uid,
        group=who.gid,
        extra_groups=[who.gid],
    )


def _talk(wire: socket.socket, oracle: Oracle, config: bytes) -> str:
    """Handshake, then end of file; what is wrong, or an empty string."""
    deadline = time.monotonic() + PATIENCE
    closed = False
    with contextlib.suppress(ConnectionError):
        wire.sendall(config)
    try:
        while (left := deadline - time.monotonic()) > 0:
            wire.settimeout(left)
            data = wire.recv(CHUNK)
            if not data:
                return "" if oracle.ready else _TOO_EARLY
            oracle.filter_wrote(data)
            if oracle.ready and not closed:
                closed = True
                wire.shutdown(socket.SHUT_WR)
    except TimeoutError:
        pass
    except ConnectionError:
        return "" if oracle.ready else _TOO_EARLY
    except SmtpdError as error:
        return f"smtpd would die: {error}"
    return f"no {'end after end of file' if closed else 'register|ready'} within {PATIENCE:g} seconds"
