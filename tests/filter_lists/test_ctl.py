"""filterctl lists: update as nobody in particular, check, show, test and import."""

from __future__ import annotations

import getopt
import os
import pwd
import re
import time
from pathlib import Path

import pytest

from filter_lists.book import read_book
from filter_lists.conf import Source
from filter_lists.tool.state import State, write_state
from filterctl.__main__ import main
from tests.filter_lists.support import Site
from tests.filter_lists.web import text, web

DAY = 86_400


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def example(site: Site) -> None:
    """Two published lists, one of them old, and one kept by hand."""
    site.compiled("drop", "198.51.100.0/24", "203.0.113.7", age=3 * 3_600)
    site.compiled("old", "198.51.100.7", age=30 * DAY)
    site.write(
        'drop black https://lists.example/drop msg="%A is on DROP"',
        "old black http://lists.example/old",
        f"mine white {site.text('mine', '198.51.100.9')}",
        "unused black https://lists.example/nixspam.gz",
        "new black https://lists.example/new",
        "order drop mine old new",
    )


def test_show(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    example(site)
    source = _source(site, "drop")
    state = State(source.shown, asked=time.time(), changed=time.time() - 2 * DAY, entries=2, previous=7)
    write_state(str(site.directory), source, state)
    assert main(["lists", "show", *site.options]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["list", "kind", "entries", "before", "changed", "confirmed", "source"]
    assert lines[1] == ["drop", "black", "2", "7", "2d", "ago", "3h", "ago", "https://lists.example/drop"]
    assert lines[2] == ["mine", "white", "1", "-", "-", "-", f"file:{site.path}/mine"]
    assert lines[3] == ["old", "black", "-", "0", "never", "STALE", "4w", "ago", "http://lists.example/old"]
    assert lines[4] == ["new", "black", "-", "0", "never", "never", "https://lists.example/new"]


def _source(site: Site, name: str) -> Source:
    return read_book(str(site.conf), str(site.directory)).current().conf.sources[name]


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("198.51.100.7", 1, ["drop: listed: 198.51.100.7 is on DROP"]),
        ("[198.51.100.9]", 0, ["drop: listed, but spared by mine"]),
        ("192.0.2.1", 0, ["old: not known, and so not used", "new: not known, and so not used"]),
        ("2001:db8::1", 0, ["would be accepted"]),
    ],
)
def test_test(site: Site, address: str, status: int, told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    example(site)
    assert main(["lists", "test", *site.options, address]) == status
    out = capsys.readouterr().out
    assert all(line in out for line in told)
    assert f"would be {'refused' if status else 'accepted'}\n" in out


def test_check(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    example(site)
    assert main(["lists", "check", *site.options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{site.conf}:2: warning: old: http: whoever is on the way may change it; is there an https: address?",
        f"{site.conf}:2: warning: old: not confirmed for 4w: too old to be used",
        f"{site.conf}:4: warning: unused: nixspam has ended, and its mirror asks to be left alone",
        f"{site.conf}:4: warning: unused: not in the order, and so not used",
        f"{site.conf}:5: warning: new: not fetched yet: filterctl lists update fetches it",
        f"{site.conf}: ok: 3 black lists, 1 white ones",
    ]


def test_update(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with web() as server:
        server.answers["/drop"] = text(b"198.51.100.7\n192.0.2.7\n")
        site.write(f"drop black {server.url('/drop')}", "order drop")
        assert main(["lists", "update", *site.options]) == 0
        assert capsys.readouterr() == ("", "")
        assert main(["lists", "test", *site.options, "198.51.100.7"]) == 1
        assert main(["lists", "update", "-fv", "-N", "192.0.2.0/24", *site.options]) == 0
        assert "drop: 2 entries (before: 2), 1 ranges cut" in capsys.readouterr().out
        assert main(["lists", "test", *site.options, "192.0.2.7"]) == 0
        server.answers["/drop"] = text(b"<html>")
        assert main(["lists", "update", "-f", *site.options]) == 1


def test_update_is_not_for_root(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    site.write("drop black https://lists.example/drop", "order drop")
    assert main(["lists", "update", *site.options]) == 2
    assert "update is not for root" in capsys.readouterr().err
    if os.getuid() == 0:
        os.chown(site.directory, 65534, -1)
    owner = pwd.getpwuid(site.directory.stat().st_uid).pw_name
    assert main(["lists", "update", *site.options]) == 2
    assert f"run it as the user {owner}, from crontab(5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 1, "lists: a verb is missing: update"),
        (["fetch"], 1, "lists: unknown verb fetch"),
        (["test"], 1, "usage: filterctl lists"),
        (["test", "-c", "/nothing", "example.org"], 1, "not an address: example.org"),
        (["update", "-N", "10.0.0.9-10.0.0.1"], 2, "-N: "),
        (["update", "-N", "/nothing"], 2, "/nothing: No such file"),
        (["update", "-z"], 1, "-z"),
        (["update", "-c", "/nothing"], 2, "filterctl: lists: /nothing: No such file"),
        (["show", "-c", "/nothing"], 1, "/nothing: No such file"),
        (["show", "-d", "relative"], 1, "-d takes a path"),
        (["import"], 1, "usage: filterctl lists"),
        (["import", "/nothing"], 1, "/nothing: No such file"),
    ],
)
def test_errors(arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lists", *arguments]) == status
    assert message in capsys.readouterr().err


def test_a_bad_lists_conf_is_named_with_its_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.write("# c", "drop black gopher://x/", "order drop")
    for verb, status in (("update", 2), ("check", 1), ("show", 1)):
        assert main(["lists", verb, *site.options]) == status
        assert f"{site.conf}:2: drop: " in capsys.readouterr().err


def test_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spamd.conf"
    path.write_text(
        "all:b:w:x:\nb:black:file=/etc/mail/b:\nw:white:file=/etc/mail/w:\nx:black:method=exec:file=/bin/x:\n"
    )
    assert main(["lists", "import", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("\norder b w\n")
    assert err == "filterctl: lists: x: it runs a program; look at it, and import with -x, or take the sign away\n"
    assert main(["lists", "import", "-x", str(path)]) == 0
    assert capsys.readouterr().out.endswith("\norder b w x\n")


@pytest.mark.parametrize(
    ("verb", "letters"), [("update", "cdfvN"), ("check", "cd"), ("show", "cd"), ("test", "cd"), ("import", "x")]
)
def test_the_manual_has_the_options_of_each_verb(verb: str, letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def spy(_arguments: list[str], wanted: str) -> tuple[list[tuple[str, str]], list[str]]:
        given.append(wanted.replace(":", ""))
        raise getopt.GetoptError("seen")

    monkeypatch.setattr(getopt, "getopt", spy)
    assert main(["lists", verb]) == 1
    assert sorted(given[0]) == sorted(letters)
    page = (Path(__file__).resolve().parents[2] / "man/filterctl.8").read_text()
    section = page[page.index("\n.Ss lists ") : page.index("\n.Ss quarantine ")]
    line = next(line for line in section.splitlines() if line.startswith(f".It Cm {verb} "))
    assert sorted("".join(re.findall(r"Fl (\w+)", line))) == sorted(letters)
