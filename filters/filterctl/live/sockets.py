"""Which filters are meant, and what they say.

Words on the command line are paths of sockets, which have a slash, or names: ``rdns`` and ``filter-rdns`` are all
sockets called ``filter-rdns.sock`` in the usual places. Without any, all sockets there are meant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import cast

from filter_api.control import place
from filter_api.control.client import SECONDS, Answer, ask
from filter_api.control.document import Status
from filter_api.errors import ConfigError
from filter_api.text.escape import printable

_NUMBER = re.compile(r"\.[2-9]$")


class NoSockets(ConfigError):
    """There is nobody to ask."""


def sockets(words: Sequence[str], places: Sequence[str] | None = None) -> list[str]:
    """The paths of the sockets that are meant. Raises ConfigError for a name that none has, and where there is none."""
    usual = place.found(place.PLACES if places is None else places)
    if not words:
        if not usual:
            where = " or ".join(place.PLACES)
            raise NoSockets(
                f"no filter has a control socket in {where}: make a directory in it for the user that they run as,"
                " or give them -C (opensmtpd-filters(7), MONITORING)"
            )
        return usual
    paths = []
    for word in words:
        found = [word] if "/" in word else [path for path in usual if _program(path) in {word, f"filter-{word}"}]
        if not found:
            names = ", ".join(sorted({_program(path) for path in usual})) or "none at all"
            raise NoSockets(f"no control socket of {printable(word, 60)}: there is {printable(names)}")
        paths += found
    return paths


def name_of(path: str) -> str:
    """How a filter is called in tables: by its program, and a number where there are several."""
    return printable(os.path.basename(path).removesuffix(place.SUFFIX), 60)


def _program(path: str) -> str:
    return _NUMBER.sub("", os.path.basename(path).removesuffix(place.SUFFIX))


def statuses(paths: Sequence[str], seconds: float = SECONDS) -> list[tuple[str, Status | None, str]]:
    """Each path with what the filter says, or None and why it says nothing."""
    return [(answer.path, *status_of(answer)) for answer in ask(paths, "/status", seconds=seconds)]


def status_of(answer: Answer) -> tuple[Status | None, str]:
    """The status in an answer, or why there is none."""
    if not answer.done:
        return None, printable(answer.why)
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or not Status.__required_keys__ <= found.keys():
        return None, "it is of another version than this filterctl: restart smtpd"
    return cast(Status, found), ""
