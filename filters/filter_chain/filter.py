"""filter-chain(8): several filters in one process, asked in the order they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, cast

from filter_api.confinement.needs import Confine
from filter_api.errors import ConfigError, UsageError
from filter_api.filter import Filter
from filter_api.options import VersionWanted
from filter_api.runtime.main import Chain
from filter_api.text.escape import printable
from filter_chain.entries import Entry
from filter_chain.options import parse

NAME: Final = "filter-chain"

MEMBERS: Final = ("rdns", "dyndns", "lists", "dnsbl", "greylist", "auth", "clamav", "spamassassin", "dkimsign")
"""What may be a member: filter-NAME(8), in package ``filter_NAME``."""

_SIGNER: Final = "dkimsign"


def build(arguments: Sequence[str]) -> Chain:
    """Make the members a command line asks for. Raises UsageError, ConfigError and VersionWanted."""
    own, common = parse(arguments)
    members: dict[str, Filter] = {}
    places: dict[str, str] = {}
    for entry in own.entries:
        if entry.label in members:
            remedy = f"write a name, as 'second: {printable(entry.filter, 40)}'"
            raise _wrong(entry, f"{entry.label} is there already{places[entry.label]}: {remedy}")
        members[entry.label] = _member(entry, own.given)
        places[entry.label] = f", in {entry.place.rstrip(': ')}" if entry.place else ""
    _check_order(own.entries, members)
    return Chain(members, NAME, common, beside=own.beside)


def _member(entry: Entry, given: Sequence[str]) -> Filter:
    if entry.filter not in MEMBERS:
        raise _wrong(entry, f"{printable(entry.filter, 40)} is no member: there are {', '.join(MEMBERS)}")
    package = f"filter_{entry.filter}"
    try:
        make = cast(Callable[[Sequence[str]], Filter], import_module(f"{package}.filter").build)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise _wrong(entry, f"filter-{entry.filter} is not installed") from None
    try:
        made = make([*given, *entry.words])
    except VersionWanted:
        raise _wrong(entry, "-V is an option of filter-chain itself: write it before the first member") from None
    except UsageError as error:
        raise ConfigError(f"{entry.place}{entry.label}: {error}; see filter-{entry.filter}(8)") from None
    except ConfigError as error:
        raise ConfigError(f"{entry.place}{entry.label}: {error}") from None
    if made.options.syslog:  # a process has one log
        raise _wrong(entry, "-L is an option of filter-chain itself: write it before the first member")
    if made.options.confine is not Confine.TRY:  # and is confined as a whole
        raise _wrong(entry, "-Z is an option of filter-chain itself: write it before the first member")
    if made.options.control is not None:  # and one control socket
        raise _wrong(entry, "-C is an option of filter-chain itself: write it before the first member")
    return made


def _check_order(entries: Sequence[Entry], members: dict[str, Filter]) -> None:
    """Nothing may be changed behind a signature."""
    signer: Entry | None = None
    for entry in entries:
        if entry.filter == _SIGNER:
            signer = entry
        elif signer is not None and "on_message" in members[entry.label].wanted():
            raise _wrong(
                entry, f"{entry.label} may change what {signer.label} signed before it: put {signer.label} last"
            )


def _wrong(entry: Entry, text: str) -> ConfigError | UsageError:
    return ConfigError(f"{entry.place}{text}") if entry.place else UsageError(text)
