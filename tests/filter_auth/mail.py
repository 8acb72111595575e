"""Mail for tests of filter-auth: a zone, a filter, and what comes of a message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from filter_api.net.dns import Resolver
from filter_api.testing.client import Client, Outcome
from filter_api.testing.dns import Content, FakeZone, Slow
from filter_api.testing.player import Player
from filter_auth.filter import build
from tests.dkim.crafted import HEADER, NAME, crafted
from tests.filter_dkimsign.keyring import record, rsa_key

CLIENT = "192.0.2.1"
PLAIN = b"From: Jane <jane@example.org>\r\nTo: bob@example.net\r\nSubject: test\r\n\r\nhello\r\nworld\r\n"

#: Whoever has nothing to do with the author, and sends from the client's address.
STRANGER: Mapping[tuple[str, str], Content | Slow] = {("evil.example", "TXT"): [b"v=spf1 +all"]}


def dmarc(text: str, domain: str = "example.org") -> dict[tuple[str, str], Content | Slow]:
    return {(f"_dmarc.{domain}", "TXT"): [f"v=DMARC1; {text}".encode()]}


def signed(header: bytes = HEADER) -> bytes:
    """A message of alice@example.org with a signature of example.org that holds; its key is in `keys()`."""
    return crafted(header=header)


def keys() -> dict[tuple[str, str], Content | Slow]:
    return {(NAME, "TXT"): [record(rsa_key())]}


def connected(player: Player, address: str = CLIENT, rdns: str | None = "client.example.net") -> Client:
    client = player.connect(address, rdns=rdns)
    client.helo("client.example.net")
    return client


def sent(
    zone: Mapping[tuple[str, str], Content | Slow],
    text: bytes = PLAIN,
    *,
    options: Sequence[str] = (),
    sender: str = "x@evil.example",
    recipients: Sequence[str] = (),
    address: str = CLIENT,
    user: str = "",
    log: list[str] | None = None,
) -> Outcome:
    """What comes of one message."""
    with Player(build(list(options), Resolver(backend=FakeZone({**STRANGER, **zone})))) as player:
        client = connected(player, address)
        if user:
            client.auth(user)
        outcome = client.mail(text, *recipients, sender=sender)
        if log is not None:
            log += player.log
    return outcome


def results(outcome: Outcome) -> list[str]:
    """The values of all Authentication-Results fields, unfolded, in their order."""
    head = outcome.text.partition(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n\t", " ")
    return re.findall(r"(?m)^Authentication-Results: (.*?)\r?$", head)


def marked(outcome: Outcome) -> bool:
    return b"X-Spam: yes" in outcome.lines
