"""The parent of filters that judge clients: who is judged, when, for how long, and whom SPF saves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from filter_api.bases.judging import JudgingFilter
from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Proceed, Reject
from filter_api.net.dns import Resolver, Status
from filter_api.options import parse_options
from filter_api.session import Session
from filter_api.testing import FakeZone, Player, Slow

NO = Reject(550, "5.7.1", "no")
CLIENT = "192.0.2.1"

Zone = Mapping[tuple[str, str], Sequence[str] | Status | Slow]


class Nobody(JudgingFilter):
    """Refuses everybody, and notes what it was asked."""

    asked: ClassVar[list[tuple[Phase, bytes | None]]] = []
    phase: ClassVar[Phase] = Phase.MAIL_FROM

    def decides_at(self) -> Collection[Phase]:
        return (self.phase,)

    async def judge(self, session: Session, phase: Phase, sender: bytes | None = None) -> Decision:
        self.asked.append((phase, sender))
        if self.left_alone(session):
            return Proceed()
        if sender and self.exempt_if_vouched(sender):
            return await self.unless_vouched(session, sender, NO, phase, self.deadline())
        return NO


class AtMailFrom(Nobody):
    """All at mail-from."""


class AtConnect(Nobody):
    """All at connect."""

    phase: ClassVar[Phase] = Phase.CONNECT


class AtRcptTo(Nobody):
    """All at rcpt-to."""

    phase: ClassVar[Phase] = Phase.RCPT_TO


class Milder(AtMailFrom):
    """Knows better what to do in doubt."""

    def in_doubt(self, why: str, phase: Phase) -> Decision:
        return Reject(451, "4.7.24", f"{phase.value}: {why}"[:60])


def player(kind: type[Nobody], *arguments: str, zone: Zone | None = None) -> Player:
    Nobody.asked.clear()
    filter_ = kind(Resolver(backend=FakeZone(zone or {})))
    filter_.options = parse_options("", arguments, allow_from=True, allow_to=kind is AtRcptTo)[1]
    return Player(filter_)


@pytest.mark.parametrize(
    ("kind", "phases"),
    [(AtMailFrom, ["mail-from"]), (AtConnect, ["connect"]), (AtRcptTo, ["mail-from", "rcpt-to"])],
)
def test_what_is_asked_is_what_the_class_is_for(kind: type[Nobody], phases: list[str]) -> None:
    """At rcpt-to the sender is wanted, too, which only the request at mail-from tells whatever its length."""
    assert kind().wanted().phases == phases


def test_at_mail_from_the_sender_is_known() -> None:
    with player(AtMailFrom) as smtpd:
        assert smtpd.connect(CLIENT).mail_from("joe@example.org").reply == "550 5.7.1 no"
        assert smtpd.connect(CLIENT).mail_from("").reply == "550 5.7.1 no"
    assert Nobody.asked == [(Phase.MAIL_FROM, b"joe@example.org"), (Phase.MAIL_FROM, b"")]


def test_at_rcpt_to_somebody_hears_everybody() -> None:
    with player(AtRcptTo) as smtpd:
        client = smtpd.connect(CLIENT)
        assert client.mail_from("joe@example.org").ok
        for recipient in ("postmaster@example.net", "Abuse@example.net", "postmaster"):
            assert client.rcpt_to(recipient).ok
        assert client.rcpt_to("bob@example.net").reply == "550 5.7.1 no"
        assert client.rcpt_to("abuse").reply == "550 5.7.1 no"
    assert Nobody.asked == [(Phase.RCPT_TO, b"joe@example.org")] * 2


@pytest.mark.parametrize("kind", [AtMailFrom, AtConnect, AtRcptTo])
def test_who_is_ours_or_exempt_is_left_alone(kind: type[Nobody], tmp_path: Path) -> None:
    table = tmp_path / "exempt"
    table.write_text("198.51.100.7\nhost:.partner.example\n")
    with player(kind, "-N", "203.0.113.0/24", "-W", str(table)) as smtpd:
        for address, rdns in (
            ("203.0.113.9", None),
            ("198.51.100.7", None),
            ("192.0.2.9", "mx.partner.example"),
            ("unix", None),
        ):
            assert smtpd.connect(address, rdns=rdns).mail().ok
        client = smtpd.connect(CLIENT, rdns="mx.other.example")
        assert client.verdict == "reject" if kind is AtConnect else not client.mail().ok


def test_who_authenticated_is_left_alone() -> None:
    with player(AtMailFrom) as smtpd:
        client = smtpd.connect(CLIENT)
        client.auth("alice")
        assert client.mail().ok


@pytest.fixture
def listed(tmp_path: Path) -> str:
    table = tmp_path / "exempt"
    table.write_text("from:partner.example\n")
    return str(table)


@pytest.mark.parametrize(
    ("record", "reply", "told"),
    [
        ("v=spf1 ip4:192.0.2.1 -all", "", ""),
        ("v=spf1 -all", "550 5.7.1 no", ""),
        ("v=spf1 +all", "550 5.7.1 no", 'spf=pass why="weak: all"'),
        ("v=spf1 redirect=%{i}.partner.example", "550 5.7.1 no", 'spf=pass why="weak: macro"'),
        ("v=spf1 " + "a " * 9_000, "550 5.7.1 no", 'spf=permerror why="a record of 18007 bytes; 8192 are read"'),
        ("v=spf1 a:%{q}.example", "550 5.7.1 no", "spf=permerror why="),
    ],
)
def test_a_sender_in_the_list_is_spared_if_spf_vouches_for_it(listed: str, record: str, reply: str, told: str) -> None:
    zone: Zone = {
        ("partner.example", "TXT"): [record],
        ("192.0.2.1.partner.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    }
    with player(AtMailFrom, "-W", listed, zone=zone) as smtpd:
        assert smtpd.connect(CLIENT).mail_from("joe@partner.example").reply == reply
        assert smtpd.connect(CLIENT).mail_from("joe@other.example").reply == "550 5.7.1 no"
        lines = [line for line in smtpd.log if " not-vouched " in line]
    assert len(lines) == bool(told)
    assert all(told in line and "sender=joe@partner.example" in line for line in lines)


def test_doubt_about_it_is_the_business_of_the_failure_policy(listed: str) -> None:
    zone: Zone = {("partner.example", "TXT"): Status.TEMPFAIL}
    for policy, reply in (("tempfail", "451 4.3.0"), ("reject", "550 5.3.0"), ("accept", "")):
        with player(AtMailFrom, "-W", listed, "-F", policy, zone=zone) as smtpd:
            assert smtpd.connect(CLIENT).mail_from("joe@partner.example").reply.startswith(reply)


def test_a_filter_may_know_better(listed: str) -> None:
    with player(Milder, "-W", listed, zone={("partner.example", "TXT"): Status.TEMPFAIL}) as smtpd:
        reply = smtpd.connect(CLIENT).mail_from("joe@partner.example").reply
        assert reply.startswith("451 4.7.24 mail-from: TXT of partner.example")


@pytest.mark.parametrize(("arguments", "seconds"), [((), 5.0), (("-T", "2"), 1.8), (("-T", "60"), 5.0)])
def test_the_dns_is_given_so_long_and_no_longer(listed: str, arguments: tuple[str, ...], seconds: float) -> None:
    zone: Zone = {("partner.example", "TXT"): Slow(60, ["v=spf1 -all"])}
    with player(AtMailFrom, "-W", listed, *arguments, zone=zone) as smtpd:
        began = smtpd.loop.time()
        assert smtpd.connect(CLIENT).mail_from("joe@partner.example").reply.startswith("451")
        assert seconds - 0.1 <= smtpd.loop.time() - began <= seconds + 0.1


def test_a_hangup_forgets_what_the_dns_said(listed: str) -> None:
    zone = FakeZone({("partner.example", "TXT"): ["v=spf1 -all"]})
    filter_ = AtMailFrom(Resolver(backend=zone))
    filter_.options = parse_options("", ["-W", listed], allow_from=True)[1]
    with Player(filter_) as smtpd:
        for _ in range(2):
            smtpd.connect(CLIENT).mail_from("joe@partner.example")
        assert len(zone.asked) == 1
        filter_.reload()
        smtpd.connect(CLIENT).mail_from("joe@partner.example")
        assert len(zone.asked) == 2


def test_no_resolver_is_made_before_it_is_needed() -> None:
    made = AtConnect()
    made.reload()
    assert made._resolver is None
    assert made.resolver is made.resolver
