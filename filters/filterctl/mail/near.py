"""What a log has near to something that was not found: refusals that name no recipient, addresses that look alike."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

from filter_api.bounds import LOG_NAMES
from filterctl.mail import smtpdlines
from filterctl.mail.logfile import SMTPD, Line
from filterctl.mail.what import What

_MOST: Final = 10
_ADDRESS: Final = re.compile(r"<([^<>\s]{1,320})>")


class Early(NamedTuple):
    """A sender that was refused before it named a recipient. reply: the last one."""

    sender: str
    times: int
    reply: str


class Near:
    """Collects while a log is read."""

    def __init__(self, what: What) -> None:
        self._what = what
        self._domain = "@" + what.text.rpartition("@")[2]
        self._refused: Counter[str] = Counter()
        self._reply: dict[str, str] = {}
        self._addresses: Counter[str] = Counter()
        self.refusals = 0

    def take(self, line: Line) -> None:
        """Any line."""
        if line.who == SMTPD and line.text.startswith('smtp failed-command command="MAIL'):
            failed = smtpdlines.failed_command(line.text)
            if failed is not None:
                self._early((failed.argument or "").lower(), failed.reply)
        elif self._what.kind == "address" and self._domain in line.text.lower():
            for address in _ADDRESS.findall(line.text.lower()):
                if address.endswith(self._domain) and (address in self._addresses or len(self._addresses) < LOG_NAMES):
                    self._addresses[address] += 1

    def _early(self, sender: str, reply: str) -> None:
        self.refusals += 1
        if sender in self._refused or len(self._refused) < LOG_NAMES:
            self._refused[sender] += 1
            self._reply[sender] = reply

    def early(self) -> list[Early]:
        """The senders refused at MAIL FROM: those alike first, then those refused most often."""
        alike = self._alike([sender for sender in self._refused if sender])
        often = [sender for sender, _ in self._refused.most_common(_MOST)]
        names = list(dict.fromkeys([*alike, *often]))[:_MOST]
        return [Early(name, self._refused[name], self._reply[name]) for name in names]

    def alike(self) -> list[str]:
        """Addresses of the same domain, those spelled alike first."""
        others = [address for address, _ in self._addresses.most_common() if address != self._what.text]
        return list(dict.fromkeys([*self._alike(others), *others]))[:_MOST]

    def _alike(self, names: list[str]) -> list[str]:
        from difflib import get_close_matches  # wanted only where nothing was found

        return get_close_matches(self._what.text, names[:LOG_NAMES], n=_MOST, cutoff=0.8)
