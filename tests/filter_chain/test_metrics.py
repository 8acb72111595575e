"""Metrics of several real filters: whatever clients and the DNS say, none of it is in a label or a value."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Final

import pytest

from filter_api.control.openmetrics import exposition
from filter_api.net.dns import Resolver, Status
from filter_api.runtime.controlling import Control
from filter_api.testing import Player
from filter_api.testing.dns import FakeZone
from filter_dnsbl.filter import DnsLists
from filter_dnsbl.filter import build as dnsbl
from filter_dyndns.filter import DynamicNames
from filter_dyndns.filter import build as dyndns
from filter_greylist.filter import Greylist
from filter_greylist.filter import build as greylist
from filter_rdns.filter import ReverseDns
from filter_rdns.filter import build as rdns
from tests.support.metrics import Sample, samples

HOSTILE: Final = (
    "marked",
    'marked"} 1',
    "marked\\",
    "marked\nfilter_x 1",
    "marked,reason=x",
    "marked\x1b[2J",
    "m\xe4rked",
)
OWN: Final = ("process", "program", "version", "confinement", "filter", "path", "backend", "list", "answer", "kind")
LABELS: Final = {*OWN, "phase", "verdict", "reason", "code", "enhanced", "of", "le"}
ZONE: Final = FakeZone(
    {
        ("192.0.2.7", "PTR"): ["marked.example"],
        ("7.2.0.192.zen.example", "A"): [ipaddress.ip_address("127.0.0.2")],
        ("7.2.0.192.zen.example", "TXT"): [b"marked"],
        ("192.0.2.8", "PTR"): Status.TEMPFAIL,
    }
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics after clients that use such texts wherever they can."""
    resolver = Resolver(backend=ZONE)
    members = {
        "rdns": rdns(["-H", "-F", "accept"], resolver),
        "dyndns": dyndns(["-n"], resolver),
        "dnsbl": dnsbl(["-q", "-n", "-b", "zen.example", "-r", "%T"], resolver),
        "greylist": greylist(["-f", str(tmp_path_factory.mktemp("greylist") / "greylist.db")], None, resolver),
    }
    with Player(members, loop=asyncio.new_event_loop()) as smtpd:
        for text in HOSTILE:
            name = text.replace("\n", "").encode("latin-1")
            for address, helo in (
                ("192.0.2.7", name + b".example"),
                ("192.0.2.8", name),
                ("192.0.2.7", b"[192.0.2.1]"),
            ):
                client = smtpd.connect(address, rdns=None if address == "192.0.2.8" else name + b".dsl.example")
                client.helo(helo)
                client.mail_from(name + b"@marked.example")
                client.rcpt_to(name + b"@example.org")
        control = Control(smtpd.dispatcher, [], "filter-chain", [], unwritten=lambda: 0)
        return exposition([control._status()])


def test_nothing_of_a_stranger_is_in_the_metrics(told: str) -> None:
    assert not {word for word in ("marked", "rked", "dsl", "example.org", "192.0.2") if word in told}
    found = samples(told)
    assert {label for each in found for label in each.labels} <= LABELS
    ours = {word for kind in (ReverseDns, DynamicNames, DnsLists, Greylist) for word in kind.reasons}
    reasons = {each.labels["reason"] for each in found if "reason" in each.labels}
    assert {"helo-address", "helo-bare-word", "dnsbl"} <= reasons <= ours | {"-", "failed"}


def test_and_what_happened_is(told: str) -> None:
    found = samples(told)

    def count(name: str, **labels: str) -> float:
        def fits(each: Sample) -> bool:
            return each.name == name and labels.items() <= each.labels.items()

        return sum(each.value for each in found if fits(each))

    times = len(HOSTILE)
    assert count("filter_decisions_total", filter="rdns", verdict="reject", reason="helo-address") == times
    assert count("filter_decisions_total", filter="rdns", verdict="reject", reason="helo-bare-word") == times
    assert count("filter_dnsbl_answers_total", filter="dnsbl", list="zen.example", answer="listed") == 2 * times
    assert count("filter_dns_questions_total") > 0
