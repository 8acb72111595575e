"""filter-dyndns as smtpd sees it: who is refused, when, and what is asked of the DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from filter_api.net.dns import Resolver, Status
from filter_api.testing.dns import FakeZone
from filter_api.testing.player import Player
from filter_dyndns.filter import DynamicNames, build

HOME = "203.0.113.57"
HOME_NAME = "h-203-0-113-57.dyn.example.net"
REFUSAL = "550 5.7.1 mail from residential and dynamic addresses is not accepted, use your provider's mail server"
LONG_NAME = "h-203-0-113-57.a-district-with-a-very-long-name.and-a-town.dyn.example.net"


def player(*arguments: str, zone: Mapping[tuple[str, str], Sequence[str] | Status] | None = None) -> Player:
    """A filter with these options, with a DNS that knows only `zone`."""
    return Player(build(arguments, Resolver(backend=FakeZone(zone or {}))))


def test_a_residential_client_is_refused_at_mail_from() -> None:
    with player() as smtpd:
        client = smtpd.connect(HOME, rdns=HOME_NAME)
        assert client.helo().ok
        assert client.mail_from("joe@example.net") == ("reject", REFUSAL)
        assert client.mail_from().reply == REFUSAL  # and again, without a second judgement
    assert [line for line in smtpd.log if "reason=dynamic" in line and "signs=" in line and HOME_NAME in line]


@pytest.mark.parametrize("rdns", ["mail.example.net", "mail-203-0-113-57.example.net", None, ""])
def test_a_server_and_a_client_without_a_name_pass(rdns: str | None) -> None:
    """Who has no name at all is the business of filter-rdns."""
    with player() as smtpd:
        client = smtpd.connect(HOME, rdns=rdns, fcrdns="fail")
        assert client.mail().ok


def test_an_unconfirmed_name_counts_too() -> None:
    with player() as smtpd:
        assert smtpd.connect(HOME, rdns=HOME_NAME, fcrdns="fail").mail_from().reply == REFUSAL


@pytest.mark.parametrize("client", ["fe80::203:113%em0", "fe80::203:113%7", "fe80::203:113"])
def test_a_link_local_client_is_judged_like_any_other(client: str) -> None:
    with player() as smtpd:
        assert smtpd.connect(client, rdns="dyn7.example.net").mail_from().reply == REFUSAL
        assert smtpd.connect(client, rdns="mail.example.net").mail_from().ok


def test_ours_pass() -> None:
    with player("-N", "203.0.113.0/24") as smtpd:
        assert smtpd.connect(HOME, rdns=HOME_NAME).mail().ok
    with player() as smtpd:
        assert smtpd.connect("unix", rdns=HOME_NAME).mail().ok
        assert smtpd.connect("127.0.0.1", rdns="dhcp-127-0-0-1.example.net").mail().ok
        client = smtpd.connect(HOME, rdns=HOME_NAME)
        client.auth("alice")
        assert client.mail().ok


def test_exempt_clients_pass(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("host:.example.net\n198.51.100.7\n")
    with player("-W", str(table)) as smtpd:
        assert smtpd.connect(HOME, rdns=HOME_NAME).mail_from().ok
        assert not smtpd.connect(HOME, rdns=HOME_NAME, fcrdns="fail").mail_from().ok
        assert smtpd.connect("198.51.100.7", rdns="dyn7.example.com").mail_from().ok


SPF_ZONE: dict[tuple[str, str], Sequence[str] | Status] = {
    ("good.example", "TXT"): ["v=spf1 ip4:203.0.113.57 -all"],
    ("anybody.example", "TXT"): ["v=spf1 +all"],
    ("broken.example", "TXT"): Status.TEMPFAIL,
    (HOME, "PTR"): [LONG_NAME],
}


@pytest.mark.parametrize("rdns", [HOME_NAME, LONG_NAME[:63]], ids=["short", "cut"])
@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("joe@good.example", ""),
        ("joe@anybody.example", REFUSAL),  # a pass that says nothing of this client
        ("joe@broken.example", "451 4.7.1 the DNS does not answer, try again later"),
        ("joe@other.example", REFUSAL),
        ("", REFUSAL),
    ],
)
@pytest.mark.parametrize("phase", ["mail-from", "rcpt-to"])
def test_a_sender_is_exempt_if_spf_vouches_for_it(
    phase: str, sender: str, reply: str, rdns: str, tmp_path: Path
) -> None:
    table = tmp_path / "exempt"
    table.write_text("from:good.example\nfrom:anybody.example\nfrom:broken.example\n")
    with player("-p", phase, "-W", str(table), zone=SPF_ZONE) as smtpd:
        client = smtpd.connect(HOME, rdns=rdns)
        client.helo("client.example.net")
        told = client.mail_from(sender) if phase == "mail-from" else (client.mail_from(sender), client.rcpt_to())[1]
        assert told.reply == reply


def test_at_connect_the_client_is_disconnected() -> None:
    with player("-p", "connect", "-r", "go home") as smtpd:
        client = smtpd.connect(HOME, rdns=HOME_NAME)
        assert (client.verdict, client.reply) == ("disconnect", "550 5.7.1 go home")
        assert "mail-from" not in {phase.decode() for phase in smtpd.oracle.phases}


def test_at_rcpt_to_postmaster_and_abuse_hear_everybody(tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("to:bob@example.org\n")
    with player("-p", "rcpt-to", "-W", str(table)) as smtpd:
        client = smtpd.connect(HOME, rdns=HOME_NAME)
        assert client.mail_from().ok
        assert client.rcpt_to("alice@example.org").reply == REFUSAL
        for recipient in ("postmaster@example.org", "abuse@example.org", "Postmaster", "bob@example.org"):
            assert client.rcpt_to(recipient).ok
        assert client.message().ok


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_marks_are_made_at_mail_from_whatever_the_phase(phase: str) -> None:
    with player("-m", "-p", phase) as smtpd:
        client = smtpd.connect(HOME, rdns=HOME_NAME)
        assert client.verdict == "proceed"
        assert client.mail_from().verdict == "junk"
        assert client.rcpt_to().verdict == "proceed"


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_a_score_between_j_and_s_is_marked(phase: str) -> None:
    with player("-j", "4", "-p", phase) as smtpd:
        client = smtpd.connect(HOME, rdns="host.dsl.example.net")
        assert client.verdict == "proceed"
        assert client.mail_from().verdict == "junk"
        assert client.rcpt_to().verdict == "proceed"
        refused = smtpd.connect(HOME, rdns=HOME_NAME)
        told = [refused.reply] if phase == "connect" else [refused.mail_from().reply, refused.rcpt_to().reply]
        assert REFUSAL in told


@pytest.mark.parametrize(("score", "refused"), [("3", True), ("4", True), ("5", False), ("9", False)])
def test_the_score_of_refusal(score: str, refused: bool) -> None:
    with player("-s", score) as smtpd:
        assert smtpd.connect(HOME, rdns="host.dsl.example.net").mail_from().ok is not refused


def test_own_patterns_and_exceptions(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("3 kundenbox\n-9 *.good.example.net\n")
    (tmp_path / "except").write_text("h-203-0-113-57.dyn.example.com\n.friends.example\n203.0.113.58\n")
    with player("-f", str(tmp_path / "own"), "-e", str(tmp_path / "except")) as smtpd:

        def passes(address: str, rdns: str) -> bool:
            return smtpd.connect(address, rdns=rdns).mail_from().ok

        assert not passes(HOME, "kundenbox.cust.example.net")
        assert passes(HOME, "h-203-0-113-57.dyn.good.example.net")
        assert not passes(HOME, HOME_NAME)
        assert passes(HOME, "h-203-0-113-57.dyn.example.com")
        assert passes(HOME, "h-203-0-113-57.dyn.friends.example")
        assert passes("203.0.113.58", "h-203-0-113-58.dyn.example.net")


def test_observing_refuses_nobody() -> None:
    with player("-n") as smtpd:
        assert smtpd.connect(HOME, rdns=HOME_NAME).mail().ok
    assert any("reason=dynamic" in line for line in smtpd.log)


# --- long names: smtpd cuts at 64 bytes on Linux ---------------------------------------------------------------------


def test_a_short_name_asks_nobody() -> None:
    zone = FakeZone({})
    with Player(build([], Resolver(backend=zone))) as smtpd:
        smtpd.connect(HOME, rdns=HOME_NAME).mail_from()
    assert zone.asked == []


def test_a_cut_name_is_looked_up_whole() -> None:
    with player(zone={(HOME, "PTR"): [LONG_NAME]}) as smtpd:
        client = smtpd.connect(HOME, rdns=LONG_NAME[:63], fcrdns="fail")
        assert client.mail_from().reply == REFUSAL
    assert any(f" name={LONG_NAME} " in line for line in smtpd.log)


def test_a_long_name_of_a_server_is_not_judged_by_its_stump() -> None:
    """Cut, the registered domain would be `dyn.a` and the client without a server's words."""
    name = "x-203-0-113-57.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.smtp-out.example.net"
    with player(zone={(HOME, "PTR"): ["other.dyn.example.net", name]}) as smtpd:
        assert smtpd.connect(HOME, rdns=name[:63]).mail_from().ok


