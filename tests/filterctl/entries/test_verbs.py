"""filterctl allow and deny on real files, with the filters of the suite as their readers."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.files.exempt import ExemptTable
from filter_api.trust import client_at
from filterctl.__main__ import main
from filterctl.entries.writing import change

TODAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
CONF = """\
table denied file:{folder}/denied
table liars file:{folder}/liars
filter "denied" phase connect match src <denied> disconnect "550 no"
filter "liars" phase mail-from match mail-from <liars> reject "550 no"
filter "lists" proc-exec "filter-lists -c {folder}/lists.conf -d {folder} -W {folder}/exempt"
filter "rdns" proc-exec "filter-rdns -f -W {folder}/exempt"
filter "dyndns" proc-exec "filter-dyndns"
filter "other" proc-exec "/usr/local/libexec/other -x"
listen on 192.0.2.25 filter {{ denied, liars, lists, rdns, dyndns, other }}
"""


class Room:
    """A configuration in a folder of its own, and filterctl before it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.conf = folder / "smtpd.conf"
        self._capsys = capsys
        for name in ("exempt", "black", "denied", "liars"):
            (folder / name).write_text(f"# {name}\n")
        (folder / "lists.conf").write_text(f"mine black file:{folder}/black\norder mine\n")
        self.write(CONF)

    def write(self, text: str) -> None:
        self.conf.write_text(text.format(folder=self.folder))

    def read(self, name: str) -> str:
        """A file, with every date of today's kind as DAY."""
        return TODAY.sub("DAY", (self.folder / name).read_text())

    def run(self, verb: str, *words: str) -> tuple[int, str, str]:
        status = main([verb, "-f", str(self.conf), *words])
        told = self._capsys.readouterr()
        return status, told.out.replace(f"{self.folder}/", ""), told.err.replace(f"{self.folder}/", "")


