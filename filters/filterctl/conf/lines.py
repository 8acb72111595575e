"""Where the filters of this system stand, and with which options: for verbs that are told of a filter by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, cast

from filter_api.errors import ConfigError, UsageError
from filter_api.options import VersionWanted
from filterctl.__main__ import load
from filterctl.conf.check import CONFIGURATIONS
from filterctl.conf.lexer import Place
from filterctl.conf.members import commands, recorded
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import Configuration, read

_SCORES: Final = "sender-score"


def options_in_use(subject: str) -> tuple[Place, list[str]] | None:
    """Place and options of the first filter-SUBJECT of the system's smtpd.conf; None where there is none.

    Of the scores of senders (sender-score) the file of filter-spamassassin. Raises ConfigError.
    """
    path = next(filter(os.path.exists, CONFIGURATIONS), None)
    if path is None:
        return None
    program = "filter-spamassassin" if subject == _SCORES else f"filter-{subject}"
    configuration = read(path)
    for definition in configuration.filters.values():
        command = configuration.command_of(definition)
        for words in commands(_words(command.text)) if command is not None else ():
            if os.path.basename(words[0]) == program:
                return definition.place, _scores(words[1:]) if subject == _SCORES else words[1:]
    return None


def places_in_use(path: str = "") -> dict[str, str]:
    """Where each filter of a configuration is written, by the name that it has in the log: ``file:line``.

    path: by default the system's; nothing where there is none. Raises ConfigError.
    """
    path = path or next(filter(os.path.exists, CONFIGURATIONS), "")
    found: dict[str, str] = {}
    configuration = read(path) if path else Configuration()
    for definition in configuration.filters.values():
        command = configuration.command_of(definition)
        found.setdefault(definition.name, str(definition.place))
        words = recorded(_words(command.text)) if command is not None else []
        if words and os.path.basename(words[0]) == "filter-chain":
            for label, place in _members(words[1:]).items():
                found.setdefault(label, place or str(definition.place))
    return found


def _members(arguments: Sequence[str]) -> dict[str, str]:
    try:
        return cast(Callable[[Sequence[str]], dict[str, str]], load("filter_chain.ctl", "places"))(arguments)
    except (ConfigError, UsageError, VersionWanted):
        return {}  # filterctl check tells


def _words(text: str) -> list[str]:
    """The words of a command; none where only a shell knows: filterctl check tells."""
    try:
        return split(text)
    except ValueError:
        return []


def _scores(words: list[str]) -> list[str]:
    """The file of -s."""
    at = next((at for at, word in enumerate(words) if word.startswith("-s")), None)
    if at is None:
        return []
    return ["-s", words[at][2:] or "".join(words[at + 1 : at + 2])]
