"""The command line of filter-greylist, as values. Everything that is wrong in it is told by its own name, at start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from filter_api.bounds import MAX_DNS_LISTS
from filter_api.errors import UsageError
from filter_api.files.tables import AddressTable, DomainTable
from filter_api.net.dnsbl import Entry
from filter_api.options import COMMON_USAGE, CommonOptions, letters_of, parse_options, parse_seconds
from filter_api.text.addresses import Address, plain_address
from filter_api.text.escape import printable
from filter_greylist.deciding.listed import parse_client_list
from filter_greylist.deciding.tarpit import LONGEST
from filter_greylist.rules.key import Prefixes
from filter_greylist.rules.records import Timers
from filter_greylist.store.base import DEFAULT_BOUNDS, Bounds
from filter_greylist.store.spec import DEFAULT_PATH, Spec, parse_spec
from filter_greylist.store.target import parse_target

USAGE = (
    "filter-greylist [-5oux] [-a file] [-b network:tuples:hosts[:learned]] [-c file] [-f store] [-G pass:grey:white]"
    f" [-k v4:v6] [-l list] ... [-M address] [-s seconds] [-t file] {COMMON_USAGE}"
)
OPTIONS = """\
-5             answer trapped clients with 550 (default 450)
-a file        the domains that receive mail here; others trap who sends to them
-b bounds      network:tuples:hosts[:learned], how much is remembered
-c file        large providers that never have to wait
-f store       where it is remembered: a file or a Redis
-G times       passtime:greyexp:whiteexp, in minutes, hours, hours
-k v4:v6       how many bits of an address are its network (default 24:64)
-l list        only clients that this list in the DNS knows have to wait
-M address     our listener that is the low-priority MX
-o             learn from outgoing mail
-s seconds     let trapped clients wait for their replies
-t file        trap addresses
-u             only suspicious clients have to wait
-w             (refused: there is no window trick)
-x             say in the header how long a message had to wait
"""
LETTERS = letters_of(OPTIONS)

YEAR_HOURS = 24 * 366

_NO_WINDOW = "-w: there is no window trick, smtpd speaks with greylisted clients itself; see docs/migrating.md"

_OF_SPAMD = {
    "y": "hosts share one store, with -f redis://host",
    "Y": "hosts share one store, with -f redis://host",
    "4": "trapped clients get 450 unless -5 is given",
    "S": "nobody is stuttered at",
    "h": "smtpd has the host name",
    "C": "smtpd has the certificates",
}
"""Options of spamd(8) that mean nothing here, and why."""


class Options(NamedTuple):
    """The filter's own options, with their defaults."""

    allowed: DomainTable | None = None
    bounds: Bounds = DEFAULT_BOUNDS
    common: DomainTable | None = None
    store: Spec = Spec(DEFAULT_PATH, DEFAULT_PATH)
    timers: Timers = Timers()
    prefixes: Prefixes = Prefixes()
    lists: tuple[Entry, ...] = ()
    low_mx: Address | None = None
    learn: bool = False
    tarpit: float = 0.0
    traps: AddressTable | None = None
    suspicious_only: bool = False
    header: bool = False
    trapped_code: int = 450


def parse(arguments: Sequence[str]) -> tuple[Options, CommonOptions]:
    """Read the command line. Raises UsageError, ConfigError and VersionWanted."""
    if any(word.startswith("-w") for word in arguments):  # before its argument is found to be one too many
        raise UsageError(_NO_WINDOW)
    _refuse_spamds(arguments)
    own, common = parse_options(LETTERS, arguments, allow_from=True, allow_to=True)
    values: dict[str, Any] = {}
    for option, value in own:
        if option == "-w":
            raise UsageError(_NO_WINDOW)
        name, read = _READ[option]
        values[name] = read(value)
    values["lists"] = tuple(_list(value) for option, value in own if option == "-l")
    if len(values["lists"]) > MAX_DNS_LISTS:
        raise UsageError(f"-l: more than {MAX_DNS_LISTS} lists; ask fewer")
    return Options(**values), common


