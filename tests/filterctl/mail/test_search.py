"""filterctl quarantine: search by conditions, and what is done with all that is found."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api.errors import UsageError
from filterctl.__main__ import main
from filterctl.mail.digest import Kept, _told
from filterctl.mail.quarantine import _pairs, _table_row
from filterctl.mail.search import parse_condition
from tests.filterctl.mail.test_quarantine import put
from tests.support.shapes import SHAPES
from tests.support.smtpsink import smtp_sink

OLD = "20261110-120000-00000001"
SPAM = "20261119-095311-0a1b2c3d"
VIRUS = "20261120-235959-11111111"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Days of the command line are local ones."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "q"
    path.mkdir(mode=0o700)
    spam = {"result": "spam", "program": "filter-spamassassin", "to": ["bob@example.com"]}
    put(path, OLD, SHAPES["plain"], **spam, score="7.5", subject="Invoice", released="2026-11-11T00:00:00Z")
    put(path, SPAM, SHAPES["plain"], **spam, score="15.9", subject="=?utf-8?Q?caf=C3=A9_now?=")
    both = ["Bob@example.com", "eve@example.com"]
    about = {"result": "virus", "program": "filter-clamav", "virus": "Eicar", "to": both, "from": "x@bad.example"}
    put(path, VIRUS, SHAPES["plain"], **about, subject="your invoice")
    return path


def ids(directory: Path, capsys: pytest.CaptureFixture[str], *conditions: str) -> list[str]:
    options = [word for condition in conditions for word in ("-m", condition)]
    assert main(["quarantine", "-q", str(directory), "list", *options]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ((), [OLD, SPAM, VIRUS]),
        (("from=@BAD.example",), [VIRUS]),
        (("to=bob@",), [OLD, SPAM, VIRUS]),
        (("to=<eve@example.com>",), [VIRUS]),
        (("subject=invoice",), [OLD, VIRUS]),
        (("subject=café",), [SPAM]),
        (("filter=clamav",), [VIRUS]),
        (("result=spam",), [OLD, SPAM]),
        (("virus=eicar",), [VIRUS]),
        (("client=192.0.2.1",), [OLD, SPAM, VIRUS]),
        (("released=no",), [SPAM, VIRUS]),
        (("released=yes",), [OLD]),
        (("id=0a1b",), [SPAM]),
        (("score>=15.9",), [SPAM]),
        (("score<15.9",), [OLD]),
        (("size>1k",), []),
        (("date=2026-11-20",), [VIRUS]),
        (("date<2026-11-19",), [OLD]),
        (("date<=2026-11-19",), [OLD, SPAM]),
        (("date>2026-11-19",), [VIRUS]),
        (("date>=2026-11-19",), [SPAM, VIRUS]),
        (("date>=2026-11-19T09:53:12",), [VIRUS]),
        (("date=2026-11-19T09:53:11",), [SPAM]),
        (("date=yesterday",), []),
        (("subject=invoice", "result=virus"), [VIRUS]),
    ],
)
def test_conditions(
    directory: Path, conditions: tuple[str, ...], found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ids(directory, capsys, *conditions) == found


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("nonsense", "-m takes key=text"),
        ("sender=x", "there is no sender; there are date, score, size, client"),
        ("from>x", "only date, score and size can be compared by >"),
        ("score>=high", "no number: high"),
        ("date=Nov", "-m date=: today, yesterday, a date like 2026-11-20"),
    ],
)
def test_conditions_that_are_none(condition: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_condition(condition)
    assert told in str(error.value)


def test_all_that_is_found_is_released_once_and_first_only_told(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with smtp_sink() as sink:
        release = ("quarantine", "-q", str(directory), "release", "-a", f"127.0.0.1:{sink.port}", "-m", "result=spam")
        assert main([*release, "-n"]) == 0
        told = f"{OLD}: was released before, and would not be again without -f\n{SPAM}: would be released\n2 messages\n"
        assert capsys.readouterr().out == told
        assert sink.messages == []
        assert main([*release, "-m", "released=no"]) == 0
        assert capsys.readouterr().out == f"{SPAM}: released: 250 2.0.0 ok\n1 message\n"
        assert main([*release, "-m", "released=no"]) == 0
        assert capsys.readouterr().out == "0 messages\n"
    assert len(sink.messages) == 1


def test_all_that_is_found_is_deleted_and_first_only_told(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delete = ("quarantine", "-q", str(directory), "delete", "-m", "date<2026-11-20")
    assert main([*delete, "-n"]) == 0
    assert capsys.readouterr().out == f"{OLD}: would be deleted\n{SPAM}: would be deleted\n2 messages\n"
    assert ids(directory, capsys) == [OLD, SPAM, VIRUS]
    assert main([*delete]) == 0
    assert capsys.readouterr().out == f"{OLD}: deleted\n{SPAM}: deleted\n2 messages\n"
    assert ids(directory, capsys) == [VIRUS]


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete"],
        ["delete", "-n"],
        ["delete", "-m", "result=spam", SPAM],
        ["delete", "-m", "nonsense"],
        ["release", "-m", "result=spam", "-t", "bob@example.com"],
        ["list", SPAM],
        ["digest", SPAM],
        ["digest", "-n"],
        ["digest", "-l", "javascript:alert(1)//"],
        ["digest", "-e", "not an address"],
    ],
)
def test_nothing_is_done_where_it_is_not_clear_with_what(
    directory: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(os.listdir(directory))
    assert main(["quarantine", "-q", str(directory), *arguments]) == 1
    assert "usage: filterctl quarantine" in capsys.readouterr().err
    assert sorted(os.listdir(directory)) == before


def test_the_digest_of_yesterday(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = datetime.fromtimestamp(time.time() - 86_400, UTC).strftime("%Y%m%d-120000-00000009")
    about = {"result": "spam", "score": "9.1", "to": ["bob@example.com"], "subject": "to\x1b[31mday"}
    put(directory, name, SHAPES["plain"], **about)
    assert main(["quarantine", "-q", str(directory), "digest"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 message kept in the quarantine",
        "",
        f"{name[:4]}-{name[4:6]}-{name[6:8]} 12:00  spam 9.1",
        "  from     <ann@example.org>",
        "  to       <bob@example.com>",
        "  subject  to\\x1b[31mday",
        f"  id       {name}",
    ]


def test_each_recipient_is_mailed_his_own(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = ["quarantine", "-q", str(directory), "digest", "-e", "postmaster@example.com", "-m", "date>=2026-11-19"]
    assert main([*digest, "-n"]) == 0
    told = "bob@example.com: 1 message\nBob@example.com: 1 message\neve@example.com: 1 message\n"
    assert capsys.readouterr().out == told
    with smtp_sink() as sink:
        assert main([*digest, "-a", f"127.0.0.1:{sink.port}", "-l", "https://mail.example.com/kept/"]) == 0
    assert [line for line in sink.commands if line.startswith("RCPT")] == [
        "RCPT TO:<bob@example.com>", "RCPT TO:<Bob@example.com>", "RCPT TO:<eve@example.com>",
    ]  # fmt: skip
    assert {line for line in sink.commands if line.startswith("MAIL")} == {
        "MAIL FROM:<postmaster@example.com> BODY=8BITMIME", "MAIL FROM:<postmaster@example.com>",
    }  # fmt: skip
    mail = sink.messages[0].decode()
    assert "\r\nTo: <bob@example.com>\r\n" in mail
    assert "\r\nAuto-Submitted: auto-generated\r\n" in mail
    assert f"\r\n  https://mail.example.com/kept/{SPAM}\r\n" in mail
    assert "café now" in mail
    assert VIRUS not in mail
    assert "bad.example" not in mail


def test_a_digest_that_is_not_taken_keeps_no_other_back(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_sink({"RCPT TO:<eve": "550 no"}) as sink:
        digest = ["quarantine", "-q", str(directory), "digest", "-e", "postmaster@example.com", "-m", "result=virus"]
        assert main([*digest, "-a", f"127.0.0.1:{sink.port}"]) == 1
    assert "digest to eve@example.com: RCPT TO:<eve@example.com> was answered 550 no" in capsys.readouterr().err
    assert len(sink.messages) == 1


def test_a_stranger_writes_no_header_and_no_line_of_a_digest(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "20261121-000000-00000007"
    lies = "x\r\nBcc: all@example.com\r\n\r\n20261121-000000-00000008\xe2\x80\xae"
    put(directory, name, b"", result="spam", subject=lies, to=["bob@example.com", "a b\r\nX: y@example.com"])
    digest = ["quarantine", "-q", str(directory), "digest", "-e", "postmaster@example.com", "-m", f"id={name}"]
    with smtp_sink() as sink:
        assert main([*digest, "-a", f"127.0.0.1:{sink.port}"]) == 0
    assert len(sink.messages) == 1
    header, _, body = sink.messages[0].decode().partition("\r\n\r\n")
    assert "Bcc" not in header
    assert [line for line in body.splitlines() if "Bcc" in line] == [
        line for line in body.splitlines() if line.startswith("  subject  ")
    ]
    assert "\u202e" not in body


def test_times_are_dates_and_folded_lines_fold(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(directory, OLD, b"Subject: a\r\n\tb\tc\r\n\r\n\x1b\r\n", time=1795838561)
    assert main(["quarantine", "-q", str(directory), "show", OLD]) == 0
    out = capsys.readouterr().out
    assert "\ntime: 2026-11-28T04:02:41Z\n" in out
    assert "\nSubject: a\n\tb\\x09c\n\n\\x1b\n" in out


_VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=80), st.lists(st.text(max_size=40), max_size=4))


@given(
    st.dictionaries(st.sampled_from(["from", "to", "subject", "virus", "score", "client", "size", "result"]), _VALUES)
)
def test_whatever_the_facts_hold_a_row_is_a_line_that_drives_no_terminal(facts: dict[str, object]) -> None:
    kept = [Kept(SPAM, facts)]
    rows = [_table_row(SPAM, facts), _pairs(SPAM, facts), *_told(kept, "", named=True)]
    for row in rows:
        assert row.isprintable(), row
