"""The command line of filter-spamassassin: what is understood, what is refused, and what follows from it."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from filter_api.decision import Failure
from filter_api.errors import ConfigError, UsageError
from filter_api.quarantine.keeper import Limits
from filter_spamassassin.filter import build
from filter_spamassassin.options import parse


def test_defaults() -> None:
    own, common = parse([])
    assert [str(backend.endpoint) for backend in own.scan.backends.backends] == ["127.0.0.1:783"]
    assert (own.scan.size_limit, own.scan.keeper, own.tag, own.scores) == (512_000, None, "", None)
    assert (own.refuse.differ, own.refuse.of(b"a@example.org")) == (False, inf)
    assert not any((own.scan_ours, own.each_user, own.one_user, own.keep, own.users.differ, common.observe))
    assert build([]).failure is Failure.ACCEPT


def test_everything(tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("bad.example 10\n")
    (tmp_path / "q").mkdir(mode=0o700)
    arguments = ["-A", "-e", "-k", "-a", "/run/one", "-a", "[::1]", "-b", "1m", "-j", "[spam]", "-P", "20", "-r", "9.5"]
    arguments += ["-q", str(tmp_path / "q"), "-Q", "500m:14", "-s", str(tmp_path / "scores")]
    arguments += ["-u", "nobody", "-u", "rcpt:address", "-F", "tempfail", "-T", "30"]
    built = build(arguments)
    own = built.own
    assert [str(backend.endpoint) for backend in own.scan.backends.backends] == ["/run/one", "[::1]:783"]
    assert (own.scan.size_limit, own.refuse.default, own.tag) == (1 << 20, 9.5, "[spam]")
    assert own.scan_ours and own.each_user and own.keep and not own.one_user  # noqa: PT018 - four letters, one line
    assert own.scan.keeper is not None
    assert own.scan.keeper.limits == Limits(500 << 20, 14)
    assert own.users.of(b"bob@example.com") == "bob@example.com"
    assert own.users.of(b"root@example.com") == "nobody"
    assert built.failure is Failure.TEMPFAIL
    own.scan.keeper.directory.close()


def test_recipients_are_decided_on_only_with_one_user_a_message() -> None:
    plain, alone = build(["-u", "rcpt:localpart"]), build(["-E", "-u", "rcpt:localpart"])
    asked = set(plain.wanted().phases)
    assert {"mail-from", "rcpt-to"} <= asked, "addresses too long for a report are known from these"
    assert "on_rcpt_to" not in plain.wanted()
    assert "on_rcpt_to" in alone.wanted()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-e"],
        ["-E", "-u", "alice"],
        ["-e", "-E", "-u", "rcpt:address"],
        ["-j", ""],
        ["-j", "a\nb"],
        ["-j", " x"],
        ["-j", "x" * 101],
        ["-r", ""],
        ["-r", "1e3"],
        ["-r", "nan"],
        ["-r", "never"],
        ["-r", "5", "-r", "6"],
        ["-r", "file:"],
        ["-e", "-r", "5"],
        ["-E", "-r", "5"],
        ["-b", "-1"],
        ["-P", "many"],
        ["-Q", "1g:30"],
        ["-u", "rcpt:"],
        ["spamd"],
    ],
)
def test_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(arguments)


@pytest.mark.parametrize("option", ["-s", "-q", "-W"])
def test_files_that_are_not_there(option: str) -> None:
    with pytest.raises(ConfigError, match="/nonexistent: No such file"):
        parse([option, "/nonexistent"])
