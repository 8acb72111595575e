"""filterctl why: stories from literal logs, across rotation, a year's end and hosts; what is near to nothing found."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from filterctl.__main__ import main

S1, S2, S3, S4, S5, S6 = (f"{n:016x}" for n in range(1, 7))
LOG = f"""\
Dec 31 23:58:00 mx1 smtpd[8]: {S1} smtp connected address=192.0.2.10 host=mx.good.example
Dec 31 23:58:01 mx1 smtpd[8]: greylist: {S1} rcpt-to action=reject reply="451 4.7.1 greylisted, please try again in 25 \
minutes" reason=new wait=1500 client=192.0.2.10 rdns=mx.good.example helo=mx.good.example from=<joe@good.example> \
to=<bob@example.org>
Dec 31 23:58:01 mx1 smtpd[8]: {S1} smtp failed-command command="RCPT TO:<bob@example.org>" result="451 4.7.1 \
greylisted, please try again in 25 minutes"
Dec 31 23:58:02 mx1 smtpd[8]: {S1} smtp disconnected reason=quit
Jan  1 00:01:00 mx2 smtpd[9]: {S2} smtp connected address=192.0.2.10 host=mx.good.example
Jan  1 00:01:01 mx2 smtpd[9]: mail: greylist: {S2} rcpt-to action=reject reply="451 4.7.1 greylisted, please try \
again in 22 minutes" reason=early wait=1320 client=192.0.2.10 rdns=mx.good.example helo=mx.good.example \
from=<joe@good.example> to=<bob@example.org>
Jan  1 00:01:01 mx2 smtpd[9]: {S2} smtp failed-command command="RCPT TO:<bob@example.org>" result="451 4.7.1 \
greylisted, please try again in 22 minutes"
Jan  1 00:01:02 mx2 smtpd[9]: {S2} smtp disconnected reason=quit
2026-01-01T00:30:00.123456+00:00 mx1 smtpd[8]: {S3} smtp connected address=192.0.2.10 host=mx.good.example
2026-01-01T00:30:02.123456+00:00 mx1 filter-clamav[7]: {S3} message result=clean action=proceed client=192.0.2.10 \
from=<joe@good.example> to=<bob@example.org> size=329 delay=0.0 subject="The minutes" msgid=<1@good.example>
2026-01-01T00:30:03.123456+00:00 mx1 smtpd[8]: spamassassin: {S3} message result=spam score=6.1 required=5.0 \
tests=BAYES_99 action=proceed client=192.0.2.10 from=<joe@good.example> to=<bob@example.org> size=399 delay=0.1 \
subject="The minutes" msgid=<1@good.example>
2026-01-01T00:30:03.123456+00:00 mx1 smtpd[8]: {S3} smtp message msgid=4634fec3 size=783 nrcpt=1 proto=ESMTP
2026-01-01T00:30:03.123456+00:00 mx1 smtpd[8]: {S3} smtp envelope evpid=4634fec3da1abc21 from=<joe@good.example> \
to=<bob@example.org>
2026-01-01T00:30:04.123456+00:00 mx1 smtpd[8]: {S3} smtp disconnected reason=quit
2026-01-01T00:30:05.123456+00:00 mx1 smtpd[8]: 00000000000000aa mda delivery evpid=4634fec3da1abc21 \
from=<joe@good.example> to=<bob@example.org> rcpt=<robert@example.org> user=robert delay=2s result=Ok stat=Delivered
Jan  1 01:00:00 mx1 smtpd[8]: {S4} smtp connected address=198.51.100.9 host=<unknown>
Jan  1 01:00:01 mx1 smtpd[8]: rdns: {S4} mail-from action=reject reply="550 5.7.25 no reverse DNS for 198.51.100.9" \
reason=no-ptr client=198.51.100.9 rdns=- helo=mx.bad.example from=<ann@bad.example>
Jan  1 01:00:01 mx1 smtpd[8]: {S4} smtp failed-command command="MAIL FROM:<ann@bad.example>" result="550 5.7.25 no \
reverse DNS for 198.51.100.9"
Jan  1 01:00:02 mx1 smtpd[8]: {S4} smtp disconnected reason=quit
Jan  1 02:00:00 mx1 smtpd[8]: {S5} smtp connected address=[2001:db8::1] host=mx.six.example
Jan  1 02:00:01 mx1 smtpd[8]: {S5} smtp failed-command command="RCPT TO:<nosuch@example.org>" result="550 Invalid \
recipient: <nosuch@example.org>"
Jan  1 02:00:02 mx1 smtpd[8]: {S5} smtp disconnected reason=quit
Jan  1 03:00:00 mx1 smtpd[8]: {S6} smtp connected address=local host=mx.example.org
Jan  1 03:00:01 mx1 smtpd[8]: {S6} smtp message msgid=c1a9eb1e size=1616 nrcpt=1 proto=ESMTP
Jan  1 03:00:01 mx1 smtpd[8]: {S6} smtp envelope evpid=c1a9eb1ed8c5f5e4 from=<bob@example.org> to=<x@far.example>
Jan  1 03:00:02 mx1 smtpd[8]: 00000000000000ab mta delivery evpid=c1a9eb1ed8c5f5e4 from=<bob@example.org> \
to=<x@far.example> rcpt=<-> source="-" relay="far.example" delay=0s result="TempFail" stat="Network error"
Jan  1 04:00:02 mx1 smtpd[8]: 00000000000000ac mta delivery evpid=c1a9eb1ed8c5f5e4 from=<bob@example.org> \
to=<x@far.example> rcpt=<-> source="203.0.113.1" relay="203.0.113.9 (mx.far.example)" delay=1h0m1s result="Ok" \
stat="250 2.0.0 935d3a15 Message accepted"
"""


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def log(tmp_path: Path) -> str:
    return written(tmp_path / "maillog", LOG.encode())


def written(path: Path, data: bytes) -> str:
    """A log last written on the 2nd of January 2026."""
    path.write_bytes(data)
    os.utime(path, (datetime(2026, 1, 2, tzinfo=UTC).timestamp(),) * 2)
    return str(path)


def why(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(["why", *arguments]) == status
    return capsys.readouterr().out


def test_the_story_of_a_mail_across_two_hosts_and_the_end_of_a_year(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = why(capsys, "joe@good.example", log)
    later = "RCPT TO: 451 4.7.1 greylisted, please try again in"
    assert (
        told
        == f"""\
