"""What the whole chain logs, as a syslogd writes it, and what really happened to each mail of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tests.smtpd import chain_config as at
from tests.smtpd.chain import Chain, Seen, converse, infected, mail
from tools.private_smtpd.backends import GTUBE

BOB: Final = "bob@example.org"
EACH: Final = 22
"""Mails of each kind."""

BEGIN: Final = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC).astimezone()


class Told(NamedTuple):
    """A mail as its client saw it end. reply: of the refusal, or "" if smtpd took it; attempts: sessions it took."""

    sender: str
    recipient: str
    reply: str
    attempts: int


def as_syslog(log: str, *, host: str = "mx", begin: datetime = BEGIN, rfc3339: bool = False) -> list[str]:
    """The lines with time (a second each), host and program in front."""
    lines = []
    for number, line in enumerate(log.splitlines()):
        when = begin + timedelta(seconds=number)
        day = f"{when:%b} {when.day:2} {when:%H:%M:%S}"
        lines.append(f"{when.isoformat() if rfc3339 else day} {host} smtpd[89374]: {line}\n")
    return lines


def offer_two_hundred(chain: Chain) -> list[Told]:
    """Two hundred mails of every kind; each has a sender of its own, so that it can be told from the others."""
    told: list[Told] = []

    def once(source: str, sender: str, recipient: str, text: bytes) -> None:
        seen = chain.offer(source, sender, recipient, text)
        told.append(Told(sender, recipient, _refused(seen), 1))

    def again(source: str, sender: str, text: bytes) -> None:
        first = chain.offer(source, sender, BOB, text)
        last = chain.offer(source, sender, BOB, text) if first.code == 451 else first
        told.append(Told(sender, BOB, _refused(last), 2 if first.code == 451 else 1))

    for number in range(EACH):
        once(at.NO_NAME, f"nobody{number}@good.example", BOB, mail(f"no name {number}"))
        once(at.RESIDENTIAL, f"home{number}@good.example", BOB, mail(f"home {number}"))
        again(at.GOOD, f"alice{number}@good.example", mail(f"clean {number}"))
        again(at.VIRUS, f"virus{number}@virus.example", infected(f"virus {number}"))
        again(at.CAREFUL, f"spam{number}@careful.example", mail(f"spam {number}", f"\n{GTUBE.decode()}\n"))
        again(at.SCORED, f"offers{number}@scored.example", mail(f"an offer {number}"))
        once(at.GOOD, f"wide{number}@good.example", BOB, mail("a long line", "x" * 65_490))
        once(at.GOOD, f"loop{number}@good.example", BOB, b"Received: a\r\n" * 101 + mail(f"loop {number}"))
        trap = "trap@example.org" if number == 0 else BOB
        once(at.SPAMMER, f"trapped{number}@spam.example", trap, mail(f"trapped {number}"))
    told += _in_one_session(chain)
    return told


def _in_one_session(chain: Chain) -> list[Told]:
    """Several mails, and one refused amid them, in one session."""
    told = []
    with chain.client(at.GOOD) as client:
        for number, text in enumerate([mail("many 0"), infected("many 1"), mail("many 2"), mail("many 3")]):
            sender = f"many{number}@good.example"
            told.append(Told(sender, BOB, _refused(converse(client, sender, BOB, text)), 1))
        client.quit()
    return told


def _refused(seen: Seen) -> str:
    return seen.reply if seen.code >= 400 else ""
