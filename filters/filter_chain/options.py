"""The options of filter-chain(8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from filter_api.errors import UsageError
from filter_api.options import CommonOptions, letters_of, parse_options, split_options
from filter_chain.entries import Entry, of_command_line, of_file

OPTIONS = """\
-C path        control socket, or none for none at all
-f file        read the members from this file
-L             log to syslog
-N networks    networks that are ours, for all members (default 127.0.0.0/8,::1)
-n             observe: all members log what they would do, and do nothing
-p             members that scan messages look at one at the same time
-V             print the version
-v             log more
-W file        who is exempt from all members
-Z mode        confine the process: try, demand or off (default try)
"""
LETTERS = letters_of(OPTIONS)
USAGE = (
    "filter-chain [-LnpvV] [-C path] [-f file] [-N networks] [-W file] [-Z mode]"
    " [member [options] [-- member [options]] ...]"
)


@dataclass(frozen=True, slots=True)
class Options:
    """-f entries, or those of the command line; -p beside; given: -n, -N and -W, which every member gets."""

    entries: tuple[Entry, ...]
    beside: bool = False
    given: tuple[str, ...] = ()


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read a command line and the file it names. Raises UsageError, ConfigError and VersionWanted."""
    options, rest = split_options(LETTERS, arguments)
    _, common = parse_options("", _words(options, "-C", "-L", "-n", "-N", "-v", "-V", "-W", "-Z"))
    values = dict(options)
    if "-f" in values and rest:
        raise UsageError(f"the members are in the file of -f or on the command line, not in both: {rest[0]}")
    if "-f" not in values and not rest:
        raise UsageError("there is no member: name a file with -f, or members behind the options")
    entries = of_file(values["-f"]) if "-f" in values else of_command_line(rest)
    given = _words(options, "-n", "-N", "-W")
    return Options(tuple(entries), beside="-p" in values, given=tuple(given)), common


def _words(options: Sequence[tuple[str, str]], *wanted: str) -> list[str]:
    """These options as they stood on the command line; an empty value is one, too (``-N ''``: nothing is ours)."""
    return [
        word
        for option, value in options
        if option in wanted
        for word in ((option, value) if f"{option[1]}:" in LETTERS else (option,))
    ]
