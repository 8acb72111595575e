"""The options of filter-dnsbl(8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api.bases.phase import Phase, parse_phase_options, parse_reply_text
from filter_api.bounds import MAX_DNS_LISTS
from filter_api.errors import UsageError
from filter_api.files.reloading import ReloadingFile
from filter_api.net.dnsbl.entries import NO_AUTHORS, Entry, parse_entry, parse_lists
from filter_api.net.dnsbl.keys import read_keys
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options, parse_whole
from filter_api.text.escape import printable

OPTIONS: Final = """\
-a          ask lists for authors about the domains of the field From
-b list     ask this list; may be repeated
-f file     ask the lists of this file
-k file     keys of lists
-m          mark instead of refusing
-p phase    connect, mail-from or rcpt-to (default mail-from)
-q          believe lists without testing them
-r text     the text of the refusal
-s points   grey:mark:refuse, the points for each (default -:-:1)
"""
LETTERS: Final = letters_of(OPTIONS)
USAGE: Final = (
    "filter-dnsbl [-amq] [-b list] ... [-f file] [-k file] [-p connect|mail-from|rcpt-to] [-r text]"
    f" [-s grey:mark:refuse] {COMMON_USAGE}"
)
DEFAULT_TEXT: Final = "%A is listed by %L"
MOST_POINTS: Final = 9_999


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Points from which on a client is said to be worth greylisting, is marked, is refused; None: never."""

    grey: int | None = None
    mark: int | None = None
    refuse: int | None = 1


@dataclass(frozen=True, slots=True)
class Options:
    """-a author, -b given, -f file, -p phase, -q untested, -r text, -s and -m thresholds."""

    author: bool = False
    given: tuple[Entry, ...] = ()
    file: ReloadingFile[tuple[Entry, ...]] | None = None
    phase: Phase = Phase.MAIL_FROM
    untested: bool = False
    text: str = DEFAULT_TEXT
    thresholds: Thresholds = field(default_factory=Thresholds)

    def entries(self) -> tuple[Entry, ...]:
        """The lists as they are configured now."""
        return self.given if self.file is None else self.given + self.file.current()


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line. Raises UsageError, ConfigError and VersionWanted."""
    own, common, phase = parse_phase_options(LETTERS, arguments, allow_from=True)
    values = dict(own)
    thresholds = _thresholds(values)
    if thresholds.refuse is None and phase is Phase.RCPT_TO:
        # Marks are made at mail-from, where no recipient is known: entries to: of -W are an error there.
        _, common = parse_options(LETTERS, arguments, allow_from=True)
        phase = Phase.MAIL_FROM
    keys = read_keys(values["-k"]) if "-k" in values else {}
    given = tuple(_entry(value, keys) for option, value in own if option == "-b")
    if not given and "-f" not in values:
        raise UsageError("no list to ask: name one with -b, or a file of them with -f")
    if len(given) > MAX_DNS_LISTS:
        raise UsageError(f"-b: more than {MAX_DNS_LISTS} lists; ask fewer")
    file = (
        ReloadingFile(values["-f"], lambda lines: parse_lists(lines, keys, authors="-a" in values))
        if "-f" in values
        else None
    )
    options = Options(
        author="-a" in values,
        given=given,
        file=file,
        phase=phase,
        untested="-q" in values,
        text=_text(values["-r"]) if "-r" in values else DEFAULT_TEXT,
        thresholds=thresholds,
    )
    if not options.author and any("a" in entry.where for entry in given):
        raise UsageError(NO_AUTHORS)
    return options, common


def _entry(value: str, keys: Mapping[str, str]) -> Entry:
    try:
        return parse_entry(value, keys)
    except ValueError as error:
        raise UsageError(f"-b: {error}") from None


def _thresholds(values: Mapping[str, str]) -> Thresholds:
    if "-s" not in values:
        return Thresholds(mark=1, refuse=None) if "-m" in values else Thresholds()
    if "-m" in values:
        raise UsageError("-m is short for -s -:1:-; give one of them")
    words = values["-s"].split(":")
    if len(words) != 3:
        raise UsageError(f"-s takes grey:mark:refuse, such as 1:2:3 or -:-:1, not '{printable(values['-s'], 40)}'")
    points = [None if word == "-" else parse_whole("-s", word, 1, MOST_POINTS, what="points") for word in words]
    known = [each for each in points if each is not None]
    if not known or sorted(set(known)) != known:
        raise UsageError(f"-s {values['-s']}: points that rise from grey to mark to refuse, one of them at least")
    return Thresholds(*points)


def _text(value: str) -> str:
    if "%" in re.sub("%[ALT%]", "", value):
        raise UsageError(f"-r {printable(value, 40)}: after % stands A, L, T or another %")
    return parse_reply_text(value, enhanced="5.7.1")
