"""Side by side with the C filter-dkimsign that Debian ships: one message into both, one body hash out of both."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.testing.player import Player
from tests.filter_dkimsign.keyring import rsa_key, write_key
from tests.filter_dkimsign.oracles import both
from tests.filter_dkimsign.support import MAIL, ZONE, one_key, signatures, submit

PROGRAM = Path("/usr/libexec/opensmtpd/filter-dkimsign")
SESSION, TOKEN = b"00000000000000aa", b"00000000000000bb"

pytestmark = pytest.mark.daemon


class CFilter:
    """The C filter on one end of a socket pair, as under smtpd."""

    def __init__(self, *arguments: str) -> None:
        if not PROGRAM.exists():
            pytest.skip("the C filter is not installed (Debian: opensmtpd-filter-dkimsign)")
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen([str(PROGRAM), *arguments], stdin=theirs.fileno(), stdout=theirs.fileno())
        theirs.close()
        ours.settimeout(10)
        self._socket = ours
        self._lines = ours.makefile("rb")
        ours.sendall(b"config|smtpd-version|7.8.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\nconfig|ready\n")
        self._wanted = set(iter(self._lines.readline, b"register|ready\n"))
        self._report(b"link-connect", b"localhost|pass|127.0.0.1:5|127.0.0.1:25")

    def _report(self, event: bytes, fields: bytes) -> None:
        if b"register|report|smtp-in|%s\n" % event in self._wanted:  # it dies of any other
            self._socket.sendall(b"report|0.7|1700000000.0|smtp-in|%s|%s|%s\n" % (event, SESSION, fields))

    def sign(self, text: bytes) -> bytes:
        """What leaves when a message comes."""
        self._report(b"tx-begin", b"0000cafe")
        start = b"filter|0.7|1700000000.0|smtp-in|data-line|%s|%s|" % (SESSION, TOKEN)
        lines = [b"." + line if line.startswith(b".") else line for line in text.split(b"\r\n")[:-1]]
        self._socket.sendall(b"".join(start + line + b"\n" for line in [*lines, b"."]))
        head = b"filter-dataline|%s|%s|" % (SESSION, TOKEN)
        back = []
        while (line := self._lines.readline().removeprefix(head)[:-1]) != b".":
            back.append(line.removeprefix(b"."))
        self._socket.sendall(b"filter|0.7|1700000000.0|smtp-in|commit|%s|%s|\n" % (SESSION, TOKEN))
        assert self._lines.readline().endswith(b"proceed\n")
        self._report(b"tx-reset", b"0000cafe")
        return b"".join(line + b"\r\n" for line in back)

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
        self.process.wait(10)


def bodies() -> Iterator[bytes]:
    """Every shape of line end and blank that canonicalisation knows, then random mixtures."""
    yield from (
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"a\r\n",
        b"a \r\n",
        b"a\t\t b\r\n\r\n\r\n",
        b" \r\n\t\r\n",
        b" a\r\n  b\r\n",
        b".\r\n..\r\n.dot\r\n",
        b"\x0c\r\n\x0b \r\n",
        b"caf\xe9\xa0\r\n",
    )
    mixture = random.Random(6376)
    pieces = [b"a", b" ", b"\t", b"  ", b"\r\n", b"\r\n\r\n", b".", b"\xe9", b"\x0c", b"word"]
    for _ in range(150):
        yield b"".join(mixture.choices(pieces, k=mixture.randrange(1, 40))) + b"\r\n"


def body_hash(text: bytes) -> bytes:
    """The bh= of the first signature; the C filter folds inside it."""
    return b"".join(signatures(text)[0][b"bh"].split())


@pytest.mark.parametrize("forms", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
def test_one_body_hash(tmp_path: Path, forms: str) -> None:
    key = write_key(tmp_path / "rsa.pem", rsa_key())
    peer = CFilter("-d", "example.org", "-s", "rsa", "-k", key, "-c", forms)
    try:
        with Player(one_key(tmp_path, "-c", forms)) as smtpd:
            for body in bodies():
                text = MAIL.replace(b"hello\r\n", body)
                theirs, ours = peer.sign(text), submit(smtpd, text)
                assert body_hash(ours) == body_hash(theirs), body
                assert both(ours, ZONE) == [True], body
    finally:
        peer.close()


def test_every_line_written_for_it_starts_ours(tmp_path: Path) -> None:
    key = write_key(tmp_path / "rsa.pem", rsa_key())
    domains = tmp_path / "domains"
    domains.write_text("# ours\n\nexample.net\n")
    basic = ["-d", "example.org", "-s", "rsa", "-k", key]
    for arguments in (
        basic,
        [*basic, "-a", "rsa-sha256", "-c", "simple/relaxed", "-tz"],
        [*basic, "-c", "relaxed", "-x", "604800", "-zz", "-h", "From:to:Subject"],
        [*basic, "-d", "example.com"],
    ):
        CFilter(*arguments).close()
        with Player(one_key(tmp_path, *arguments)) as smtpd:
            assert signatures(submit(smtpd, MAIL))
    with Player(one_key(tmp_path, "-D", str(domains))) as smtpd:  # the option came after Debian's release
        text = submit(smtpd, MAIL.replace(b"alice@example.org", b"alice@example.net"))
        assert signatures(text)[0][b"d"] == b"example.net"
