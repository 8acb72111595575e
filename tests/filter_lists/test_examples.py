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
from filter_lists.ctl import run
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


#: What a registry publishes: a country's networks, those of another, one that nobody has, and what is no network.
STATISTICS = """2|ripencc|20261128|5|19830705|20261127|+0100
ripencc|*|ipv4|*|4|summary
ripencc|XX|ipv4|2.16.0.0|8192|20100712|allocated|a
ripencc|XX|ipv4|5.10.0.0|768|20120101|assigned|b
ripencc|YY|ipv4|5.20.0.0|256|20120101|assigned|c
ripencc|XX|ipv4|5.30.0.0|256||reserved|
ripencc|XX|ipv6|2a00:1450::|32|20091005|allocated|a
ripencc|XX|asn|15169|1|20000330|allocated|a
"""


def test_a_country_is_made_of_what_the_registries_publish(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recipe of docs/migrating/spamd.md: lists update, check and test, with a program that prints the country."""
    (tmp_path / "delegated").write_text(STATISTICS)
    program = ROOT / "examples/country-networks"
    site.write(f'xx black "exec:{program} xx file://{tmp_path}/delegated" every=1d', "order xx")
    assert update(conf(site.conf.read_text()).used, Job(str(site.directory), output_of)) == 0
    assert run(["check", *site.options], output_of) == 0
    assert capsys.readouterr().out == f"{site.conf}: ok: 1 black lists, 0 white ones\n"
    listed = {"2.16.31.255": 1, "2.16.32.0": 0, "5.10.2.255": 1, "5.10.3.0": 0, "5.20.0.1": 0, "5.30.0.1": 0}
    for address, found in {**listed, "2a00:1450::1": 1, "2a00:1451::1": 0}.items():
        assert run(["test", *site.options, address], output_of) == found, address


def test_a_registry_that_does_not_answer_leaves_the_list_as_it_was(site: Site, tmp_path: Path) -> None:
    (tmp_path / "delegated").write_text(STATISTICS)
    program = ROOT / "examples/country-networks"
    for urls, status in ((f"file://{tmp_path}/delegated", 0), (f"file://{tmp_path}/delegated file:///nonexistent", 1)):
        site.write(f'xx black "exec:{program} xx {urls}" every=1m', "order xx")
        assert update(conf(site.conf.read_text()).used, Job(str(site.directory), output_of, force=True)) == status
    assert run(["test", *site.options, "2.16.0.1"], output_of) == 1


def test_the_tables_of_the_examples_are_lists() -> None:
    tables = ROOT / "examples/tables"
    black, white = (parse_list(content_lines((tables / name).read_bytes())) for name in ("blacklist", "nospamd"))
    assert [ip_address(f"198.51.100.{n}") in black for n in (199, 200, 203, 204)] == [False, True, True, False]
    assert [ip_address(f"198.51.100.{n}") in white for n in (200, 201)] == [False, True]
