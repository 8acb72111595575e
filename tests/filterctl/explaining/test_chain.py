"""filterctl explain client from to: each filter of a listener says itself what it would do, and nothing is written."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filterctl.__main__ import main
from filterctl.explaining.isolated import as_user
from filterctl.programs.access import Identity, identity
from tests.support.ports import both_sockets
from tools.private_smtpd import Trouble, Zone
from tools.private_smtpd.dns import DnsServer

GOOD, NAMELESS, HOME, SILENT, OURS = "192.0.2.10", "192.0.2.66", "198.51.100.7", "192.0.2.99", "203.0.113.5"
ZONE: Zone = {
    GOOD: "mx.example.net",
    "mx.example.net": [f"A {GOOD}"],
    HOME: "host-198-51-100-7.dsl.example.com",
    "host-198-51-100-7.dsl.example.com": [f"A {HOME}"],
    SILENT: Trouble.SERVFAIL,
    "example.net": ["MX 10 mx.example.net", 'TXT "v=spf1 ip4:192.0.2.0/24 -all"'],
}
ME = pwd.getpwuid(os.geteuid()).pw_name
CONF = r"""
filter "denied" phase connect match src {{ 10.0.0.1 }} disconnect "550 no"
filter "judges" proc-exec "filter-chain -N 203.0.113.0/24 -W {folder}/exempt \
    lists -5 -c {folder}/lists.conf \
    -- rdns -f -H -- dyndns -n -- clamav" user "{me}"
