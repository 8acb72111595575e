"""The filter against smtpd in memory, on a real SQLite file: who waits, who does not, and what is learned when."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_greylist.rules.records import Kind, Life, Record
from tests.filter_greylist.smtp import Hands, Smtpd

GREYLISTED = "451 4.7.1 greylisted, please try again in 25 minutes"


def test_a_stranger_waits_and_is_let_in_when_it_comes_back(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        assert smtpd.offer() == GREYLISTED
        smtpd.hands.advance(600)
        assert smtpd.offer().endswith("in 15 minutes"), "an early retry does not restart the clock"
        smtpd.hands.advance(900)
        assert smtpd.offer() == ""


def test_a_neighbour_in_the_same_network_may_retry_but_nobody_else(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer("192.0.2.1")
        smtpd.offer("2001:db8::1")
        smtpd.hands.advance(1500)
        assert smtpd.offer("192.0.2.99") == ""
        assert smtpd.offer("192.0.3.1") == GREYLISTED
        assert smtpd.offer("2001:db8::ffff:1") == ""
        assert smtpd.offer("2001:db8:0:1::1") == GREYLISTED


def test_another_recipient_or_sender_waits_for_itself(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        smtpd.hands.advance(1500)
        assert smtpd.offer(recipient="other@example.org") == GREYLISTED
        assert smtpd.offer(sender="other@example.net") == GREYLISTED
        assert smtpd.offer(sender="prvs=123456789a=them@example.net") == "", "BATV varies the sender"


def test_a_client_is_white_only_once_its_message_is_in_the_queue(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        smtpd.hands.advance(1500)
        assert smtpd.offer() == ""
        smtpd.settle()
        assert smtpd.records(Kind.WHITE) == [], "the recipient was accepted, the message never came"
        assert smtpd.deliver()
        (white,) = smtpd.records(Kind.WHITE)
        assert white.name == b"192.0.2.1"
        assert white.life == Life(1_800_000_000, 1_800_001_500, 1_800_001_500 + 864 * 3600, 0, 1)
        assert smtpd.offer(recipient="new@example.org") == ""
        assert smtpd.offer("192.0.2.2", recipient="new@example.org") == GREYLISTED, "white is the address alone"
        smtpd.hands.advance(600 * 3600)
        assert smtpd.deliver()
        smtpd.hands.advance(600 * 3600)
        assert smtpd.offer(recipient="new@example.org") == "", "every message renews it"


def test_a_client_is_white_for_the_very_next_message_it_sends(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        smtpd.hands.advance(1500)
        client = smtpd.client()
        assert client.mail(sender="them@example.net").ok is False, "another recipient waits for itself"
        assert client.mail(b"Subject: x\r\n\r\nx\r\n", "us@example.org", sender="them@example.net").ok
        assert client.mail(b"Subject: y\r\n\r\ny\r\n", "others@example.org", sender="new@example.net").ok
        client.quit()


def test_an_ipv6_client_is_white_with_its_64(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.deliver("2001:db8::1")
        smtpd.hands.advance(1500)
        assert smtpd.deliver("2001:db8::2")
        assert [record.name for record in smtpd.records(Kind.WHITE)] == [b"2001:db8::/64"]
        assert smtpd.offer("2001:db8::3", recipient="new@example.org") == ""


def test_what_passed_is_not_greylisted_again_because_a_later_filter_said_451(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        smtpd.hands.advance(1500)
        assert smtpd.offer() == ""
        smtpd.hands.advance(4 * 3600 - 1)
        assert smtpd.offer() == ""
        smtpd.hands.advance(4 * 3600 + 1)
        assert smtpd.offer() == GREYLISTED


def test_a_null_sender_is_judged_at_data_by_its_helo_name(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client("192.0.2.1", "mx.example.net")
        client.mail_from("")
        assert client.rcpt_to("us@example.org").ok, "a callback learns that the address exists"
        assert client.data().reply == GREYLISTED
        client.quit()
        smtpd.hands.advance(1500)
        other = smtpd.client("192.0.2.1", "mx.example.com")
        other.mail_from("")
        other.rcpt_to("us@example.org")
        assert other.data().reply == GREYLISTED
        other.quit()
        again = smtpd.client("192.0.2.7", "MX.example.net")
        again.mail_from("")
        again.rcpt_to("us@example.org")
        assert again.message().ok


LONG = b"u" * 244 + b"@example.org"
ROUTED = b"@" + b"r" * 250 + b".example:us@example.org"


@pytest.mark.parametrize("hidden", [LONG, b"u" * 400 + b"@example.org", ROUTED], ids=["256", "412", "route"])
@pytest.mark.parametrize("others", [[], [b"abuse@example.org"], [b"open@example.org"]], ids=["alone", "role", "exempt"])
def test_a_null_sender_to_a_recipient_that_smtpd_does_not_report_waits(
    tmp_path: Path, hidden: bytes, others: list[bytes]
) -> None:
    exempt = tmp_path / "exempt"
    exempt.write_text("to:open@example.org\n198.51.100.7\n")
    with Smtpd(tmp_path, "-W", str(exempt)) as smtpd:

        def offer(address: str = "192.0.2.1") -> str:
            client = smtpd.client(address)
            client.mail_from("")
            for recipient in (*others, hidden):
                assert client.rcpt_to(recipient).ok
            said = client.data().reply
            client.vanish()
            return said

        assert offer() == GREYLISTED
        assert offer("198.51.100.7") == offer("unix") == offer("127.0.0.1") == "", "who never waits does not here"
        smtpd.hands.advance(1500)
        assert offer() == "", "an honest server comes back"


@pytest.mark.parametrize("beyond", [["us@example.org"], ["abuse@example.org"], ["us@example.org"] * 50])
@pytest.mark.parametrize("spared", ["abuse@example.org", "open@example.org"], ids=["role", "exempt"])
def test_a_null_sender_to_more_recipients_than_are_kept_waits(tmp_path: Path, spared: str, beyond: list[str]) -> None:
    """Nobody knows any more whether all of them are spared."""
    (tmp_path / "exempt").write_text("to:open@example.org\n")
    with Smtpd(tmp_path, "-W", str(tmp_path / "exempt")) as smtpd:

        def offer(recipients: list[str]) -> str:
            client = smtpd.client()
            client.mail_from("")
            for recipient in recipients:
                assert client.rcpt_to(recipient).ok
            said = client.data().reply
            client.vanish()
            return said

        assert offer([spared] * 1_000) == "", "all are known, and all are spared"
        assert offer([spared] * 1_000 + beyond) == GREYLISTED
        smtpd.hands.advance(1500)
        assert offer([spared] * 1_000 + beyond) == "", "an honest server comes back"


def test_a_null_sender_waits_if_the_request_of_a_recipient_was_answered_by_another_filter(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client()
        client.mail_from("")
        client.report("tx-envelope", client._msgid, b"1234567800000001")
        assert client.data().reply == GREYLISTED
        client.vanish()


def test_whose_address_smtpd_cannot_tell_is_answered_by_the_failure_policy(tmp_path: Path) -> None:
    for options, reply in (((), ""), (("-F", "tempfail"), "451 4.3.0 temporary local problem")):
        with Smtpd(tmp_path, *options) as smtpd:
            client = smtpd.client("unknown", rdns=None, fcrdns="fail")
            client.mail_from("a@example.net")
            assert client.rcpt_to("us@example.org").reply == reply
            assert client.rcpt_to("postmaster@example.org").ok
            client.auth("alice")
            assert client.rcpt_to("us@example.org").ok, "who has authenticated is ours"
            client.quit()
            assert [line for line in smtpd.log if " untold " in line][1:] == []
            assert any("smtpd cannot tell the client's address" in line for line in smtpd.log)


def test_a_null_sender_to_a_role_address_never_waits(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client()
        client.mail_from("")
        client.rcpt_to("abuse@example.org")
        assert client.data().ok
        client.vanish()


def test_a_transaction_without_a_recipient_is_smtpds_business(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client()
        client.mail_from("")
        assert client.data().ok
        client.vanish()


@pytest.mark.parametrize("recipient", ["postmaster", "Postmaster@example.org", "ABUSE@example.org"])
def test_the_roles_hear_everybody(tmp_path: Path, recipient: str) -> None:
    with Smtpd(tmp_path) as smtpd:
        assert smtpd.offer(recipient=recipient) == ""
        assert smtpd.records() == []


def test_ours_never_wait(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-N", "203.0.113.0/24") as smtpd:
        assert smtpd.offer("203.0.113.9") == ""
        assert smtpd.offer("unix") == ""
        roaming = smtpd.client("198.51.100.7")
        roaming.auth("alice")
        roaming.mail_from("alice@example.org")
        assert roaming.rcpt_to("them@example.net").ok
        roaming.quit()
        assert smtpd.records() == []


def test_exempt_clients_and_recipients_never_wait(tmp_path: Path) -> None:
    exempt = tmp_path / "exempt"
    exempt.write_text("198.51.100.0/24\nhost:.example.com\nto:open@example.org\nfrom:example.net\n")
    zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/28 +all"]}
    with Smtpd(tmp_path, "-W", str(exempt), zone=zone) as smtpd:
        assert smtpd.offer("198.51.100.9") == ""
        assert smtpd.offer("192.0.2.77", rdns="mx.example.com") == ""
        assert smtpd.offer("192.0.2.77", recipient="open@example.org") == ""
        assert smtpd.offer("192.0.2.7") == "", "SPF vouches for this client"
        assert smtpd.offer("192.0.2.77") == GREYLISTED, "and +all for nobody"


def test_a_pool_retries_from_anywhere_if_spf_names_it(tmp_path: Path) -> None:
    zone = {
        ("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"],
        ("open.example", "TXT"): [b"v=spf1 +all"],
    }
    with Smtpd(tmp_path, zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.1") == GREYLISTED
        assert smtpd.offer("192.0.2.1", sender="spam@open.example") == GREYLISTED
        smtpd.hands.advance(1500)
        assert smtpd.offer("198.51.100.99") == ""
        assert smtpd.offer("198.51.100.99", sender="spam@open.example") == GREYLISTED, "+all names nobody"
        assert smtpd.offer("203.0.113.1") == GREYLISTED, "a forger is not of the pool"


def test_a_retry_counts_though_spf_could_not_be_asked_the_first_time(tmp_path: Path) -> None:
    zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}
    with Smtpd(tmp_path) as smtpd:
        assert smtpd.offer("192.0.2.1") == GREYLISTED
    with Smtpd(tmp_path, zone=zone) as smtpd:
        smtpd.hands.advance(1500)
        assert smtpd.offer("192.0.2.1") == ""


def test_a_delivery_that_spf_vouches_for_leaves_one_tuple(tmp_path: Path) -> None:
    """That of the domain; the network's is looked up, and not made: each counts against the bounds of the store."""
    zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"]}
    with Smtpd(tmp_path, zone=zone) as smtpd:
        for address in ("192.0.2.1", "198.51.100.1"):
            assert smtpd.offer(address) == GREYLISTED
        (record,) = smtpd.records(Kind.GREY)
        assert record.life.blocked == 2


