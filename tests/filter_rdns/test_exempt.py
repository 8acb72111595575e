"""Who is never refused by filter-rdns."""

from __future__ import annotations

from pathlib import Path

import pytest

from filter_api.errors import ConfigError
from filter_api.net.dns import Status
from filter_rdns.filter import build
from tests.filter_rdns.play import BARE, GOOD, LIAR, NO_PTR, ZONE, Zone, player, refusal

EVERYTHING = ("-f", "-H", "-S")


@pytest.mark.parametrize("address", ["unix", "127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_our_own_clients(address: str, phase: str) -> None:
    smtpd, zone = player(*EVERYTHING, "-p", phase)
    with smtpd:
        client = smtpd.connect(address, rdns=None, fcrdns="fail")
        assert client.verdict == "proceed"
        assert client.helo("localhost").ok
        assert client.mail_from("root").ok
        assert client.rcpt_to().ok
    assert zone.asked == []


def test_networks_of_ours() -> None:
    assert refusal("-N", "192.0.2.0/24", address=BARE, rdns=None) == ("proceed", "")
    assert refusal("-N", "198.51.100.0/24", address=BARE, rdns=None)[0] == "reject"


@pytest.mark.parametrize(("phase", "verdict"), [("mail-from", "proceed"), ("rcpt-to", "proceed")])
def test_who_has_authenticated(phase: str, verdict: str) -> None:
    smtpd, _ = player(*EVERYTHING, "-p", phase)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.helo("laptop")
        client.auth("alice")
        client.mail_from("alice@gone.example")
        assert client.verdict == verdict
        client.rcpt_to()
        assert client.verdict == verdict


def test_a_failed_authentication_does_not_help() -> None:
    smtpd, _ = player()
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.auth("alice", "fail")
        assert client.mail_from().reply == NO_PTR


@pytest.mark.parametrize(
    ("entry", "fcrdns", "exempt"),
    [
        (LIAR, "fail", True),
        ("192.0.2.0/24", "fail", True),
        ("2001:db8::/32", "fail", False),
        ("host:www.example.org", "fail", False),  # whoever owns an address can give it any name
    ],
)
def test_exempt_clients(tmp_path: Path, entry: str, fcrdns: str, exempt: bool) -> None:
    file = tmp_path / "exempt"
    file.write_text(f"{entry}\n")
    found = refusal("-f", "-W", str(file), address=LIAR, rdns="www.example.org", fcrdns=fcrdns)
    assert found[0] == ("proceed" if exempt else "reject")


def test_a_confirmed_name_is_exempt_from_the_other_checks(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("host:mx.example.org\n")
    smtpd, _ = player("-HS", "-W", str(file))
    with smtpd:
        for name, verdict in (("mx.example.org", "proceed"), ("other.example", "reject")):
            client = smtpd.connect(GOOD, rdns=name)
            client.helo("bare")
            assert client.mail_from("joe@gone.example").verdict == verdict


@pytest.mark.parametrize("recipient", ["postmaster@example.org", "Postmaster", "ABUSE@example.org"])
def test_somebody_always_hears_everybody(recipient: str) -> None:
    smtpd, zone = player(*EVERYTHING, "-p", "rcpt-to")
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.helo("bare")
        client.mail_from("joe@gone.example")
        assert client.rcpt_to(recipient).ok
        assert zone.asked == []
        assert not client.rcpt_to("joe@example.org").ok


def test_exempt_recipients(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("to:joe@example.org\n")
    smtpd, _ = player("-p", "rcpt-to", "-W", str(file))
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.mail_from()
        assert client.rcpt_to("joe@example.org").ok
        assert client.rcpt_to("jane@example.org").reply == NO_PTR


@pytest.mark.parametrize("arguments", [[], ["-p", "connect"], ["-m", "-p", "rcpt-to"]])
def test_recipients_are_not_known_before_rcpt_to(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "exempt"
    file.write_text("192.0.2.1\nto:joe@example.org\n")
    with pytest.raises(ConfigError, match=r"exempt:2: "):
        build([*arguments, "-W", str(file)])


SPF_ZONE: Zone = {
    **ZONE,
    ("strong.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
    ("weak.example", "TXT"): [b"v=spf1 +all"],
    ("other.example", "TXT"): [b"v=spf1 ip4:192.0.2.0/24 -all"],
    ("doubt.example", "TXT"): Status.TEMPFAIL,
}


@pytest.mark.parametrize("phase", ["mail-from", "rcpt-to"])
@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("joe@strong.example", ""),
        ("joe@weak.example", NO_PTR),
        ("joe@other.example", NO_PTR),
        ("joe@forged.example", NO_PTR),
        ("", NO_PTR),
        ("joe@doubt.example", "451 4.7.24 SPF of the sender cannot be looked up, try again later"),
    ],
)
def test_exempt_senders_need_spf(tmp_path: Path, phase: str, sender: str, reply: str) -> None:
    file = tmp_path / "exempt"
    file.write_text("from:strong.example\nfrom:weak.example\nfrom:forged.example\nfrom:doubt.example\n")
    smtpd, zone = player("-H", "-p", phase, "-W", str(file), zone=SPF_ZONE)
    with smtpd:
        client = smtpd.connect(BARE, rdns=None, fcrdns="fail")
        client.helo("mail.example.net")
        client.mail_from(sender)
        if phase == "rcpt-to":
            client.rcpt_to()
        assert client.reply == reply
        good = smtpd.connect(GOOD)
        good.helo("mail.example.net")
        zone.asked.clear()
        assert good.mail_from("joe@doubt.example").ok
        assert good.rcpt_to().ok
        assert zone.asked == []  # SPF is asked only for who would be refused


def test_an_exempt_sender_is_forgiven_its_helo(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("from:strong.example\n")
    smtpd, _ = player("-H", "-W", str(file), zone=SPF_ZONE)
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo("bare")
        assert client.mail_from("joe@strong.example").ok
        client.rset()
        assert not client.mail_from("joe@other.example").ok


def test_senders_are_not_known_at_connect(tmp_path: Path) -> None:
    file = tmp_path / "exempt"
    file.write_text("from:strong.example\n")
    with pytest.raises(ConfigError, match=r"exempt:1: "):
        build(["-p", "connect", "-S", "-W", str(file)])
