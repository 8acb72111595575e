"""Who vouches for whom, how long that is believed, and how often the DNS is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

from filter_api.files.tables import DomainTable
from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeZone
from filter_greylist.deciding.vouch import CAPACITY, DOUBT_TTL, Vouching

ONE, OTHER = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
RECORD = [b"v=spf1 ip4:192.0.2.0/24 -all"]


class Asked:
    """Vouching over a zone whose questions are counted, with a clock set by hand; the resolver's cache is emptied."""

    def __init__(self, zone: dict[tuple[str, str], object], common: DomainTable | None = None) -> None:
        self.zone = FakeZone(zone)  # type: ignore[arg-type]  # what a test puts in
        self.now = 0.0
        self.resolver = Resolver(backend=self.zone)
        self.vouching = Vouching(self.resolver, common, lambda: self.now)

    def ask(self, what: Callable[[Vouching, float], Awaitable[bool]]) -> tuple[bool, int]:
        """The answer, and how many questions it took."""
        before = len(self.zone.asked)

        async def inside() -> bool:
            return await what(self.vouching, asyncio.get_running_loop().time() + 5)

        self.resolver.forget()
        return asyncio.run(inside()), len(self.zone.asked) - before

    def sender(self, address: IPv4Address, sender: bytes, helo: bytes = b"mx.example") -> tuple[bool, int]:
        return self.ask(lambda vouching, deadline: vouching.sender(address, sender, helo, deadline))

    def common(self, address: IPv4Address) -> tuple[bool, int]:
        return self.ask(lambda vouching, deadline: vouching.common(address, b"mx.example", deadline))


def test_an_answer_is_believed_as_long_as_the_dns_says() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    assert asked.sender(ONE, b"a@example.net") == (True, 1)
    assert asked.sender(ONE, b"a@example.net") == (True, 0)
    assert asked.sender(OTHER, b"a@example.net") == (False, 1), "another client is another question"
    asked.now += 301
    assert asked.sender(ONE, b"a@example.net") == (True, 1)


def test_a_domain_without_a_record_is_asked_once_for_all() -> None:
    asked = Asked({("none.example", "A"): ["192.0.2.1"]})
    assert asked.sender(ONE, b"a@none.example") == (False, 1)
    assert asked.sender(OTHER, b"b@none.example") == (False, 0)


def test_trouble_with_one_client_is_no_trouble_with_another() -> None:
    zone = {
        ("example.net", "TXT"): [b"v=spf1 exists:%{l}.x.example ip4:198.51.100.0/24 -all"],
        ("evil.x.example", "A"): Status.TEMPFAIL,
    }
    asked = Asked(zone)
    assert asked.sender(ONE, b"evil@example.net")[0] is False
    assert asked.sender(OTHER, b"good@example.net")[0] is True
    asked.now += DOUBT_TTL
    assert asked.sender(ONE, b"evil@example.net")[1] > 0, "doubt is not believed for long"


def test_a_null_sender_stands_for_its_helo_name() -> None:
    asked = Asked({("mx.example.net", "TXT"): RECORD})
    assert asked.sender(ONE, b"", b"mx.example.net")[0] is True
    assert asked.sender(OTHER, b"", b"mx.example.net")[0] is False


def test_a_list_of_common_domains_that_changes_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "common"
    path.write_text("other.example\n")
    now = [0.0]
    table = DomainTable(str(path), clock=lambda: now[0])
    asked = Asked({("example.net", "TXT"): RECORD}, table)
    assert asked.common(ONE)[0] is False
    path.write_text("other.example\nexample.net\n")
    now[0] += 2
    assert asked.common(ONE)[0] is True
    assert asked.common(ONE) == (True, 0)
    assert asked.common(OTHER)[0] is False


def test_hosted_spf_vouches_for_a_common_domain_and_not_for_a_sender(tmp_path: Path) -> None:
    path = tmp_path / "common"
    path.write_text("hosted.example\nanybody.example\n")
    zone: dict[tuple[str, str], object] = {
        ("hosted.example", "TXT"): [b"v=spf1 include:%{i}._ip.%{d}._spf.host.example -all"],
        ("192.0.2.1._ip.hosted.example._spf.host.example", "TXT"): [b"v=spf1 ip4:192.0.2.1 -all"],
        ("198.51.100.1._ip.hosted.example._spf.host.example", "TXT"): [b"v=spf1 -all"],
        ("anybody.example", "TXT"): [b"v=spf1 +all"],
    }
    asked = Asked(zone, DomainTable(str(path)))
    assert asked.common(ONE)[0] is True
    assert asked.common(OTHER)[0] is False
    assert asked.sender(ONE, b"a@hosted.example")[0] is False
    assert asked.sender(ONE, b"a@anybody.example")[0] is False


def test_what_is_remembered_is_bounded() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    for number in range(CAPACITY + 10):
        asked.vouching._remember((ONE, b"%d" % number), 60, vouched=True)
    assert len(asked.vouching._known) <= CAPACITY
