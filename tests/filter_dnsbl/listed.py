"""What the tests share: a DNS with lists in it, and a player for a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from filter_api.net.dns import Resolver, Status
from filter_api.testing import FakeZone, Player, Slow
from filter_dnsbl.filter import build

Zone = Mapping[tuple[str, str], Sequence[str] | Status | Slow]

CLIENT = "192.0.2.5"
BACKWARDS = "5.2.0.192"


def passing(zone: str) -> dict[tuple[str, str], Any]:
    """The self test of a list of addresses and one of domains."""
    return {(f"2.0.0.127.{zone}", "A"): ["127.0.0.2"], (f"test.{zone}", "A"): ["127.0.0.2"]}


def listing(zone: str, *codes: str, label: str = BACKWARDS) -> dict[tuple[str, str], Any]:
    """A list that works and lists the client, or another label."""
    return passing(zone) | {(f"{label}.{zone}", "A"): list(codes or ("127.0.0.2",))}


BL = listing("bl.test")


def player(*arguments: str, zone: Zone = BL) -> tuple[Player, FakeZone]:
    """A filter with these options and this DNS."""
    backend = FakeZone(zone)
    return Player(build(list(arguments), Resolver(backend=backend))), backend


def told(*arguments: str, zone: Zone = BL, address: str = CLIENT, sender: str = "joe@sender.example") -> str:
    """The reply at mail-from; empty if the client is accepted, ``junk`` if it is marked."""
    smtpd, _ = player(*arguments, zone=zone)
    with smtpd:
        client = smtpd.connect(address)
        client.helo("client.example.net")
        said = client.mail_from(sender)
    return "junk" if said.verdict == "junk" else said.reply
