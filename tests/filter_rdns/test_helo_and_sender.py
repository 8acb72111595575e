"""Options -H and -S of filter-rdns, played in memory."""

from __future__ import annotations

import pytest

from filter_api.net.dns import Resolver
from filter_api.testing import FakeZone, Player
from filter_rdns.filter import build
from tests.filter_rdns.play import (
    BARE,
    GOOD,
    NO_PTR,
    ZONE,
    player,
)


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
def test_helo_is_answered_at_mail_from_at_the_earliest(phase: str) -> None:
    smtpd, _ = player("-H", "-p", phase)
    with smtpd:
        client = smtpd.connect(GOOD)
        assert client.helo("bare").ok
        client.mail_from()
        if phase == "rcpt-to":
            assert client.verdict == "proceed"
            client.rcpt_to()
        assert (client.verdict, client.reply) == ("reject", "550 5.7.1 HELO needs a full host name")


@pytest.mark.parametrize(
    ("identity", "reply"),
    [
        ("mail.example.net", ""),
        ("mx.example.org", "550 5.7.1 HELO with our own name"),  # as the Player's smtpd greets
        (f"[{GOOD}]", ""),
        (f"[{BARE}]", "550 5.7.1 HELO with an address that is not yours"),
    ],
)
def test_helo(identity: str, reply: str) -> None:
    smtpd, _ = player("-H")
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo(identity)
        assert client.mail_from().reply == reply


def test_without_h_any_helo_will_do() -> None:
    smtpd, _ = player()
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo("bare")
        assert client.mail_from().ok


def test_a_helo_given_anew_is_judged_anew() -> None:
    smtpd, _ = player("-H")
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo("bare")
        assert not client.mail_from().ok
        client.starttls()
        client.helo("mail.example.net")
        assert client.mail_from().ok
        client.rset()
        client.helo("bare")
        assert not client.mail_from().ok


def test_our_name_is_the_admd_where_the_greeting_was_not_seen() -> None:
    handshake = [b"config|smtpd-version|7.8.0", b"config|admd|admd.example", b"config|ready"]
    with Player(build(["-H"], Resolver(backend=FakeZone(ZONE))), handshake=handshake) as smtpd:
        for greeted, reply in ((b"", "550 5.7.1 HELO with our own name"), (b"other.example", "")):
            client = smtpd.connect(GOOD)
            client.report("link-greeting", greeted)
            client.helo("admd.example")
            assert client.mail_from().reply == reply


@pytest.mark.parametrize("phase", ["connect", "mail-from", "rcpt-to"])
@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("", ""),
        ("joe@example.net", ""),
        ("joe@null.example", "550 5.7.27 the sender's domain accepts no mail"),
        ("joe@gone.example", "550 5.1.8 the sender's domain does not exist"),
        ("joe@www.example.org", ""),
        ("joe@of.example", "550 5.1.8 the sender's domain has no mail server"),
        ("joe@broken.example", "451 4.1.8 the sender's domain cannot be looked up, try again later"),
        ("j" * 300 + "@gone.example", "550 5.1.8 the sender's domain does not exist"),
    ],
)
def test_sender(phase: str, sender: str, reply: str) -> None:
    smtpd, _ = player("-S", "-p", phase)
    with smtpd:
        client = smtpd.connect(GOOD)
        client.helo()
        client.mail_from(sender)
        if phase == "rcpt-to":
            assert client.verdict == "proceed"
            client.rcpt_to()
        assert (client.verdict, client.reply) == ("reject" if reply else "proceed", reply)


def test_the_client_is_judged_before_its_sender() -> None:
    smtpd, zone = player("-S")
    with smtpd:
        assert smtpd.connect(BARE, rdns=None, fcrdns="fail").mail_from("joe@gone.example").reply == NO_PTR
        assert [kind for _, kind in zone.asked] == ["PTR"]
