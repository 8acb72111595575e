"""The lists of a lists.conf(5), opened, and what they say of an address.

    book = read_book("/etc/mail/lists.conf", "/var/lib/opensmtpd-filters/lists")
    book.current().judge(address, time.time())

Files that operators keep are read as text; what others publish, `filterctl lists update` has compiled. All of them
follow their changes. A list that is not known counts for nothing: a black one refuses nobody, and a missing white one
switches the black lists off that it would be taken from.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from filter_api.bounds import MAX_LIST_BY_HAND
from filter_api.errors import ConfigError
from filter_api.figures import Figure, gauge
from filter_api.files.compiled import CompiledFile
from filter_api.files.networks import items_of
from filter_api.files.ranges import RangeBuilder, Ranges
from filter_api.files.reloading import Clock, ReloadingFile
from filter_api.text.addresses import Address
from filter_api.text.lines import Line, LineError
from filter_lists.conf import Conf, Source, parse_conf
from filter_lists.message import filled, message_of_file
from filter_lists.words import show_duration

SUFFIX: Final = ".ranges"

_LOG = logging.getLogger("filter_api.files.tables")


@dataclass(slots=True)
class Judgement:
    """What the lists say of an address. hits: the black lists that refuse it, in order, and what each says.

    spared: (black, white) for each black list that holds it, and the white list that takes it out again. unknown: lists
    that could not be asked.
    """

    hits: list[tuple[str, str]] = field(default_factory=list)
    spared: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class OpenList:
    """One list. `known(now)` gives its addresses, or None while they are not known or too old to count."""

    def __init__(self, source: Source, file: CompiledFile | ReloadingFile[Ranges], clock: Clock) -> None:
        """Raises ConfigError for a message's file that cannot be used."""
        self.source = source
        self.compiled = file if isinstance(file, CompiledFile) else None
        self._file = file
        path = source.message.path
        self._message = ReloadingFile(path, message_of_file, clock=clock) if path else None
        self._told = False

    @property
    def by_hand(self) -> ReloadingFile[Ranges] | None:
        """The file, if it is one that operators keep."""
        return self._file if isinstance(self._file, ReloadingFile) else None

    def known(self, now: float) -> Ranges | None:
        """The addresses that count at a time (seconds since 1970)."""
        found = self._file.current()
        if self.compiled is None:
            return found
        age = now - self.compiled.confirmed
        # A white list goes on: without it more clients would be refused.
        stale = found is not None and self.source.black and age > self.source.expire
        if stale != self._told:
            self._told = stale
            if stale:
                _LOG.warning("%s: not confirmed for %s, and no longer used", self.source.name, show_duration(age))
            else:
                _LOG.info("%s: confirmed, and used again", self.source.name)
        return None if stale else found

    def figures(self, now: float) -> list[Figure]:
        """How old it is and whether it counts, at a time (seconds since 1970)."""
        own = {"list": self.source.name}
        known = self.known(now)
        return [
            gauge("list_in_use", "Whether a list counts: it is known, and not too old.", known is not None, **own),
            gauge("list_ranges", "Ranges and addresses of a list that counts.", len(known or ()), **own),
            gauge("list_confirmed_seconds", "When it was last known to be what is published.", self.confirmed, **own),
        ]

    @property
    def confirmed(self) -> float:
        """When it was last known to be what is published, or written by hand: seconds since 1970, 0 for never."""
        return self._file.state.modified

    def text(self, address: object) -> str:
        """What a client is told."""
        return filled(self.source.message.text if self._message is None else self._message.current(), address)


class Book:
    """The lists of one version of lists.conf."""

    def __init__(self, conf: Conf, open_lists: dict[str, OpenList]) -> None:
        self.conf = conf
        self.lists = open_lists

    def judge(self, address: Address, now: float) -> Judgement:
        """What the lists say of an address at a time (seconds since 1970)."""
        found = Judgement()
        for black, whites in self.conf.steps:
            ranges = self.lists[black.name].known(now)
            if ranges is None:
                found.unknown.append(black.name)
            elif address in ranges:
                known = [(white.name, self.lists[white.name].known(now)) for white in whites]
                missing = [name for name, addresses in known if addresses is None]
                spared = next((name for name, addresses in known if addresses and address in addresses), None)
                if spared is not None:
                    found.spared.append((black.name, spared))
                elif missing:
                    found.unknown += missing
                else:
                    found.hits.append((black.name, self.lists[black.name].text(address)))
        return found


def read_book(path: str, directory: str, *, clock: Clock = time.monotonic) -> ReloadingFile[Book]:
    """The lists of a lists.conf, following its changes. Raises ConfigError with ``file:line:``."""
    return ReloadingFile(path, book_parser(directory, clock), clock=clock, in_thread=False)


def book_parser(directory: str, clock: Clock) -> Callable[[Sequence[Line]], Book]:
    """What makes lists of the lines of a lists.conf; a list's file stays open from one version to the next.

    So none is read on the event loop but those that are new.
    """
    kept: dict[tuple[str, bool], CompiledFile | ReloadingFile[Ranges]] = {}

    def place(source: Source) -> tuple[str, bool]:
        return (compiled_path(directory, source) if source.compiled else source.target), source.compiled

    def opened(source: Source) -> OpenList:
        path, compiled = key = place(source)
        try:
            if key not in kept:
                kept[key] = (
                    CompiledFile(path, clock=clock)
                    if compiled
                    else ReloadingFile(path, parse_list, clock=clock, expiring=True)
                )
            return OpenList(source, kept[key], clock)
        except ConfigError as error:
            raise LineError(source.line, f"{source.name}: {error}") from None

    def parse(lines: Sequence[Line]) -> Book:
        conf = parse_conf(lines)
        lists = {source.name: opened(source) for source in conf.used}
        for key in set(kept) - set(map(place, conf.used)):
            del kept[key]
        return Book(conf, lists)

    return parse


def compiled_path(directory: str, source: Source) -> str:
    """Where `filterctl lists update` puts a list."""
    return os.path.join(directory, source.name + SUFFIX)


def parse_list(lines: Sequence[Line]) -> Ranges:
    """The addresses of a file kept by hand. Raises LineError for what is none, and for a file that is too long."""
    builder = RangeBuilder()
    for number, text in lines:
        for item in items_of(text.decode("ascii", "surrogateescape")):
            try:
                builder.add_text(item)
            except ValueError as error:
                raise LineError(number, str(error)) from None
        if builder.entries > MAX_LIST_BY_HAND:
            remedy = "write every=1h behind it in lists.conf, and filterctl lists update compiles it"
            raise LineError(number, f"more than {MAX_LIST_BY_HAND} entries: {remedy}")
    return builder.build().ranges
