"""Which paths are left to a filter, by its needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from filter_api.confinement.needs import Needs
from filter_api.confinement.places import places, stuck
from filter_api.files import followed
from filter_api.files.tables import AddressTable


def test_needs_add_up() -> None:
    one = Needs(reads=frozenset({"/a"}), ports=frozenset({783}))
    both = one | Needs(reads=frozenset({"/b"}), dns=True, any_port=True)
    assert both == Needs(frozenset({"/a", "/b"}), ports=frozenset({783}), any_port=True, dns=True)
    assert one | Needs() == one


@pytest.mark.parametrize(
    ("needs", "inet", "unix"),
    [
        (Needs(), False, False),
        (Needs(dns=True), True, False),
        (Needs(names=True), True, False),
        (Needs(ports=frozenset({25})), True, False),
        (Needs(any_port=True), True, False),
        (Needs(sockets=frozenset({"/dev/log"})), False, True),
        (Needs(listens=frozenset({"/run/x"})), False, True),
    ],
)
def test_needs_say_which_sockets_are_made(needs: Needs, inet: bool, unix: bool) -> None:
    assert (needs.inet, needs.unix) == (inet, unix)


def test_a_table_is_found_by_its_directory_where_files_are_known_by_inode(tmp_path: Path) -> None:
    table = str(tmp_path / "exempt")
    needs = Needs(reads=frozenset({table}))
    assert places(needs, by_directory=True)[str(tmp_path)] == "r"
    assert str(tmp_path) not in places(needs, by_directory=False)
    assert places(needs, by_directory=False)[table] == "r"


def test_a_link_is_named_at_both_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/table").touch()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real/table")
    found = places(Needs(reads=frozenset({str(link)})), by_directory=True)
    assert found[str(link)] == found[str(tmp_path)] == found[str(tmp_path / "real")] == "r"


def test_a_file_in_a_directory_of_everybody_does_not_open_all_of_it() -> None:
    needs = Needs(reads=frozenset({"/etc/exempt", "/etc/mail/exempt"}), dns=True)
    found = places(needs, by_directory=True)
    assert "/etc" not in found
    assert "/" not in found
    assert found["/etc/exempt"] == found["/etc/mail"] == found["/etc/resolv.conf"] == "r"
    assert stuck(needs) == ["/etc/exempt"]


def test_only_stores_and_spools_can_be_written() -> None:
    needs = Needs(
        reads=frozenset({"/etc/mail/exempt"}),
        keeps=frozenset({"/var/lib/store"}),
        sockets=frozenset({"/run/clamd.sock"}),
        listens=frozenset({"/run/filters/control"}),
        dns=True,
        ports=frozenset({3310}),
    )
    found = places(needs, by_directory=True)
    written = {path: letters for path, letters in found.items() if letters != "r"}
    assert written == {
        "/dev/null": "rw",
        "/var/lib/store": "rwc",
        "/run/clamd.sock": "rw",
        "/run/filters": "rwc",
        "/run/filters/control": "rwc",
    }


def test_python_can_be_read_and_where_it_was_started_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", "/", "/opt/filters", *sys.path[-1:]])
    found = places(Needs(), by_directory=True)
    assert str(tmp_path) not in found
    assert "/" not in found
    assert found["/opt/filters"] == "r"
    assert found[os.path.dirname(os.__file__)] == "r"
    assert found[str(Path(__file__).parents[2] / "filter_api")] == "r"


def test_a_file_that_is_followed_is_known_as_long_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traps").write_text("trap@example.org\n")
    table = AddressTable("traps")
    assert str(tmp_path / "traps") in followed.paths()
    del table
    assert str(tmp_path / "traps") not in followed.paths()