joe@good.example -> bob@example.org: delivered
    2025-12-31 23:58:00  192.0.2.10 (mx.good.example) connected to mx1, HELO mx.good.example, session {S1}
    2025-12-31 23:58:01  greylist put it off at {later} 25 minutes (reason new)
    2026-01-01 00:01:00  192.0.2.10 (mx.good.example) connected to mx2, HELO mx.good.example, session {S2}
    2026-01-01 00:01:01  greylist put it off at {later} 22 minutes (reason early)
    2026-01-01 00:30:00  192.0.2.10 (mx.good.example) connected to mx1, session {S3}
    2026-01-01 00:30:02  message <1@good.example>: "The minutes"
    2026-01-01 00:30:02  clamav: clean
    2026-01-01 00:30:03  spamassassin: spam, marked and let pass (score 6.1, required 5.0, tests BAYES_99)
    2026-01-01 00:30:03  smtpd took it as 4634fec3
    2026-01-01 00:30:05  delivered to bob@example.org (as robert@example.org), user robert

1 mail in {log} (2025-12-31 23:58:00 to 2026-01-01 04:00:02)
"""
    )


@pytest.mark.parametrize(
    "what",
    [
        "<joe@good.example>",
        "JOE@Good.Example",
        "bob@example.org",
        "robert@example.org",
        "robert",
        "<1@good.example>",
        "1@good.example",
        "4634fec3",
        "4634fec3da1abc21",
        S3,
        S1,
        "192.0.2.10",
        "::ffff:192.0.2.10",
        "192.0.2.0/24",
        "192.0.2.10/31",
        "192.0.0.0/12",
        "@good.example",
        "mx.good.example",
        "good.example",
    ],
)
def test_it_is_found_by_whatever_names_it(log: str, capsys: pytest.CaptureFixture[str], what: str) -> None:
    found = json.loads(why(capsys, "-j", what, log))["mails"]
    (mail,) = [each for each in found if each["from"] == "joe@good.example"]
    assert len(mail["attempts"]) == 3
    assert mail["outcome"] == "delivered"
    assert len(found) == (2 if what == "bob@example.org" else 1)


@pytest.mark.parametrize(
    "what",
    [
        "oe@good.example",
        "ood.example",
        "joe@good.exampl",
        "example",
        "92.0.2.10",
        "1@good",
        "192.0.2.12/31",
        "192.0.3.0/24",
    ],
)
def test_a_part_of_a_name_is_another_name(log: str, capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert json.loads(why(capsys, "-j", what, log, status=1))["mails"] == []


def test_a_refusal_tells_who_and_why_and_what_would_help(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = why(capsys, "ann@bad.example", log)
    assert "ann@bad.example -> (recipient not yet named): refused by rdns\n" in told
    assert "    why: the client's address has no name (filter rdns)\n" in told
    assert "\n        filterctl explain rdns 198.51.100.9\n        filterctl allow -t 7 198.51.100.9\n" in told


def test_the_line_of_the_configuration_is_named(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "smtpd.conf"
    conf.write_text('filter "all" proc-exec "filter-chain lists -- rdns -f"\n')
    assert f"has no name (filter rdns, {conf}:1)\n" in why(capsys, "-f", str(conf), "ann@bad.example", log)
    members = tmp_path / "members"
    members.write_text("lists\n\nrdns -f\n")
    conf.write_text(f'filter "all" proc-exec "filter-chain -f {members}"\n')
    told = json.loads(why(capsys, "-j", "-f", str(conf), "ann@bad.example", log))
    assert told["mails"][0]["remedy"]["configured"] == f"{members}:3"
    conf.write_text('filter "rdns\n')
    assert main(["why", "-f", str(conf), "ann@bad.example", log]) == 1
    found = capsys.readouterr()
    assert "has no name (filter rdns)\n" in found.out
    assert f"filterctl: why: lines of the configuration are not named: {conf}:1: " in found.err
    monkeypatch.setattr("filterctl.conf.lines.CONFIGURATIONS", (str(conf),))
    assert main(["why", "ann@bad.example", log]) == 0
    assert capsys.readouterr().err == ""


def test_the_example_of_the_manual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "smtpd.conf"
    conf.write_text("\n" * 42 + 'filter "rdns" proc-exec "filter-rdns -f"\n')
    monkeypatch.setattr("filterctl.conf.lines.CONFIGURATIONS", (str(conf),))
    page = (Path(__file__).parents[3] / "man" / "filterctl.8").read_text()
    _, _, example = page.partition("# filterctl why ann@bad.example\n")
    lines = [line for line in LOG.splitlines(keepends=True) if S4 in line]
    text = "".join(lines).replace(S4, "f9f470e4d4702127").replace("Jan  1 01:00:00", "Nov 20 09:53:11")
    path = tmp_path / "maillog"
    path.write_text(text.replace("Jan  1 01:00:01", "Nov 20 09:53:11").replace("Jan  1 01:00:02", "Nov 20 09:53:12"))
    os.utime(path, (datetime(2026, 11, 21, tzinfo=UTC).timestamp(),) * 2)
    told = why(capsys, "ann@bad.example", str(path)).replace(str(conf), "/etc/mail/smtpd.conf")
    assert told.partition("1 mail in")[0].split() == example.partition("1 mail in")[0].split()


def test_a_refusal_of_smtpd_itself(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = why(capsys, "nosuch@example.org", log)
    assert "(sender not logged) -> nosuch@example.org: refused by smtpd\n" in told
    assert "decided by the match rules of smtpd.conf" in told
    assert "2001:db8::1 (mx.six.example) connected to mx1, session" in told
    assert "refused by smtpd" in why(capsys, "2001:0db8::1", log)


def test_a_relayed_mail_and_its_first_failure(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = why(capsys, "x@far.example", log)
    assert "bob@example.org -> x@far.example: delivered\n" in told
    assert "not delivered for now to x@far.example, by relay far.example: Network error\n" in told
    assert "delivered to x@far.example, by relay 203.0.113.9 (mx.far.example): 250 2.0.0 935d3a15" in told


def test_what_never_came(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = why(capsys, "bobb@example.org", log, status=1)
    assert f"0 mails in {log} (2025-12-31 23:58:00 to 2026-01-01 04:00:02)\n" in told
    assert "Nothing has bobb@example.org as address.\n" in told
    assert "Of the same domain there are: bob@example.org, " in told
    assert "One mail was refused at MAIL FROM, before a recipient was named" in told
    assert "    1 from ann@bad.example: 550 5.7.25 no reverse DNS for 198.51.100.9\n" in told


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["-s", "2026-01-01"], 1),
        (["-u", "2025-12-31"], 1),
        (["-s", "2026-01-01T00:10", "-u", "2026-01-01T00:40"], 1),
        (["-s", "2026-01-02"], 0),
    ],
)
def test_since_and_until(log: str, capsys: pytest.CaptureFixture[str], options: list[str], count: int) -> None:
    found = json.loads(why(capsys, "-j", *options, "joe@good.example", log, status=not count))
    assert len(found["mails"]) == count


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gzip", "xz", "bzip2"])
def test_rotated_and_packed_in_any_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes]
) -> None:
    whole = LOG.splitlines(keepends=True)
    for cut in (3, 9, 15, 16):
        new = written(tmp_path / "maillog", "".join(whole[cut:]).encode())
        old = written(tmp_path / "maillog.0", pack("".join(whole[:cut]).encode()))
        (mail,) = json.loads(why(capsys, "-j", "joe@good.example", new, old))["mails"]
        assert (mail["outcome"], len(mail["attempts"])) == ("delivered", 3)


def test_standard_input() -> None:
    program = "import sys; from filterctl.__main__ import main; sys.exit(main(['why', '4634fec3', '-']))"
    done = subprocess.run([sys.executable, "-c", program], input=LOG.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"joe@good.example -> bob@example.org: delivered\n" in done.stdout


def test_a_pipe_that_a_shell_named(capsys: pytest.CaptureFixture[str]) -> None:
    end, other = os.pipe()
    os.write(other, LOG.encode())
    os.close(other)
    (mail,) = json.loads(why(capsys, "-j", "<1@good.example>", f"/dev/fd/{end}"))["mails"]  # would look for the sender
    os.close(end)
    assert mail["outcome"] == "delivered"


def test_a_log_that_begins_after_the_mail_was_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "maillog", LOG.splitlines(keepends=True)[-1].encode())
    (mail,) = json.loads(why(capsys, "-j", "x@far.example", path))["mails"]
    assert (mail["outcome"], mail["from"], mail["msgid"]) == ("delivered", "bob@example.org", "c1a9eb1e")


def test_what_was_only_observed_is_no_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = LOG.replace("rcpt-to action=reject", "rcpt-to action=observe-reject")
    text = "".join(line for line in text.splitlines(keepends=True) if "failed-command" not in line)
    told = why(capsys, S3, written(tmp_path / "maillog", text.replace(S1, S3).encode()))
    assert "greylist: would have said reject (-n), did nothing (reason new)\n" in told
    assert "joe@good.example -> bob@example.org: delivered\n" in told


@pytest.mark.parametrize("arguments", [[], [" "], ["-x", "a"], ["-s", "monday", "a"], ["-s", "2026-13-01", "a"]])
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", *arguments]) == 1
    assert "usage: filterctl why" in capsys.readouterr().err


def test_a_log_that_is_not_there(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "joe@good.example", "/nonexistent", log]) == 1
    told = capsys.readouterr()
    assert "joe@good.example -> bob@example.org: delivered" in told.out
    assert told.err == "filterctl: why: /nonexistent: No such file or directory\n"


@pytest.mark.parametrize(
    "when", ["Foo 45 99:99:99", "Feb 31 00:00:00", "2026-13-41T00:00:00+00:00", "2026-01-01T0:0:0"]
)
def test_a_line_without_a_time_is_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], when: str) -> None:
    text = f"{when} mx smtpd[8]: {S1} smtp connected address=192.0.2.10 host=x\n"
    assert "0 mails" in why(capsys, "192.0.2.10", written(tmp_path / "maillog", text.encode()), status=1)


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        (r"450 4.7.1 say \"no\" \\ it", r'450 4.7.1 say "no" \ it'),
        (r"550 5.7.1 host a\\x1b[2J is none", r"550 5.7.1 host a\x1b[2J is none"),
        (r"550 5.7.1 caf\xc3\xa9", "550 5.7.1 caf\u00e9"),
        ("550 5.7.1 " + "\\\\" * 40 + "...", "550 5.7.1 " + "\\" * 90),
    ],
)
def test_a_reply_with_something_to_escape_is_one_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logged: str, sent: str
) -> None:
    lines = (
        f"Nov 27 09:00:00 mx smtpd[8]: {S1} smtp connected address=192.0.2.1 host=x\n"
        f'Nov 27 09:00:01 mx smtpd[8]: lists: {S1} mail-from action=reject reply="{logged}" reason=listed lists=a '
        f"client=192.0.2.1 from=<a@b.example>\n"
        f'Nov 27 09:00:01 mx smtpd[8]: {S1} smtp failed-command command="MAIL FROM:<a@b.example>" result="{sent}"\n'
    )
    path = written(tmp_path / "maillog", lines.encode())
    (mail,) = json.loads(why(capsys, "-j", "a@b.example", path))["mails"]
    assert (len(mail["attempts"]), mail["attempts"][0]["refused"]["by"]) == (1, "lists")
    assert main(["report", "decisions", "-j", path]) == 0
    assert sum(json.loads(capsys.readouterr().out)["totals"].values()) == 1


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("2001:db8::/64", 1),
        ("2001:db8::/32", 1),
        ("2001::/16", 1),
        ("::/0", 1),
        ("[IPv6:2001:db8::1]", 1),
        ("2001:db8:0:1::/64", 0),
        ("2001:db9::/32", 0),
    ],
)
def test_a_network_is_that_of_its_clients(log: str, capsys: pytest.CaptureFixture[str], what: str, count: int) -> None:
    assert len(json.loads(why(capsys, "-j", what, log, status=int(not count)))["mails"]) == count


def test_a_network_without_mail_is_told_as_one(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\nNothing has 203.0.113.0/24 as network.\n" in why(capsys, "203.0.113.0/24", log, status=1)
