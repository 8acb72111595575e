"""Scanners and stores beside a private smtpd: this machine's own programs, started inside its namespaces.

    with Smtpd("7", config) as smtpd:
        scanner = start_clamd(smtpd.room)
        …
        scanner.stop(); scanner.start(); scanner.freeze(); scanner.thaw()

They run with the machine's file tree but in the private network and process namespaces, keep their data in memory and
end with the room. Each listens on loopback (clamd 3310, spamd 783, redis 6379) and clamd and spamd on a Unix socket
that has the same path inside: /run/daemons/NAME.sock. Raises Unavailable if the program is not installed.
"""

from __future__ import annotations

import base64
import io
import shutil
import signal
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .namespace import Namespace, Process, wait_until
from .systems import Unavailable

FOLDER: Final = "/run/daemons"
SEARCH: Final = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"
EICAR: Final = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The test file every scanner knows (eicar.org); harmless."""
GTUBE: Final = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The test text SpamAssassin gives 1000 points (spamassassin.apache.org/gtube); harmless."""


class Backend:
    """A daemon in a room that can be stopped, started and frozen."""

    def __init__(self, room: Namespace, name: str, argv: Sequence[str], port: int, hello: tuple[bytes, bytes]) -> None:
        """Start it, and wait until it answers the first of `hello`, sent to `port`, with the second."""
        program = shutil.which(argv[0], path=SEARCH)
        if program is None:
            raise Unavailable(f"{argv[0]} is not installed; tools/daemons installs it on Debian")
        self.room = room
        self.argv = [program, *argv[1:]]
        self.port = port
        self.hello = hello
        self.output: Path = room.top / f"run/daemons/{name}.log"
        self.process: Process
        self.start()

    def start(self, timeout: float = 60.0) -> None:
        self.process = self.room.spawn(self.argv, inside=False, output=self.output)
        wait_until(
            lambda: self.answers() or self.process.exit_code() is not None, timeout, f"{self.argv[0]}: no answer"
        )
        if self.process.exit_code() is not None:
            raise RuntimeError(f"{self.argv[0]} did not start:\n{self.log()}")

    def answers(self) -> bool:
        with self.room.socket() as connection:
            connection.settimeout(2)
            try:
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(self.hello[0])
                return self.hello[1] in connection.recv(256)
            except OSError:
                return False

    def log(self) -> str:
        return self.output.read_text(errors="backslashreplace")

    def stop(self) -> None:
        """End it as an operator would; connections are then refused."""
        self.process.stop()

    def freeze(self) -> None:
        """SIGSTOP to it and its children: connections are accepted by the kernel and never answered."""
        self._signal_family(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_family(signal.SIGCONT)

    def _signal_family(self, number: int) -> None:
        for each in self.room.processes():
            try:
                stat = (self.room.top / f"proc/{each.pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if self.process.pid in {each.pid, int(stat[1]), int(stat[2])}:
                self.room.ask("kill", pid=each.pid, signal_number=int(number))


def _outside(room: Namespace, name: str, content: str) -> str:
    """Write a file of the daemons' folder; the path it has in there."""
    target = room.top / "run/daemons" / name
    target.parent.mkdir(exist_ok=True)
    target.write_text(content)
    return f"{FOLDER}/{name}"


def start_clamd(room: Namespace, *settings: str, stream_max: int = 30 << 20) -> Backend:
    """clamd with a signature database of one entry (EICAR), at port 3310 and /run/daemons/clamd.sock.

    `settings` are further lines of clamd.conf(5); `stream_max` bytes is its StreamMaxLength.
    """
    _outside(room, "clamav/test.ndb", f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    lines = [
        f"LocalSocket {FOLDER}/clamd.sock",
        "LocalSocketMode 666",
        "TCPSocket 3310",
        "TCPAddr 127.0.0.1",
        f"DatabaseDirectory {FOLDER}/clamav",
        "TemporaryDirectory /run",
        "Foreground yes",
        f"StreamMaxLength {stream_max}",
        *settings,
    ]
    config = _outside(room, "clamd.conf", "\n".join(lines) + "\n")
    return Backend(room, "clamd", ["clamd", "-c", config], 3310, (b"zPING\0", b"PONG"))


def start_spamd(room: Namespace, *arguments: str, configuration: str = "") -> Backend:
    """spamd with local rules only, without Bayes and user files, at port 783 and /run/daemons/spamd.sock.

    `configuration`: more lines of local.cf. It takes two to four seconds to compile its rules.
    """
    for source in Path("/etc/spamassassin").glob("*.pre"):
        _outside(room, f"spamassassin/{source.name}", source.read_text())
    _outside(room, "spamassassin/local.cf", "use_bayes 0\nuse_auto_whitelist 0\n" + configuration)
    argv = ["spamd", "-L", "-x", "-m", "3", "--min-children=2", "-u", "nobody", "-s", "stderr"]
    argv += ["-r", "/run/spamd.pid", f"--siteconfigpath={FOLDER}/spamassassin", *arguments]
    # spamd listens at an address or a path, so both are given as what they are
    argv += ["--listen=127.0.0.1:783", f"--listen={FOLDER}/spamd.sock", "--socketmode=0666"]
    return Backend(room, "spamd", argv, 783, (b"PING SPAMC/1.5\r\n\r\n", b"PONG"))


def start_redis(room: Namespace, *arguments: str, port: int = 6379) -> Backend:
    """redis-server in memory, without a configuration file, at `port`; `arguments` as on its command line."""
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    argv += ["--dir", "/run", *arguments]
    return Backend(room, f"redis.{port}", argv, port, (b"PING\r\n", b"PONG"))


def infected_archive() -> str:
    """A multipart body, boundary ``b``, with EICAR in a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("eicar.com", EICAR)
    encoded = base64.encodebytes(packed.getvalue()).decode()
    return (
        "--b\nContent-Type: text/plain\n\nSee the attachment.\n--b\nContent-Type: application/zip\n"
        f'Content-Disposition: attachment; filename="bill.zip"\nContent-Transfer-Encoding: base64\n\n{encoded}--b--\n'
    )
