"""Clients judged by who they are: the builtin blocklist, filter-lists, filter-rdns, filter-dyndns, filter-dnsbl."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from demo import zone
from demo.stage import Scene, Seen, Stage, send


def visit(
    who: str,
    source: str,
    expect: int,
    *,
    helo: str = "mx1.good.example",
    sender: str = "alice@good.example",
    what: str = "a mail",
) -> Scene:
    """A client at `source` sends an ordinary mail."""

    def play(stage: Stage) -> Seen:
        return send(stage, source, helo=helo, sender=sender)

    return Scene(who, source, what, play, expect)


def blocked(stage: Stage) -> Seen:
    """Refused by smtpd itself, which logs no reason."""
    return replace(send(stage, zone.BLOCKED), filter="blocklist", why="a builtin filter: /etc/mail/blocklist")


CLIENTS: Final = (
    visit("good server", zone.GOOD, 250),
    visit("good server", zone.GOOD_IPV6, 250),
    visit(
        "server of a DSL forum",
        zone.SERVER_AT_DSL_FORUM,
        250,
        helo="mail.dslreports.example",
        sender="news@dslreports.example",
    ),
    Scene("on the blocklist", zone.BLOCKED, "a mail", blocked, 550),
    visit("on a black list", zone.LISTED, 550),
    visit("on it, but on the white list", zone.SPARED, 250, helo="mx.spared.example"),
    visit("no reverse DNS", zone.NO_NAME, 550),
    visit("somebody else's name", zone.MISMATCH, 550, helo="mail.bank.example", sender="service@bank.example"),
    visit("address as its name", zone.NAME_IS_ADDRESS, 550),
    visit("residential line", zone.RESIDENTIAL, 550),
    visit("residential line", zone.RESIDENTIAL_IPV6, 550),
    visit("in a list of the DNS", zone.IN_A_DNS_LIST, 550, helo="mx.onlist.example", sender="a@onlist.example"),
    visit("in it, but welcomed", zone.WELCOMED, 250, helo="mx.welcomed.example", sender="a@welcomed.example"),
    visit("DNS broken", zone.BROKEN, 451),
    visit("good server", zone.GOOD, 550, helo="localhost", what='says "EHLO localhost"'),
    visit("good server", zone.GOOD, 550, helo="mx.example.org", what="says it is us"),
    visit("good server", zone.GOOD, 550, sender="a@no-such-domain.example", what="sender's domain does not exist"),
    visit("good server", zone.GOOD, 550, sender="a@no-answers.example", what="sender takes no mail (null MX)"),
    visit("good server", zone.GOOD, 451, sender="a@broken.example", what="sender's DNS is broken"),
    visit("good server", zone.GOOD, 250, sender="", what="a bounce, sender <>"),
)
