"""``filterctl explain rdns``: what would be answered, check by check."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError, UsageError
from filter_api.net.dns import Resolver
from filter_api.testing import FakeZone
from filter_rdns.ctl import explain
from tests.filter_rdns.play import BARE, DOWN, GOOD, LIAR, ZONE


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    status = explain(list(arguments), Resolver(backend=FakeZone(ZONE)))
    return status, capsys.readouterr().out.splitlines()


def test_a_good_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, GOOD, "mail.example.net", "joe@example.net") == (
        0,
        [
            "reverse DNS           has a name: mx.example.org",
            "confirmed name (-f)   mx.example.org",
            "HELO (-H)             acceptable, unless it is our own name",
            "sender (-S)           can receive mail",
        ],
    )


def test_a_bad_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, LIAR, "bare", "joe@gone.example") == (
        1,
        [
            "reverse DNS           has a name: www.example.org",
            "confirmed name (-f)   550 5.7.25 reverse DNS of 192.0.2.4 does not lead back to it"
            " (mismatch, ptr=www.example.org)",
            "HELO (-H)             550 5.7.1 HELO needs a full host name (helo-bare-word)",
            "sender (-S)           550 5.1.8 the sender's domain does not exist (sender-no-domain)",
        ],
    )


def test_without_a_name_there_is_nothing_to_confirm(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = told(capsys, BARE)
    assert (status, len(lines)) == (1, 1)
    assert "(no-ptr)" in lines[0]


def test_the_options_of_the_filter_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "-H", LIAR, "mail.example.net")[0] == 0
    status, lines = told(capsys, "-f", "-r", "go away", LIAR, "bare")
    assert (status, len(lines)) == (1, 2)
    assert "550 5.7.25 go away" in lines[1]
    assert told(capsys, "-m", "-f", LIAR)[1][1].startswith("confirmed name (-f)   junk")


@pytest.mark.parametrize(("policy", "status", "word"), [("accept", 0, "proceed"), ("tempfail", 1, "451 4.7.25")])
def test_doubt(capsys: pytest.CaptureFixture[str], policy: str, status: int, word: str) -> None:
    found, lines = told(capsys, "-F", policy, DOWN)
    assert found == status
    assert word in lines[0]
    assert "why=PTR: as the test says" in lines[0]


def test_who_is_never_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text(f"{BARE}\n")
    assert told(capsys, "127.0.0.1") == (0, ["127.0.0.1 is one of ours (-N): never refused"])
    assert told(capsys, "-N", "2001:db8::/32", "2001:db8::7")[0] == 0
    assert told(capsys, "-W", str(file), BARE) == (0, [f"{BARE} is exempt (-W): never refused"])


@pytest.mark.parametrize("scope", ["%em0", "%1", "%vlan.100", ""])
def test_a_link_local_client_is_told_of_without_its_link(capsys: pytest.CaptureFixture[str], scope: str) -> None:
    zone = FakeZone({("fe80::1", "PTR"): ["mx.example.org"], ("mx.example.org", "AAAA"): ["fe80::1"]})
    assert explain(["fe80::1" + scope], Resolver(backend=zone)) == 0
    assert "confirmed name (-f)   mx.example.org" in capsys.readouterr().out
    assert explain(["fe80::2" + scope], Resolver(backend=zone)) == 1
    out = capsys.readouterr().out
    assert "no reverse DNS for fe80::2 (" in out
    assert "%" not in out


@pytest.mark.parametrize("arguments", [[], ["mx.example.org"], [GOOD, "a", "b", "c"], ["-x", GOOD], ["-p", "x", GOOD]])
def test_a_bad_command_line(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        explain(arguments)


def test_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        explain(["-W", str(tmp_path / "gone"), GOOD])
