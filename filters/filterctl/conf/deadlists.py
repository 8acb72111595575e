"""Lists in the DNS that have ended, in the options of filter-dnsbl(8) and filter-greylist(8)."""

from __future__ import annotations

import getopt
import os
import re
from collections.abc import Iterator, Sequence

from filter_api.net.dnsbl.answers import is_dead
from filter_api.options import COMMON_LETTERS
from filter_api.text.lines import content_lines
from filterctl.conf.chains import LETTERS

_GIVEN = {"filter-dnsbl": "-b", "filter-greylist": "-l"}
_FILE_BYTES = 65_536
_FILES = {"filter-dnsbl": "-f"}


def dead_lists(command: Sequence[str]) -> list[str]:
    """The lists a command would ask that are known to have ended, by their names, each once."""
    return sorted({name for word in _words(command) if is_dead(name := _domain(word))})


def _words(command: Sequence[str]) -> Iterator[str]:
    program = os.path.basename(command[0]) if command else ""
    if program not in _GIVEN:
        return
    try:
        options, _ = getopt.getopt(list(command[1:]), LETTERS[program] + COMMON_LETTERS)
    except getopt.GetoptError:
        return  # the dry run tells
    for option, value in options:
        if option == _GIVEN[program]:
            yield value
        elif option == _FILES.get(program):
            yield from _lines(value)


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            return [line.text.decode("latin-1") for line in content_lines(file.read(_FILE_BYTES))]
    except OSError:
        return []  # the dry run tells


def _domain(word: str) -> str:
    """The domain of a list without a key in front."""
    return re.split("[=*/]", word.rpartition("@")[2], maxsplit=1)[0].strip(".").lower()
