"""Filters that were broken into, under a real smtpd: each tries what it should not do, and gets nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.confinement import system
from tests.filter_dkimsign.keyring import pem, rsa_key
from tests.smtpd.hostile import ATTEMPTS
from tools.private_smtpd import Smtpd, wait_until

pytestmark = pytest.mark.skipif(
    len(system.offer().parts) < 2 or "tcp" not in system.offer().summary(),
    reason=f"this kernel cannot confine: {system.offer().summary()}",
)

PROGRAMS = {
    2501: "filter-rdns -f -H -S",
    2502: "filter-dyndns",
    2503: "filter-lists -c /etc/mail/lists.conf -d /var/lib/lists",
    2504: "filter-dnsbl -b bl.example",
    2505: "filter-greylist -G 0:4:864 -f /var/lib/greylist/greylist.db -t /etc/mail/traps",
    2506: "filter-auth -f /var/lib/auth/store",
    2507: "filter-clamav -F accept -a 127.0.0.1:3310",
    2508: "filter-spamassassin -F accept -a /run/spamd.sock -q /var/lib/quarantine",
    2509: "filter-dkimsign -d example.org -s rsa -k /etc/mail/dkim/rsa",
    2514: "filter-rdns -C /run/filters/rdns.sock",
    2510: "filter-chain rdns -- greylist -f /var/lib/second/greylist.db -- auth",
}
LEFT = "filter-rdns -Z off"
START = 'listen on 203.0.113.25 port 2500\naction "a" maildir\nmatch from any for domain "example.org" action "a"\n'
FILES: dict[str, str | bytes] = {
    "/etc/mail/lists.conf": "mine black file:/etc/mail/black\norder mine\n",
    "/etc/mail/black": "192.0.2.99\n",
    "/etc/mail/traps": "trap@example.org\n",
}
SAID = re.compile(r"hostile (\S+) (loop|thread) (\S+) (\w+)\.")
HELD = {"EACCES", "EPERM", "EAFNOSUPPORT"}
WITH_UNIX = ("filter-spamassassin",)
"""They talk to a daemon's socket, so that other sockets that are open to their user are, too."""

OF_CONTROL = {"unix", "listen-unbound", "chmod"}
"""What a control socket takes, and seccomp cannot tell from the like: docs/security.md says so."""


def broken_into(smtpd: Smtpd, port: int, program: str) -> dict[tuple[str, str], str]:
    """(thread, attempt) → what came of it, for a filter that has just been started."""
    name, seen = program.split(maxsplit=1)[0], len(smtpd.log())
    smtpd.room.write("/var/lib/other/table", "x\n", 0o666)
    smtpd.restart(
        f'filter "f" proc-exec "hostile {program}"\nlisten on 203.0.113.25 port {port} filter "f"\n{START}', port
    )
    done = f"hostile {name} is done."
    wait_until(lambda: done in smtpd.log()[seen:] or not smtpd.alive(), 30, f"{done!r} was not logged")
    assert smtpd.alive(), smtpd.log()[seen:]
    return {(where, what): came for program, where, what, came in SAID.findall(smtpd.log()[seen:]) if program == name}


@pytest.fixture(scope="module")
def smtpd(newest: str) -> Iterator[Smtpd]:
    hostile = {"hostile": (Path(__file__).parent / "hostile.py").read_text()}
    with Smtpd(newest, START, files=FILES, filters=hostile, zone={}, port=2500) as daemon:
        room = daemon.room
        for folder in ("greylist", "second", "auth", "quarantine", "lists"):
            code, output = room.run(["install", "-d", "-o", "opensmtpd", "-m", "700", f"/var/lib/{folder}"])
            assert code == 0, output
        for folder in ("/var/lib/other", "/etc/open", "/run/filters"):
            assert room.run(["install", "-d", "-m", "777", folder])[0] == 0
        room.write("/var/lib/other/secret", "of another filter\n")
        room.write("/var/lib/other/own", "x\n")
        room.write("/var/lib/other/pid", "1\n")
        room.write("/etc/mail/dkim/rsa", pem(rsa_key()), 0o640)
        assert room.run(["chown", "-R", "opensmtpd:opensmtpd", "/var/lib/other/own", "/etc/mail/dkim"])[0] == 0
        yield daemon


@pytest.mark.parametrize(("port", "program"), PROGRAMS.items(), ids=[each[:14] for each in PROGRAMS.values()])
def test_a_filter_that_was_broken_into_gets_nothing(smtpd: Smtpd, port: int, program: str) -> None:
    came = broken_into(smtpd, port, program)
    assert set(came) == {(where, what) for where in ("loop", "thread") for what in ATTEMPTS}
    left = {"unix"} if program.startswith(WITH_UNIX) else OF_CONTROL if " -C " in program else set()
    free = {(where, what) for where in ("loop", "thread") for what in left}
    assert {what: result for what, result in came.items() if result not in HELD and what not in free} == {}
    with smtpd.client("192.0.2.1", port=port) as client:  # and mail goes on
        client.ehlo("mx.example.net")
        assert client.mail_from("joe@example.net").code in {250, 451, 550}
    assert smtpd.alive()


def test_the_same_filter_gets_nearly_everything_when_it_is_not_confined(smtpd: Smtpd) -> None:
    came = broken_into(smtpd, 2511, LEFT)
    got = {what for (where, what), result in came.items() if result == "got" and where == "loop"}
    assert came["loop", "trace"] == "ESRCH"
    assert set(ATTEMPTS) - got <= {"remove", "rename", "unix", "signal", "unshare", "trace"}


def test_a_filter_that_must_be_confined_starts_where_it_can_be(smtpd: Smtpd) -> None:
    smtpd.restart(
        f'filter "f" proc-exec "filter-rdns -v -Z demand"\nlisten on 203.0.113.25 port 2512 filter "f"\n{START}', 2512
    )
    smtpd.wait_log('confined by="no new privileges, landlock')


def test_a_table_that_is_replaced_is_read_by_a_confined_filter(smtpd: Smtpd) -> None:
    def told() -> int:
        with smtpd.client("192.0.2.66", port=2513) as client:
            client.ehlo("mx.example.net")
            return client.mail_from("joe@example.net").code

    smtpd.room.write("/etc/mail/exempt", "192.0.2.9\n")
    smtpd.restart(
        f'filter "f" proc-exec "filter-rdns -Z demand -W /etc/mail/exempt"\n'
        f'listen on 203.0.113.25 port 2513 filter "f"\n{START}',
        2513,
    )
    assert told() == 550
    smtpd.room.write("/etc/mail/new", "192.0.2.66\n192.0.2.9\n")
    assert smtpd.room.run(["mv", "/etc/mail/new", "/etc/mail/exempt"])[0] == 0
    time.sleep(1.1)  # a file is looked at once a second
    assert told() == 250
