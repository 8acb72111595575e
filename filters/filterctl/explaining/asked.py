"""What is asked about a client, and what a filter answers: values that go from one process to another."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from filter_api import trust
from filter_api.session import Session
from filter_api.text.addresses import plain_address


class Asked(NamedTuple):
    """A client as smtpd would report it: `rdns` is its name (empty: none), `fcrdns` whether that leads back.

    server: the name server to ask and its port; None for those of resolv.conf(5).
    """

    address: str
    sender: bytes
    recipient: bytes
    helo: bytes
    rdns: bytes
    fcrdns: str
    destination: str
    hostname: str
    server: tuple[str, int] | None

    def session(self) -> Session:
        """The session of such a client."""
        session = trust.client_at(plain_address(ip_address(self.address)))
        session.rdns, session.fcrdns = self.rdns or None, self.fcrdns
        return session


class Verdict(NamedTuple):
    """A decision: at which phase, its word (``reject``, ``junk`` …), the reply, and the reason by the log."""

    phase: str
    word: str
    reply: str
    reason: str


class Heard(NamedTuple):
    """What a filter says. label: its name in its process. notes: what else it logged, its findings among them.

    left_alone: why it does not judge this client; observes: it has -n; later: it only looks at messages.
    """

    label: str
    verdicts: list[Verdict]
    notes: list[str]
    left_alone: str
    observes: bool
    later: bool
