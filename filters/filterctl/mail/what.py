"""What an operator asks about: an address, a domain, a client, a session, a message's id, an id of the quarantine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from filter_api.text.escape import printable
from filterctl.mail.records import Mail

_SESSION: Final = re.compile(r"[0-9a-f]{16}")
_MSGID: Final = re.compile(r"[0-9a-f]{8}")
_QUARANTINED: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_DOMAIN: Final = re.compile(r"@?[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class What:
    """One thing to look for. kind: how it is understood; text: in lower case, without brackets."""

    def __init__(self, given: str) -> None:
        text = given.strip().lower()
        self.text = text[1:-1] if text.startswith("<") and text.endswith(">") and len(text) > 2 else text
        self.kind = self._kind()
        self._logged = printable(self.text).replace('"', '\\"')
        self._domain = self.text.removeprefix("@")

    def _kind(self) -> str:
        try:
            self.text = str(ip_address(self.text.strip("[]")))
        except ValueError:
            pass
        else:
            return "client"
        for kind, pattern in (("session", _SESSION), ("msgid", _MSGID), ("quarantine id", _QUARANTINED)):
            if pattern.fullmatch(self.text):
                return kind
        if _DOMAIN.fullmatch(self.text):
            return "domain"
        return "address" if "@" in self.text or self.text == "<>" else "user"

    def in_line(self, line: str) -> bool:
        """Whether a line, in lower case, may be about it: a quick look, `fits` decides."""
        return self._logged in line or self._domain in line

    def fits(self, mail: Mail) -> bool:
        """Whether a mail, or an earlier attempt of it, is about it."""
        return any(self._in(each) for each in (mail, *mail.earlier))

    def _in(self, mail: Mail) -> bool:
        if self.kind == "session":
            return self.text == mail.session or any(each.evpid == self.text for each in mail.deliveries)
        if self.kind == "msgid":
            return mail.msgid == self.text
        if self.kind == "quarantine id":
            return self.text in mail.facts("id")
        if self.kind == "client":
            return mail.client.address == self.text
        if self.kind == "domain":
            return any(_within(name, self._domain) for name in (*_domains(mail), *_names(mail)))
        if self.kind == "user":
            return self.text in {mail.client.user.lower(), *(each.where.lower() for each in mail.deliveries)}
        ids = {name.lower().strip("<>") for name in mail.facts("msgid")}
        return self.text in set(_addresses(mail)) or self._logged in ids


def _addresses(mail: Mail) -> Iterator[str]:
    yield "<>" if mail.sender == "" else (mail.sender or "").lower()
    yield from (to.lower() for to in mail.recipients)
    yield from (each.expanded.lower() for each in mail.deliveries)


def _domains(mail: Mail) -> Iterator[str]:
    yield from (address.rpartition("@")[2] for address in _addresses(mail))


def _names(mail: Mail) -> Iterator[str]:
    yield mail.client.name.lower()
    yield mail.client.said.lower()


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)
