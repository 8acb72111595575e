"""What delivered mail teaches: whom our own users write to, and which hosts take our mail.

A reply from somebody our user has just written to should not wait. When a message of ours is in the queue, each pair
(their address, our user) is remembered, up to 200 new ones a user and day, and each domain; a domain counts after two
messages. They help only with a strong SPF pass, as anybody can write a sender.

With the reports of outgoing connections the addresses of the hosts that took our mail become white, as spamlogd(8)
does it; only for messages that came from ours: what we merely forward, and bounces, would let strangers whitelist
themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from filter_api.text.addresses import domain_of
from filter_greylist.rules.key import mailbox
from filter_greylist.rules.records import Kind, Life, Record, Timers, pair_name

NEW_PAIRS = 200
"""New recipients a user may teach in a day: enough for people, too few for a stolen account to open the gates."""

USERS = 100_000
MESSAGES = 100_000
DAY = 86_400
QUEUED = 5 * DAY
"""Seconds after which a message has left the queue one way or the other; smtpd gives up after four days."""


class Lesson(NamedTuple):
    """What one committed message of ours teaches: who taught, and the pairs."""

    user: bytes
    pairs: tuple[bytes, ...]
    domains: tuple[bytes, ...]


def lesson(user: bytes | None, sender: bytes | None, recipients: Sequence[bytes]) -> Lesson | None:
    """The lesson of a message; None for a null or unknown sender, which is no user of ours.

    A sender of ours that is signed by BATV teaches for its mailbox: that is where the answers go.
    """
    if not sender:
        return None
    ours = mailbox(sender)
    theirs = [address for address in recipients if domain_of(address)]
    return Lesson(
        user or ours,
        tuple(dict.fromkeys(pair_name(mailbox(address), ours) for address in theirs)),
        tuple(dict.fromkeys(domain_of(address) for address in theirs)),
    )


def records_of(pairs: Sequence[bytes], domains: Sequence[bytes], now: int, timers: Timers) -> list[Record]:
    """What is to be merged into the store."""
    life = Life(now, now, now + timers.white, 0, 1)
    return [Record(Kind.PAIR, name, life) for name in pairs] + [Record(Kind.DOMAIN, name, life) for name in domains]


class Quota:
    """How many new pairs each user has taught today; the longest silent user is forgotten first."""

    def __init__(self) -> None:
        self._taught: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def take(self, user: bytes, wanted: int, now: int) -> int:
        """How many of so many new pairs may be learned."""
        day, taught = self._taught.pop(user, (now // DAY, 0))
        if day != now // DAY:
            taught = 0
        granted = min(wanted, NEW_PAIRS - taught)
        self._taught[user] = (now // DAY, taught + granted)
        if len(self._taught) > USERS:
            self._taught.popitem(last=False)
        return granted


class OurMessages:
    """The ids of messages that came from ours and may still be in the queue."""

    def __init__(self) -> None:
        self._ids: OrderedDict[bytes, int] = OrderedDict()

    def add(self, message_id: bytes, now: int) -> None:
        """A message of ours is in the queue."""
        self._ids[message_id] = now
        while len(self._ids) > MESSAGES or next(iter(self._ids.values())) < now - QUEUED:
            self._ids.popitem(last=False)

    def __contains__(self, message_id: bytes | None) -> bool:
        return message_id in self._ids
