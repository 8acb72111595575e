"""What a client is told that is on a list: option ``msg`` of lists.conf(5). Pure.

``%A`` is the client's address, ``%%`` a percent sign; lines are joined by `` / ``, as smtpd's replies have one. The
text stands in lists.conf, or in a file that it names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from filter_api.bounds import MAX_REPLY
from filter_api.text.escape import one_line
from filter_api.text.lines import Line, LineError

_MARK: Final = re.compile(r"%([A%])")
_ROOM: Final = MAX_REPLY - len("550 5.7.1 ")


class Message(NamedTuple):
    """The text, its marks not filled in; or the path of the file it stands in."""

    text: str
    path: str = ""


def parse_message(value: str) -> Message:
    """The value of ``msg``: a path if it begins with a slash, else the text. Raises ValueError."""
    if value.startswith("/"):
        return Message("", value)
    return Message(one_text(value.splitlines()))


def one_text(lines: Sequence[str]) -> str:
    """Lines as one, joined. Raises ValueError for what a reply cannot hold."""
    text = " / ".join(" ".join(line.split()) for line in lines if line.strip())
    if not text:
        raise ValueError("msg: the text is empty")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("msg: a reply holds printable ASCII only")
    return text


def message_of_file(lines: Sequence[Line]) -> str:
    """The text in a file. Raises LineError."""
    try:
        return one_text([line.text.decode("utf-8", "replace") for line in lines])
    except ValueError as error:
        raise LineError(lines[0].number if lines else 1, str(error)) from None


def filled(text: str, address: object) -> str:
    """The text for a client, cut where a reply of 500 bytes with its codes ends."""
    return one_line(_MARK.sub(lambda found: str(address) if found[1] == "A" else "%", text), _ROOM)
