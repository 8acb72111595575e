"""Attempts that are one mail: a server that was told to come back did.

The log has no name for a mail across sessions. What ties attempts together is sender and recipient, and the Message-ID
where both attempts got as far as the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from filterctl.mail.records import Mail

_GIVEN_UP: Final = timedelta(days=5)
"""How long mail servers try at least (RFC 5321 §4.5.4.1): what comes later is another mail."""

_Key = tuple[str, str, str]


def joined(attempts: Iterable[Mail]) -> list[Mail]:
    """Mails in the order of their last attempts, each with its earlier ones."""
    waiting: dict[_Key, Mail] = {}
    mails: list[Mail] = []
    gone: set[int] = set()
    for mail in sorted(attempts, key=lambda mail: mail.when):
        for key in _keys(mail):
            before = waiting.pop(key, None)
            if before is None or id(before) in gone or not _same(before, mail):
                continue
            gone.add(id(before))
            mail.earlier += [*before.earlier, before]
            before.earlier = []
        mail.earlier.sort(key=lambda each: each.when)
        mails.append(mail)
        if mail.outcome == "deferred":
            waiting.update(dict.fromkeys(_waiting_keys(mail), mail))
    return [mail for mail in mails if id(mail) not in gone]


def _keys(mail: Mail) -> list[_Key]:
    if mail.sender is None:
        return []
    sender = mail.sender.lower()
    return [*((sender, to.lower(), "") for to in mail.recipients), (sender, "", mail.client.address)]


def _waiting_keys(mail: Mail) -> list[_Key]:
    """Without a recipient only the same client can be known to come back."""
    keys = _keys(mail)
    return keys[:-1] if mail.recipients else keys


def _same(before: Mail, mail: Mail) -> bool:
    one, other = before.fact("msgid"), mail.fact("msgid")
    if one and other and one != other:
        return False
    return datetime.fromisoformat(mail.when) - datetime.fromisoformat(before.when) < _GIVEN_UP
