"""filterctl report messages -H: one page that is well formed, complete, and nobody else's code."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_api import bounds
from filterctl.__main__ import main
from filterctl.mail.maillog import Message
from filterctl.mail.messagepage import page
from tests.filterctl.mail.test_report import LOG

_NUMBER = re.compile(r"<div><dt>([^<]*)</dt><dd>(\d+)</dd></div>")


@pytest.fixture
def html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    log = tmp_path / "maillog"
    log.write_text(LOG)
    assert main(["report", "messages", "-H", str(log)]) == 0
    return capsys.readouterr().out


def message(**pairs: str) -> Message:
    known = {"result": "spam", "score": "9.0", "from": "<ann@example.org>", "to": "<bob@example.com>", "size": "10"}
    return Message("Nov 20 09:53:12", "2026-11-20T09:53:12", "0" * 16, {**known, **pairs})


def test_it_counts_what_the_log_has(html: str) -> None:
    numbers = dict(_NUMBER.findall(html))
    assert numbers == {
        "messages": "4", "refused": "2", "virus": "1", "spam": "1", "other refusals": "0", "not checked": "0",
        "let in": "2",
    }  # fmt: skip
    assert html.count("<tr><td>2026-11-2") == 4
    assert "x@virus.example" in html
    assert "Eicar-Test" in html
    assert "Buy now" in html


def test_the_page_needs_nothing_beside_it(html: str) -> None:
    assert html.startswith("<!DOCTYPE html>\n")
    assert "default-src 'none'" in html
    for fetched in ("<script", "<link", "<img", "src=", "@import"):
        assert fetched not in html
    assert not re.search(r"url\((?!#)", html)
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_the_charts_are_well_formed(html: str, tmp_path: Path) -> None:
    charts = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts) >= 4
    for number, chart in enumerate(charts):
        ET.fromstring(chart)
        (tmp_path / f"{number}.svg").write_text(chart)
    titles = [re.search(r"<title>(.*?)</title>", chart) for chart in charts]
    assert {"Messages by hour", "Messages by day", "Messages by score"} <= {title[1] for title in titles if title}
    assert "09: 1 let in" in html


def test_what_is_not_listed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterctl.mail.messagepage.PAGE_MESSAGES", 2)
    text = "".join(page([message(), message(), message()], 10))
    assert "1 earlier messages are not listed" in text
    assert text.count("<tr><td>2026-11-20") == 2
    assert bounds.PAGE_MESSAGES == 1_000


def test_a_log_without_messages() -> None:
    assert "the log has no message" in "".join(page([], 10))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_nothing_a_stranger_wrote_is_code(sender: str, to: str, subject: str) -> None:
    hostile = message(**{"from": f"<{sender}>", "to": f"<{to}>", "subject": subject, "virus": subject})
    text = "".join(page([hostile], 10))
    clean = "".join(page([message(**{"from": "<>", "to": "<a>", "subject": "", "virus": "v"})], 10))
    assert len(re.findall(r"<[A-Za-z/!]", text)) == len(re.findall(r"<[A-Za-z/!]", clean))
    assert all(char == "\n" or char.isprintable() for char in text)


def test_a_script_as_a_subject_is_text() -> None:
    text = "".join(page([message(subject="<script>alert(1)</script>")], 10))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
