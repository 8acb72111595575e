"""What all filters and smtpd decided: counts by filter and reason, client network, sender's domain, day and hour.

One pass, bounded memory. A filter's refusal and smtpd's line about the command that failed are one decision, known by
session and reply; what no filter speaks for was decided by smtpd.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeVar

from filter_api.bounds import LOG_NAMES, LOG_SESSIONS
from filter_api.text.addresses import client_network
from filter_api.text.escape import parse_pairs
from filterctl.mail import smtpdlines
from filterctl.mail.logfile import SMTPD, Line

VERDICTS: Final = ("refused", "put off", "marked", "unchecked", "observed")
"""What is counted: 5yz and 4yz replies, mail let pass with a mark, or without a check, and what -n only observed."""

OTHERS: Final = "(others)"
"""What is counted together, as there are too many names."""

_MARKED: Final = {"spam", "virus", "toolarge"}
_ADDRESS: Final = re.compile(r"<[^>]*>")
_LONGEST_REASON: Final = 60


_K = TypeVar("_K")
_V = TypeVar("_V")


class Decision(NamedTuple):
    """One decision. reason: the filter's word, or smtpd's reply; network: the client's; domain: the sender's."""

    when: str
    filter: str
    reason: str
    verdict: str
    network: str
    domain: str


Row = dict[str, int]


class Counts:
    """Decisions by a name, each with its verdicts; names beyond the bound are counted together."""

    def __init__(self, most: int = LOG_NAMES) -> None:
        self._most = most
        self._rows: dict[str, Row] = {}

    def add(self, name: str, verdict: str, by: int = 1) -> None:
        row = self._rows.get(name)
        if row is None:
            name = name if len(self._rows) < self._most else OTHERS
            row = self._rows.setdefault(name, dict.fromkeys(VERDICTS, 0))
        row[verdict] += by

    def by_name(self) -> list[tuple[str, Row]]:
        return sorted(self._rows.items())

    def largest(self, most: int) -> list[tuple[str, Row]]:
        """The names with the most decisions; the others together, if any are left out."""
        rows = sorted(self._rows.items(), key=lambda row: (row[0] == OTHERS, -sum(row[1].values()), row[0]))
        rest = Counts()
        for _, row in rows[most:]:
            for verdict, count in row.items():
                rest.add(OTHERS, verdict, count)
        return [*rows[:most], *rest.by_name()]


@dataclass(slots=True)
class Summary:
    """Everything a report says. first, last: times of the lines read; taken: messages smtpd took."""

    first: str = ""
    last: str = ""
    sessions: int = 0
    taken: int = 0
    totals: Row = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    reasons: Counts = field(default_factory=Counts)
    networks: Counts = field(default_factory=Counts)
    domains: Counts = field(default_factory=Counts)
    days: Counts = field(default_factory=Counts)
    hours: Counts = field(default_factory=Counts)

    def add(self, decision: Decision) -> None:
        self.totals[decision.verdict] += 1
        self.reasons.add(f"{decision.filter}: {decision.reason}", decision.verdict)
        self.networks.add(decision.network, decision.verdict)
        self.domains.add(decision.domain, decision.verdict)
        self.days.add(decision.when[:10], decision.verdict)
        self.hours.add(decision.when[11:13], decision.verdict)


_Key = tuple[str, str, str]
"""Host, session and the beginning of a reply."""


class _Reading:
    def __init__(self) -> None:
        self.summary = Summary()
        self._clients: dict[tuple[str, str], str] = {}
        self._spoken_for: dict[_Key, int] = {}
        self._failed: dict[_Key, list[Decision]] = {}

    def take(self, line: Line) -> None:
        self.summary.first = min(self.summary.first or line.when, line.when)
        self.summary.last = max(self.summary.last, line.when)
        if line.who == SMTPD:
            self._smtpd(line)
        elif " action=" in line.text:
            self._filter(line)

    def _smtpd(self, line: Line) -> None:
        if line.text.startswith("smtp connected "):
            self.summary.sessions += 1
            self._clients[line.host, line.session] = _address(line.text.partition(" address=")[2].partition(" ")[0])
            _oldest(self._clients)
        elif line.text.startswith("smtp message "):
            self.summary.taken += 1
        elif failed := smtpdlines.failed_command(line.text):
            key = (line.host, line.session, failed.reply[:_LONGEST_REASON])
            if self._spoken_for.get(key):
                self._spoken_for[key] -= 1
            else:
                self._unexplained(key, self._by_smtpd(line, failed))

    def _by_smtpd(self, line: Line, failed: smtpdlines.Failed) -> Decision:
        client = self._clients.get((line.host, line.session), "")
        domain = _domain(failed.argument or "") if failed.phase == "mail-from" else "-"
        verdict = "put off" if failed.reply.startswith("4") else "refused"
        reason = _ADDRESS.sub("<>", failed.reply)[:_LONGEST_REASON]
        return Decision(line.when, SMTPD, reason, verdict, _network(client), domain)

    def _unexplained(self, key: _Key, decision: Decision) -> None:
        """A filter's line may still come: it goes another way through smtpd."""
        self._failed.setdefault(key, []).append(decision)
        self._settle(_oldest(self._failed))

    def _settle(self, decisions: list[Decision] | None) -> None:
        for decision in decisions or ():
            self.summary.add(decision)

    def _filter(self, line: Line) -> None:
        what, _, rest = line.text.partition(" ")
        pairs = parse_pairs(rest)
        verdict = _verdict(pairs)
        if verdict is None:
            return
        if verdict in {"refused", "put off"}:
            self._explained((line.host, line.session, pairs.get("reply", "")[:_LONGEST_REASON]))
        reason = pairs.get("reason") if what != "message" else pairs.get("result")
        if "lists" in pairs:
            reason = f"{reason} {pairs['lists'].partition(',')[0]}"  # the one that decided
        client, sender = _address(pairs.get("client", "")), pairs.get("from", "")
        self.summary.add(
            Decision(line.when, line.who, reason or what, verdict, _network(client), _domain(sender.strip("<>")))
        )

    def _explained(self, key: _Key) -> None:
        waiting = self._failed.get(key)
        if waiting:
            waiting.pop()
        else:
            self._spoken_for[key] = self._spoken_for.get(key, 0) + 1
            _oldest(self._spoken_for)

    def end(self) -> Summary:
        for decisions in self._failed.values():
            self._settle(decisions)
        return self.summary


def summary(lines: Iterable[Line]) -> Summary:
    """What the lines tell."""
    reading = _Reading()
    for line in lines:
        reading.take(line)
    return reading.end()


def _oldest(known: dict[_K, _V]) -> _V | None:
    """Make room where there are too many: what is taken out, if anything."""
    return known.pop(next(iter(known))) if len(known) > LOG_SESSIONS else None


def _verdict(pairs: dict[str, str]) -> str | None:
    action, reply = pairs.get("action", ""), pairs.get("reply", "")
    if action.startswith("observe-"):
        return None if action == "observe-proceed" else "observed"
    if action in {"reject", "disconnect"}:
        return "put off" if reply.startswith("4") else "refused"
    if pairs.get("result") == "failed":
        return "unchecked"
    if action in {"junk", "mark"} or (action == "proceed" and pairs.get("result") in _MARKED):
        return "marked"
    return None


def _address(text: str) -> str:
    return text.strip("[]").removeprefix("IPv6:")


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        return str(client_network(ip_address(address)))
    except ValueError:
        return "local" if address == "local" else "-"


def _domain(sender: str) -> str:
    _, at, domain = sender.rpartition("@")
    return domain.lower() if at else "(no domain)" if sender else "<>"