def test_the_mildest_of_several_names_counts() -> None:
    """The name smtpd saw is not there any more: whichever is left, a server's name is a server's name."""
    with player(zone={(HOME, "PTR"): [HOME_NAME, "mail.example.net"]}) as smtpd:
        assert smtpd.connect(HOME, rdns="z" * 63).mail_from().ok
    with player(zone={(HOME, "PTR"): [HOME_NAME]}) as smtpd:
        assert not smtpd.connect(HOME, rdns="z" * 63).mail_from().ok


def test_a_name_that_is_gone_is_left_to_filter_rdns() -> None:
    with player() as smtpd:
        assert smtpd.connect(HOME, rdns=LONG_NAME[:63]).mail_from().ok


@pytest.mark.parametrize(
    ("policy", "reply"),
    [
        ((), "451 4.7.1 the DNS does not answer, try again later"),
        (("-F", "reject"), "550 5.7.1 the DNS does not answer"),
        (("-F", "accept"), ""),
    ],
)
def test_doubt_follows_the_failure_policy(policy: tuple[str, ...], reply: str) -> None:
    with player(*policy, zone={(HOME, "PTR"): Status.TEMPFAIL}) as smtpd:
        assert smtpd.connect(HOME, rdns=LONG_NAME[:63]).mail_from().reply == reply