filter "grey" proc-exec "filter-greylist -f {folder}/store/g.db -N 203.0.113.0/24" user "{me}"
filter "other" proc-exec "/usr/local/libexec/other"
listen on socket filter "denied"
listen on 198.51.100.25 filter {{ "denied", "judges", "grey", "other" }} hostname "mx.example.org"
listen on 127.0.0.1 filter "judges"
listen on 198.51.100.26 smtps auth filter "judges"
listen on 198.51.100.27 tls auth-optional filter "rdns"
filter "rdns" proc-exec "filter-rdns -f -F accept -W {folder}/sender" user "{me}"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A name server on loopback, as option -n has it."""
    datagrams, listener = both_sockets()
    with DnsServer(datagrams, listener, ZONE):
        yield f"127.0.0.1@{datagrams.getsockname()[1]}"


class Room:
    """A configuration, its files, and the name server that is asked."""

    def __init__(self, folder: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.conf = folder / "smtpd.conf"
        self.store = folder / "store" / "g.db"
        self.store.parent.mkdir(mode=0o700)
        self.store.touch(mode=0o600)
        (folder / "exempt").write_text("192.0.2.128/25 until 2999-01-01\n192.0.2.66 until 2001-01-01\n")
        (folder / "sender").touch()
        (folder / "black").write_text("192.0.2.0/28\n")
        (folder / "lists.conf").write_text(f"mine black file:{folder}/black\norder mine\n")
        self.conf.write_text(CONF.format(folder=folder, me=ME))
        self._server = server
        self._capsys = capsys
        assert main(["greylist", "-f", str(self.store), "-a", NAMELESS]) == 0

    def explain(self, *words: str) -> tuple[int, dict[str, list[str]]]:
        """Exit status, and what is said of each filter."""
        status = main(["explain", "-f", str(self.conf), "-n", self._server, *words])
        said: dict[str, list[str]] = {}
        for line in self._capsys.readouterr().out.replace(f"{self.folder}/", "").splitlines():
            said.setdefault(line[:18].strip(), []).append(line[19:])
        return status, said


@pytest.fixture
def room(tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]) -> Room:
    return Room(tmp_path, server, capsys)


def test_every_filter_is_asked_though_one_before_it_refuses(room: Room) -> None:
    status, said = room.explain(GOOD, "ann@example.net", "bob@example.org", "bare")
    assert status == 1
    assert said == {
        "client": [f"{GOOD}, mx.example.net"],
        "listener": ["198.51.100.25 (smtpd.conf:9)"],
        "denied": ["smtpd's own, at connect: not asked here"],
        "judges: lists": [f"refuses at MAIL FROM: 550 5.7.1 Your address {GOOD} is in the mine list (listed, mine)"],
        "judges: rdns": ["refuses at MAIL FROM: 550 5.7.1 HELO needs a full host name (helo-bare-word)"],
        "judges: dyndns": ["accepts", "  judged score=-5 signs=mail-5"],
        "judges: clamav": ["looks at the message only: not asked"],
        "grey": [
            "refuses at RCPT TO: 451 4.7.1 greylisted, please try again in 25 minutes (new)",
            "  known found=nothing",
        ],
        "other": ["cannot be asked: is no filter of this suite"],
        "outcome": [f"refused at MAIL FROM by judges: lists: 550 5.7.1 Your address {GOOD} is in the mine list"],
    }


def test_who_is_white_is_let_in_by_the_greylist_whatever_others_say(room: Room) -> None:
    status, said = room.explain(NAMELESS, "ann@example.net", "bob@example.org")
    assert status == 1
    assert said["grey"][0] == "accepts"
    assert any(note.startswith("  passed reason=white") for note in said["grey"])
    assert said["judges: rdns"][0] == f"refuses at MAIL FROM: 550 5.7.25 no reverse DNS for {NAMELESS} (no-ptr)"
    assert said["outcome"] == [f"refused at MAIL FROM by judges: rdns: 550 5.7.25 no reverse DNS for {NAMELESS}"]


def test_who_is_ours_or_exempt_is_said_to_be(room: Room) -> None:
    status, said = room.explain(OURS, "ann@example.org", "bob@example.net")
    assert status == 0
    assert {said[name][0] for name in ("judges: lists", "judges: rdns", "judges: dyndns", "grey")} == {
        "accepts: one of ours (-N)"
    }
    assert said["outcome"] == ["accepted up to DATA, as far as was asked: not denied, other"]
    assert room.explain("192.0.2.200", "a@example.net", "b@example.org")[1]["judges: rdns"] == ["accepts: exempt (-W)"]


def test_a_sender_is_exempt_only_where_spf_vouches_for_it(room: Room) -> None:
    (room.folder / "sender").write_text("from:example.net\nfrom:example.com\n")
    said = [
        room.explain("-l", "12", NAMELESS, sender, "bob@example.org")[1]["rdns"][0]
        for sender in ("ann@example.net", "ann@example.com")
    ]
    assert said == [
        "accepts: its sender is exempt (-W), if SPF vouches for it",
        f"refuses at MAIL FROM: 550 5.7.25 no reverse DNS for {NAMELESS} (no-ptr)",
    ]


def test_a_filter_that_only_observes_refuses_nobody(room: Room) -> None:
    _, said = room.explain(HOME, "ann@example.net", "bob@example.org")
    assert said["judges: dyndns"][0].startswith("refuses at MAIL FROM, but only observes (-n): 550 5.7.1 ")
    assert said["outcome"][0].startswith("refused at RCPT TO by grey: 451 4.7.1 greylisted")


def test_a_name_server_that_does_not_answer_is_doubt(room: Room) -> None:
    status, said = room.explain(SILENT, "ann@example.net", "bob@example.org", "mx.example.net")
    assert said["client"] == [f"{SILENT}, whose name cannot be looked up"]
    assert said["judges: rdns"][0].startswith("refuses at MAIL FROM: 451 4.7.25")
    assert status == 1


def test_another_listener_has_other_filters(room: Room) -> None:
    _, said = room.explain("-l", "127.0.0.1", GOOD, "ann@example.net", "bob@example.org")
    assert said["listener"] == ["127.0.0.1 (smtpd.conf:10)"]
    assert not {"grey", "other", "denied"} & said.keys()
    assert room.explain("-l", "10", GOOD, "a@example.net", "b@example.org")[1]["listener"] == said["listener"]


def test_a_listener_that_wants_a_login_says_so_and_one_that_does_not_does_not(room: Room) -> None:
    said = [room.explain("-l", where, GOOD, "a@b.example", "c@d.example")[1]["listener"] for where in ("11", "12")]
    assert said == [
        [
            "198.51.100.26 (smtpd.conf:11), which wants a login: who has one is ours everywhere;"
            " asked is for one without"
        ],
        ["198.51.100.27 (smtpd.conf:12)"],
    ]


def test_what_cannot_be_checked_is_answered_by_the_failure_policy(room: Room) -> None:
    """The name server says nothing useful, and the line of filter rdns has -F accept."""
    status, said = room.explain("-l", "12", SILENT, "ann@example.net", "bob@example.org", "mx.example.net")
    assert (status, said["rdns"][0]) == (0, "accepts at MAIL FROM (dns, PTR: SERVFAIL)")


def test_an_address_within_another_is_the_one_that_smtpd_tells(room: Room) -> None:
    _, said = room.explain(f"::ffff:{GOOD}", "ann@example.net", "bob@example.org")
    assert said["client"] == [f"{GOOD}, mx.example.net"]


def test_it_changes_nothing_in_the_greylist(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    main(["greylist", "-f", str(room.store)])
    before = capsys.readouterr().out
    for client in (GOOD, NAMELESS, HOME):
        room.explain(client, "ann@example.net", "bob@example.org")
        room.explain(client, "<>", "bob@example.org")
    main(["greylist", "-f", str(room.store)])
    assert capsys.readouterr().out == before
    assert before.count("\n") == 1


def test_a_null_sender_is_judged_where_the_greylist_judges_it(room: Room) -> None:
    _, said = room.explain(HOME, "<>", "bob@example.org")
    assert said["grey"][0].startswith("refuses at DATA: 451 4.7.1")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([GOOD, "a@b.example"], "a client's address, a sender and a recipient are wanted"),
        (
            ["-l", "em7", GOOD, "a@b.example", "c@d.example"],
            "-l takes one of: 198.51.100.25, 127.0.0.1, 198.51.100.26, 198.51.100.27, or the number",
        ),
        (["-n", "localhost", GOOD, "a@b.example", "c@d.example"], "-n: not a numeric address"),
        (["-l", "socket", GOOD, "a@b.example", "c@d.example"], "no listener socket with filters"),
        (["-l", "7", GOOD, "a@b.example", "c@d.example"], "no listener 7 with filters"),
        ([GOOD, "a\nb@c.example", "c@d.example"], "not a line of SMTP: a\\x0ab@c.example"),
        ([GOOD, "a@b.example", "c@d.example", "x\r"], "not a line of SMTP: x\\x0d"),
        (["nobody"], "unknown: nobody (known: dnsbl, dyndns, greylist, rdns, sender-score), and no client's address"),
    ],
)
def test_what_cannot_be_asked_is_said(
    room: Room, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = words if words == ["nobody"] else ["-f", str(room.conf), *words]
    assert main(["explain", *arguments]) == 1
    assert why in capsys.readouterr().err


def test_one_filter_is_explained_with_the_options_of_its_line(
    room: Room, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("filterctl.conf.lines.CONFIGURATIONS", (str(room.conf),))
    name = "host-198-51-100-7.dsl.example.com"
    assert main(["explain", "dyndns", name, "192.0.2.200"]) == 0
    out = capsys.readouterr().out.replace(f"{room.folder}/", "")
    assert out.startswith("options of smtpd.conf:3: -N 203.0.113.0/24 -W exempt -n\n")
    assert "accepted: it is exempt, if the name is confirmed (-W)" in out
    assert main(["explain", "dyndns", "-s", "99", name, HOME]) == 0
    assert "options of" not in capsys.readouterr().out
    monkeypatch.setattr("filterctl.conf.lines.CONFIGURATIONS", (str(room.folder / "none"),))
    assert main(["explain", "dyndns", name, HOME]) == 1
    assert "options of" not in capsys.readouterr().out


def test_what_runs_in_a_process_of_its_own_gives_a_value_or_says_why_not() -> None:
    me = Identity(ME, os.geteuid(), os.getegid())
    assert as_user(me, lambda: [os.getpid() == os.getppid(), "text"]) == [False, "text"]

    def fails() -> None:
        raise ConfigError("/etc/x:1: no")

    with pytest.raises(ConfigError, match="/etc/x:1: no"):
        as_user(me, fails)
    with pytest.raises(ConfigError, match="/nowhere: No such file"):
        as_user(me, lambda: os.stat("/nowhere"))
    with pytest.raises(ConfigError, match="it ended without an answer"):
        as_user(me, lambda: os._exit(0))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_root_becomes_the_user_of_the_line_for_good() -> None:
    who = identity("nobody", None)
    assert as_user(who, lambda: [os.getuid(), os.getgid(), os.getgroups()]) == [who.uid, who.gid, [who.gid]]
    assert os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_file_that_the_user_of_the_line_cannot_read_is_told(room: Room) -> None:
    room.folder.chmod(0o700)
    room.conf.write_text(room.conf.read_text().replace(f'user "{ME}"', 'user "nobody"'))
    _, said = room.explain(GOOD, "ann@example.net", "bob@example.org")
    assert said["judges"] == ["cannot be asked: exempt: Permission denied"]
