"""Domains whose zones are made to keep us busy, under filter-greylist: an honest client beside them does not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.smtpd.greylisting import STORE, greylisting, let_in
from tests.smtpd.honest import HONEST, slowest
from tools.private_smtpd import Smtpd, Zone

pytestmark = pytest.mark.timed

ATTACKERS = tuple(f"192.0.{n}.66" for n in range(60, 68))
"""Each in a network of its own: if the domain vouched for them, the second would be let in."""
START = 'listen on 203.0.113.25\naction "local" maildir\nmatch from any for domain "example.org" action "local"\n'
CONFIG = f"""
filter "greylist" proc-exec "filter-greylist -F accept -G 0:4:864 -f {STORE}"
listen on 203.0.113.25 filter "greylist"
action "local" maildir
match from any for domain "example.org" action "local"
"""


def text(record: str) -> str:
    """A TXT record in strings of 250 bytes."""
    return "TXT " + " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))


def full(term: str, size: int, end: str = "ip4:192.0.0.0/16") -> str:
    """An SPF record of that size: one term again and again, and another at the end, which lets the attackers pass."""
    return "v=spf1 " + (term + " ") * ((size - 30) // (len(term) + 1)) + end


PIECES = "exists:" + "%{s}" * 60 + ".example"
DOMAINS = {
    "exists16.example": [text("v=spf1 exists:" + "%{s}" * 4_000 + " +all")],
    "exists60.example": [text("v=spf1 exists:" + "%{s}" * 15_000 + " +all")],
    "exists4.example": [text(full(PIECES, 4_000))],
    "terms60.example": [text(full("ip6:2001:db8::/99", 60_000))],
    "includes.example": [text("v=spf1 " + " ".join(f"include:i{n}.includes.example" for n in range(8)) + " +all")],
    "pool.example": [text("v=spf1 a:many.pool.example ip4:192.0.0.0/16"), text("v=spf2.0/pra +all")],
    "texts.example": [text(f"token={n}") for n in range(1_500)] + [text("v=spf1 ip4:192.0.0.0/16")],
    "wide.example": [text("v=spf1 " + " ".join(f"ip4:{n}.0.0.0/12" for n in range(150, 223)) + " -all")],
}
ZONE: Zone = {
    **DOMAINS,
    **{f"i{n}.includes.example": [text(full(f"ip4:10.9.8.7/{n + 10}", 8_000, "-all"))] for n in range(8)},
    "many.pool.example": [f"A 10.0.{n // 250}.{n % 250}" for n in range(3_500)],
    "honest.example": [text("v=spf1 ip4:203.0.113.50 -all")],
    HONEST: "mx.honest.example",
    "mx.honest.example": [f"A {HONEST}"],
}


@pytest.fixture(scope="module")
def smtpd(version: str) -> Iterator[Smtpd]:
    with greylisting(version, START, CONFIG, zone=ZONE) as running:
        let_in(running)
        yield running
        assert "stalled" not in running.log()


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_honest_client_beside_the_attack_is_answered_and_the_attack_gets_nothing(smtpd: Smtpd, domain: str) -> None:
    attackers = [smtpd.client(address) for address in ATTACKERS]
    try:
        for attacker in attackers:
            attacker.ehlo("h" * 50 + ".example")
            assert attacker.mail_from("a." * 60 + f"b@{domain}").code == 250
        with smtpd.client(HONEST) as honest:
            for attacker in attackers:  # the questions go out together
                attacker.send(b"RCPT TO:<carol@example.org>\r\n")
            assert slowest(honest) < 1.0
        replies = [attacker.reply() for attacker in attackers]
        assert {reply.code for reply in replies} == {451}, replies
    finally:
        for attacker in attackers:
            attacker.close()
