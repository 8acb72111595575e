"""The commands of the documentation that no test runs, and why; what is left to look at in them is looked at."""

from __future__ import annotations

import re
from typing import Final

UNRUN: Final[dict[str, str]] = {
    r"make (?!install)": "it takes minutes, or installs daemons: its targets are looked up",
    r"make install\b": "tests/test_install.py installs; its variables are looked up",
    r"apt-get build-dep|python3 -m venv": "tests/packaging/test_installing.py plays it in fresh systems",
    r"(?:[A-Z_]+=\S+ )?\.venv/bin/(?:pytest|python)\b": "it is what runs these tests: what it names is looked up",
    r"filterctl (?:monitor|trace)\b": "it runs until it is stopped: its verb is looked up",
    r"(?:eval .*|filterctl )completion|cd /usr/local/share": "tests/filterctl/test_completion.py has shells complete",
    r"id=\d|filterctl quarantine (?:show|release) .*\| r?spamc": "it would teach a scanner: its verbs are looked up",
    r"useradd .*-L daemon": "OpenBSD's useradd(8), whose letters are compared",
}
"""How a command begins (a pattern): why."""


def why_unrun(command: str) -> str:
    """The reason; empty for what is run."""
    return next((why for begin, why in UNRUN.items() if re.match(begin, command)), "")
