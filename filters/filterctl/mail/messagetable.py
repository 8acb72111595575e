"""``filterctl report messages`` on a terminal: a heading, columns that fit its width, colours, and a total.

Where the output goes elsewhere none of this is done: the lines are those that scripts know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from filterctl.mail.maillog import Message
from filterctl.mail.mailtext import logged, shown

_TIME, _SCORE, _RESULT = 15, 7, 9
_LEAST: Final = 36
"""Columns that sender, recipient and subject have together, however narrow the terminal is."""

_RED, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLOURS: Final = {"virus": _RED, "refused": _RED, "spam": _YELLOW, "failed": _YELLOW}


def table(messages: Sequence[Message], width: int, when: Sequence[str]) -> Iterator[str]:
    """The lines. width: columns; when: the times of the messages, as they are to be shown."""
    room = max(width - _TIME - _SCORE - _RESULT - 5, _LEAST)
    sender, recipient = room // 3, room // 3
    subject = room - sender - recipient
    colours = "NO_COLOR" not in os.environ
    yield f"{'time':<{_TIME}} {'from':<{sender}} {'to':<{recipient}} {'score':>{_SCORE}} {'result':<{_RESULT}} subject"
    for message, time in zip(messages, when, strict=True):
        score = "-" if message.score is None else f"{message.score:.1f}"
        outcome = message.result + message.mark
        line = (
            f"{time:<{_TIME}} {_cut(shown(message.sender) or '<>', sender):<{sender}} "
            f"{_cut(_to(message), recipient):<{recipient}} {score:>{_SCORE}} {outcome:<{_RESULT}} "
            f"{_cut(logged(message.pairs.get('subject', '')), subject)}"
        )
        colour = _COLOURS.get(message.result, "") if colours else ""
        yield f"{colour}{line}{_PLAIN}" if colour else line
    yield total(messages)


def total(messages: Sequence[Message]) -> str:
    """How many there are, and how many were refused."""
    refused = sum(message.refused for message in messages)
    observed = sum(message.observed for message in messages)
    words = [f"{len(messages)} message{'' if len(messages) == 1 else 's'}", f"{refused} refused"]
    return ", ".join([*words, *([f"{observed} refusals only observed (-n)"] if observed else [])])


def _to(message: Message) -> str:
    to = message.recipients
    more = f" +{len(to) - 1}" if len(to) > 1 else ""
    return (shown(to[0]) if to else "-") + more


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 2] + ".."