@pytest.fixture
def room(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    for name in ("DOAS_USER", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("filterctl.entries.request._who", lambda: "ann")
    return Room(tmp_path, capsys)


def test_allow_writes_the_file_of_w_and_says_who_heeds_it(room: Room) -> None:
    status, out, _ = room.run("allow", "-c", "waits for a PTR", "192.0.2.7", "host:.example.net")
    assert status == 0
    assert room.read("exempt") == (
        "# exempt\n192.0.2.7  # DAY ann: waits for a PTR\nhost:.example.net  # DAY ann: waits for a PTR\n"
    )
    assert out.splitlines()[:6] == [
        "exempt: 192.0.2.7",
        "  heeded by lists (smtpd.conf:5), rdns (smtpd.conf:6), where the client has this address",
        "  not by denied (smtpd.conf:3): is one of smtpd's own, and reads tables of smtpd.conf only",
        "  not by liars (smtpd.conf:4): is one of smtpd's own, and reads tables of smtpd.conf only",
        "  not by dyndns (smtpd.conf:7): it has no -W; add -W exempt",
        "  not by other (smtpd.conf:8): is no filter of this suite",
    ]
    table = ExemptTable(str(room.folder / "exempt"))
    assert table.client(client_at(ip_address("192.0.2.7")))
    assert table.client(client_at(ip_address("192.0.2.99"), b"mx.example.net"))


def test_an_entry_for_some_days_counts_up_to_the_last_of_them(room: Room) -> None:
    before = datetime.now(UTC).date()
    assert room.run("allow", "-t", "7", "ann@example.net")[0] == 0
    after = datetime.now(UTC).date()
    until = (room.folder / "exempt").read_text().split("until ")[1].split()[0]
    assert until in {(day + timedelta(7)).isoformat() for day in (before, after)}


def test_an_entry_that_some_reader_would_refuse_is_not_written(room: Room) -> None:
    status, out, err = room.run("allow", "to:bob@example.org")
    assert status == 1
    assert room.read("exempt") == "# exempt\n"
    assert "not written to exempt: lists (smtpd.conf:5) says exempt:2: to: cannot be used here" in err
    assert "give those that can a file of their own for to: (-W may be given twice)" in err
    assert "heeded" not in out


def test_each_filter_is_reached_by_a_file_of_its_own(room: Room) -> None:
    (room.folder / "late").write_text("")
    room.write(
        'filter "rdns" proc-exec "filter-rdns -W {folder}/exempt"\n'
        'filter "greylist" proc-exec "filter-greylist -f {folder}/g.db -W {folder}/exempt -W {folder}/late"\n'
        "listen on 192.0.2.25 filter {{ rdns, greylist }}\n"
    )
    status, out, err = room.run("allow", "to:bob@example.org")
    assert status == 0
    assert (room.read("exempt"), room.read("late")) == ("# exempt\n", "to:bob@example.org  # DAY ann\n")
    assert "heeded by greylist (smtpd.conf:2), where all recipients are this one" in out
    assert "not by rdns (smtpd.conf:1): its -W file does not have it" in out
    assert "not written to exempt: rdns (smtpd.conf:1) says" in err


def test_a_chain_reads_the_file_it_gives_to_its_members_and_is_asked_too(room: Room) -> None:
    """The members could tell who the sender is; the chain itself, which reads the file first, could not."""
    room.write('filter "all" proc-exec "filter-chain -W {folder}/exempt rdns -f -- dyndns"\nlisten on lo filter all\n')
    status, _, err = room.run("allow", "from:example.net")
    assert (status, room.read("exempt")) == (1, "# exempt\n")
    assert "not written to exempt: all (smtpd.conf:1) says exempt:2: from: cannot be used here" in err


def test_the_members_of_a_chain_heed_the_file_of_the_chain(room: Room) -> None:
    room.write('filter "all" proc-exec "filter-chain -W {folder}/exempt rdns -f -- dyndns"\nlisten on lo filter all\n')
    status, out, _ = room.run("allow", "192.0.2.7")
    assert (status, room.read("exempt")) == (0, "# exempt\n192.0.2.7  # DAY ann\n")
    assert "  heeded by all: rdns (smtpd.conf:1), all: dyndns (smtpd.conf:1), where the client has this address" in out


def test_what_was_there_keeps_its_mode_and_its_owner(room: Room) -> None:
    file = room.folder / "exempt"
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    wanted = file.stat()
    assert room.run("allow", "192.0.2.7")[0] == 0
    found = file.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, wanted.st_uid, wanted.st_gid)
    assert [path.name for path in room.folder.iterdir() if path.name.startswith(".new")] == []


def test_a_link_stays_a_link(room: Room) -> None:
    (room.folder / "exempt").rename(room.folder / "elsewhere")
    (room.folder / "exempt").symlink_to("elsewhere")
    assert room.run("allow", "192.0.2.7")[0] == 0
    assert (room.folder / "exempt").is_symlink()
    assert room.read("elsewhere") == "# exempt\n192.0.2.7  # DAY ann\n"


def test_a_change_is_seen_at_the_next_look_and_so_is_its_end(room: Room) -> None:
    """Filters look once a second. A version that became shorter waits for two, unless it is whole for certain."""
    now = [100.0]
    table = ExemptTable(str(room.folder / "exempt"), clock=lambda: now[0])
    client = client_at(ip_address("192.0.2.7"))
    seen = []
    for words in (("192.0.2.7",), ("-d", "192.0.2.7")):
        assert room.run("allow", *words)[0] == 0
        now[0] += 1.0
        seen.append(table.client(client))
    assert seen == [True, False]


def test_an_entry_is_deleted_and_one_that_is_not_there_is_told(room: Room) -> None:
    (room.folder / "exempt").write_text("192.0.2.7 until 2001-01-01 # old\n192.0.2.0/24\n")
    status, out, err = room.run("allow", "-d", "192.0.2.7", "192.0.2.8")
    assert status == 1
    assert room.read("exempt") == "192.0.2.0/24\n"
    assert "exempt: 192.0.2.7 deleted\n" in out
    assert "  lists (smtpd.conf:5) lets 192.0.2.7 in: its -W holds it\n" in out
    assert err == "192.0.2.8: no such entry in exempt\n"


def test_entries_are_listed_with_who_when_and_why(room: Room) -> None:
    (room.folder / "exempt").write_text(
        "192.0.2.7 until 2001-01-01  # 2000-12-01 bob: a\x1b[31mtest\n10.0.0.0/8 # ours\nhost:mx.example.net\n"
    )
    status, out, _ = room.run("allow", "-l")
    assert status == 0
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "exempt: 3 entries",
        "192.0.2.7 until 2001-01-01 (expired) 2000-12-01 bob a\\x1b[31mtest",
        "10.0.0.0/8 ours",
        "host:mx.example.net",
    ]


