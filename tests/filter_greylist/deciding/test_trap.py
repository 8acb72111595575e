"""Traps: who falls into one, for how long, and who never does."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from filter_api.bounds import MAX_SEEN
from filter_api.files.tables import AddressTable, DomainTable
from filter_api.net.dns import Status
from filter_greylist.deciding.trap import BEAT_VALID, CHANGED_SECONDS, FIRST_SECONDS, LowPriorityMx, SeenClients, Traps
from filter_greylist.deciding.upkeep import BEAT
from filter_greylist.rules.records import FOREVER, Kind, Life, Record
from tests.filter_greylist.smtp import Hands, Smtpd

TRAPPED = "450 4.7.1 your host is trapped, please try again tomorrow"
PRIMARY, LOW = "198.51.100.1:25", "198.51.100.2:25"


@pytest.fixture
def traps(tmp_path: Path) -> str:
    path = tmp_path / "traps"
    path.write_text("trap@example.org\n")
    return str(path)


def test_a_trap_address_traps_the_host_for_a_day(tmp_path: Path, traps: str) -> None:
    with Smtpd(tmp_path, "-t", traps) as smtpd:
        assert smtpd.offer(recipient="Trap@Example.org") == TRAPPED
        assert smtpd.offer() == TRAPPED, "every other recipient, too"
        assert smtpd.offer(recipient="postmaster@example.org") == ""
        assert smtpd.offer("192.0.2.2").startswith("451"), "the address alone, not its network"
        smtpd.hands.advance(24 * 3600)
        assert smtpd.offer().startswith("451")


def test_an_ipv6_host_is_trapped_with_its_64(tmp_path: Path, traps: str) -> None:
    with Smtpd(tmp_path, "-t", traps) as smtpd:
        smtpd.offer("2001:db8::1", recipient="trap@example.org")
        assert smtpd.offer("2001:db8::2") == TRAPPED
        assert smtpd.offer("2001:db8:0:1::1").startswith("451")


def test_an_operators_trap_counts_at_once_and_stays(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        now = int(smtpd.hands.wall)
        smtpd.put([Record(Kind.SPAMTRAP, b"trap@example.org", Life(now, now, FOREVER))])
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
        assert smtpd.offer(recipient="trap@example.org") == TRAPPED


class Allowed:
    """The file of option -a in a filter, and the clock it is looked at by."""

    def __init__(self, path: Path, smtpd: Smtpd) -> None:
        self.path = path
        self.now = 0.0
        smtpd.filter.traps = Traps(None, DomainTable(str(path), clock=lambda: self.now, needed="empty"))

    def write(self, text: str, age: float = 0.0) -> None:
        """A new version that was written `age` seconds ago, and is looked at now."""
        self.path.write_text(text)
        os.utime(self.path, (time.time() - age,) * 2)
        self.now += 1


@pytest.mark.parametrize("text", ["", "# soon\n", "ex", "example.org\nbad domain\n", "other.example\n"])
@pytest.mark.parametrize("age", [0, 60])
def test_a_file_of_domains_that_is_being_rewritten_traps_nobody(tmp_path: Path, text: str, age: int) -> None:
    path = tmp_path / "allowed"
    path.write_text("example.org\nexample.com\n")
    with Smtpd(tmp_path, "-a", str(path)) as smtpd:
        allowed = Allowed(path, smtpd)
        allowed.write(text, age)
        first = smtpd.offer(recipient="us@example.org")
        allowed.write("example.org\nexample.com\n", age)
        assert first.startswith(("451", "450"))
        smtpd.hands.advance(3600)
        assert smtpd.offer(recipient="us@example.org") in {"", "451 4.7.1 greylisted, please try again in 25 minutes"}
        smtpd.hands.advance(1800)
        assert smtpd.offer(recipient="us@example.org") == ""


def test_just_after_the_domains_changed_a_client_is_refused_but_not_trapped(tmp_path: Path) -> None:
    path = tmp_path / "allowed"
    path.write_text("example.org\n")
    with Smtpd(tmp_path, "-a", str(path)) as smtpd:
        allowed = Allowed(path, smtpd)
        allowed.write("example.org\nexample.com\n")
        assert smtpd.offer(recipient="x@relay.example") == TRAPPED
        assert smtpd.offer(recipient="us@example.org").startswith("451"), "nothing was stored"
        allowed.now += CHANGED_SECONDS
        assert smtpd.offer(recipient="x@relay.example") == TRAPPED
        assert smtpd.offer(recipient="us@example.org") == TRAPPED


def test_a_trap_address_counts_whatever_changed(tmp_path: Path, traps: str) -> None:
    path = tmp_path / "allowed"
    path.write_text("example.org\n")
    with Smtpd(tmp_path, "-a", str(path)) as smtpd:
        allowed = Allowed(path, smtpd)
        smtpd.filter.traps = Traps(AddressTable(traps), smtpd.filter.traps._allowed)
        allowed.write("example.org\nexample.com\n")
        assert smtpd.offer(recipient="trap@example.org") == TRAPPED
        assert smtpd.offer(recipient="us@example.org") == TRAPPED
        assert [smtpd.filter.traps.reason(name) for name in (b"trap@example.org", b"a@relay.example")] == [
            "trap-file",
            "foreign-domain",
        ]
        assert smtpd.filter.traps.is_settled("trap-file")
        assert not smtpd.filter.traps.is_settled("foreign-domain")


def test_a_domain_that_is_not_ours_is_a_trap(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text("example.org\n.example.com\n")
    with Smtpd(tmp_path, "-5", "-a", str(allowed)) as smtpd:
        assert smtpd.offer(recipient="us@sub.example.com").startswith("451")
        assert smtpd.offer(recipient="bare").startswith("451")
        assert smtpd.offer(recipient="x@relay.example").startswith("550 5.7.1 ")


def test_a_null_sender_is_never_trapped(tmp_path: Path, traps: str) -> None:
    """Whoever forges a trap's owner as a sender makes honest servers bounce to it."""
    with Smtpd(tmp_path, "-t", traps) as smtpd:
        client = smtpd.client()
        client.mail_from("")
        assert client.rcpt_to("trap@example.org").ok
        assert client.data().reply.startswith("451")
        client.quit()
        assert smtpd.records(Kind.TRAPPED) == []


