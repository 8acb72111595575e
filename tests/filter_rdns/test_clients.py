"""filter-rdns played in memory: which clients are refused, at which phase, and that nothing is asked twice."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from filter_api.net.dns import reverse_name
from filter_api.testing import Slow
from filter_rdns.filter import build
from tests.filter_rdns.play import (
    BARE,
    DOWN,
    GOOD,
    HALF,
    LIAR,
    LITERAL,
    LONG,
    LONG_NAME,
    NO_PTR,
    REPLIES,
    Zone,
    player,
    refusal,
)


@pytest.mark.parametrize(
    ("address", "rdns", "fcrdns", "plain", "forward"),
    [
        (GOOD, "mx.example.org", "pass", "", ""),
        (GOOD, "mx.example.org", "fail", "", ""),  # smtpd's fail is not believed
        (GOOD, None, "fail", "", ""),  # nor is its <unknown>
        (GOOD, None, "error", "", ""),
        (BARE, None, "fail", "none", "none"),
        (BARE, "mx.example.org", "pass", "", ""),  # its pass is
        (LITERAL, LITERAL, "pass", "literal", "literal"),
        (GOOD, GOOD, "pass", "", ""),  # an old answer in smtpd's cache
        (LIAR, "www.example.org", "fail", "", "mismatch"),
        (DOWN, None, "fail", "doubt", "doubt"),
        (DOWN, "mx.example.org", "fail", "", "doubt"),
        (HALF, "half.example", "fail", "", "doubt"),
        (LONG, LONG_NAME[:64], "fail", "", ""),
        ("2001:db8::1", None, "fail", "none", "none"),
    ],
)
def test_clients(address: str, rdns: str | None, fcrdns: str, plain: str, forward: str) -> None:
    for arguments, word in (((), plain), (("-f",), forward)):
        reply = REPLIES[word].format(address)
        found = refusal(*arguments, address=address, rdns=rdns, fcrdns=fcrdns)
        assert found == ("reject" if reply else "proceed", reply)


@pytest.mark.parametrize(
    ("phase", "verdict", "steps"), [("connect", "disconnect", 0), ("mail-from", "reject", 2), ("rcpt-to", "reject", 3)]
)
def test_phases(phase: str, verdict: str, steps: int) -> None:
    smtpd, _ = player("-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        for step in (client.helo, client.mail_from, client.rcpt_to)[:steps]:
            assert client.verdict == "proceed"
            step()
        assert (client.verdict, client.reply) == (verdict, NO_PTR)


def test_the_default_phase_is_mail_from() -> None:
    assert build([]).wanted().phases == ["mail-from"]
    assert build(["-p", "connect"]).wanted().phases == ["connect"]
    assert build(["-H", "-p", "connect"]).wanted().phases == ["connect", "mail-from"]
    assert build(["-p", "rcpt-to"]).wanted().phases == ["mail-from", "rcpt-to"]


def test_nothing_is_asked_for_a_client_that_smtpd_confirmed() -> None:
    smtpd, zone = player("-f")
    with smtpd:
        assert smtpd.connect(GOOD).mail_from().ok
        assert zone.asked == []


def test_without_f_a_name_is_enough_and_nothing_is_asked() -> None:
    smtpd, zone = player()
    with smtpd:
        assert smtpd.connect(LIAR, rdns="www.example.org", fcrdns="fail").mail_from().ok
        assert zone.asked == []


@pytest.mark.parametrize(("address", "questions"), [(GOOD, 2), (BARE, 1), (LIAR, 2)])
def test_a_client_is_looked_up_once_a_session(address: str, questions: int) -> None:
    smtpd, zone = player("-f", "-p", "rcpt-to", "-F", "accept")
    zone.ttl = 0
    with smtpd:
        client = smtpd.connect(address, rdns=None, fcrdns="fail")
        for _ in range(3):
            client.mail_from()
            for _ in range(3):
                client.rcpt_to()
            client.rset()
            smtpd.advance(20)
        assert len(zone.asked) == questions


def test_a_doubt_is_looked_into_again_with_the_next_mail() -> None:
    smtpd, zone = player("-f", "-p", "rcpt-to")
    with smtpd:
        client = smtpd.connect(DOWN, rdns=None, fcrdns="fail")
        client.mail_from()
        for _ in range(3):
            assert client.rcpt_to().reply.startswith("451 4.7.25 ")
        assert len(zone.asked) == 1
        client.rset()
        zone.content[reverse_name(ip_address(DOWN)), "PTR"] = ["mx.example.org"]
        zone.content["mx.example.org", "A"] = [DOWN]
        smtpd.filter.reload()  # forgets what the resolver keeps
        client.mail_from()
        assert client.rcpt_to().ok


def test_a_sender_is_looked_up_once_a_transaction() -> None:
    smtpd, zone = player("-S", "-p", "rcpt-to")
    zone.ttl = 0
    with smtpd:
        client = smtpd.connect(GOOD)
        for _ in range(2):
            client.mail_from("joe@example.net")
            for _ in range(3):
                assert client.rcpt_to().ok
            client.rset()
    assert zone.asked == [("example.net", "MX")] * 2


@pytest.mark.parametrize(
    ("policy", "verdict", "reply"),
    [
        ("accept", "proceed", ""),
        ("tempfail", "reject", "451 4.7.25 reverse DNS of 192.0.2.5 cannot be looked up, try again later"),
        ("reject", "reject", "550 5.7.25 reverse DNS of 192.0.2.5 cannot be looked up"),
    ],
)
def test_doubt(policy: str, verdict: str, reply: str) -> None:
    assert refusal("-F", policy, address=DOWN, rdns=None) == (verdict, reply)


def test_doubt_that_is_accepted_is_logged() -> None:
    smtpd, _ = player("-F", "accept")
    with smtpd:
        smtpd.connect(DOWN, rdns=None, fcrdns="fail").mail_from()
        assert len(smtpd.log) == 1
        assert " mail-from action=proceed reason=dns why=" in smtpd.log[0]


@pytest.mark.parametrize(("arguments", "seconds"), [((), 5.0), (("-T", "2"), 1.8), (("-T", "60"), 5.0)])
def test_a_decision_does_not_take_long(arguments: tuple[str, ...], seconds: float) -> None:
    zone: Zone = {(BARE, "PTR"): Slow(4.9, ["mx.example"]), ("mx.example", "A"): Slow(4.9, [BARE])}
    smtpd, _ = player("-f", "-S", *arguments, zone=zone)
    with smtpd:
        began = smtpd.loop.time()
        reply = smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from().reply
        assert reply.startswith("451 4.7.25 reverse DNS of")
        assert seconds - 0.1 <= smtpd.loop.time() - began <= seconds + 0.1


@pytest.mark.parametrize("client", ["fe80::1%em0", "fe80::1%2", "fe80::1%vlan.100"])
def test_a_reply_never_names_an_interface_of_ours(client: str) -> None:
    zone = {("fe80::2", "PTR"): ["host.example.org"], ("host.example.org", "AAAA"): ["2001:db8::1"]}
    assert refusal("-f", address=client, rdns=None, zone=zone)[1] == "550 5.7.25 no reverse DNS for fe80::1"
    found = refusal("-f", address=client.replace("::1", "::2"), rdns="host.example.org", zone=zone)
    assert found[1] == "550 5.7.25 reverse DNS of fe80::2 does not lead back to it"


@pytest.mark.parametrize("scope", ["%em0", "%1", ""])
def test_a_link_local_client_with_a_name_passes(scope: str) -> None:
    zone = {("fe80::1", "PTR"): ["host.example.org"], ("host.example.org", "AAAA"): ["fe80::1"]}
    assert refusal("-f", address="fe80::1" + scope, rdns=None, zone=zone) == ("proceed", "")


MANY: Zone = {
    (BARE, "PTR"): [f"www{n}.example" for n in range(30)] + ["mx.example.org"],
    ("mx.example.org", "A"): [BARE],
}


@pytest.mark.parametrize(("rdns", "helo"), [("mx.example.org", "other.example"), ("www1.example", "mx.example.org")])
def test_among_many_names_the_one_that_smtpd_or_helo_gives_is_found(rdns: str, helo: str) -> None:
    smtpd, _ = player("-f", zone=MANY)
    with smtpd:
        client = smtpd.connect(BARE, rdns=rdns, fcrdns="fail")
        client.helo(helo)
        assert client.mail_from().ok


@pytest.mark.parametrize("count", [10, 11, 50, 99])
@pytest.mark.parametrize("arguments", [(), ("-f",), ("-f", "-p", "rcpt-to")])
def test_a_name_behind_many_addresses_in_the_reverse_dns_is_found(count: int, arguments: tuple[str, ...]) -> None:
    literal = [f"10.1.{n}.1" for n in range(count)]
    zone: Zone = {(BARE, "PTR"): [*literal, "mx.example.org"], ("mx.example.org", "A"): [BARE]}
    assert refusal(*arguments, address=BARE, rdns=None, zone=zone) == ("proceed", "")
    assert refusal(*arguments, address=BARE, rdns=None, zone={(BARE, "PTR"): literal})[1].startswith("550 5.7.25")


@pytest.mark.parametrize("arguments", [(), ("-p", "connect"), ("-p", "rcpt-to")])
def test_among_more_names_than_are_looked_up_nobody_is_refused_for_good(arguments: tuple[str, ...]) -> None:
    verdict, reply = refusal("-f", *arguments, address=BARE, rdns="www1.example", zone=MANY)
    assert (verdict, reply) == ("disconnect" if "connect" in arguments else "reject", REPLIES["doubt"].format(BARE))
    assert refusal("-f", "-F", "accept", *arguments, address=BARE, rdns="www1.example", zone=MANY)[0] == "proceed"