def test_doubt_is_not_remembered() -> None:
    """The name servers answer again: so does the filter."""
    zone = FakeZone({(HOME, "PTR"): Status.TEMPFAIL})
    with Player(build([], Resolver(backend=zone))) as smtpd:
        client = smtpd.connect(HOME, rdns=LONG_NAME[:63])
        assert client.mail_from().reply.startswith("451")
        zone.content["57.113.0.203.in-addr.arpa", "PTR"] = [LONG_NAME]
        filter_ = smtpd.filter
        assert isinstance(filter_, DynamicNames)
        filter_.reload()
        assert client.mail_from().reply == REFUSAL


@pytest.mark.parametrize("count", [20, 100, 101, 500])
def test_a_client_with_more_names_than_are_looked_at_is_refused_for_now_at_most(count: int) -> None:
    """A name that was left out may be milder; where all are known, the mildest counts."""
    zone = {(HOME, "PTR"): [LONG_NAME, *(f"{n}.{LONG_NAME}" for n in range(count - 1))]}
    with player(zone=zone) as smtpd:
        client = smtpd.connect(HOME, rdns=LONG_NAME[:63], fcrdns="fail")
        replies = [client.mail_from().reply for _ in range(2)]
    assert replies == [REFUSAL if count <= 100 else "451 4.7.1 the DNS does not answer, try again later"] * 2


def test_a_mild_name_among_very_many_is_enough() -> None:
    mild = "mail.of-a-company-with-a-very-long-name.somewhere-in-a-hall.example.net"
    zone = {(HOME, "PTR"): [mild, *(f"{mild[:63]}{n}.dyn.example.net" for n in range(500))]}
    with player(zone=zone) as smtpd:
        assert smtpd.connect(HOME, rdns=mild[:63], fcrdns="fail").mail_from().ok
