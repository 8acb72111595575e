"""The options every filter has, read with getopt(3) as OpenBSD's programs do.

A filter with letters of its own calls `parse_options("mp:", arguments)` and gets them back beside `CommonOptions`.
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from filter_api.control.place import parse_path
from filter_api.decision import Failure
from filter_api.errors import ConfigError, UsageError
from filter_api.files.networks import Networks
from filter_api.text.escape import printable

if TYPE_CHECKING:
    from filter_api.files.exempt import ExemptTable

#: Letters every filter takes, in getopt(3)'s notation.
COMMON_LETTERS: Final = "nC:F:T:N:W:LvV"

#: How they are shown in a usage line.
COMMON_USAGE: Final = "[-LnvV] [-C path] [-F policy] [-N networks] [-T seconds] [-W file]"

#: Ours when there is no -N; the unix socket and authenticated sessions always are.
LOOPBACK: Final = "127.0.0.0/8,::1"

_SHOWN: Final = 40  # characters of a bad value in a message
_MAX_TIMEOUT: Final = 280.0  # smtpd's clients give up after 300 s


class VersionWanted(Exception):
    """Option -V: print the version and exit with status 0."""


class CommonOptions:
    """-n observe, -F failure, -T timeout (seconds), -N ours, -W exempt, -C control socket, -L syslog, -v verbose.

    given: the words they were read from, the filter's own among them.
    """

    __slots__ = ("control", "exempt", "failure", "given", "observe", "ours", "syslog", "timeout", "verbose")

    def __init__(self) -> None:
        self.observe = False
        self.control: str | None = None
        self.given: tuple[str, ...] = ()
        self.failure: Failure | None = None
        self.timeout: float | None = None
        self.ours = Networks(LOOPBACK)
        self.exempt: ExemptTable | None = None
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
    try:
        options, rest = getopt.getopt(list(arguments), own_letters + COMMON_LETTERS)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    if rest:
        raise UsageError(f"unexpected argument: {rest[0]}")
    own_set = set(own_letters.replace(":", ""))
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


def options_of(arguments: Sequence[str], letters: str) -> tuple[dict[str, str], list[str]]:
    """For a verb of filterctl(8): the options, the last of each letter, and what follows them. Raises UsageError."""
    try:
        options, rest = getopt.getopt(list(arguments), letters)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return dict(options), rest


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
            raise ConfigError(f"-N: {error}") from None
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
