"""Commands in running text, which no test can run: what programs of the system take, by their manuals.

What is said of OpenBSD cannot be run here at all; its programs' words and letters are those of its manual pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.test_commands import PAGES

LETTERS: Final = {
    "pkg_add": "AaBcDdIilmnPpqrstUuVvxz",
    "pfctl": "aDdeFfghIiKkLmNnoPpqRrSsTtVvxz",
    "spamdb": "aGdTt",
    "spamd": "45bCcDdGhIKlMmnPpSsvwYy",
    "spamd-setup": "46bDdnv",
    "useradd": "bcDdefGgkLmoprsuv",
    "usermod": "cdefGgLlmopSsUuvZ",
    "newaliases": "f",
    "smtpd": "DdFfhnPTv",
    "syspatch": "clRr",
}
"""program: its option letters."""
WORDS: Final = {
    "rcctl": r"(-[df] )*(get|getdef|set|enable|disable|ls|start|stop|restart|reload|check|order|help)( [\w …]+)?",
    "smtpctl": r"(encrypt|log|monitor|pause (mta|mda|smtp|envelope)|remove|resume|schedule|spf walk|trace|update table|"
    r"show (envelope|hosts|message|queue|relays|routes|stats|status))\b.*",
    "systemctl": r"(start|stop|restart|reload|enable|disable|status) \w+",
}
"""program: what may follow it."""

_INLINE = re.compile(r"`([^`\n]+)`")


def commands() -> list[tuple[str, str]]:
    """(page, command) for each that begins with a program of the tables, in pipes too; an ellipsis stands for words."""
    found = []
    for page in PAGES:
        for span in _INLINE.findall(page.read_text(encoding="utf-8")):
            for part in re.split(r"\\?\||; ", span):
                words = part.split()
                name = Path(words[0]).name if words else ""
                if name in LETTERS or name in WORDS:
                    found.append((page.name, " ".join([name, *words[1:]])))
    return found


FOUND: Final = commands()


def test_some_are_found() -> None:
    assert len(FOUND) > 30
    assert {command.split()[0] for _, command in FOUND} >= {"rcctl", "smtpctl", "pfctl", "spamdb"}


@pytest.mark.parametrize(("page", "command"), FOUND)
def test_a_program_of_the_system_takes_what_the_text_gives_it(page: str, command: str) -> None:
    name, _, rest = command.partition(" ")
    if rest and name in WORDS:
        assert re.fullmatch(WORDS[name], rest), f"{page}: {command}"
    letters = {letter for group in re.findall(r"(?<!\S)-([A-Za-z0-9]+)", rest) for letter in group}
    assert letters <= set(LETTERS.get(name, letters)), f"{page}: {command}"
