"""The options of filter-lists(8)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from filter_api.bases.phase import Phase, parse_phase_options
from filter_api.errors import UsageError
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options
from filter_api.text.escape import printable

OPTIONS: Final = """\
-5              refuse for good, with 550 (default 450)
-c file         the lists, see lists.conf(5)
-d directory    where the compiled lists are
-m              mark instead of refusing
-p phase        connect, mail-from or rcpt-to (default mail-from)
"""
LETTERS: Final = letters_of(OPTIONS)
USAGE: Final = f"filter-lists [-5m] [-c file] [-d directory] [-p connect|mail-from|rcpt-to] {COMMON_USAGE}"

DEFAULT_CONF: Final = "/etc/mail/lists.conf"
DEFAULT_DIRECTORY: Final = (
    "/var/db/filter-lists" if sys.platform.startswith("openbsd") else "/var/lib/opensmtpd-filters/lists"
)


@dataclass(frozen=True, slots=True)
class Options:
    """-5 permanent, -c conf, -d directory, -m mark, -p phase."""

    permanent: bool = False
    conf: str = DEFAULT_CONF
    directory: str = DEFAULT_DIRECTORY
    mark: bool = False
    phase: Phase = Phase.MAIL_FROM


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common, phase = parse_phase_options(LETTERS, arguments, allow_from=True)
    values = dict(own)
    mark = "-m" in values
    if mark and phase is Phase.RCPT_TO:
        # Marks are made at mail-from, where no recipient is known: entries to: of -W are an error there.
        _, common = parse_options(LETTERS, arguments, allow_from=True)
    return (
        Options(
            permanent="-5" in values,
            conf=whole_path("-c", values.get("-c", DEFAULT_CONF)),
            directory=whole_path("-d", values.get("-d", DEFAULT_DIRECTORY)),
            mark=mark,
            phase=Phase.MAIL_FROM if mark else phase,
        ),
        common,
    )


def whole_path(option: str, value: str) -> str:
    """A path that means the same wherever smtpd was started. Raises UsageError."""
    if not os.path.isabs(value) or "\0" in value:
        raise UsageError(f"{option} takes a path that begins with a slash, not '{printable(value, 60)}'")
    return value