def test_deny_writes_the_black_list_of_filter_lists(room: Room) -> None:
    assert room.run("allow", "203.0.113.0/24")[0] == 0
    status, out, _ = room.run("deny", "-c", "spam", "203.0.113.9")
    assert (status, room.read("black")) == (0, "# black\n203.0.113.9  # DAY ann: spam\n")
    assert out.splitlines() == [
        "black: 203.0.113.9",
        "  refused by lists (smtpd.conf:5), list mine (lists.conf:1)",
        "  but lists (smtpd.conf:5) lets 203.0.113.9 in: its -W holds it: filterctl allow -d takes it out",
        "  but rdns (smtpd.conf:6) lets 203.0.113.9 in: its -W holds it: filterctl allow -d takes it out",
    ]
    assert room.run("deny", "-d", "203.0.113.9")[:2] == (0, "black: 203.0.113.9 deleted\n")
    assert room.read("black") == "# black\n"


def test_deny_of_a_sender_writes_the_table_of_smtpds_and_says_what_makes_it_read(room: Room) -> None:
    status, out, _ = room.run("deny", "-c", "spam", "from:bad.example")
    assert (status, room.read("liars")) == (0, "# @list\n# liars\n# DAY ann: spam\n@bad.example\n")
    assert out.splitlines() == [
        "liars: @bad.example",
        "  refused by smtpd (smtpd.conf:4), once it has read its table again:",
        "        smtpctl update table liars",
        "  the table was empty: if that fails, restart smtpd, which takes an empty table for a map",
    ]
    assert (
        "  but smtpd itself refuses @bad.example (smtpd.conf:4): filterctl deny -d from:bad.example\n"
        in room.run("allow", "from:bad.example")[1]
    )
    assert room.run("deny", "-d", "@bad.example")[:2] == (
        0,
        "liars: @bad.example deleted\n        smtpctl update table liars\n",
    )
    assert room.read("liars") == "# @list\n# liars\n"


def test_without_filter_lists_an_address_goes_into_smtpds_table(room: Room) -> None:
    room.write(CONF.replace('filter "lists"', '#filter "lists"'))
    assert room.run("deny", "2001:db8::/32")[0] == 0
    assert room.read("denied") == "# @list\n# denied\n# DAY ann\n2001:db8::/32\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ["deny", "host:mx.example.net"],
            "there is no list to write host:mx.example.net into: write table denied-names",
        ),
        (["deny", "to:bob@example.org"], "only clients, senders and names can be denied, not to:"),
        (["deny", "-t", "3", "x@bad.example"], "entries of smtpd's own tables do not expire: leave -t away"),
        (["allow", "example.org"], "write host:example.org for a client of this name, or from:example.org"),
        (["allow", "-t", "0", "192.0.2.1"], "-t takes days from 1 to 3660, not '0'"),
        (["allow", "-c", "a\nb", "192.0.2.1"], "-c takes one line of at most 200 printable characters"),
        (["allow"], "whom? An address, a network, host:name, from:domain ..."),
        (["allow", "-d", "-t", "3", "192.0.2.1"], "leave -c and -t away"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_remedy(room: Room, words: list[str], why: str) -> None:
    verb, *rest = words
    status, _, err = room.run(verb, *rest)
    assert status == 1
    assert why in err
    assert room.read("exempt") == "# exempt\n"


def test_a_line_with_several_entries_is_left_alone(room: Room) -> None:
    (room.folder / "black").write_text("192.0.2.1 192.0.2.2\n")
    status, _, err = room.run("deny", "-d", "192.0.2.2")
    assert (status, room.read("black")) == (1, "192.0.2.1 192.0.2.2\n")
    assert "black:1: 192.0.2.2 shares its line with others: give it one of its own" in err


def test_without_any_file_the_remedy_is_told(room: Room) -> None:
    room.write('filter "rdns" proc-exec "filter-rdns"\n')
    assert "no filter has a -W file: write -W /etc/mail/exempt into their lines" in room.run("allow", "192.0.2.1")[2]
    room.write('filter "rdns" proc-exec "filter-rdns -W {folder}/none"\nlisten on lo filter rdns\n')
    assert "rdns (smtpd.conf:1): none: No such file or directory; filterctl check" in room.run("allow", "192.0.2.1")[2]


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("one\n")

    def fails(data: bytes) -> bytes:
        raise RuntimeError

    edits: list[Callable[[bytes], bytes]] = [fails, lambda data: data]
    with pytest.raises(RuntimeError):
        change(str(file), edits[0])
    before = file.stat()
    assert not change(str(file), edits[1])
    assert file.stat() == before
    assert os.listdir(tmp_path) == ["table"]


def test_hands_that_change_a_file_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "table"
    names = [f"{number}.example" for number in range(40)]
    with ThreadPoolExecutor(8) as hands:
        list(hands.map(lambda name: change(str(file), lambda data: data + name.encode() + b"\n"), names))
    assert sorted(file.read_text().split()) == sorted(names)
