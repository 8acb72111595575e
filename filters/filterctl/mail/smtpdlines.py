"""What smtpd(8) itself logs of a session, taken apart. From smtp_session.c, mda.c, mta.c; 6.6 to 7.8.

smtpd writes a command as the client sent it, quotes and all, so a command ends at the last `` result=`` of its line.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from filter_api.text.escape import printable

_FAILED: Final = re.compile(r'smtp (?:failed-command command="(.*)"|bad-input) result="(.*?)"?$')
_ARGUMENT: Final = re.compile(r"[^:]*:\s*(?:<([^>]*)>|(\S+))")
_ENVELOPE: Final = re.compile(r"smtp envelope evpid=([0-9a-f]{16}) from=<(.*?)> to=<(.*)>$")
_MESSAGE: Final = re.compile(r"smtp message msgid=([0-9a-f]{8}) size=(\d{1,12}) ")
_DELIVERY: Final = re.compile(
    r"(mda|mta) delivery evpid=([0-9a-f]{16}) from=<(.*?)> to=<(.*?)> (?:rcpt=<(.*?)> )?(.*?)delay=(\S+) "
    r'result="?(\w+)"? stat=(.*)$'
)
_USER: Final = re.compile(r"user=(\S+)")
_RELAY: Final = re.compile(r'relay="([^"]*)"')
_PHASES: Final = {"mail": "mail-from", "rcpt": "rcpt-to", "data": "message", "ehlo": "ehlo", "helo": "helo"}


class Failed(NamedTuple):
    """A command that was refused. phase: as filters name it; argument: the address, None if there is none.

    reply: escaped, as the reply stands in a filter's line, so that the two can be told to be one.
    """

    phase: str
    argument: str | None
    reply: str


class Envelope(NamedTuple):
    """One recipient of a message that smtpd took."""

    evpid: str
    sender: str
    recipient: str


class Delivery(NamedTuple):
    """An attempt to deliver. result: Ok, TempFail or PermFail; where: the user, or the server it was relayed to."""

    when: str
    evpid: str
    recipient: str
    expanded: str
    relayed: bool
    where: str
    result: str
    said: str

    @property
    def arrived(self) -> bool:
        return self.result == "Ok"


def failed_command(text: str) -> Failed | None:
    """A command that smtpd or a filter refused; ``input`` for what was no command, such as a line too long."""
    found = _FAILED.match(text) if text.startswith(("smtp f", "smtp b")) else None
    if found is None:
        return None
    reply = printable(found[2], 4 * len(found[2]) + 4)
    if found[1] is None:
        return Failed("input", None, reply)
    word = found[1][:4].lower()
    argument = _ARGUMENT.match(found[1]) if word in {"mail", "rcpt"} else None
    address = None if argument is None else argument[1] if argument[1] is not None else argument[2]
    return Failed(_PHASES.get(word, word.rstrip() or "connect"), address, reply)


def envelope(text: str) -> Envelope | None:
    """A recipient of a message, once it was taken."""
    found = _ENVELOPE.match(text)
    return None if found is None else Envelope(found[1], found[2], found[3])


def message(text: str) -> tuple[str, int] | None:
    """The message's id and its size in bytes."""
    found = _MESSAGE.match(text)
    return None if found is None else (found[1], int(found[2]))


def delivery(when: str, text: str) -> tuple[str, Delivery] | None:
    """The sender, and what became of the message at one recipient."""
    found = _DELIVERY.match(text)
    if found is None:
        return None
    relayed = found[1] == "mta"
    where = (_RELAY if relayed else _USER).search(found[6])
    said = found[9].strip('"')
    recipient, expanded = found[4], (found[5] or "").strip("-")
    return found[3], Delivery(when, found[2], recipient, expanded, relayed, where[1] if where else "-", found[8], said)
