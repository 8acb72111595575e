"""What the manual pages and examples show does work, and a country's list does what the recipe says."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_api.bases.phase import Phase
from filter_api.testing.player import Player
from filter_api.text.lines import content_lines
from filter_lists.book import parse_list
from filter_lists.conf import Conf, parse_conf
from filter_lists.filter import build
from filter_lists.options import parse
from filter_lists.tool.update import Job, update
from filterctl.lists import output_of
from tests.filter_lists.support import Site
from tests.filter_lists.web import text, web

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples/lists.conf").read_text()

#: The head of such a list, with a comment as some publishers put one in front.
COUNTRY = b"""# xx, aggregated
1.0.32.0/19
1.1.8.0/21
14.0.12.0/22
2001:250::/31
"""


def conf(words: str) -> Conf:
    return parse_conf(content_lines(words.encode()))


def displays(page: str) -> list[str]:
    """The literal displays of a manual page, as they are read."""
    source = (ROOT / "man" / page).read_text()
    found = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", source, re.MULTILINE | re.DOTALL)
    return [block.replace("\\e", "\\") for block in found]


def test_the_example_is_a_lists_conf() -> None:
    found = conf(EXAMPLE)
    assert [step.black.name for step in found.steps] == ["blacklist"]
    assert found.steps[0].whites[0].target == "/etc/mail/nospamd"


def test_its_comments_are_lists_too() -> None:
    lists = [line[1:] for line in EXAMPLE.splitlines() if re.match(r"#\w+ black ", line)]
    names = [line.split()[0] for line in lists]
    assert names == ["drop", "drop6", "blde", "bsdly", "xx"]
    found = conf("\n".join([*lists, f"order {' '.join(names)}"]))
    assert all(source.method == "https" and source.compiled for source in found.used)


@pytest.mark.parametrize("block", [block for block in displays("lists.conf.5") if "order " in block])
def test_the_displays_of_the_page_about_lists_conf(block: str) -> None:
    lists = "" if " black " in block else "drop black file:/d\nmine white file:/m\nlocal black file:/l\n"
    assert conf(lists + block).steps


def test_the_displays_of_the_page_about_the_filter() -> None:
    lines = [line for block in displays("filter-lists.8") for line in re.findall(r'"filter-lists([^"]*)"', block)]
    options = [parse(line.split())[0] for line in lines]
    assert [own.phase for own in options if own.permanent] == [Phase.CONNECT]
    assert [own.conf for own in options if own.mark] == ["/etc/mail/country.conf"]
    assert len(options) == 4


def test_a_country_goes_into_the_junk_folder(site: Site) -> None:
    """The recipe of the manual: a published list of a country's networks, and -m."""
    with web() as server:
        server.answers["/xx.zone"] = text(COUNTRY)
        site.write(f'xx black {server.url("/xx.zone")} every=1d msg="no mail from here"', "order xx")
        book = conf(site.conf.read_text())
        assert update(book.used, Job(str(site.directory), output_of)) == 0
    with Player(build([*site.options, "-m"])) as smtpd:
        for address in ("1.0.32.0", "1.0.63.255", "14.0.15.1", "2001:251::1"):
            assert smtpd.connect(address).mail_from("joe@example.net").verdict == "junk"
        for address in ("1.0.64.0", "1.1.7.255", "14.0.16.0", "2001:252::1"):
            assert smtpd.connect(address).mail_from("joe@example.net").verdict == "proceed"


def test_the_tables_of_the_examples_are_lists() -> None:
    tables = ROOT / "examples/tables"
    black, white = (parse_list(content_lines((tables / name).read_bytes())) for name in ("blacklist", "nospamd"))
    assert [ip_address(f"198.51.100.{n}") in black for n in (199, 200, 203, 204)] == [False, True, True, False]
    assert [ip_address(f"198.51.100.{n}") in white for n in (200, 201)] == [False, True]