def _refuse_spamds(arguments: Sequence[str]) -> None:
    """UsageError for the options of a spamd(8) line that was copied."""
    for word, following in zip(arguments, [*arguments, "-"][1:], strict=True):
        why = _OF_SPAMD.get(word[1:2]) if word.startswith("-") else None
        if why is not None:
            raise UsageError(f"{word[:2]} is spamd's: {why}; see docs/migrating.md")
        if word == "-n" and not following.startswith("-"):
            raise UsageError("-n takes no name, it only observes: smtpd has the banner; see docs/migrating.md")


def parse_timers(value: str) -> Timers:
    """``pass:grey:white`` in minutes, hours and hours, as spamd(8) has it. Raises UsageError."""
    numbers = _numbers("-G", value, 3)
    passes, grey, white = numbers[0] * 60, numbers[1] * 3600, numbers[2] * 3600
    if not passes < grey <= white:
        raise UsageError(f"-G {value}: a retry must be able to pass: passtime below greyexp, greyexp up to whiteexp")
    if numbers[2] > YEAR_HOURS:
        raise UsageError(f"-G {value}: more than a year")
    return Timers(passes, grey, white)


def parse_prefixes(value: str) -> Prefixes:
    """``v4:v6``, how many bits of an address are its network. Raises UsageError."""
    v4, v6 = _numbers("-k", value, 2)
    if not (8 <= v4 <= 32 and 16 <= v6 <= 128):
        raise UsageError(f"-k {value}: 8 to 32 bits of IPv4 and 16 to 128 of IPv6")
    return Prefixes(v4, v6)


def parse_bounds(value: str) -> Bounds:
    """``network:tuples:hosts[:learned]``, see `Bounds`. Raises UsageError."""
    bounds = Bounds(*_numbers("-b", value, 3, 4))
    if min(bounds) < 1:
        raise UsageError(f"-b {value}: at least 1 of each")
    return bounds


def _numbers(option: str, value: str, *counts: int) -> list[int]:
    pieces = value.split(":")
    good = all(piece.isascii() and piece.isdigit() and len(piece) < 10 for piece in pieces)
    if len(pieces) not in counts or not good:
        wanted = " or ".join(str(count) for count in counts)
        raise UsageError(f"{option} {printable(value)}: {wanted} whole numbers with colons between them")
    return [int(piece) for piece in pieces]


def _low_mx(value: str) -> Address:
    try:
        address = plain_address(ip_address(value))
    except ValueError:
        raise UsageError(f"-M {printable(value)}: not an address") from None
    if address.is_unspecified:
        raise UsageError(f"-M {value}: the address of one listener, not the wildcard")
    return address


def _list(value: str) -> Entry:
    try:
        return parse_client_list(value)
    except ValueError as error:
        raise UsageError(f"-l: {error}") from None


def _store(value: str) -> Spec:
    spec = parse_spec(value)
    if not spec.is_path:
        parse_target(spec)
    return spec


def _domains(value: str) -> DomainTable:
    return DomainTable(value, needed="no domain in it, so all mail would be taken for a trap")


_READ: dict[str, tuple[str, Callable[[str], object]]] = {
    "-5": ("trapped_code", lambda _: 550),
    "-a": ("allowed", _domains),
    "-b": ("bounds", parse_bounds),
    "-c": ("common", DomainTable),
    "-f": ("store", _store),
    "-G": ("timers", parse_timers),
    "-k": ("prefixes", parse_prefixes),
    "-l": ("lists", lambda _: ()),
    "-M": ("low_mx", _low_mx),
    "-o": ("learn", lambda _: True),
    "-s": ("tarpit", lambda value: parse_seconds("-s", value, LONGEST)),
    "-t": ("traps", AddressTable),
    "-u": ("suspicious_only", lambda _: True),
    "-x": ("header", lambda _: True),
}
