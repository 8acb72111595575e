"""`filter-dyndns -x` and `filterctl explain dyndns`: the same words, and the same verdict as the filter's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_api.errors import UsageError
from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeZone
from filter_dyndns.ctl import explain, run
from filter_dyndns.options import DEFAULT_TEXT


def test_every_sign_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(["p5B2A1C3D.dip0.t-ipconnect.de", "91.42.28.61"]) == 1
    assert capsys.readouterr().out == (
        "p5b2a1c3d.dip0.t-ipconnect.de (91.42.28.61)\n"
        "    +5  address      the client's address in hex\n"
        "    +3  access       dip\n"
        "        left out     t-ipconnect.de\n"
        "     8  refused (-s 5)\n"
        f"        550 5.7.1 {DEFAULT_TEXT}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "verdict"),
    [
        (["mail.dslreports.com"], 0, "  -5  accepted (-s 5)"),
        (["-s", "9", "h-203-0-113-57.cable.example.net", "203.0.113.57"], 0, "   8  accepted (-s 9)"),
        (["-j", "4", "h.dsl.example.net"], 0, "   4  marked (-s 5, -j 4)"),
        (["-m", "h-203-0-113-57.example.net", "203.0.113.57"], 0, "   5  marked (-s 5, -m)"),
        (["h-203-0-113-57.example.net"], 1, "   5  refused (-s 5)"),
        (["-N", "203.0.113.0/24", "h-203-0-113-57.example.net", "203.0.113.57"], 0, "accepted: it is one of ours (-N)"),
        (["-p", "connect", "-r", "no", "dyn.x.example.net"], 1, "550 5.7.1 no"),
    ],
)
def test_verdicts(arguments: list[str], status: int, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(arguments) == status
    assert verdict in capsys.readouterr().out


def test_files_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own").write_text("7 haus\n")
    (tmp_path / "except").write_text("192.0.2.0/24\n")
    (tmp_path / "exempt").write_text("host:.example.org\n")
    files = ["-f", str(tmp_path / "own"), "-e", str(tmp_path / "except"), "-W", str(tmp_path / "exempt")]
    assert explain([*files, "haus.example.net", "198.51.100.1"]) == 1
    assert "+7  own          haus (line 1)" in capsys.readouterr().out
    assert explain([*files, "haus.example.net", "192.0.2.1"]) == 0
    assert "exceptions (-e)" in capsys.readouterr().out
    assert explain([*files, "haus.example.org", "2001:db8::1"]) == 0
    assert "(-W)" in capsys.readouterr().out


NAMES: dict[tuple[str, str], Sequence[str] | Status] = {
    ("203.0.113.57", "PTR"): ["h-203-0-113-57.dsl.example.net"],
    ("192.0.2.25", "PTR"): ["mail.example.net"],
    ("192.0.2.26", "PTR"): ["www.example.net", "dyn7.example.net"],
    ("192.0.2.27", "PTR"): Status.TEMPFAIL,
    ("192.0.2.28", "PTR"): ["192.0.2.28"],
    ("2001:db8::25", "PTR"): ["mail6.example.net"],
    ("fe80::1", "PTR"): ["dyn1.example.net"],
}


@pytest.mark.parametrize(
    ("address", "status", "shown"),
    [
        ("203.0.113.57", 1, ["h-203-0-113-57.dsl.example.net (203.0.113.57)", "9  refused (-s 5)"]),
        ("::ffff:203.0.113.57", 1, ["h-203-0-113-57.dsl.example.net (203.0.113.57)", "9  refused (-s 5)"]),
        ("[203.0.113.57]", 1, ["9  refused (-s 5)"]),
        ("203.0.113.57.", 1, ["9  refused (-s 5)"]),
        ("192.0.2.25", 0, ["mail.example.net (192.0.2.25)", "-5  accepted (-s 5)"]),
        ("192.0.2.26", 1, ["www.example.net (192.0.2.26)", "dyn7.example.net (192.0.2.26)", "5  refused (-s 5)"]),
        ("192.0.2.27", 1, ["cannot be looked up: PTR"]),
        ("192.0.2.28", 0, ["its name is an address, which is the business of filter-rdns(8)"]),
        ("192.0.2.29", 0, ["it has no name, which is the business of filter-rdns(8)"]),
        ("2001:db8::25", 0, ["mail6.example.net (2001:db8::25)"]),
        ("[IPv6:2001:DB8:0::25]", 0, ["mail6.example.net (2001:db8::25)"]),
        ("fe80::1%em0", 1, ["dyn1.example.net (fe80::1)", "5  refused (-s 5)"]),
    ],
)
def test_an_address_alone_is_looked_up(
    address: str, status: int, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain([address], Resolver(backend=FakeZone(NAMES))) == status
    out = capsys.readouterr().out
    assert all(text in out for text in shown), out
    assert (" accepted (" in out or " accepted: " in out) == (status == 0 or address == "192.0.2.26")


@pytest.mark.parametrize(
    "arguments",
    [
        ["203.0.113.57", "203.0.113.57"],
        ["203.0.113.57", "198.51.100.1"],
        ["[2001:db8::25]", "2001:db8::25"],
        ["203.0.28985"],  # what inet_aton(3) reads
        ["0xcb.0.113.57"],
        ["3405803833"],
    ],
)
def test_an_address_is_never_taken_for_a_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    zone = FakeZone(NAMES)
    with pytest.raises(UsageError, match="no name but an address"):
        explain(arguments, Resolver(backend=zone))
    assert capsys.readouterr().out == ""
    assert zone.asked == []


def test_the_options_count_for_what_is_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    resolver = Resolver(backend=FakeZone(NAMES))
    assert explain(["-N", "203.0.113.0/24", "203.0.113.57"], resolver) == 0
    assert "accepted: it is one of ours (-N)" in capsys.readouterr().out
    assert explain(["-s", "10", "203.0.113.57"], resolver) == 0
    assert "9  accepted (-s 10)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"], ["a", "not-an-address"], ["-z"]])
def test_usage(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        explain(arguments)


def test_as_a_program(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["-x"]) == 1
    assert "usage: filter-dyndns" in capsys.readouterr().err
    assert run(["-x", "-f", str(tmp_path / "nowhere"), "name"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert run(["-xV", "name"]) == 0


def test_the_executable_explains_and_ends() -> None:
    words = [sys.executable, "-m", "filter_dyndns", "-x", "mail.example.net"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "mail.example.net", "")


def test_hostile_names_are_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    explain(["\x1b[2J.dyn.evil\n.example.net", "192.0.2.1"])
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
