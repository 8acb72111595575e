"""Where the documentation leads: every link of a page to another page, or to a heading, is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
INDEX = ROOT / "docs/migrating.md"

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?:|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links_of(page: Path) -> list[str]:
    """Its relative links, outside of code."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return _LINK.findall(text)


def anchors_of(page: Path) -> set[str]:
    """The names by which its headings are reached: lower case, blanks as hyphens, nothing but letters and figures."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_links_are_seen() -> None:
    assert "migrating/smarthost.md#smtpdconf" in links_of(INDEX)
    assert "smtpdconf" in anchors_of(ROOT / "docs/migrating/smarthost.md")


def test_the_index_of_migrating_leads_to_each_of_its_pages() -> None:
    linked = {link.partition("#")[0] for link in links_of(INDEX)}
    assert linked == {f"migrating/{page.name}" for page in (ROOT / "docs/migrating").iterdir()}


@pytest.mark.parametrize("section", ["smtpd.conf", "Filters of 2015"])
def test_what_messages_name_of_it_is_there(section: str) -> None:
    """Messages of filterctl name the index and one of its entries."""
    grammar = (ROOT / "filters/filterctl/conf/grammar.py").read_text(encoding="utf-8")
    assert f"see docs/migrating.md, {section}" in grammar
    assert f"- [{section}](migrating/" in INDEX.read_text(encoding="utf-8")
