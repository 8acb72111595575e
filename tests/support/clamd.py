"""A real clamd with a signature database of two lines, for tests."""

from __future__ import annotations

import io
import socket
import zipfile
from base64 import encodebytes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import need, running

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The test file every scanner knows (eicar.org); harmless."""

EICAR_NAME = "Eicar-Test-Signature.UNOFFICIAL"
PUA = b"FILTER-TEST-POTENTIALLY-UNWANTED-APPLICATION-7e1c"
PUA_NAME = "PUA.Test.Filter.UNOFFICIAL"

STREAM_MAX = 30 << 20


@contextmanager
def running_clamd(directory: Path, *settings: str, stream_max: int = STREAM_MAX) -> Iterator[Path]:
    """Start clamd in `directory` (short: a socket's path is) and give the path of its socket."""
    program = need("clamd")
    database = directory / "db"
    database.mkdir(exist_ok=True)
    signatures = [f"Eicar-Test-Signature:0:*:{EICAR.hex()}", f"PUA.Test.Filter:0:*:{PUA.hex()}"]
    (database / "test.ndb").write_text("".join(line + "\n" for line in signatures))
    path = directory / "clamd.sock"
    configuration = directory / "clamd.conf"
    configuration.write_text(
        "\n".join(
            [
                f"LocalSocket {path}",
                f"DatabaseDirectory {database}",
                *settings,
                f"TemporaryDirectory {directory}",  # of equal options the first counts
                "Foreground yes",
                f"StreamMaxLength {stream_max}",
                "DetectPUA yes",
                "",
            ]
        )
    )
    with running([program, "-c", str(configuration)], directory / "clamd.log", lambda: _pings(path)):
        yield path


def _pings(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(path))
            sock.sendall(b"zPING\0")
            return sock.recv(16) == b"PONG\0"
        except OSError:
            return False


def attachment(name: str, content: bytes) -> bytes:
    """A message with one base64 attachment."""
    encoded = encodebytes(content).replace(b"\n", b"\r\n")
    return (
        b"From: a@example.org\r\nTo: b@example.com\r\nSubject: see attachment\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n'
        b"--cut\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b'--cut\r\nContent-Type: application/octet-stream; name="' + name.encode() + b'"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="' + name.encode() + b'"\r\n\r\n' + encoded + b"--cut--\r\n"
    )


def zipped(name: str, content: bytes) -> bytes:
    """A zip file that holds one file."""
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return store.getvalue()
