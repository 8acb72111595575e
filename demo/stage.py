"""What a scene plays on: the running server, and what can be told of it afterwards.

A scene is one line of the demo's table: somebody sends something, smtpd answers, the log says who decided and why, and
what was delivered lies in a mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.utils import formatdate
from typing import Final

from filter_api.text.escape import parse_pairs
from tools.private_smtpd import Client, Gone, Reply, Smtpd, wait_until
from tools.private_smtpd.backends import Backend

LOGGED: Final = re.compile(r"^(?:mail: )?([a-z0-9-]+): ([0-9a-f]{16}) ([a-z-]+) (\S+=.*)$", re.M)
"""A filter's line in smtpd's log: its name in smtpd.conf or in its chain, the session, what it is about, key=value …"""
TOLD: Final = ("reason", "override", "result", "virus", "score", "signs", "name", "ptr", "why")
"""Keys of a log line that say why, in the order the table shows them."""
RESULTS: Final = "Authentication-Results"
HEADERS: Final = ("X-Virus-Status", "X-Spam-Flag", "X-Spam-Status", "DKIM-Signature", RESULTS, "X-Spam")
"""Fields of a delivered message that filters wrote."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one scene."""

    answer: str
    """What the client was told, its last answer first."""
    filter: str = ""
    """The filter that decided, as smtpd.conf names it; empty when none objected."""
    why: str = ""
    delivered: str = ""
    """Where it lies, and what the filters wrote into its header."""


@dataclass(slots=True)
class Stage:
    """The server and everything beside it."""

    smtpd: Smtpd
    backends: dict[str, Backend] = field(default_factory=dict)
    last: int = 0
    """Number of the last message."""
    changes: set[str] = field(default_factory=set)
    """What scenes have changed for those after them."""

    def subject(self, words: str) -> str:
        """A subject of its own for every message."""
        self.last += 1
        return f"{words} ({self.last})"

    def explained(self, sender: str, answer: Reply) -> tuple[str, dict[str, str]]:
        """The filter that told a client this, and what it logged of it; ("", {}) if no filter did."""
        for name, _, _, rest in reversed(LOGGED.findall(self.smtpd.log())):
            facts = parse_pairs(rest)
            if facts.get("reply") == str(answer) and facts.get("from") == f"<{sender}>":
                return name, facts
        return "", {}

    def mailbox(self, subject: str, user: str = "bob") -> tuple[str, bytes]:
        """Where the message with this subject lies, and the message. It is waited for."""
        wanted = f"Subject: {subject}\n".encode()
        found: list[tuple[str, bytes]] = []

        def look() -> bool:
            for folder in ("", ".Junk"):
                found.extend((folder, text) for text in self.smtpd.maildir(user, folder) if wanted in text)
            return bool(found)

        wait_until(look, 20, f"{subject!r} was not delivered")
        return found[0]


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of the table. `play` does it and says what was seen."""

    who: str
    source: str
    what: str
    play: Callable[[Stage], Seen]
    expect: int
    """The code of the last answer: the demo fails if it is another."""
    tls: bool = False
    """Whether it needs TLS, which Debian's 6.8 cannot do."""


def mail(subject: str, body: str = "At noon?\n", *, sender: str = "alice@good.example", mime: str = "") -> bytes:
    """An ordinary message; `mime`: more header lines."""
    head = f"From: <{sender}>\nTo: <bob@example.org>\nSubject: {subject}\nDate: {formatdate()}\n"
    text = f"{head}Message-ID: <{re.sub('[^a-z0-9]+', '.', subject)}@{sender.partition('@')[2]}>\n{mime}\n{body}"
    return text.replace("\n", "\r\n").encode()


def offer(client: Client, sender: str, recipient: str, text: bytes) -> Reply:
    """One mail in a session that has said EHLO, up to the first refusal."""
    reply = client.mail_from(sender)
    if reply.code < 400:
        reply = client.rcpt_to(recipient)
    return client.message(text) if reply.code < 400 else reply


def visit(stage: Stage, source: str, text: bytes, *, helo: str, sender: str, recipient: str) -> Reply:
    """One mail in a session of its own."""
    with stage.smtpd.client(source, timeout=60) as client:
        if client.banner is not None and client.banner.code >= 400:
            return client.banner
        client.ehlo(helo)
        reply = offer(client, sender, recipient, text)
        with suppress(Gone):
            client.quit()
        return reply


def send(
    stage: Stage,
    source: str,
    *,
    helo: str = "mx1.good.example",
    sender: str = "alice@good.example",
    recipient: str = "bob@example.org",
    text: bytes = b"",
    subject: str = "",
    again: bool = True,
) -> Seen:
    """One mail as a mail server sends it: `again` when it is told to come back by the greylist."""
    subject = subject or stage.subject("lunch")
    text = text or mail(subject, sender=sender or "mailer-daemon@good.example")
    reply = visit(stage, source, text, helo=helo, sender=sender, recipient=recipient)
    name, facts = stage.explained(sender, reply)
    before = ""
    if again and reply.code == 451 and name == "greylist":
        before = f"at first: {reply}"
        reply = visit(stage, source, text, helo=helo, sender=sender, recipient=recipient)
        name, facts = stage.explained(sender, reply)
    why = " ".join(f"{key}={facts[key]}" for key in TOLD if key in facts)
    return Seen(str(reply), name, "; ".join(part for part in (why, before) if part), look(stage, subject, reply))


def look(stage: Stage, subject: str, reply: Reply, user: str = "bob") -> str:
    """What was delivered of an accepted message, in a few words."""
    if reply.code != 250:
        return ""
    folder, text = stage.mailbox(subject, user)
    return f"{user}{'/' + folder[1:] if folder else ''}: {'; '.join(written(text)) or 'as it was'}"


def written(text: bytes) -> list[str]:
    """The fields the filters wrote, shortened."""
    parsed = message_from_bytes(text, policy=policy.compat32)
    found = []
    for name in HEADERS:
        for value in parsed.get_all(name, []):
            words = " ".join(str(value).split())
            if name == RESULTS:  # what it comes to
                words = "; ".join(re.findall(r"(?:arc|dmarc)=(?:\"[^\"]*\"|[^;\"])*", words))
            signed = re.findall(r"\b(?:d|s|a)=[^;]+", words) if name == "DKIM-Signature" else []
            found.append(f"{name}: {' '.join(signed) or words.partition(' required=')[0]}")
    return found
