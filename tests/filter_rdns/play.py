"""What the tests of the filter share: a zone, a player for a command line, and the reply a client gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from filter_api.net.dns import Record, Resolver, Status
from filter_api.testing import FakeZone, Player, Slow
from filter_rdns.filter import build

Zone = Mapping[tuple[str, str], Sequence[Record] | Status | Slow]

GOOD, BARE, LITERAL, LIAR, DOWN, HALF, LONG = (f"192.0.2.{n}" for n in range(1, 8))
LONG_NAME = "a-very-long-name-of-a-mail-server-somewhere-in-a-rack-in-a-hall.of.example"

ZONE: Zone = {
    (GOOD, "PTR"): ["mx.example.org"],
    ("mx.example.org", "A"): [GOOD],
    (LITERAL, "PTR"): [LITERAL],
    (LIAR, "PTR"): ["www.example.org"],
    ("www.example.org", "A"): ["198.51.100.1"],
    (DOWN, "PTR"): Status.TEMPFAIL,
    (HALF, "PTR"): ["half.example"],
    ("half.example", "A"): Status.TEMPFAIL,
    (LONG, "PTR"): [LONG_NAME],
    (LONG_NAME, "A"): [LONG],
    ("example.net", "MX"): [(10, "mail.example.net")],
    ("null.example", "MX"): [(0, ".")],
    ("broken.example", "MX"): Status.TEMPFAIL,
}


def player(*arguments: str, zone: Zone = ZONE) -> tuple[Player, FakeZone]:
    backend = FakeZone(zone)
    return Player(build(list(arguments), Resolver(backend=backend))), backend


def refusal(
    *arguments: str, address: str, rdns: str | None, fcrdns: str = "fail", zone: Zone = ZONE
) -> tuple[str, str]:
    """The first word and reply that is not proceed, and the phase does not matter."""
    smtpd, _ = player(*arguments, zone=zone)
    with smtpd:
        client = smtpd.connect(address, rdns=rdns, fcrdns=fcrdns)
        for step in (client.helo, client.mail_from, client.rcpt_to):
            if client.verdict == "proceed":
                step()
        return client.verdict, client.reply


REPLIES = {
    "": "",
    "none": "550 5.7.25 no reverse DNS for {}",
    "literal": "550 5.7.25 reverse DNS of {} is no name",
    "mismatch": "550 5.7.25 reverse DNS of {} does not lead back to it",
    "doubt": "451 4.7.25 reverse DNS of {} cannot be looked up, try again later",
}
NO_PTR = REPLIES["none"].format(BARE)
