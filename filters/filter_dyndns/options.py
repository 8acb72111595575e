"""The options of filter-dyndns(8)."""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from filter_api.bases.phase import Phase, parse_phase_options, parse_reply_text
from filter_api.errors import UsageError
from filter_api.files.reloading import ReloadingFile
from filter_api.names.dynamic import DEFAULT_REFUSE
from filter_api.options import COMMON_LETTERS, COMMON_USAGE, CommonOptions, letters_of, parse_options, parse_whole

if TYPE_CHECKING:
    from filter_api.names.rules import OwnRules
    from filter_dyndns.exceptions import Exceptions

OPTIONS = """\
-e file     clients that are accepted whatever their name is
-f file     own patterns
-j score    mark from this score on
-m          mark instead of refusing
-p phase    connect, mail-from or rcpt-to (default mail-from)
-r text     the text of the refusal
-s score    refuse from this score on (default 5)
-x          explain what a name would be worth, and exit
"""
LETTERS = letters_of(OPTIONS)
USAGE = (
    "filter-dyndns [-m] [-e file] [-f file] [-j score] [-p connect|mail-from|rcpt-to] [-r text] [-s score]"
    f" {COMMON_USAGE}\n       filter-dyndns -x [-e file] [-f file] [-j score] [-s score] name|address [address]"
)
DEFAULT_TEXT = "mail from residential and dynamic addresses is not accepted, use your provider's mail server"

MOST_POINTS = 100


class Options(NamedTuple):
    """-e exceptions, -f own patterns, -j junk, -m mark, -p phase, -r text, -s refuse."""

    exceptions: ReloadingFile[Exceptions] | None = None
    own: ReloadingFile[OwnRules] | None = None
    junk: int | None = None
    mark: bool = False
    phase: Phase = Phase.MAIL_FROM
    text: str = DEFAULT_TEXT
    refuse: int = DEFAULT_REFUSE


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common, phase = parse_phase_options(LETTERS, arguments, allow_from=True)
    values = dict(own)
    mark = "-m" in values
    if mark and phase is Phase.RCPT_TO:
        # Marks are made at mail-from, where no recipient is known: entries to: of -W are an error there.
        _, common = parse_options(LETTERS, arguments, allow_from=True)
    refuse = parse_whole("-s", values["-s"], 1, MOST_POINTS, what="a score") if "-s" in values else DEFAULT_REFUSE
    junk = parse_whole("-j", values["-j"], 1, MOST_POINTS, what="a score") if "-j" in values else None
    if junk is not None and junk >= refuse:
        raise UsageError(f"-j {junk} would never mark: it is not below the score of refusal, {refuse}")
    return (
        Options(
            exceptions=_exceptions(values["-e"]) if "-e" in values else None,
            own=_own_rules(values["-f"]) if "-f" in values else None,
            junk=junk,
            mark=mark,
            phase=Phase.MAIL_FROM if mark else phase,
            text=parse_reply_text(values["-r"], enhanced="5.7.1") if "-r" in values else DEFAULT_TEXT,
            refuse=refuse,
        ),
        common,
    )


def wants_explanation(arguments: Sequence[str]) -> bool:
    """Whether -x is among the options; bad ones are for `parse` to complain of."""
    try:
        options, _ = getopt.getopt(list(arguments), LETTERS + COMMON_LETTERS)
    except getopt.GetoptError:
        return False
    return ("-x", "") in options


def _exceptions(path: str) -> ReloadingFile[Exceptions]:
    from filter_dyndns.exceptions import parse_exceptions

    return ReloadingFile(path, parse_exceptions, expiring=True)


def _own_rules(path: str) -> ReloadingFile[OwnRules]:
    from filter_api.names.rules import parse_rules

    return ReloadingFile(path, parse_rules)
