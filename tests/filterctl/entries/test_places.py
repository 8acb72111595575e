"""Which files count as a place for an entry, and how each of them wants it."""

from __future__ import annotations

import pytest

from tests.filterctl.entries.room import CONF, Room

SHARED = CONF.replace("{folder}/denied", "{folder}/exempt")


def test_a_file_that_smtpd_reads_as_a_table_too_is_written_as_smtpd_wants_it(room: Room) -> None:
    """Behind an entry smtpd takes nothing: it would make a map of the file, or an entry that never matches."""
    room.write(SHARED.replace("denied,", "").replace("disconnect", "bypass"))
    status, out, _ = room.run("allow", "-c", "ours", "2001:db8::7")
    assert (status, room.read("exempt")) == (0, "# @list\n# exempt\n# DAY ann: ours\n2001:db8::7\n")
    assert "  smtpd reads it again after: smtpctl update table denied\n" in out
    assert "2001:db8::7" in room.run("allow", "-l")[1]
    assert room.run("allow", "-d", "2001:db8::7")[0] == 0
    assert room.read("exempt") == "# @list\n# exempt\n"


def test_nothing_expires_in_a_file_that_smtpd_reads_too(room: Room) -> None:
    room.write(SHARED)
    status, _, err = room.run("allow", "-t", "3", "192.0.2.7")
    assert (status, room.read("exempt")) == (1, "# exempt\n")
    assert "not written to exempt: smtpd reads it as table denied: entries of smtpd's own tables do not expire" in err


def test_a_black_list_that_smtpd_reads_too_is_written_as_smtpd_wants_it(room: Room) -> None:
    room.write(CONF.replace("{folder}/denied", "{folder}/black"))
    assert room.run("deny", "192.0.2.7")[0] == 0
    assert room.read("black") == "# @list\n# black\n# DAY ann\n192.0.2.7\n"


@pytest.mark.parametrize(
    ("entry", "what", "told"),
    [
        ("192.0.2.0/24", "192.0.2.7", "  but smtpd itself refuses 192.0.2.0/24 (smtpd.conf:3)\n"),
        ("192.0.2.7", "192.0.2.1-9", "  but smtpd itself refuses 192.0.2.7 (smtpd.conf:3)\n"),
        (
            "192.0.2.7",
            "192.0.2.7",
            "  but smtpd itself refuses 192.0.2.7 (smtpd.conf:3): filterctl deny -d 192.0.2.7\n",
        ),
        ("192.0.2.7", "192.0.2.8", ""),
    ],
)
def test_whom_smtpd_turns_away_itself_is_told(room: Room, entry: str, what: str, told: str) -> None:
    (room.folder / "denied").write_text(f"{entry}\n")
    status, out, err = room.run("allow", what)
    assert (status, err) == (0, "")
    assert told in out
    assert out.count("but smtpd itself refuses") == (told != "")


def test_a_white_list_that_spares_an_address_is_told(room: Room) -> None:
    (room.folder / "white").write_text("203.0.113.0/28\n")
    (room.folder / "lists.conf").write_text(
        f"ours white file:{room.folder}/white\nmine black file:{room.folder}/black\norder mine ours\n"
    )
    _, out, _ = room.run("deny", "203.0.113.9")
    assert "  but list ours of lists (smtpd.conf:5) spares it from mine\n" in out
    assert "spares" not in room.run("deny", "203.0.113.99")[1]


def test_another_list_that_refuses_what_is_no_longer_denied_is_told(room: Room) -> None:
    (room.folder / "black").write_text("203.0.113.9\n203.0.113.0/28\n")
    assert "  list mine of lists (smtpd.conf:5) lists it, too\n" in room.run("deny", "-d", "203.0.113.9")[1]
    assert "lists it, too" not in room.run("deny", "-d", "203.0.113.0/28")[1]
    assert "lists it, too" not in room.run("deny", "-d", "203.0.113.9")[1]


