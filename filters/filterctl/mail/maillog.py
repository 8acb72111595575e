"""What filters logged about messages: lines of maillog, plain or compressed, to one `Message` for each message.

Two filters that looked at the same message wrote a line each; they are one message here. `filterctl.mail.logfile` tells
the lines apart; here only those with the word ``message`` count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from filter_api.text.escape import parse_pairs
from filterctl.mail.logfile import Complain, Line, lines
from filterctl.mail.timestamps import ANY_TIME, Span

_RANK: Final = ("virus", "spam", "refused", "failed", "toolarge", "ham", "clean", "skipped")
"""Results, the one that matters most first: what a message counts as when two filters looked at it."""

_SCANNED: Final = frozenset(_RANK)
_UNDER_WAY: Final = 10_000
"""Messages for which the line of another filter may still come."""


@dataclass(slots=True)
class Message:
    """One message. time: as logged; when: the same as text that sorts; pairs: escaped.

    filters: who logged it, by process and member.
    """

    time: str
    when: str
    session: str
    pairs: dict[str, str]
    filters: set[str] = field(default_factory=set)

    @property
    def result(self) -> str:
        """What it counts as."""
        return self.pairs.get("result", "-")

    @property
    def refused(self) -> bool:
        """Whether the client was told no."""
        return _weight(self.pairs) == 2

    @property
    def observed(self) -> bool:
        """Whether it would have been told no, but for -n."""
        return _weight(self.pairs) == 1

    @property
    def mark(self) -> str:
        """Behind the result: ``!`` for a refusal, ``?`` for one that was only observed."""
        return ("", "?", "!")[_weight(self.pairs)]

    @property
    def score(self) -> float | None:
        """SpamAssassin's points, if it was scored."""
        return _number(self.pairs.get("score", ""))

    @property
    def size(self) -> int:
        """Bytes."""
        return int(_number(self.pairs.get("size", "")) or 0)

    @property
    def sender(self) -> str:
        """Without angle brackets."""
        return self.pairs.get("from", "").removeprefix("<").removesuffix(">")

    @property
    def recipients(self) -> list[str]:
        """Without angle brackets."""
        return re.findall(r"<([^>]*)>", self.pairs.get("to", ""))

    @property
    def day(self) -> str:
        """The date as logged."""
        return self.time[:10] if self.time[:1].isdigit() else self.time[:6]

    def add(self, filter_name: str, pairs: dict[str, str]) -> None:
        """What another filter found out about the same message."""
        results = sorted({self.result, pairs.get("result", "-")} & _SCANNED, key=_RANK.index)
        self.pairs = {**pairs, **self.pairs, **({"result": results[0]} if results else {})}
        if _weight(pairs) > _weight(self.pairs):
            self.pairs.update({key: pairs[key] for key in ("action", "reply", "id") if key in pairs})
        self.filters.add(filter_name)


def _weight(pairs: dict[str, str]) -> int:
    """What a filter did with it, the more the higher: 0 nothing, 1 observed a refusal, 2 refused it."""
    action = pairs.get("action", "")
    if action in {"reject", "disconnect"}:
        return 2
    return int(action in {"observe-reject", "observe-disconnect"})


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,12}(?:\.\d{1,6})?", text) else None


def read(paths: Iterable[str], complain: Complain, span: Span = ANY_TIME) -> list[Message]:
    """The messages of some logs, in the order they were logged; ``-`` is standard input.

    A log that cannot be read, or not to its end, is named by `complain`; the others are read all the same.
    """
    messages: list[Message] = []
    open_ones: dict[tuple[str, str, str], Message] = {}
    for line in lines(paths, complain, span):
        if line.text.startswith("message "):
            _take(line, messages, open_ones)
    return messages


def _take(line: Line, messages: list[Message], latest: dict[tuple[str, str, str], Message]) -> None:
    """A line is a new message, or the same filter would have logged one message twice."""
    pairs = parse_pairs(line.text)
    if pairs.get("result") not in _SCANNED:
        return  # other filters log messages, too, when they sign them
    key = (line.session, pairs.get("from", ""), pairs.get("msgid", ""))
    message = latest.get(key)
    if message is None or line.source in message.filters:  # two chains may have members of one name
        message = Message(line.logged, line.when, line.session, pairs, {line.source})
        messages.append(message)
        latest.pop(key, None)
        latest[key] = message
        if len(latest) > _UNDER_WAY:
            del latest[next(iter(latest))]
    else:
        message.add(line.source, pairs)
