"""filter-dnsbl and the client's address: what counts, what never does, and what is known when it is decided."""

from __future__ import annotations

from typing import Any

import pytest

from filter_api.net.dns import Status
from filter_api.testing import Slow
from tests.filter_dnsbl.listed import BACKWARDS, BL, CLIENT, listing, passing, player, told

REFUSED = "550 5.7.1 192.0.2.5 is listed by bl.test"
Entries = dict[tuple[str, str], Any]


def test_a_listed_client_is_refused_with_the_name_of_the_list() -> None:
    assert told("-b", "bl.test*3", "-s", "-:-:3") == REFUSED


def test_a_client_that_no_list_knows_passes() -> None:
    assert told("-b", "bl.test", zone=passing("bl.test")) == ""


def test_an_answer_outside_the_filter_does_not_count() -> None:
    zone = listing("bl.test", "127.0.0.12")
    assert told("-b", "bl.test=127.0.0.[2..11]*3", zone=zone) == ""
    assert told("-b", "bl.test=127.0.0.[2..12]*3", zone=zone) == REFUSED


def test_two_filters_of_one_list_are_one_question() -> None:
    zone = listing("bl.test", "127.0.0.4", "127.0.0.10")
    arguments = ("-b", "bl.test=127.0.0.[4..7]*2", "-b", "bl.test=127.0.0.10*1", "-s", "-:-:3")
    smtpd, dns = player(*arguments, zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED
        assert any("points=3" in line for line in smtpd.log)
    assert dns.asked.count((f"{BACKWARDS}.bl.test", "A")) == 1


@pytest.mark.parametrize("code", ["127.255.255.252", "127.255.255.254", "127.255.255.255"])
def test_a_refused_question_is_no_listing_and_is_told_once_an_hour(code: str) -> None:
    smtpd, _ = player("-b", "bl.test", zone=listing("bl.test", code))
    with smtpd:
        for _ in range(3):
            assert smtpd.connect(CLIENT).mail_from().ok
        assert sum("refuses our questions" in line for line in smtpd.log) == 1
        smtpd.advance(3700)
        assert smtpd.connect(CLIENT).mail_from().ok
        assert sum("refuses our questions" in line for line in smtpd.log) == 2


@pytest.mark.parametrize(
    ("domain", "code"),
    [("list.dnswl.org", "127.0.0.255"), ("multi.surbl.org", "127.0.0.1"), ("dbl.spamhaus.org", "127.0.1.255")],
)
def test_lists_that_refuse_by_a_code_of_their_own_are_known(domain: str, code: str) -> None:
    assert told("-b", domain, zone=listing(domain, code)) == ""


def test_an_answer_of_a_parked_domain_is_no_listing() -> None:
    assert told("-b", "bl.test", zone=listing("bl.test", "203.0.113.9")) == ""


def test_a_list_that_lists_nobody_is_off_and_the_others_go_on() -> None:
    zone = listing("bl.test") | listing("dead.test")
    del zone["2.0.0.127.dead.test", "A"]
    assert told("-b", "bl.test", "-b", "dead.test*5", "-s", "-:-:1", zone=zone) == REFUSED
    assert told("-b", "bl.test", "-b", "dead.test*5", "-s", "-:-:2", zone=zone) == ""


def test_a_list_that_lists_everybody_is_off_and_told_once() -> None:
    smtpd, _ = player("-b", "bl.test", zone=BL | {("1.0.0.127.bl.test", "A"): ["127.0.0.2"]})
    with smtpd:
        for _ in range(3):
            assert smtpd.connect(CLIENT).mail_from().ok
        assert sum("may list everybody" in line for line in smtpd.log) == 1


def test_a_list_that_is_off_comes_back_when_a_test_passes() -> None:
    zone = dict(BL)
    del zone["2.0.0.127.bl.test", "A"]
    smtpd, dns = player("-b", "bl.test", zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().ok
        dns.content["2.0.0.127.bl.test", "A"] = ["127.0.0.2"]
        smtpd.advance(3700)
        smtpd.connect(CLIENT).mail_from()  # this one begins the test
        smtpd.advance(1)
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED


def test_without_an_answer_to_the_self_test_hits_do_not_count_yet() -> None:
    smtpd, dns = player("-b", "bl.test", zone=BL | {("2.0.0.127.bl.test", "A"): Status.TEMPFAIL})
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().ok
        dns.content["2.0.0.127.bl.test", "A"] = ["127.0.0.2"]
        smtpd.advance(30)
        assert smtpd.connect(CLIENT).mail_from().ok
        smtpd.advance(31)
        smtpd.connect(CLIENT).mail_from()
        smtpd.advance(1)
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED


def test_q_believes_a_list_without_a_test() -> None:
    zone = {(f"{BACKWARDS}.bl.test", "A"): ["127.0.0.2"]}
    assert told("-b", "bl.test", zone=zone) == ""
    assert told("-q", "-b", "bl.test", zone=zone) == REFUSED


NIBBLES = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
V6_TEST = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"


def test_an_ipv6_client_is_asked_by_nibbles() -> None:
    zone = listing("bl.test", label=NIBBLES) | {(f"{V6_TEST}.bl.test", "A"): ["127.0.0.2"]}
    assert (
        told("-b", "bl.test", zone=zone, address="2001:db8:1:2::9") == "550 5.7.1 2001:db8:1:2::9 is listed by bl.test"
    )


def test_a_list_that_fails_the_test_for_ipv6_is_not_asked_about_it() -> None:
    smtpd, dns = player("-b", "bl.test", zone=listing("bl.test", label=NIBBLES) | BL)
    with smtpd:
        assert smtpd.connect("2001:db8:1:2::9").mail_from().ok
        asked = len(dns.asked)
        assert smtpd.connect("2001:db8:1:2::a").mail_from().ok
        assert len(dns.asked) == asked
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED


WELCOME = BL | listing("wl.test", "127.0.5.1")


def test_a_welcome_list_outweighs_and_the_log_shows_both() -> None:
    smtpd, _ = player("-b", "bl.test*3", "-b", "wl.test*-2", "-s", "-:-:3", zone=WELCOME)
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().ok
        assert any("reason=dnsbl points=1 lists=bl.test=127.0.0.2*3,wl.test=127.0.5.1*-2" in line for line in smtpd.log)


def test_the_verdict_waits_for_a_welcome_list() -> None:
    zone = WELCOME | {(f"{BACKWARDS}.wl.test", "A"): Slow(2.0, ["127.0.5.1"])}
    assert told("-b", "bl.test*3", "-b", "wl.test*-2", "-s", "-:-:3", zone=zone) == ""


@pytest.mark.parametrize(
    ("weight", "reply"),
    [("3", "451 4.7.1 a list that may welcome you does not answer, try again later"), ("5", REFUSED)],
)
@pytest.mark.parametrize("trouble", [Status.TEMPFAIL, Slow(60.0)])
def test_a_welcome_list_in_trouble_delays_whom_it_might_have_saved(
    trouble: Status | Slow, weight: str, reply: str
) -> None:
    zone = WELCOME | {(f"{BACKWARDS}.wl.test", "A"): trouble}
    assert told("-b", f"bl.test*{weight}", "-b", "wl.test*-2", "-s", "-:-:3", zone=zone) == reply


def test_a_silent_list_delays_until_the_time_is_up_and_not_longer() -> None:
    zone: Entries = passing("bl.test") | passing("mute.test") | {(f"{BACKWARDS}.mute.test", "A"): Slow(60.0)}
    smtpd, _ = player("-b", "bl.test", "-b", "mute.test", "-T", "1", zone=zone)
    with smtpd:
        begun = smtpd.loop.time()
        assert smtpd.connect(CLIENT).mail_from().ok
        assert 0.8 <= smtpd.loop.time() - begun <= 1.2


def test_nobody_waits_for_a_list_that_can_change_nothing() -> None:
    zone: Entries = BL | passing("mute.test") | {(f"{BACKWARDS}.mute.test", "A"): Slow(60.0)}
    smtpd, _ = player("-b", "bl.test*3", "-b", "mute.test*1", zone=zone)
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED
        assert smtpd.loop.time() < 0.1


DOWN: Entries = {(f"{BACKWARDS}.{zone}", "A"): Status.TEMPFAIL for zone in ("bl.test", "other.test")}
UNASKABLE = "451 4.7.1 no list of senders can be asked, try again later"


@pytest.mark.parametrize(
    ("options", "reply"),
    [((), ""), (("-F", "tempfail"), UNASKABLE), (("-F", "reject"), "550 5.7.1 no list of senders can be asked")],
)
def test_if_no_list_answers_the_failure_policy_does(options: tuple[str, ...], reply: str) -> None:
    assert told("-b", "bl.test", "-b", "other.test", *options, zone=DOWN) == reply
    half = DOWN | passing("bl.test")
    del half[f"{BACKWARDS}.bl.test", "A"]
    assert told("-b", "bl.test", "-b", "other.test", *options, zone=half) == ""


def test_lists_that_have_not_answered_yet_and_cannot_matter_are_no_failure() -> None:
    """Nothing is waited for, as one point is below all thresholds; so nothing has failed, either."""
    zone: Entries = passing("bl.test") | {(f"{BACKWARDS}.bl.test", "A"): Slow(60.0)}
    assert told("-b", "bl.test", "-s", "-:-:3", "-F", "tempfail", zone=zone) == ""


def test_who_has_authenticated_is_accepted_and_his_sender_not_asked() -> None:
    smtpd, dns = player("-b", "bl.test", "-b", "bl.test/s")
    with smtpd:
        client = smtpd.connect(CLIENT)
        client.auth("alice")
        assert client.mail_from("joe@sender.example").ok
    assert not [name for name, _ in dns.asked if "sender" in name]


@pytest.mark.parametrize("address", ["unix", "127.0.0.1", "198.51.100.7"])
def test_nothing_is_asked_about_our_own(address: str) -> None:
    smtpd, dns = player("-b", "bl.test", "-N", "127.0.0.1,198.51.100.0/24")
    with smtpd:
        assert smtpd.connect(address).mail().ok
    assert dns.asked == []


def test_a_client_that_comes_again_costs_no_question() -> None:
    smtpd, dns = player("-b", "bl.test")
    with smtpd:
        assert not smtpd.connect(CLIENT).mail_from().ok
        asked = len(dns.asked)
        assert not smtpd.connect(CLIENT).mail_from().ok
    assert len(dns.asked) == asked == 3


def test_two_hundred_sessions_of_one_client_are_one_question() -> None:
    zone = BL | {(f"{BACKWARDS}.bl.test", "A"): Slow(0.5, ["127.0.0.2"])}
    smtpd, dns = player("-b", "bl.test", zone=zone)
    with smtpd:
        clients = [smtpd.connect(CLIENT) for _ in range(200)]
        assert {client.mail_from().reply for client in clients} == {REFUSED}
    assert dns.asked.count((f"{BACKWARDS}.bl.test", "A")) == 1


def test_observing_says_what_would_have_been() -> None:
    smtpd, _ = player("-n", "-b", "bl.test*9")
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().ok
        assert any("action=observe-reject" in line and "points=9" in line for line in smtpd.log)


def test_a_client_that_vanishes_leaves_no_task_and_fills_the_cache() -> None:
    zone = BL | {(f"{BACKWARDS}.bl.test", "A"): Slow(2.0, ["127.0.0.2"])}
    smtpd, dns = player("-b", "bl.test", zone=zone)
    with smtpd:
        smtpd.connect(CLIENT).vanish()
        smtpd.advance(3.0)
        import asyncio

        assert not asyncio.all_tasks(smtpd.loop)
        begun, asked = smtpd.loop.time(), len(dns.asked)
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED
        assert (smtpd.loop.time(), len(dns.asked)) == (begun, asked)


def test_at_connect_the_client_is_disconnected() -> None:
    smtpd, _ = player("-b", "bl.test", "-p", "connect")
    with smtpd:
        client = smtpd.connect(CLIENT)
        assert (client.verdict, client.reply) == ("disconnect", REFUSED)


def test_at_rcpt_to_postmaster_hears_everybody() -> None:
    smtpd, _ = player("-b", "bl.test", "-p", "rcpt-to")
    with smtpd:
        client = smtpd.connect(CLIENT)
        assert client.mail_from().ok
        assert client.rcpt_to("postmaster@example.org").ok
        assert client.rcpt_to("joe@example.org").reply == REFUSED


V4_TEST = ("2.0.0.127.bl.test", "A"), ("1.0.0.127.bl.test", "A")


@pytest.mark.parametrize("entry", V4_TEST)
def test_whom_a_list_does_not_list_does_not_wait_for_its_self_test(entry: tuple[str, str]) -> None:
    smtpd, dns = player("-b", "bl.test", zone=passing("bl.test") | {entry: Slow(60.0)})
    with smtpd:
        for _ in range(2):  # the second answer comes out of the cache
            assert smtpd.connect(CLIENT).mail_from().ok
            assert smtpd.loop.time() < 0.1
        assert entry in dns.asked


@pytest.mark.parametrize("entry", V4_TEST)
def test_whom_a_list_lists_waits_for_its_self_test(entry: tuple[str, str]) -> None:
    content = ["127.0.0.2"] if entry[0].startswith("2") else []
    smtpd, _ = player("-b", "bl.test", zone=BL | {entry: Slow(2.0, content)})
    with smtpd:
        assert smtpd.connect(CLIENT).mail_from().reply == REFUSED
        assert 2.0 <= smtpd.loop.time() < 2.1