def test_a_trapped_host_is_refused_its_null_sender_at_data(tmp_path: Path, traps: str) -> None:
    with Smtpd(tmp_path, "-t", traps) as smtpd:
        smtpd.offer(recipient="trap@example.org")
        client = smtpd.client()
        client.mail_from("")
        assert client.rcpt_to("us@example.org").ok
        assert client.data().reply == TRAPPED
        client.quit()


def test_whoever_must_not_be_trapped_is_not(tmp_path: Path, traps: str) -> None:
    exempt = tmp_path / "exempt"
    exempt.write_text("203.0.113.5\n")
    common = tmp_path / "common"
    common.write_text("big.example\n")
    zone = {("big.example", "TXT"): [b"v=spf1 ip4:198.51.100.0/24 -all"]}
    options = ("-t", traps, "-W", str(exempt), "-c", str(common), "-N", "203.0.113.128/25")
    with Smtpd(tmp_path, *options, zone=zone) as smtpd:
        now = int(smtpd.hands.wall)
        smtpd.put([Record(Kind.WHITE, b"192.0.2.9", Life(now, now, now + 999))])
        for address in ("192.0.2.9", "203.0.113.5", "198.51.100.7", "203.0.113.200", "unix"):
            assert smtpd.offer(address, recipient="trap@example.org") == "", address
        assert smtpd.records(Kind.TRAPPED) == []