def test_what_filters_let_in_smtpd_refuses_all_the_same(room: Room) -> None:
    room.write(CONF.replace("denied, liars, lists,", "denied, liars,"))
    assert room.run("allow", "192.0.2.7")[0] == 0
    assert "lets 192.0.2.7 in" not in room.run("deny", "192.0.2.7")[1]


def test_who_is_one_of_ours_is_not_refused_by_filters_which_is_told(room: Room) -> None:
    room.write(CONF.replace("filter-lists ", "filter-lists -N 203.0.113.0/24 "))
    _, out, _ = room.run("deny", "203.0.113.9")
    assert "  but lists (smtpd.conf:5) leaves 203.0.113.9 alone: it is one of ours (-N)\n" in out


def test_a_filter_that_cannot_be_asked_keeps_entries_out_that_it_might_not_take(room: Room) -> None:
    """A chain with a missing key: it may read the file as well, and would not start again with such an entry."""
    room.write(CONF + 'filter "chain" proc-exec "filter-chain -W {folder}/exempt dkimsign -k {folder}/none"\n')
    status, _, err = room.run("allow", "from:example.net")
    assert (status, room.read("exempt")) == (1, "# exempt\n")
    assert "may read it, and cannot be asked whether it takes from: entries" in err
    assert room.run("allow", "192.0.2.7", "host:mx.example.net")[0] == 0


def test_what_no_listener_uses_is_no_place_for_a_denial(room: Room) -> None:
    room.write(CONF.replace("{{ denied, liars, lists, rdns, dyndns, other }}", "{{ denied, rdns }}"))
    assert room.run("deny", "192.0.2.7")[1].startswith("denied: 192.0.2.7\n")
    assert "there is no list to write from:x@bad.example into" in room.run("deny", "x@bad.example", "@bad.example")[2]
    assert "lists (smtpd.conf:5, used by no listener)" in room.run("allow", "192.0.2.8")[1]


def test_names_below_and_the_name_itself_are_denied_and_no_longer(room: Room) -> None:
    assert room.run("deny", "from:.bad.example")[0] == 0
    assert room.read("liars") == "# @list\n# liars\n# DAY ann\n@bad.example\n# DAY ann\n@*.bad.example\n"
    assert room.run("deny", "-d", "from:.bad.example")[0] == 0
    assert room.read("liars") == "# @list\n# liars\n"


def test_without_any_list_there_is_nothing_to_show(room: Room) -> None:
    room.write('filter "rdns" proc-exec "filter-rdns"\nlisten on lo filter "rdns"\n')
    status, out, err = room.run("deny", "-l")
    assert (status, out) == (1, "")
    assert "there is no list to show: name a file in lists.conf" in err


def test_a_file_that_confined_filters_cannot_follow_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory of everybody's, such as /etc, they may read that very file only, and not the new one."""
    monkeypatch.setattr("filterctl.entries.entryfile.BROAD", frozenset({str(room.folder)}))
    monkeypatch.setattr("sys.platform", "linux")
    assert "a confined filter does not see a new file in " in room.run("allow", "192.0.2.7")[1]
    assert "a confined filter does not see a new file in " in room.run("deny", "192.0.2.9")[1]


@pytest.mark.parametrize("comment", ["a\nb", "\x1b[31mred", "\u202eleft", "\udcff", "x" * 201])
def test_a_comment_is_one_line_that_any_terminal_can_show(room: Room, comment: str) -> None:
    assert "-c takes one line of at most 200 printable characters" in room.run("allow", "-c", comment, "192.0.2.7")[2]
    assert room.read("exempt") == "# exempt\n"


@pytest.mark.parametrize("comment", ["caf\xe9 \u2603", "until 2001-01-01", "# a ; b", '"quoted" \\x'])
def test_a_comment_is_shown_as_it_was_written(room: Room, comment: str) -> None:
    assert room.run("allow", "-c", comment, "192.0.2.7")[0] == 0
    assert room.run("allow", "-l")[1].splitlines()[1].endswith(f" ann {comment}")
