"""The options of filter-rdns(8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from filter_api.bases.phase import Phase, parse_phase_options, parse_reply_text
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options

OPTIONS = """\
-f          the name must lead back to the address
-H          check the name given in HELO or EHLO
-m          mark instead of refusing
-p phase    connect, mail-from or rcpt-to (default mail-from)
-r text     the text of the refusal
-S          the domain of the sender must be able to receive mail
"""
LETTERS = letters_of(OPTIONS)
USAGE = f"filter-rdns [-fHmS] [-p connect|mail-from|rcpt-to] [-r text] {COMMON_USAGE}"


@dataclass(frozen=True, slots=True)
class Options:
    """-f forward, -H helo, -m mark, -p phase, -r text, -S sender."""

    forward: bool = False
    helo: bool = False
    mark: bool = False
    phase: Phase = Phase.MAIL_FROM
    text: str | None = None
    sender: bool = False


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common, phase = parse_phase_options(LETTERS, arguments, allow_from=True)
    values = dict(own)
    mark = "-m" in values
    if mark and phase is Phase.RCPT_TO:
        # Marks are made at mail-from, where no recipient is known: entries to: of -W are an error there.
        _, common = parse_options(LETTERS, arguments, allow_from=True)
    text = parse_reply_text(values["-r"]) if "-r" in values else None
    return (
        Options(
            forward="-f" in values,
            helo="-H" in values,
            mark=mark,
            phase=Phase.MAIL_FROM if mark else phase,
            text=text,
            sender="-S" in values,
        ),
        common,
    )