def test_a_forged_sender_traps_the_forger_and_not_the_forged(tmp_path: Path, traps: str) -> None:
    zone = {("bank.example", "TXT"): [b"v=spf1 ip4:198.51.100.0/24 -all"]}
    with Smtpd(tmp_path, "-t", traps, zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.66", "info@bank.example", "trap@example.org") == TRAPPED
        assert smtpd.offer("198.51.100.1", "info@bank.example").startswith("451")
        assert [record.name for record in smtpd.records(Kind.TRAPPED)] == [b"192.0.2.66"]


def test_the_low_priority_mx_traps_who_passes_the_primary_over(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-M", "198.51.100.2") as smtpd:
        smtpd.filter.low_mx = LowPriorityMx(ip_address("198.51.100.2"), smtpd.hands.monotonic)
        assert smtpd.offer("192.0.2.1", destination=PRIMARY).startswith("451")
        assert smtpd.offer("203.0.113.1", destination=LOW).startswith("451"), "not in the first minute"
        smtpd.hands.advance(61)
        assert smtpd.offer("192.0.2.1", destination=LOW).startswith("451"), "it tried the primary first"
        assert smtpd.offer("203.0.113.1", recipient="new@example.org", destination=LOW) == TRAPPED


def test_an_mx_traps_only_while_its_primary_gives_signs_of_life(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-M", "198.51.100.2") as smtpd:
        smtpd.filter.low_mx = LowPriorityMx(ip_address("198.51.100.2"), smtpd.hands.monotonic)
        smtpd.hands.advance(120)
        assert smtpd.offer("192.0.2.1", destination=LOW).startswith("451")
        now = int(smtpd.hands.wall)
        smtpd.loop.run_until_complete(smtpd.filter.store.note(BEAT, b"%d" % now))
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())
        assert smtpd.offer("192.0.3.1", destination=LOW) == TRAPPED, "now there is one"
        smtpd.hands.advance(61)
        assert smtpd.offer("192.0.4.1", destination=LOW).startswith("451"), "and now it is gone"


@pytest.mark.parametrize("other", ["127.0.0.1:25", "[2001:db8::2]:25", "198.51.100.9:587", "198.51.100.9:465"])
def test_a_listener_that_is_no_mx_is_not_taken_for_the_primary(tmp_path: Path, other: str) -> None:
    """The second MX has two addresses and listeners for its own users; the primary, elsewhere, is down."""
    with Smtpd(tmp_path, "-M", "198.51.100.2") as smtpd:
        smtpd.hands.advance(120)
        smtpd.offer(destination=other)
        assert smtpd.offer("192.0.3.1", destination=LOW).startswith("451")
        assert not smtpd.filter.low_mx.is_primary


@pytest.mark.parametrize(
    ("listener", "serves"),
    [
        ("198.51.100.1:25", True),
        ("0.0.0.0:25", True),
        ("[2001:db8::1]:2525", True),
        ("127.0.0.1:25", False),
        ("198.51.100.1:587", False),
    ],
)
def test_a_filter_gives_signs_of_life_once_it_served_an_mx(tmp_path: Path, listener: str, serves: bool) -> None:
    """Beside a low-priority MX there may be another filter for the host's own users, on the same store."""
    with Smtpd(tmp_path, "-o") as smtpd:
        assert not smtpd.filter.low_mx.is_primary
        smtpd.client("unix").quit()
        smtpd.offer(destination=listener)
        assert smtpd.filter.low_mx.is_primary is serves


def test_a_wildcard_listener_ends_option_m(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-M", "198.51.100.2") as smtpd:
        smtpd.hands.advance(120)
        smtpd.offer(destination=PRIMARY)
        assert smtpd.offer("192.0.3.1", destination="0.0.0.0:25").startswith("451")
        assert smtpd.offer("192.0.4.1", destination=LOW).startswith("451")
        assert sum("-M is off" in line for line in smtpd.log) == 1


def test_a_session_without_a_destination_or_on_a_port_of_submission_tells_nothing_of_a_primary() -> None:
    for mx in (LowPriorityMx(None, 0.0), LowPriorityMx(ip_address("198.51.100.2"), 0.0)):
        assert not mx.serves_first(None, 25)
        assert not mx.serves_first(ip_address("198.51.100.1"), 587)
        assert not mx.serves_first(ip_address("198.51.100.1"), 465)
        assert mx.serves_first(ip_address("198.51.100.1"), 25)


@pytest.mark.parametrize(
    ("age", "noted"), [(None, False), (-3600, False), (-3599, True), (0, True), (3599, True), (3600, False)]
)
def test_a_primary_notes_its_clients_for_an_hour_after_a_sign_of_option_m(age: float | None, noted: bool) -> None:
    primary = LowPriorityMx(None, 0.0)
    primary.asked(age)
    assert primary.is_noted is noted


def test_a_heartbeat_is_believed_for_a_minute() -> None:
    low, address = LowPriorityMx(ip_address("198.51.100.2"), 0.0), ip_address("198.51.100.2")
    assert not low.is_primary
    assert not low.out_of_order(address, 100.0, falling_back=False)
    low.heard(100.0, 10.0)
    assert low.out_of_order(address, 100.0, falling_back=False)
    assert not low.out_of_order(address, 100.0, falling_back=True)
    assert not low.out_of_order(ip_address("198.51.100.1"), 100.0, falling_back=False)
    assert low.out_of_order(address, 90.0 + BEAT_VALID - 1, falling_back=False)
    assert not low.out_of_order(address, 90.0 + BEAT_VALID, falling_back=False)
    low.heard(100.0, BEAT_VALID)
    low.heard(100.0, -BEAT_VALID)
    assert not low.out_of_order(address, 90.0 + BEAT_VALID, falling_back=False), "an old beat tells nothing"
    low.heard(1000.0, 0.0)
    assert low.out_of_order(address, 1000.0 + BEAT_VALID - 0.5, falling_back=False)
    fresh = LowPriorityMx(address, 100.0)
    fresh.heard(100.0, 0.0)
    assert not fresh.out_of_order(address, 100.0 + FIRST_SECONDS - 1, falling_back=False)


@pytest.mark.timed
def test_trapped_clients_wait_for_their_replies(tmp_path: Path, traps: str) -> None:
    with Smtpd(tmp_path, "-t", traps, "-s", "0.3") as smtpd:
        begun = time.monotonic()
        assert smtpd.offer(recipient="trap@example.org") == TRAPPED
        assert 0.3 <= time.monotonic() - begun < 2
        assert any("held=0.3" in line for line in smtpd.log)
        begun = time.monotonic()
        assert smtpd.offer("192.0.2.2").startswith("451")
        assert time.monotonic() - begun < 0.3, "who is only greylisted does not"


Zone = Mapping[tuple[str, str], Any]

STRONG: Zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}
SILENT: Zone = {("example.net", "TXT"): Status.TEMPFAIL}


class Pair:
    """Two MXes with one store: the primary, and the one with option -M."""

    def __init__(self, directory: Path, first: Zone, second: Zone) -> None:
        self.hands = Hands()
        self.primary = Smtpd(directory, zone=first, hands=self.hands)
        self.low = Smtpd(directory, "-M", "198.51.100.2", zone=second, hands=self.hands)
        self.low.filter.low_mx = LowPriorityMx(ip_address("198.51.100.2"), self.hands.monotonic)
        for smtpd in (self.low, self.primary):
            smtpd.offer("203.0.113.99", destination=LOW if smtpd is self.low else PRIMARY)
        self.hands.advance(120)
        self.beat()

    def beat(self) -> None:
        for smtpd in (self.low, self.primary, self.low):
            smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())

    def close(self) -> None:
        for smtpd in (self.primary, self.low):
            smtpd.__exit__(None, None, None)


def two_mxes(directory: Path, first: Zone | None = None, second: Zone | None = None) -> Pair:
    return Pair(directory, first or {}, second or {})


@pytest.mark.parametrize(("first", "second"), [(SILENT, STRONG), (STRONG, SILENT), (STRONG, {}), ({}, STRONG)])
def test_a_delivery_is_known_at_the_second_mx_whatever_spf_said_at_either(
    tmp_path: Path, first: Zone, second: Zone
) -> None:
    mxes = two_mxes(tmp_path, first, second)
    assert mxes.primary.offer("192.0.2.1", destination=PRIMARY).startswith("451")
    assert mxes.low.offer("192.0.2.1", destination=LOW).startswith("451")
    assert mxes.low.records(Kind.TRAPPED) == []
    mxes.close()


@pytest.mark.parametrize("stays", [0, 1, 2])
def test_a_client_that_another_filter_sent_away_from_the_primary_is_not_trapped(tmp_path: Path, stays: int) -> None:
    """It connects, says who it is, or names a sender: the greylist of the primary was never asked."""
    mxes = two_mxes(tmp_path)
    client = mxes.primary.player.connect("192.0.2.1", destination=PRIMARY)
    if stays > 0:
        client.helo("mx.example.net")
    if stays > 1:
        client.mail_from("them@example.net")
    client.quit()
    mxes.primary.settle()
    assert mxes.low.offer("192.0.2.1", destination=LOW).startswith("451")
    assert mxes.low.offer("192.0.2.9", destination=LOW).startswith("451"), "its pool has the same network"
    assert mxes.low.offer("192.0.7.1", destination=LOW) == TRAPPED, "this one was never there"
    mxes.close()


def test_without_an_mx_of_low_priority_a_primary_notes_nobody(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer("192.0.2.1", destination=PRIMARY)
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())
        smtpd.client("192.0.3.1", destination=PRIMARY).quit()
        smtpd.settle()
        assert [record.details.address for record in smtpd.records(Kind.GREY) if record.details] == [b"192.0.2.1"]


def test_who_was_at_the_primary_of_the_same_filter_is_known_at_once(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-M", "198.51.100.2") as smtpd:
        smtpd.filter.low_mx = LowPriorityMx(ip_address("198.51.100.2"), smtpd.hands.monotonic)
        smtpd.hands.advance(120)
        still_there = smtpd.player.connect("192.0.2.1", destination=PRIMARY)
        assert smtpd.offer("192.0.2.1", destination=LOW).startswith("451")
        assert smtpd.offer("192.0.3.1", destination=LOW) == TRAPPED
        still_there.quit()


def test_notes_of_clients_are_bounded_and_end() -> None:
    seen = SeenClients(100.0)
    for number in range(MAX_SEEN + 10):
        assert seen.add(b"%d" % number, 0.0)
    assert not seen.has(b"9", 0.0)
    assert seen.has(b"10", 99.0)
    assert not seen.add(b"10", 99.0)
    assert not seen.has(b"10", 100.0)
    assert seen.add(b"10", 100.0)
    assert seen.has(b"10", 199.0)
