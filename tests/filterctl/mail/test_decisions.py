"""filterctl report decisions: each decision is counted once, where it belongs, in text, JSON and a page."""

from __future__ import annotations

import json
import os
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterctl.__main__ import main
from filterctl.mail.decided import as_json, as_text
from filterctl.mail.decisions import OTHERS, Counts, Summary, summary
from filterctl.mail.logfile import Line
from filterctl.mail.page import page

S = [f"{n:016x}" for n in range(12)]
LOG = f"""\
Nov 20 09:00:00 mx smtpd[8]: {S[1]} smtp connected address=198.51.100.9 host=<unknown>
Nov 20 09:00:01 mx smtpd[8]: rdns: {S[1]} mail-from action=reject reply="550 5.7.25 no reverse DNS for 198.51.100.9" \
reason=no-ptr client=198.51.100.9 rdns=- helo=mx.bad.example from=<ann@bad.example>
Nov 20 09:00:01 mx smtpd[8]: {S[1]} smtp failed-command command="MAIL FROM:<ann@bad.example>" result="550 5.7.25 no \
reverse DNS for 198.51.100.9"
Nov 20 10:00:00 mx smtpd[8]: {S[2]} smtp connected address=192.0.2.10 host=mx.good.example
Nov 20 10:00:01 mx smtpd[8]: {S[2]} smtp failed-command command="RCPT TO:<bob@example.org>" result="451 4.7.1 later"
Nov 20 10:00:01 mx smtpd[8]: mail: greylist: {S[2]} rcpt-to action=reject reply="451 4.7.1 later" reason=new wait=1500 \
client=192.0.2.10 from=<joe@good.example> to=<bob@example.org>
Nov 20 10:00:02 mx smtpd[8]: {S[2]} smtp failed-command command="RCPT TO:<nosuch@example.org>" result="550 Invalid \
recipient: <nosuch@example.org>"
Nov 20 10:30:00 mx smtpd[8]: {S[3]} smtp connected address=192.0.2.11 host=mx.good.example
Nov 20 10:30:01 mx smtpd[8]: dyndns: {S[3]} mail-from action=observe-reject reply="550 5.7.1 home" reason=dynamic \
client=192.0.2.11 from=<joe@good.example>
Nov 20 10:30:02 mx filter-clamav[7]: {S[3]} message result=clean action=proceed client=192.0.2.11 \
from=<joe@good.example> to=<bob@example.org> size=3 msgid=<1@x>
Nov 20 10:30:03 mx filter-spamassassin[7]: {S[3]} message result=spam score=6 action=proceed client=192.0.2.11 \
from=<joe@good.example> to=<bob@example.org> size=3 msgid=<1@x>
Nov 20 10:30:03 mx smtpd[8]: {S[3]} smtp message msgid=4634fec3 size=783 nrcpt=1 proto=ESMTP
Nov 21 23:00:00 mx smtpd[8]: {S[4]} smtp connected address=[2001:db8::1] host=mx.six.example
Nov 21 23:00:01 mx smtpd[8]: clamav: {S[4]} message result=virus virus=Eicar action=reject reply="554 5.7.1 virus \
found: Eicar" client=2001:db8::1 from=<> to=<bob@example.org> size=3 msgid=<2@x>
Nov 21 23:00:02 mx smtpd[8]: {S[4]} smtp failed-command command="DATA" result="554 5.7.1 virus found: Eicar"
Nov 21 23:00:03 mx smtpd[8]: spamassassin: {S[4]} message result=failed reason="spamd is away" action=proceed \
client=2001:db8::1 from=<> to=<bob@example.org> size=3 msgid=<3@x>
Nov 21 23:00:04 mx smtpd[8]: rdns: {S[4]} rcpt-to action=junk reason=mismatch client=2001:db8::1 from=<> \
to=<bob@example.org>
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
    path = tmp_path / "maillog"
    path.write_text(LOG)
    os.utime(path, (datetime(2025, 11, 22, tzinfo=UTC).timestamp(),) * 2)
    return str(path)


def decisions(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", "decisions", *arguments]) == 0
    return capsys.readouterr().out


def test_each_decision_is_counted_once(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(decisions(capsys, "-j", log))
    assert (found["first"], found["last"]) == ("2025-11-20T09:00:00", "2025-11-21T23:00:04")
    assert (found["sessions"], found["taken"]) == (4, 1)
    assert found["totals"] == {"refused": 3, "put off": 1, "marked": 2, "unchecked": 1, "observed": 1}

    def only(rows: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        return {name: {verdict: count for verdict, count in row.items() if count} for name, row in rows.items()}

    assert only(found["reasons"]) == {
        "rdns: no-ptr": {"refused": 1},
        "rdns: mismatch": {"marked": 1},
        "greylist: new": {"put off": 1},
        "smtpd: 550 Invalid recipient: <>": {"refused": 1},
        "dyndns: dynamic": {"observed": 1},
        "spamassassin: spam": {"marked": 1},
        "spamassassin: failed": {"unchecked": 1},
        "clamav: virus": {"refused": 1},
    }
    assert only(found["networks"]) == {
        "198.51.100.0/24": {"refused": 1},
        "192.0.2.0/24": {"refused": 1, "put off": 1, "marked": 1, "observed": 1},
        "2001:db8::/64": {"refused": 1, "marked": 1, "unchecked": 1},
    }
    assert only(found["domains"]) == {
        "bad.example": {"refused": 1},
        "good.example": {"put off": 1, "marked": 1, "observed": 1},
        "<>": {"refused": 1, "marked": 1, "unchecked": 1},
        "-": {"refused": 1},
    }
    assert [sum(row.values()) for row in found["days"].values()] == [5, 3]
    assert {hour: sum(row.values()) for hour, row in found["hours"].items()} == {"09": 1, "10": 4, "23": 3}


def test_a_black_list_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'Nov 20 09:00:00 mx smtpd[8]: lists: {S[1]} connect action=disconnect reply="550 no" reason=listed '
    (tmp_path / "log").write_text(f"{text}lists=drop,local client=192.0.2.1 rdns=- helo=-\n")
    assert list(json.loads(decisions(capsys, "-j", str(tmp_path / "log")))["reasons"]) == ["lists: listed drop"]
    assert main(["why", "192.0.2.1", str(tmp_path / "log")]) == 0
    told = capsys.readouterr().out
    assert "why: the client is on a black list (filter lists; decided by the black list drop,local)\n" in told
    assert "\n        filterctl lists test 192.0.2.1\n" in told


def test_as_text_it_fits_a_terminal(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = decisions(capsys, log).splitlines()
    assert told[:2] == [
        "Decisions from 2025-11-20 09:00:00 to 2025-11-21 23:00:04",
        "4 sessions, 1 message taken by smtpd",
    ]
    assert "in all                                 3         1         2         1         1" in told
    assert "rdns: no-ptr                           1         -         -         -         -" in told
    assert max(map(len, told)) == 80


@pytest.mark.parametrize(
    ("options", "total"),
    [(["-s", "2025-11-21"], 3), (["-u", "2025-11-20"], 5), (["-s", "2025-11-20T10:00", "-u", "2025-11-20T10:10"], 2)],
)
def test_since_and_until(log: str, capsys: pytest.CaptureFixture[str], options: list[str], total: int) -> None:
    assert sum(json.loads(decisions(capsys, "-j", *options, log))["totals"].values()) == total


def test_today_and_yesterday(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "maillog"
    now = time.time()
    days = [time.strftime("%Y-%m-%dT12:00:00+00:00", time.gmtime(now - ago * 86_400)) for ago in range(3)]
    line = f'{{}} mx smtpd[8]: rdns: {S[1]} connect action=disconnect reply="550 no" reason=no-ptr client=192.0.2.1\n'
    path.write_text(line.format(days[2]) + line.format(days[1]) * 2 + line.format(days[0]) * 4)
    for since, count in (("today", 4), ("yesterday", 2)):
        assert json.loads(decisions(capsys, "-j", "-s", since, str(path)))["totals"]["refused"] == count


def test_what_is_left_out_is_counted_together(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(decisions(capsys, "-j", "-n", "1", log))
    assert list(found["networks"]) == ["192.0.2.0/24", OTHERS]
    assert sum(found["networks"][OTHERS].values()) == 4


def test_names_of_strangers_take_bounded_memory() -> None:
    counts = Counts(most=3)
    for number in range(10):
        counts.add(f"{number}.example", "refused")
    assert [(name, row["refused"]) for name, row in counts.by_name()] == [
        (OTHERS, 7),
        ("0.example", 1),
        ("1.example", 1),
        ("2.example", 1),
    ]


def test_no_log_of_mail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").write_text("Nov 20 09:00:00 mx cron[1]: nothing\n")
    assert decisions(capsys, str(tmp_path / "log")) == "no line of mail in this time\n"
    assert "the log has no line of mail" in decisions(capsys, "-H", str(tmp_path / "log"))


@pytest.mark.parametrize(
    "arguments", [["-Hj"], ["-n", "many"], ["-s", "tomorrow"], ["-s", "today", "-u", "2000-01-01"]]
)
def test_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "decisions", *arguments, "x"]) == 1
    assert "usage: filterctl report" in capsys.readouterr().err


def test_the_charts_of_the_page_are_well_formed_and_say_their_numbers(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = decisions(capsys, "-H", log)
    charts = [ET.fromstring(found) for found in re.findall(r"<svg xmlns.*?</svg>", text, re.DOTALL)]
    titles = [title.text for chart in charts for title in chart.iter("{http://www.w3.org/2000/svg}title")]
    assert "2025-11-20: 2 refused, 1 put off, 1 marked, 1 observed" in titles
    assert "10: 1 refused, 1 put off, 1 marked, 1 observed" in titles
    assert "4 in all" in titles
    heights = {chart.get("viewBox") for chart in charts}
    assert heights == {"0 0 720 178", "0 0 160 10"}


def test_the_page_needs_nothing_beside_it(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = decisions(capsys, "-H", log)
    assert "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"" in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert len(text.encode()) < 64 * 1024


class Seen(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(counted: Summary) -> Seen:
    parser = Seen()
    parser.feed("".join(page(counted, 1000)))
    parser.close()
    return parser


def hostile(one: str, two: str) -> Summary:
    texts = (
        ("smtpd", f"smtp connected address={two} host={one}"),
        ("f", f'mail-from action=reject reply="550 {two}" reason={one} client={one} from=<x@{two}>'),
        ("f", f"message result=spam action=proceed client={two} from=<x@{one}>"),
        (two, f"rcpt-to action=reject reply=450 reason={two} from=<{one}>"),
        ("smtpd", f'smtp failed-command command="MAIL FROM:<a@{one}>" result="{two}"'),
    )
    return summary(Line("2026-01-01T00:00:00", "-", "mx", who, S[1], text) for who, text in texts)


NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><b>",
    "\x1b[2J",
    "\u202e",
    "&lt;",
    "']]>",
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(NASTY)
PLAIN = seen(hostile("example", "192.0.2.1"))


@settings(deadline=None)
@given(TEXT, TEXT)
def test_nothing_a_stranger_wrote_is_code_on_the_page_or_the_terminal(one: str, two: str) -> None:
    counted = hostile(one, two)
    found = seen(counted)
    assert found.tags <= PLAIN.tags
    assert found.attributes <= PLAIN.attributes
    assert all(char.isprintable() or char == "\n" for char in found.text)
    assert all(line.isprintable() for line in as_text(counted, 1000))
    assert as_json(counted, 1000).replace("\n", "").isprintable()


def test_a_script_as_a_domain_is_text() -> None:
    assert "<script>alert(1)</script>" in seen(hostile("<script>alert(1)</script>", "b")).text


def test_what_filter_auth_has_marked_is_counted_and_what_it_let_pass_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = "message result=fail spf=none policy={} reason=dmarc action={} client=192.0.2.11 from=<x@bad.example>"
    told = [("reject", "mark"), ("none", "proceed"), ("reject", "observe-mark"), ("none", "observe-proceed")]
    lines = [f"Nov 20 10:30:0{n} mx smtpd[8]: auth: {S[n]} {found.format(*each)}\n" for n, each in enumerate(told, 1)]
    path = tmp_path / "maillog"
    path.write_text("".join(lines))
    totals = json.loads(decisions(capsys, "-j", str(path)))["totals"]
    assert {verdict: count for verdict, count in totals.items() if count} == {"marked": 1, "observed": 1}
