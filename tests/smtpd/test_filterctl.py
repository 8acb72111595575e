"""filterctl under a real smtpd: it records in a filter's place, and its check sees what smtpd sees."""

from __future__ import annotations

import stat
import subprocess
import sys

from filter_api.testing.transcript import Transcript
from tools.private_smtpd import Smtpd
from tools.private_smtpd.namespace import wait_until

LIBEXEC = "/usr/libexec/opensmtpd"
ZONE = {"192.0.2.10": "mx1.example.net", "mx1.example.net": ["A 192.0.2.10"]}
CONFIG = """
filter "rdns" proc-exec "{rdns}"
listen on 0.0.0.0 filter "rdns"
action "local" maildir
match from any for domain "example.org" action "local"
"""
RECORDED = CONFIG.format(rdns=f"filterctl record -s 1m /tmp/wire -- {LIBEXEC}/filter-rdns -v")


def test_a_recorded_filter_decides_as_before(version: str) -> None:
    """Accepted and refused mail, the transcript private, and the same verdicts when it is replayed."""
    with Smtpd(version, RECORDED, zone=ZONE) as smtpd:
        with smtpd.client("192.0.2.10") as client:
            assert client.deliver(b"Subject: x\r\n\r\nhello\r\n").code == 250
        with smtpd.client("192.0.2.99") as client:
            assert client.deliver(b"Subject: x\r\n\r\nhello\r\n").code == 550
        assert b"hello" in smtpd.wait_mail("bob")[0]
        assert smtpd.alive(), smtpd.log()
        wire = smtpd.room.path("/tmp/wire")
        assert stat.S_IMODE(wire.stat().st_mode) == 0o600
        # The transcript is written behind the traffic.
        wait_until(lambda: wire.read_bytes().count(b"> filter-result|") == 2, 10, "two answers in the transcript")
        (lines,) = Transcript.read(wire).wires()
        assert lines[0].line.startswith(b"config|smtpd-version|")
        filter_rdns = [sys.executable, "-m", "filter_rdns", "-N", "192.0.2.10"]
        command = [sys.executable, "-m", "filterctl", "replay", str(wire), "--", *filter_rdns]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mail-from" in done.stdout


def test_smtpd_ends_with_the_recorded_filter(version: str) -> None:
    """A filter that dies takes smtpd with it; in place of the filter, record must not hide that."""
    deadly = {"filter-deadly": "import sys\nprint('register|ready', flush=True)\nsys.stdin.readline()\nsys.exit(3)\n"}
    config = CONFIG.format(rdns=f"filterctl record /tmp/wire -- {LIBEXEC}/filter-deadly")
    with Smtpd(version, config, zone=ZONE, filters=deadly, port=None) as smtpd:
        smtpd.wait_exit()
        assert "lost processor" in smtpd.log()


def test_check_starts_the_filters_as_smtpds_user(version: str) -> None:
    with Smtpd(version, CONFIG.format(rdns="filter-rdns -f"), zone=ZONE) as smtpd:
        code, output = smtpd.room.run([f"{LIBEXEC}/filterctl", "check", "/etc/smtpd.conf"])
        assert code == 0, output
        assert f"filter rdns: {LIBEXEC}/filter-rdns as opensmtpd registers mail-from" in output
        smtpd.room.write("/etc/bad.conf", CONFIG.format(rdns="filter-rdns -W /etc/shadow"))
        code, output = smtpd.room.run([f"{LIBEXEC}/filterctl", "check", "/etc/bad.conf"])
        assert code == 1
        assert "error: filter rdns: filter-rdns: /etc/shadow: Permission denied" in output
        assert "/etc/shadow cannot be read by opensmtpd" in output


def test_check_tells_what_smtpd_says_before_its_own_remedy(version: str) -> None:
    with Smtpd(version, CONFIG.format(rdns="filter-rdns -f"), zone=ZONE) as smtpd:
        smtpd.room.write("/etc/bad.conf", CONFIG.format(rdns="filter-rdns -f").replace('"rdns"', "rdns"), 0o600)
        code, output = smtpd.room.run([f"{LIBEXEC}/filterctl", "check", "/etc/bad.conf"])
    lines = output.splitlines()
    assert code == 1
    assert lines[0] == "smtpd: /etc/bad.conf:2: syntax error", output
    assert any(line.startswith("/etc/bad.conf:2: error: rdns is a word of smtpd.conf") for line in lines), output
