"""Small things that once sent an operator the wrong way: what is said names the cause and the remedy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.options import usage_lines
from filter_greylist.rules.key import details_of
from filter_greylist.rules.policy import Known
from filter_greylist.rules.records import FOREVER, Kind, Life, Record
from filter_greylist.tool.explain import _known, _tuple
from filter_greylist.tool.listing import to_row
from filterctl.__main__ import main
from filterctl.conf.members import commands
from tests.filter_greylist.test_ctl import work
from tests.filterctl.mail.test_quarantine import put
from tests.support.terminal import filterctl_on_a_terminal


def test_a_filter_behind_record_is_seen() -> None:
    command = ["/usr/local/sbin/filterctl", "record", "-k", "2", "/var/log/f", "--", "filter-clamav", "-a", "x:1"]
    assert commands(command) == [["filter-clamav", "-a", "x:1"]]
    assert commands(["filterctl", "record"]) == [["filterctl", "record"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_greylist_that_may_not_be_looked_at_is_not_said_to_be_missing() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as closed:  # whose parents all may enter
        code = f"from filter_greylist.tool.opening import open_as_owner; open_as_owner({closed + '/g.db'!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], user=65534, group=65534, extra_groups=[], capture_output=True, text=True
        )
    assert "permission denied: run this as root, or as the user of filter-greylist" in done.stderr


def test_what_is_counted_once_is_said_to_be_so() -> None:
    life = Life(first=0, passes=0, expires=9_000, blocked=1, passed=1)
    assert _tuple(life, 60, by_network=True) == (
        "of the client's network: first seen 1 minute ago, refused once, passed once"
    )


def test_known_says_since_when_and_what_it_does_not_mean() -> None:
    nothing = dict.fromkeys(Known._fields)
    trapped = Known(**{**nothing, "trapped": Life(1_000, 1_000, 1_000 + 7_200, 1)})
    assert _known(trapped, 1_000 + 3_600) == "trapped, for 1 hour more, since 1 hour ago"
    domain = Known(**{**nothing, "domain": Life(0, 0, 7_200, 0, 2)})
    assert _known(domain, 3_600) == "domain, for 1 hour more (counts only where SPF passes for the client)"


def test_columns_of_the_greylist_never_run_together() -> None:
    details = details_of(b"g", ip_address("192.0.2.1"), b"h", b"a@b.example", b"c@d.example")
    now = 1_000
    row = to_row(Record(Kind.GREY, b"k", Life(0, 0, now + 13 * 3_600 + 54 * 60, 0, 12), details), now)
    assert "passed 12x, for 13 hours 54 minutes more  <a@b.example>" in row


def test_check_needs_no_file_where_the_system_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "smtpd.conf"
    conf.write_text('filter "f" proc-exec "/nonexistent/filter"\n')
    monkeypatch.setattr("filterctl.conf.check.CONFIGURATIONS", (str(tmp_path / "none"), str(conf)))
    assert main(["check"]) == 1
    assert f"{conf}:1: error: filter f: /nonexistent/filter: not found" in capsys.readouterr().out


def test_a_filter_that_does_not_start_says_so_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = tmp_path / "smtpd.conf"
    conf.write_text(f'filter "f" proc-exec "{Path(sys.executable).parent}/filter-dkimsign -Y"\n')
    assert main(["check", str(conf)]) == 1
    told = capsys.readouterr().out
    assert "filter-dkimsign does not start: it ended with status 1" in told
    assert "\\x09" not in told
    assert "\\x0a" not in told


def test_the_ways_to_call_a_program_are_lines() -> None:
    assert usage_lines("a [-b]\n\t[-c]\n       a -x") == ["usage: a [-b] [-c]", "       a -x"]


def test_greylist_list_is_the_listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "g.db")
    work(store, lambda opened: opened.put([Record(Kind.WHITE, b"192.0.2.1", Life(0, 0, FOREVER, 0, 1))]))
    assert main(["greylist", "-f", store, "list"]) == 0
    assert capsys.readouterr().out.startswith("WHITE|192.0.2.1|")


def test_a_key_that_no_message_has_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "maillog"
    log.write_text(
        "Nov 20 09:53:12 mx smtpd[8]: clamav: 0000000000000001 message result=clean client=192.0.2.1 action=proceed "
        'from=<ann@example.org> to=<bob@example.com> size=3062 subject="x" msgid=<1@example.org>\n'
    )
    assert main(["report", "messages", "-m", "date=Nov", str(log)]) == 1
    assert "-m: no message in the log has date; dates are for -s and -u" in capsys.readouterr().err
    assert main(["report", "messages", "-m", "virus=Eicar", str(log)]) == 0
    assert main(["report", "messages", "-H", "-j", str(log)]) == 1


@pytest.mark.parametrize("width", [80, 120])
def test_the_quarantine_fits_a_terminal(tmp_path: Path, width: int) -> None:
    directory = tmp_path / "q"
    directory.mkdir(mode=0o700)
    to = [f"{'recipient' * 4}@example.com", "b@example.com"]
    put(directory, "20261119-095311-0a1b2c3d", b"", result="spam", score="15.9", subject="word " * 30, to=to)
    lines = filterctl_on_a_terminal("quarantine", "-q", str(directory), "list", width=width)
    assert lines[0].split() == ["ID", "WHY", "FROM", "TO", "SUBJECT"]
    assert lines[1].startswith("20261119-095311-0a1b2c3d  spam 15.9")
    assert max(map(len, lines)) <= width
