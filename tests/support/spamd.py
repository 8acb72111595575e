"""A real spamd with local tests only, for tests."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import need, running

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The test text SpamAssassin gives 1000 points (spamassassin.apache.org/gtube); harmless."""

_SITE = "/etc/spamassassin"


@contextmanager
def running_spamd(directory: Path, *arguments: str, configuration: str = "") -> Iterator[Path]:
    """Start spamd in `directory` with the system's rules and give the path of its socket.

    configuration: more lines of local.cf. Its processes run as nobody, so the directory must be open to it.
    """
    program = need("spamd")
    site = directory / "site"
    site.mkdir(exist_ok=True)
    for name in os.listdir(_SITE):
        if name.endswith(".pre"):
            shutil.copy(os.path.join(_SITE, name), site)
    (site / "local.cf").write_text("use_bayes 0\nuse_auto_whitelist 0\n" + configuration)
    path = directory / "spamd.sock"
    command = [program, "-L", "-x", "-m", "3", "--min-children=2", f"--socketpath={path}", f"--siteconfigpath={site}"]
    command += ["-s", "stderr", "-r", str(directory / "spamd.pid"), *arguments]
    if os.geteuid() == 0 and "-u" not in arguments:
        command += ["-u", "nobody"]
    with running(command, directory / "spamd.log", lambda: _pings(path), 60):
        yield path


def _pings(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(path))
            sock.sendall(b"PING SPAMC/1.5\r\n\r\n")
            return b"PONG" in sock.recv(64)
        except OSError:
            return False
