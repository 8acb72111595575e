"""filterctl allow and deny on real files, with the filters of the suite as their readers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from filter_api.files.exempt import ExemptTable
from filter_api.files.reloading import ReloadingFile
from filter_api.trust import client_at
from tests.filterctl.entries.room import CONF, Room


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


def test_filters_that_take_the_same_entries_are_asked_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be long. Who takes other ones is asked, too."""
    room.write(
        'filter "r" proc-exec "filter-rdns -W {folder}/exempt"\n'
        'filter "d" proc-exec "filter-dyndns -W {folder}/exempt"\n'
        'filter "c" proc-exec "filter-rdns -p connect -W {folder}/exempt"\nlisten on lo0 filter {{ r, d, c }}\n'
    )
    asked: list[bytes] = []
    would_take = ReloadingFile.would_take

    def count(file: ReloadingFile[object], data: bytes) -> None:
        asked.append(data)
        would_take(file, data)

    monkeypatch.setattr(ReloadingFile, "would_take", count)
    assert room.run("allow", "192.0.2.7")[0] == 0
    assert len(asked) == 2
    status, _, err = room.run("allow", "from:example.org")
    assert (status, err.split(": from:")[0]) == (1, "not written to exempt: c (smtpd.conf:3) says exempt:3")


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
