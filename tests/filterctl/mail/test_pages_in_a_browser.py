"""The pages of filterctl report -H in Chromium: text can be read in both themes, nothing is cut, nothing is fetched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from filterctl.__main__ import main
from tests.filterctl.mail.test_decisions import LOG as DECISIONS
from tests.filterctl.mail.test_report import LOG as MESSAGES
from tests.support.chromium import Chromium, chromium

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(240)]

#: What a stranger may make of addresses, subjects and names: long, without a blank, and HTML.
HOSTILE: Final = "".join(
    f'Nov 22 0{hour}:15:00 mx {who}[9]: {hour:016x} {what} action=reject reply="550 5.7.1 no" {reason} score=12345.6 '
    f"client=2001:db8:ffff:ffff:ffff:ffff:ffff:{hour} helo=x from=<{'a' * 64}@{'b' * 63}.{'c' * 63}.example> "
    f'to=<{"d" * 64}@{"e" * 60}.example> size=123456789 subject="<script>alert({hour})</script>{"w" * 150}" msgid=<m>\n'
    for hour in range(9)
    for who, what, reason in (
        ("filter-rdns", "mail-from", "reason=sender-no-domain"),
        ("filter-spamassassin", "message", "result=spam"),
        ("filter-clamav", "message", "result=virus virus=<img/src=x/onerror=alert(1)>" + "V" * 90),
    )
)

#: What a person can read of a page: every piece of text with its place, colours and size.
LOOK: Final = """
(() => {
  const colour = text => {
    const numbers = (text.match(/[0-9.]+/g) || []).map(Number);
    return numbers.length < 3 ? null : [numbers[0], numbers[1], numbers[2], numbers.length > 3 ? numbers[3] : 1];
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found && found[3] > 0) return found.slice(0, 3);
    }
    return null;
  };
  const inside = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1
    && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const seen = [], wide = [], cut = [], boxes = [];
  for (const element of document.body.querySelectorAll('*')) {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (box.width && box.right > innerWidth + 0.5) wide.push(element.outerHTML.slice(0, 80));
    const own = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim()).map(node => node.data);
    if (!own.length || element.tagName === 'title' || !box.width) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const words = element instanceof SVGElement ? box : range.getBoundingClientRect();
    const frame = (element.ownerSVGElement || element).getBoundingClientRect();
    const over = boxes.find(([, other]) => meet(words, other));
    if (!inside(words, frame) || over) cut.push(element.outerHTML.slice(0, 80) + (over ? ' over ' + over[0] : ''));
    boxes.push([own.join(' ').slice(0, 40), words]);
    const front = colour(element instanceof SVGElement ? style.fill : style.color).slice(0, 3), back = behind(element);
    seen.push({text: own.join(' '), front, back, contrast: back && contrast(front, back), height: box.height});
  }
  const shapes = [0, 1, 2, 3].map(number => {
    const style = getComputedStyle(document.querySelector(`#k${number} .c${number}`));
    return contrast(colour(style.fill).slice(0, 3), behind(document.body));
  });
  return JSON.stringify({seen, wide, cut, shapes, page: document.documentElement.scrollWidth, window: innerWidth,
    back: behind(document.body), scripts: document.scripts.length, images: document.images.length});
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = chromium()
    if program is None:
        pytest.skip("chromium is not installed")
    with Chromium(program) as made:
        yield made


@pytest.fixture(params=["decisions", "messages"])
def report(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A page of what happened and of what a hostile client wrote."""
    log, made = tmp_path / "maillog", tmp_path / "page.html"
    log.write_text((DECISIONS if request.param == "decisions" else MESSAGES) + HOSTILE)
    assert main(["report", request.param, "-H", "-s", "2000-01-01", str(log)]) == 0
    made.write_text(capsys.readouterr().out)
    return made


def look(browser: Chromium) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(browser.ask(LOOK))
    return found


@pytest.mark.parametrize("width", [400, 720, 1200])
@pytest.mark.parametrize(("scheme", "back"), [("light", [255, 255, 255]), ("dark", [22, 22, 22])])
def test_all_text_can_be_read_and_nothing_is_cut(
    browser: Chromium, report: Path, width: int, scheme: str, back: list[int]
) -> None:
    browser.show(width=width, scheme=scheme)
    browser.open(report)
    found = look(browser)
    assert found["back"] == back
    assert len(found["seen"]) > 60
    assert [each for each in found["seen"] if not each["contrast"] or each["contrast"] < 4.5] == []
    assert [each for each in found["seen"] if each["height"] < 8] == []
    assert min(found["shapes"]) >= 3, "parts of charts (WCAG 2.2, 1.4.11)"
    assert (found["wide"], found["cut"]) == ([], [])
    assert found["page"] <= found["window"] == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_it_is_black_on_white(browser: Chromium, report: Path, scheme: str) -> None:
    browser.show(width=700, scheme=scheme, media="print")
    browser.open(report)
    found = look(browser)
    assert found["back"] == [255, 255, 255]
    assert {tuple(each["front"]) for each in found["seen"]} == {(0, 0, 0), (85, 85, 85)}
    assert (found["wide"], found["cut"]) == ([], [])
    assert browser.printed().startswith(b"%PDF-")


def test_xmllint_reads_the_charts(report: Path, tmp_path: Path) -> None:
    if shutil.which("xmllint") is None:
        pytest.skip("xmllint is not installed")
    charts = re.findall(r"<svg.*?</svg>", report.read_text(), re.DOTALL)
    assert len(charts) > 10
    for number, chart in enumerate(charts):
        path = tmp_path / f"{number}.svg"
        path.write_text(chart)
        done = subprocess.run(["xmllint", "--noout", str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_fetched_and_nothing_of_a_stranger_runs(browser: Chromium, report: Path) -> None:
    browser.show(width=1200, scheme="light")
    browser.open(report)
    found = look(browser)
    assert browser.fetched == [report.as_uri()]
    assert browser.complaints == []
    assert (found["scripts"], found["images"]) == (0, 0)
    if "Messages" in browser.ask("document.title"):
        assert any("<script>alert(8)</script>" in each["text"] for each in found["seen"])
