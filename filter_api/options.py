"""The options every filter has, read with getopt(3) as OpenBSD's programs do.

A filter with letters of its own calls `parse_options("mp:", arguments)` and gets them back beside `CommonOptions`.

What -h or --help prints is a text with a line for each letter, ``-p phase    where it refuses (default mail-from)``;
`letters_of` makes getopt's letters of it, so that there is no second list of them.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from filter_api.confinement.needs import Confine
from filter_api.control.place import parse_path
from filter_api.decision import Failure
from filter_api.errors import ConfigError, HelpWanted, UsageError
from filter_api.files.networks import Networks
from filter_api.text.escape import printable

if TYPE_CHECKING:
    from filter_api.files.exempt import ExemptTable

_LINE_OF_HELP: Final = re.compile(r"-([A-Za-z0-9])( \S+(?: \S+)*)?  +\S.*")


def letters_of(options: str) -> str:
    """The letters of a text for -h in getopt(3)'s notation; lines that do not begin with a hyphen continue others."""
    found = map(_LINE_OF_HELP.fullmatch, options.splitlines())
    return "".join(f"{line[1]}:" if line[2] else line[1] for line in found if line)


def usage_lines(usage: str) -> list[str]:
    """One line for each way to call a program; a line of `usage` that begins with a tab goes on with that before."""
    ways = usage.replace("\n\t", " ").splitlines()
    return [f"{'       ' if place else 'usage: '}{' '.join(way.split())}" for place, way in enumerate(ways)]


def help_text(usage: str, options: str) -> str:
    """What -h prints in 79 columns: the usage, and a line for each letter but those "(refused)"."""
    import textwrap  # for those who ask only

    lines = [
        line
        for each in usage_lines(usage)
        for line in textwrap.wrap(each, 79, subsequent_indent=" " * 11, break_on_hyphens=False)
    ]
    lines.append("")
    parts = [re.split(r"  +", line, maxsplit=1) for line in options.splitlines() if "  (refused" not in line]
    width = max((len(part[0]) for part in parts), default=0) + 2
    for name, about in parts:
        lines += textwrap.wrap(f"  {name:<{width}}{about}", 79, subsequent_indent=" " * (width + 2))
    return "\n".join(lines) + "\n"


#: What every filter takes, as -h shows it.
COMMON_OPTIONS: Final = """\
-C path        control socket, or none for none at all
-F policy      what is done if a check fails: accept, tempfail or reject
-L             log to syslog
-N networks    networks that are ours, or a file of them (default 127.0.0.0/8,::1)
-n             observe: log what would be done, and do nothing
-T seconds     how long a decision may take
-V             print the version
-v             log more
-W file        who is exempt
-Z mode        confine the process: try, demand or off (default try)
"""

#: Their letters.
COMMON_LETTERS: Final = letters_of(COMMON_OPTIONS)

#: How they are shown in a usage line.
COMMON_USAGE: Final = "[-LnvV] [-C path] [-F policy] [-N networks] [-T seconds] [-W file] [-Z mode]"

#: Ours when there is no -N; the unix socket and authenticated sessions always are.
LOOPBACK: Final = "127.0.0.0/8,::1"

_SHOWN: Final = 40  # characters of a bad value in a message
_MAX_TIMEOUT: Final = 280.0  # smtpd's clients give up after 300 s


class VersionWanted(Exception):
    """Option -V: print the version and exit with status 0."""


class CommonOptions:
    """-n observe, -F failure, -T timeout (seconds), -N ours, -W exempt, -C control, -Z confine, -L syslog, -v verbose.

    given: the words they were read from, the filter's own among them.
    """

    __slots__ = ("confine", "control", "exempt", "failure", "given", "observe", "ours", "syslog", "timeout", "verbose")

    def __init__(self) -> None:
        self.observe = False
        self.control: str | None = None
        self.given: tuple[str, ...] = ()
        self.failure: Failure | None = None
        self.timeout: float | None = None
        self.ours = Networks(LOOPBACK)
        self.exempt: ExemptTable | None = None
        self.confine = Confine.TRY
        self.syslog = False
        self.verbose = False


