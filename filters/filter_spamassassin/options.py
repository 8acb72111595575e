"""The options of filter-spamassassin(8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api.bases.scanning import ScanSettings, scan_settings
from filter_api.errors import UsageError
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options
from filter_api.text.escape import printable
from filter_spamassassin.scores import SenderScores, read_scores
from filter_spamassassin.spamd import DEFAULT_PORT, PING
from filter_spamassassin.thresholds import Thresholds, parse_thresholds
from filter_spamassassin.users import RULES, Users, parse_rules

DEFAULT_ADDRESS: Final = f"127.0.0.1:{DEFAULT_PORT}"
SIZE_LIMIT: Final = 512_000
PARALLEL: Final = 5

OPTIONS: Final = """\
-A              score mail of our own clients, too
-a address      where spamd listens; may be repeated (default 127.0.0.1:783)
-b bytes        pass larger messages without scoring them (default 512000)
-E              one user a message: others are put off
-e              score once for each user, and refuse if all would
-j text         put this in front of the subject of spam
-k              keep what spamd's configuration says about the header
-P scans        at most so many scans at the same time (default 5)
-Q bytes:days   how large the quarantine may be, and for how long it keeps (default 1g:30)
-q directory    keep what is refused in this directory
-r score        refuse from this score on, or file:map with scores of recipients
-s file         points for senders
-u rule         whose preferences spamd uses
"""
LETTERS: Final = letters_of(OPTIONS)
USAGE: Final = (
    "filter-spamassassin [-AeEk] [-a address] ... [-b bytes] [-j text] [-P scans] [-q directory] [-Q bytes:days] "
    f"[-r score] ... [-s file] [-u rule] ... {COMMON_USAGE}"
)

_TAG: Final = re.compile(r"[!-~](?:[ -~]{0,98}[!-~])?")


@dataclass(frozen=True, slots=True)
class Options:
    """-A scan ours too; -e one scan a user; -E one user a message; -j tag; -k keep spamd's; -r refuse; -s; -u."""

    scan: ScanSettings = field(repr=False)
    users: Users = field(default_factory=Users)
    scan_ours: bool = False
    each_user: bool = False
    one_user: bool = False
    tag: str = ""
    keep: bool = False
    refuse: Thresholds = field(default_factory=Thresholds)
    scores: SenderScores | None = None


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse_options(LETTERS, arguments, allow_from=True, allow_to=True, allow_dkim=True)
    scan, rest = scan_settings(
        own, address=DEFAULT_ADDRESS, port=DEFAULT_PORT, size_limit=SIZE_LIMIT, parallel=PARALLEL, ping=PING
    )
    values = dict(rest)
    users = parse_rules(value for option, value in rest if option == "-u")
    if "-e" in values and "-E" in values:
        raise UsageError("-e and -E exclude each other")
    refuse = parse_thresholds(value for option, value in rest if option == "-r")
    if "-e" in values and not users.differ:
        raise UsageError(f"-e needs {RULES}")
    if "-E" in values and not (users.differ or refuse.differ):
        raise UsageError(f"-E needs {RULES}, or -r file:map")
    options = Options(
        scan,
        users,
        scan_ours="-A" in values,
        each_user="-e" in values,
        one_user="-E" in values,
        tag=_tag(values["-j"]) if "-j" in values else "",
        keep="-k" in values,
        refuse=refuse,
        scores=read_scores(values["-s"]) if "-s" in values else None,
    )
    return options, common


def _tag(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise UsageError(f"-j takes up to 100 printable ASCII characters, not '{printable(value)}'")
    return value
