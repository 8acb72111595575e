"""``filterctl report messages -H``: the page about messages, with the looks and the charts of that about decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from filter_api.bounds import PAGE_MESSAGES
from filterctl.mail.charts import legend
from filterctl.mail.daily import BOUNDS, range_of
from filterctl.mail.decisions import Row
from filterctl.mail.maillog import Message
from filterctl.mail.mailtext import logged
from filterctl.mail.page import END, cell, head, over_time, section, table, text, totals

KINDS: Final = ("virus", "spam", "other refusals", "not checked", "let in")
"""What is counted: refused or not, a virus is one; spam likewise."""

_HEADINGS: Final = ("from", "to", "score", "result", "subject")

_KIND: Final = {"virus": "virus", "spam": "spam", "refused": "other refusals"} | dict.fromkeys(
    ("failed", "toolarge", "skipped"), "not checked"
)


def page(messages: Sequence[Message], most: int) -> Iterator[str]:
    """The page in pieces. most: rows of the tables of senders, recipients and viruses."""
    times = sorted(message.when for message in messages)
    span = f"{times[0]} to {times[-1]}".replace("T", " ") if times else "the log has no message"
    counted = Counter(_kind(message) for message in messages)
    yield head("Messages in the mail filters", span)
    refused = sum(message.refused for message in messages)
    yield totals({"messages": len(messages), "refused": refused, **{kind: counted[kind] for kind in KINDS}})
    yield legend(KINDS)
    hours = _by(messages, lambda message: [message.when[11:13]], {f"{hour:02}" for hour in range(24)})
    yield section("By hour of the day", over_time("Messages by hour", sorted(hours.items()), KINDS))
    days = _by(messages, lambda message: [message.when[:10]])
    yield section("By day", over_time("Messages by day", sorted(days.items()), KINDS))
    yield section("By score", over_time("Messages by score", _scores(messages), KINDS))
    for title, what in (("Senders", _senders), ("Recipients", _recipients), ("Viruses", _viruses)):
        yield section(title, table(title, _largest(_by(messages, what), most), KINDS))
    yield section("Messages", "".join(_list(messages)))
    yield END


def _kind(message: Message) -> str:
    return _KIND.get(message.result, "other refusals" if message.refused else "let in")


def _senders(message: Message) -> list[str]:
    return [message.sender.lower() or "<>"]


def _recipients(message: Message) -> list[str]:
    return [to.lower() for to in message.recipients]


def _viruses(message: Message) -> list[str]:
    return [message.pairs["virus"]] if "virus" in message.pairs else []


def _by(
    messages: Iterable[Message], names: Callable[[Message], list[str]], known: Iterable[str] = ()
) -> dict[str, Row]:
    """How many messages of each kind there are, by name."""
    found = {name: dict.fromkeys(KINDS, 0) for name in known}
    for message in messages:
        for name in names(message):
            found.setdefault(name, dict.fromkeys(KINDS, 0))[_kind(message)] += 1
    return found


def _largest(rows: dict[str, Row], most: int) -> list[tuple[str, Row]]:
    return sorted(rows.items(), key=lambda row: (-sum(row[1].values()), row[0]))[:most]


def _scores(messages: Sequence[Message]) -> list[tuple[str, Row]]:
    """Ranges of points; what has no score is in none."""
    scored = [(message.score, message) for message in messages if message.score is not None]
    return [
        (
            range_of(low, high),
            _by((message for score, message in scored if low <= score < high), lambda _: ["n"], ["n"])["n"],
        )
        for low, high in pairwise(BOUNDS)
    ]


def _list(messages: Sequence[Message]) -> Iterator[str]:
    """The newest messages; what is left out is counted."""
    yield '<table class="messages"><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("time", *_HEADINGS))
    yield "</tr></thead><tbody>"
    for message in messages[-PAGE_MESSAGES:]:
        to = message.recipients
        cells = (
            text(message.sender or "<>"),
            text(to[0] if to else "-") + (f" +{len(to) - 1}" if len(to) > 1 else ""),
            "-" if message.score is None else f"{message.score:.1f}",
            text(message.result + message.mark),
            escape(logged(message.pairs.get("subject", ""), 200)),
        )
        named = "".join(cell(heading, inside) for heading, inside in zip(_HEADINGS, cells, strict=True))
        yield f"<tr><td>{text(message.when.replace('T', ' '))}</td>{named}</tr>"
    yield "</tbody></table>"
    left_out = len(messages) - PAGE_MESSAGES
    if left_out > 0:
        yield f"<p>{left_out} earlier messages are not listed</p>"
