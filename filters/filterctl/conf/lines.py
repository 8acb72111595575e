"""Which options a filter of this system has: for verbs that explain one filter, and are given none."""

from __future__ import annotations

import os
from typing import Final

from filterctl.conf.check import CONFIGURATIONS
from filterctl.conf.lexer import Place
from filterctl.conf.members import commands
from filterctl.conf.shellwords import split
from filterctl.conf.smtpdconf import read

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
