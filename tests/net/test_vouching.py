"""Who vouches for whom, how long that is believed, and how often the DNS is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from filter_api.bounds import DOUBT_SECONDS, MAX_VOUCHED
from filter_api.files.tables import DomainTable
from filter_api.net.dns import Resolver, Status
from filter_api.net.vouching import Vouched, Vouching
from filter_api.testing import FakeZone
from filter_api.testing.clock import FakeTimeLoop

ONE, OTHER = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
RECORD = [b"v=spf1 ip4:192.0.2.0/24 -all"]


class Asked:
    """Vouching over a zone whose questions are counted, with a clock set by hand; the resolver's cache is emptied."""

    def __init__(self, zone: dict[tuple[str, str], object], common: DomainTable | None = None) -> None:
        self.zone = FakeZone(zone)  # type: ignore[arg-type]  # what a test puts in
        self.now = 0.0
        self.resolver = Resolver(backend=self.zone)
        self.vouching = Vouching(self.resolver, lambda: self.now, common)

    def ask(self, what: Callable[[Vouching, float], Awaitable[Vouched]]) -> tuple[bool, int]:
        """The answer, and how many questions it took."""
        before = len(self.zone.asked)

        async def inside() -> bool:
            return bool(await what(self.vouching, asyncio.get_running_loop().time() + 5))

        self.resolver.forget()
        return asyncio.run(inside()), len(self.zone.asked) - before

    def sender(self, address: IPv4Address, sender: bytes, helo: bytes = b"mx.example") -> tuple[bool, int]:
        return self.ask(lambda vouching, deadline: vouching.sender(address, sender, helo, deadline))

    def listed(self, address: IPv4Address) -> tuple[bool, int]:
        return self.ask(lambda vouching, deadline: vouching.listed(address, b"mx.example", deadline))


def test_an_answer_is_believed_as_long_as_the_dns_says() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    assert asked.sender(ONE, b"a@example.net") == (True, 1)
    assert asked.sender(ONE, b"a@example.net") == (True, 0)
    assert asked.sender(OTHER, b"a@example.net") == (False, 1), "another client is another question"
    asked.now += 301
    assert asked.sender(ONE, b"a@example.net") == (True, 1)


@pytest.mark.parametrize(
    ("first", "then", "known"), [(4, 4, True), (4, 4.5, True), (60, 4, True), (4, 60, False), (0.5, 4, False)]
)
@pytest.mark.parametrize("listed", [False, True])
def test_doubt_is_not_believed_by_who_has_more_time_to_ask(
    first: float, then: float, tmp_path: Path, *, known: bool, listed: bool
) -> None:
    """The members of a chain share what is known: one in a hurry does not decide for one that can wait."""
    (tmp_path / "common").write_text("example.net\n")
    zone = FakeZone({("example.net", "TXT"): Status.TEMPFAIL})
    loop = FakeTimeLoop()
    resolver = Resolver(backend=zone)
    vouching = Vouching(resolver, loop.time, DomainTable(str(tmp_path / "common")))

    def ask(seconds: float) -> Vouched:
        resolver.forget()
        if listed:
            return loop.run_until_complete(vouching.listed(ONE, b"mx.example", loop.time() + seconds))
        return loop.run_until_complete(vouching.sender(ONE, b"a@example.net", b"mx.example", loop.time() + seconds))

    assert ask(first).doubt
    zone.content[("example.net", "TXT")] = RECORD
    assert bool(ask(then)) is not known
    assert bool(ask(first)) is not known, "what was found since is believed by both"
    loop.close()


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
    asked.now += DOUBT_SECONDS
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
    assert asked.listed(ONE)[0] is False
    path.write_text("other.example\nexample.net\n")
    now[0] += 2
    assert asked.listed(ONE)[0] is True
    assert asked.listed(ONE) == (True, 0)
    assert asked.listed(OTHER)[0] is False


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
    assert asked.listed(ONE)[0] is True
    assert asked.listed(OTHER)[0] is False
    assert asked.sender(ONE, b"a@hosted.example")[0] is False
    assert asked.sender(ONE, b"a@anybody.example")[0] is False


def test_trouble_is_doubt_and_nobody_vouches(tmp_path: Path) -> None:
    """A server in trouble and one that does not answer until the deadline; a broken record is no doubt."""
    path = tmp_path / "listed"
    path.write_text("trouble.example\nother.example\n")
    zone: dict[tuple[str, str], object] = {
        ("trouble.example", "TXT"): Status.TEMPFAIL,
        ("deep.example", "TXT"): [b"v=spf1 include:trouble.example -all"],
        ("broken.example", "TXT"): [b"v=spf1 ip4:nonsense -all"],
        ("other.example", "TXT"): [b"v=spf1 -all"],
        ("weak.example", "TXT"): [b"v=spf1 +all"],
    }
    asked = Asked(zone, DomainTable(str(path)))

    async def look() -> None:
        until = asyncio.get_running_loop().time() + 5
        for domain, doubt in ((b"trouble.example", True), (b"deep.example", True), (b"other.example", False)):
            found = await asked.vouching.sender(ONE, b"a@" + domain, b"mx.example", until)
            assert (found.vouched, bool(found.doubt)) == (False, doubt), domain
        assert (await asked.vouching.listed(ONE, b"mx.example", until)).doubt
        for domain, spf in ((b"broken.example", "permerror"), (b"weak.example", "pass")):
            found = await asked.vouching.sender(ONE, b"a@" + domain, b"mx.example", until)
            assert (found.vouched, found.doubt, found.spf) == (False, "", spf)
            assert found.why

    asyncio.run(look())


def test_a_deadline_that_is_over_is_doubt() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})

    async def look() -> Vouched:
        return await asked.vouching.sender(ONE, b"a@example.net", b"mx.example", asyncio.get_running_loop().time() - 1)

    assert asyncio.run(look()).doubt


@pytest.mark.parametrize("sender", [b"postmaster", b"@relay.example:postmaster"])
def test_a_sender_without_a_domain_is_vouched_for_by_nobody(sender: bytes) -> None:
    asked = Asked({("mx.example", "TXT"): RECORD})
    assert asked.sender(ONE, sender, b"mx.example") == (False, 0)


def test_a_source_route_is_not_what_is_vouched_for() -> None:
    asked = Asked({("example.net", "TXT"): RECORD, ("other.example", "TXT"): [b"v=spf1 -all"]})
    assert asked.sender(ONE, b"@other.example:a@example.net")[0] is True
    assert asked.sender(ONE, b"@example.net:a@other.example")[0] is False


def test_what_is_remembered_is_bounded_and_the_busy_stay() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    assert asked.sender(ONE, b"busy@example.net") == (True, 1)
    for number in range(3 * MAX_VOUCHED):
        asked.vouching._remember((ONE, b"%d" % number), Vouched(vouched=True), 60)
        if not number % 1000:
            assert asked.sender(ONE, b"busy@example.net") == (True, 0)
    assert len(asked.vouching._known) == MAX_VOUCHED


def test_a_sender_too_long_to_be_one_takes_no_room() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    long = b"x" * 2_000 + b"@example.net"
    assert asked.sender(ONE, long)[0] in {True, False}
    assert not asked.vouching._known


def test_sighup_asks_anew() -> None:
    asked = Asked({("example.net", "TXT"): RECORD})
    assert asked.sender(ONE, b"a@example.net") == (True, 1)
    asked.vouching.forget()
    assert asked.sender(ONE, b"a@example.net") == (True, 1)
