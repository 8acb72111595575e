"""filterctl check and smtpd -n judge the same configurations alike, under both smtpds."""

from __future__ import annotations

from pathlib import Path

from filter_api.errors import ConfigError
from filterctl.conf.smtpdconf import read
from tests.smtpd.check_corpus import BAD, GOOD, HEAD, TAIL
from tools.private_smtpd.namespace import Namespace
from tools.private_smtpd.systems import require


def refused(path: Path) -> bool:
    try:
        return bool(list(read(str(path)).refused()))
    except ConfigError:
        return True


def test_check_refuses_what_smtpd_refuses_and_nothing_else(version: str, tmp_path: Path) -> None:
    assert len(GOOD) + len(BAD) >= 120
    path = tmp_path / "smtpd.conf"
    told = []
    with Namespace(require(version)) as room:
        for bad, lines in [(False, line) for line in GOOD] + [(True, line) for line in BAD]:
            text = HEAD + lines + TAIL
            path.write_text(text, newline="")
            room.write("/etc/smtpd.conf", text, 0o600)
            code, output = room.run(["smtpd", "-n", "-f", "/etc/smtpd.conf"])
            if not refused(path) == (code != 0) == bad:
                told.append((lines[:80], bad, output, refused(path)))
    assert not told, "\n".join(map(repr, told))
