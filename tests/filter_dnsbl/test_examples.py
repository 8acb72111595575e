"""The lists in the manual and in examples/ are written as the filter reads them; two filters of a process share."""

from __future__ import annotations

import re
from pathlib import Path

from filter_api.net.dns import Resolver
from filter_api.net.dnsbl import parse_lists
from filter_api.testing import FakeZone, Player
from filter_api.text.lines import content_lines
from filter_dnsbl.filter import build
from tests.filter_dnsbl.listed import BL, CLIENT

ROOT = Path(__file__).resolve().parents[2]


def test_the_lists_of_the_manual() -> None:
    page = (ROOT / "man" / "filter-dnsbl.8").read_bytes()
    text = page[page.index(b"The lists, for") :]
    block = text[text.index(b".Bd -literal") : text.index(b".Ed")].partition(b"\n")[2]
    entries = parse_lists(content_lines(block))
    assert [(entry.zone.shown, entry.weight, entry.where) for entry in entries] == [
        ("zen.example.org", 3, "c"),
        ("zen.example.org", 2, "c"),
        ("bl.example.net", 2, "c"),
        ("dbl.example.org", 3, "ps"),
        ("list.example.com", -3, "c"),
    ]


def test_the_lists_of_the_example_are_off_and_can_be_turned_on() -> None:
    data = (ROOT / "examples" / "tables" / "dnsbl").read_bytes()
    assert parse_lists(content_lines(data)) == ()
    entries = parse_lists(content_lines(re.sub(rb"(?m)^#(?=[a-z@])", b"", data)), {"dqs": "abc"})
    assert len(entries) == 7
    assert {entry.weight for entry in entries} == {3, 2, -2, -3}


def test_two_filters_of_one_process_ask_and_test_a_list_once() -> None:
    dns = FakeZone(BL)
    members = {"connect": build(["-b", "bl.test*2", "-s", "-:-:9"]), "mail": build(["-b", "bl.test"])}
    with Player(members) as smtpd:
        smtpd.context._made[Resolver] = Resolver(backend=dns)
        assert smtpd.connect(CLIENT).mail_from().reply == "550 5.7.1 192.0.2.5 is listed by bl.test"
    assert sorted(dns.asked) == sorted(
        [("5.2.0.192.bl.test", "A"), ("2.0.0.127.bl.test", "A"), ("1.0.0.127.bl.test", "A")]
    )
