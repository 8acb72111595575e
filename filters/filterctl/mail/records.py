"""What a log tells of a mail, as values. Texts are as logged: not yet fit for a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from filterctl.mail.smtpdlines import Delivery


@dataclass(slots=True)
class Refusal:
    """who: smtpd or a filter; phase: connect, ehlo, mail-from, rcpt-to, data, message; pairs: of the filter's line."""

    when: str
    who: str
    phase: str
    reply: str
    pairs: dict[str, str]

    @property
    def for_now(self) -> bool:
        """Whether the client was told to come back (RFC 5321 §4.2.1, 4yz)."""
        return self.reply.startswith("4")

    @property
    def reason(self) -> str:
        return self.pairs.get("reason") or self.pairs.get("result") or "-"


@dataclass(slots=True)
class Step:
    """Something a filter said that was no refusal."""

    when: str
    who: str
    what: str
    pairs: dict[str, str]


@dataclass(slots=True)
class Client:
    """Who connected. Names are as logged; user: who logged in; said: the HELO name."""

    address: str = "-"
    name: str = "-"
    said: str = ""
    user: str = ""
    since: str = ""
    left: str = ""


@dataclass(slots=True)
class Mail:
    """One mail. sender: None where it is not known. taken: when, empty if not; envelopes: how many smtpd made of it."""

    host: str
    session: str
    when: str
    client: Client
    sender: str | None
    recipients: list[str]
    refusal: Refusal | None = None
    steps: list[Step] = field(default_factory=list)
    taken: str = ""
    msgid: str = ""
    envelopes: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    earlier: list[Mail] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """refused, deferred, delivered, undeliverable, queued or unfinished."""
        if self.refusal is not None:
            return "deferred" if self.refusal.for_now else "refused"
        if not self.taken:
            return "unfinished"
        last = {each.evpid: each.result for each in self.deliveries}
        if "PermFail" in last.values():
            return "undeliverable"
        return "delivered" if len(last) >= self.envelopes and set(last.values()) == {"Ok"} else "queued"

    def facts(self, key: str) -> list[str]:
        """The values of the lines about it, that of a refusal first."""
        refused = [self.refusal.pairs] if self.refusal else []
        return [pairs[key] for pairs in [*refused, *(step.pairs for step in self.steps)] if pairs.get(key)]

    def fact(self, key: str) -> str:
        """The first of them, or nothing."""
        return next(iter(self.facts(key)), "")
