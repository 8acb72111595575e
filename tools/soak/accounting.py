"""Where each mail is that went to or came from Postfix, by the token it carries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from .mails import FORBIDDEN, TOKEN, WANTED, Mail
from .postfix import TWICE, Status

SHOWN: Final = 20
_VARIES: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]+|\b[0-9a-f]{8}\b|\d+\.\d+\.\d+\.\d+(?=\[)")
_DELAY: Final = re.compile(rb"^Subject: (Delivery status notification: delayed|Delayed Mail)", re.M)
"""Of a notice that mail is late, which is no bounce."""
_ID: Final = re.compile(rb"\(OpenSMTPD\) with \w+ id ([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Boxes:
    """What lies in the mailboxes of one side: how often the mail itself, and how often a bounce that holds it.

    again: copies more, under an id of smtpd that is there already. smtpd delivers once more what it was about to
    deliver when it was ended.
    """

    mails: Counter[int]
    bounces: Counter[int]
    strange: int = 0
    again: int = 0

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """Read them."""
        seen: set[tuple[int, bytes]] = set()
        bounces: Counter[int] = Counter()
        strange = again = 0
        for path in paths:
            head, _, body = path.read_bytes().partition(b"\n\n")
            if found := TOKEN.search(head):
                smtpd = _ID.search(head)
                key = (int(found[1]), smtpd[1] if smtpd else str(path).encode())
                again += key in seen
                seen.add(key)
            elif _DELAY.search(head):
                continue
            elif found := TOKEN.search(body):
                bounces[int(found[1])] += 1
            else:
                strange += 1
        return cls(Counter(token for token, _ in seen), bounces, strange, again)


@dataclass(slots=True)
class Ledger:
    """Everything that is known at the end. seconds: how long it took. wrong: what was noticed on the way."""

    mails: dict[int, Mail]
    statuses: Sequence[Status]
    smtpd: Boxes
    postfix: Boxes
    queued: list[str]
    faults: Counter[str]
    wrong: list[str]
    seconds: float
    unsure: set[int] = field(default_factory=set)
    """Mails that were handed in and whose reply did not come: each is handed in again."""

    def wrongs(self) -> Iterator[str]:
        """Everything that must not be."""
        yield from self.wrong
        yield from (f"still queued: {each}" for each in self.queued)
        if self.smtpd.strange or self.postfix.strange:
            yield f"mail without a token: {self.smtpd.strange} at smtpd, {self.postfix.strange} at Postfix"
        last = {each.token: each for each in self.statuses}
        unsure = self.unsure | {each.token for each in self.statuses if TWICE in each.text}
        for token, mail in self.mails.items():
            problem = (
                self._outgoing(mail, token in unsure)
                if mail.goes_out
                else self._incoming(mail, last.get(token), token in unsure)
            )
            if problem:
                yield f"{problem}: {mail}"

    def _incoming(self, mail: Mail, last: Status | None, unsure: bool) -> str:
        """What is wrong with a mail that Postfix sent. unsure: it was not told whether smtpd had taken it."""
        there, bounces = self.smtpd.mails[mail.token], self.postfix.bounces[mail.token]
        if last is None:
            return "Postfix never tried it"
        if last.status == "sent":
            if mail.kind in FORBIDDEN:
                return "got in"
            right = there == 1 or (unsure and there == 2)
            return "" if right and not bounces else f"taken, there {there} times, bounced {bounces} times"
        if last.status != "bounced":
            return f"ended as {last.status} ({last.text})"
        if mail.kind in WANTED:
            return f"refused ({last.text})"
        if not re.search(r"said: 5\d\d .", last.text):
            return f"refused without a reason ({last.text})"
        return "" if there == 0 and bounces == 1 else f"refused, there {there} times, bounced {bounces} times"

    def _outgoing(self, mail: Mail, unsure: bool) -> str:
        """What is wrong with a mail that smtpd relayed. unsure: it was perhaps handed in twice."""
        there, bounces = self.postfix.mails[mail.token], self.smtpd.bounces[mail.token]
        right = [(0, 1), (0, 2)] if mail.kind == "refused" else [(1, 0), (2, 0)]
        return "" if (there, bounces) in right[: 1 + unsure] else f"there {there} times, bounced {bounces} times"

    def lines(self) -> Iterator[str]:
        """The report."""
        kinds = Counter(mail.kind for mail in self.mails.values())
        attempts = Counter(each.status for each in self.statuses)
        unsure = sum(TWICE in each.text for each in self.statuses)
        yield f"mails {len(self.mails)} ({', '.join(f'{kind} {n}' for kind, n in kinds.most_common())})"
        yield f"seconds {self.seconds:.0f}; attempts of Postfix: " + ", ".join(
            f"{status} {n}" for status, n in attempts.most_common()
        )
        yield "faults: " + ", ".join(f"{name} {n}" for name, n in self.faults.items())
        yield f"at smtpd: {sum(self.smtpd.mails.values())} delivered, {sum(self.smtpd.bounces.values())} bounces"
        yield f"at Postfix: {sum(self.postfix.mails.values())} delivered, {sum(self.postfix.bounces.values())} bounces"
        twice = sum(n == 2 for boxes in (self.smtpd, self.postfix) for n in boxes.mails.values())
        yield f"connections lost behind the dot: {unsure + len(self.unsure)}; there twice for that: {twice}; " + (
            f"delivered again by an smtpd that was restarted: {self.smtpd.again + self.postfix.again}"
        )
        yield f"left in the queues: {len(self.queued)}"
        reasons = Counter(_VARIES.sub("*", each.text)[:110] for each in self.statuses if each.status != "sent")
        yield "why not at once:"
        yield from (f"  {n:6} {reason}" for reason, n in reasons.most_common(SHOWN))
        found = list(self.wrongs())
        yield from (f"WRONG: {each}" for each in found[:SHOWN])
        yield f"FAILED: {len(found)}" if found else "every mail is accounted for"