def parse_options(
    own_letters: str,
    arguments: Sequence[str],
    *,
    allow_from: bool = False,
    allow_to: bool = False,
    allow_dkim: bool = False,
) -> tuple[list[tuple[str, str]], CommonOptions]:
    """Split the command line into a filter's own options and the common ones.

    own_letters: getopt(3) letters; none of them may be a common one. allow_from, allow_to, allow_dkim: which entries a
    -W file may hold (see filter_api.files.exempt).

    Raises UsageError, ConfigError for a bad value or file, VersionWanted.
    """
    options, rest = split_options(own_letters + COMMON_LETTERS, arguments)
    if rest:
        raise UsageError(f"unexpected argument: {rest[0]}")
    own_set = set(own_letters.replace(":", ""))
    if taken := own_set & set(COMMON_LETTERS):
        raise ValueError(f"-{min(taken)} is a common option, which every filter has: choose another letter")
    own: list[tuple[str, str]] = []
    common = CommonOptions()
    common.given = tuple(arguments)
    exempt = [value for option, value in options if option == "-W"]
    if exempt:
        from filter_api.files.exempt import ExemptTable  # and its patterns, where there is a table only

        common.exempt = ExemptTable(*exempt, allow_from=allow_from, allow_to=allow_to, allow_dkim=allow_dkim)
    for option, value in options:
        if option[1] in own_set:
            own.append((option, value))
        elif option != "-W":
            _set(common, option, value)
    return own, common


def split_options(
    letters: str, arguments: Sequence[str], options: str = "", commands: Mapping[str, str] | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """getopt(3), which knows --help and -h unless that letter means something else: HelpWanted tells these options.

    commands: what each does, for a verb that has some. Raises UsageError.
    """
    try:
        return getopt.getopt(list(arguments), letters)
    except getopt.GetoptError as error:
        if error.opt in {"h", "help"} and "requires" not in error.msg:
            raise HelpWanted(options, commands) from None
        if error.opt == "V" and "requires" not in error.msg:
            raise VersionWanted from None
        raise UsageError(str(error)) from None


def options_of(
    arguments: Sequence[str], options: str, commands: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """For a verb of filterctl(8): its options, the last of each letter, and what follows them.

    options: as for -h; commands: what each does, where the verb has some. Raises UsageError, HelpWanted, VersionWanted.
    """
    found, rest = split_options(letters_of(options), arguments, options, commands)
    return dict(found), rest


def _set(common: CommonOptions, option: str, value: str) -> None:
    if option == "-n":
        common.observe = True
    elif option == "-F":
        common.failure = _failure(value)
    elif option == "-T":
        common.timeout = parse_seconds(option, value, _MAX_TIMEOUT)
    elif option == "-N":
        try:
            common.ours = Networks(value)
        except ConfigError as error:
            raise ConfigError(
                f"-N: {error}; it takes networks, as 192.0.2.0/24,2001:db8::/32, or a file of them"
            ) from None
    elif option == "-Z":
        common.confine = _confine(value)
    elif option == "-C":
        common.control = parse_path(value)
    elif option == "-L":
        common.syslog = True
    elif option == "-v":
        common.verbose = True
    else:
        raise VersionWanted


def _failure(value: str) -> Failure:
    try:
        return Failure(value)
    except ValueError:
        raise UsageError(f"-F takes accept, tempfail or reject, not '{printable(value, _SHOWN)}'") from None


def _confine(value: str) -> Confine:
    try:
        return Confine(value)
    except ValueError:
        raise UsageError(f"-Z takes try, demand or off, not '{printable(value, _SHOWN)}'") from None


def parse_seconds(option: str, value: str, most: float) -> float:
    """A number of seconds above 0 and at most `most`. Raises UsageError naming the option."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= most:  # catches nan, too
        raise UsageError(f"{option} takes seconds, above 0 and at most {most:g}, not '{printable(value, _SHOWN)}'")
    return seconds


def parse_whole(option: str, value: str, least: int, most: int, *, what: str = "a number") -> int:
    """A whole number from `least` (0 or more) to `most`. Raises UsageError naming the option and `what` it takes.

    Figures of ASCII only, however many zeros stand in front; a number of thousands of figures is no number, either.
    """
    figures = value.lstrip("0") if value.isascii() and value.isdigit() else None
    if figures is None or len(figures) > len(str(most)) or not least <= int(figures or "0") <= most:
        raise UsageError(f"{option} takes {what} from {least} to {most}, not '{printable(value, _SHOWN)}'")
    return int(figures or "0")