@pytest.mark.parametrize(
    ("seconds", "reply"),
    [
        (1_499, GREYLISTED),  # the network has not waited long enough, and the domain is new
        (1_500, ""),
        (14_399, ""),
        (14_400, GREYLISTED),  # the network came too late
    ],
)
def test_a_first_attempt_without_spf_counts_when_its_network_has_waited_and_not_before(
    tmp_path: Path, seconds: int, reply: str
) -> None:
    zone = {("example.net", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"]}
    hands = Hands()
    with Smtpd(tmp_path, hands=hands) as smtpd:
        assert smtpd.offer("192.0.2.1") == GREYLISTED
        (network,) = smtpd.records(Kind.GREY)
    hands.advance(seconds)
    with Smtpd(tmp_path, zone=zone, hands=hands) as smtpd:
        assert smtpd.offer("192.0.2.1") == reply
        after = {record.name: record for record in smtpd.records(Kind.GREY)}
        if reply:
            assert "reason=new" in smtpd.log[-1]
            assert after.get(network.name, network).life == network.life, (
                "an attempt by the domain is none of the network"
            )
            assert len(after.keys() - {network.name}) == 1


def test_common_domains_do_not_wait_whatever_the_sender(tmp_path: Path) -> None:
    listed = tmp_path / "common"
    listed.write_text("# 1511130000\nbig.example\nother.example\n")
    zone = {
        ("big.example", "TXT"): [b"v=spf1 include:_spf.big.example ~all"],
        ("_spf.big.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all"],
        ("other.example", "TXT"): [b"v=spf1 ptr exists:%{i}.x.example ip4:0.0.0.0/0"],
    }
    with Smtpd(tmp_path, "-c", str(listed), zone=zone) as smtpd:
        assert smtpd.offer("192.0.2.1", sender="customer@shop.example") == ""
        assert smtpd.offer("2001:db8:5::1", sender="customer@shop.example") == ""
        assert smtpd.offer("198.51.100.1", sender="x@other.example") == GREYLISTED


def test_a_sender_over_254_bytes_is_known_from_its_request(tmp_path: Path) -> None:
    sender = b"x" * 300 + b"@example.net"
    with Smtpd(tmp_path) as smtpd:
        assert smtpd.offer(sender=sender) == GREYLISTED
        smtpd.hands.advance(1500)
        assert smtpd.offer(sender=b"y" + sender) == GREYLISTED
        assert smtpd.offer(sender=sender) == ""
        assert {record.details.sender for record in smtpd.records() if record.details} == {sender, b"y" + sender}


def test_odd_bytes_are_stored_as_they_came(tmp_path: Path) -> None:
    sender, recipient = b"a|b'\"\\;--@example.net", b"caf\xe9|x@example.org"
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client(helo="odd_helo")
        client.mail_from(sender)
        assert client.rcpt_to(recipient).reply == GREYLISTED
        client.quit()
        (record,) = smtpd.records()
        assert record.details is not None
        assert record.details[1:] == (b"192.0.2.1", b"odd_helo", sender, recipient)


def test_only_suspicious_clients_wait_with_u(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-u") as smtpd:
        assert smtpd.offer("192.0.2.1", rdns="mx.example.net") == ""
        assert smtpd.offer("192.0.2.1", rdns="mx.example.net", fcrdns="fail") == GREYLISTED
        assert smtpd.offer("198.51.100.17", rdns="198-51-100-17.dsl.dyn.example.net") == GREYLISTED
        assert smtpd.offer("203.0.113.5", rdns=None) == GREYLISTED


def test_the_header_tells_how_long_a_message_waited(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-x") as smtpd:
        smtpd.offer()
        smtpd.hands.advance(1800)
        client = smtpd.client()
        outcome = client.mail(b"Subject: x\r\n\r\nx\r\n", "us@example.org", sender="them@example.net")
        assert outcome.ok
        assert outcome.lines[0] == b"X-Greylist: delayed 1800 seconds by mx.example.org"
        smtpd.settle()
        again = client.mail(b"Subject: x\r\n\r\nx\r\n", "new@example.org", sender="them@example.net")
        assert again.ok
        assert not any(b"X-Greylist" in line for line in again.lines), "a white client did not wait"
        client.quit()


def test_observing_lets_everybody_in_and_still_learns(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-n") as smtpd:
        assert smtpd.offer() == ""
        assert [record.kind for record in smtpd.records()] == [Kind.GREY]
        assert any("observe-reject" in line for line in smtpd.log)


def test_with_a_passtime_of_zero_the_first_retry_passes(tmp_path: Path) -> None:
    with Smtpd(tmp_path, "-G", "0:4:864") as smtpd:
        assert smtpd.offer().endswith("4.7.1 greylisted, please try again")
        assert smtpd.offer() == ""


def test_ten_thousand_recipients_of_one_client_are_bounded(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        client = smtpd.client()
        client.mail_from("spam@example.net")
        for number in range(10_000):
            assert client.rcpt_to(f"user{number}@example.org").reply == GREYLISTED
            if number % 100 == 0:
                smtpd.player.written.clear()  # it would be searched from its beginning each time
        client.quit()
        assert len(smtpd.records()) == 1000
        assert any("reason=full" in line for line in smtpd.log)


def test_a_clock_that_jumps_lets_nobody_in_early_and_forgets_nobody(tmp_path: Path) -> None:
    for jump in (365 * 86400, -86400):
        directory = tmp_path / str(jump)
        directory.mkdir()
        with Smtpd(directory) as smtpd:
            smtpd.deliver("198.51.100.1")
            smtpd.hands.advance(1500)
            assert smtpd.deliver("198.51.100.1")
            assert smtpd.offer() == GREYLISTED
            smtpd.hands.jump(jump)
            assert smtpd.offer() == GREYLISTED, "nobody passes because of a jump"
            assert smtpd.offer("198.51.100.1", recipient="new@example.org") == "", "nobody is forgotten"
            smtpd.loop.run_until_complete(smtpd.filter.upkeep.sweep())
            assert len(smtpd.records(Kind.WHITE)) == 1
            smtpd.hands.advance(1500)
            assert smtpd.offer() == ""


def test_a_restart_with_the_clock_set_back_does_not_hold_mail_for_a_day(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        smtpd.loop.run_until_complete(smtpd.filter.upkeep.beat())
    hands = Hands()
    hands.jump(-86400)
    with Smtpd(tmp_path, hands=hands) as smtpd:
        smtpd.loop.run_until_complete(smtpd.filter.upkeep._first())
        assert smtpd.filter.clock.suspended
        assert smtpd.offer() == GREYLISTED
        hands.advance(1500)
        assert smtpd.offer() == ""


def test_the_log_tells_reason_and_wait(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.offer()
        (line,) = [line for line in smtpd.log if "reject" in line]
        for pair in ("reason=new", "wait=1500", "client=192.0.2.1", "helo=mx.example.net", "to=<us@example.org>"):
            assert pair in line


def test_a_store_that_fails_stops_no_mail_and_is_told_once(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        smtpd.loop.run_until_complete(smtpd.filter.store.close())
        for _ in range(8):
            assert smtpd.offer() == ""
        assert any("store: the store is closed" in line for line in smtpd.log)
        assert smtpd.filter.breaker.is_open
        smtpd.loop.run_until_complete(smtpd.filter.store.open())


def test_records_of_an_operator_count_at_once(tmp_path: Path) -> None:
    with Smtpd(tmp_path) as smtpd:
        now = int(smtpd.hands.wall)
        smtpd.put([Record(Kind.WHITE, b"192.0.2.1", Life(now, now, now + 60))])
        assert smtpd.offer() == ""
        smtpd.hands.advance(60)
        assert smtpd.offer() == GREYLISTED
