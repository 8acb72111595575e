"""Which domain is signed with which keys: the table of option -K, and the one that -d, -D, -s and -k amount to.

    # domain            selector  key file                         [algorithm]
    example.org         2026a     /etc/mail/dkim/example.org.rsa
    example.org         2026e     /etc/mail/dkim/example.org.ed    ed25519-sha256
    *.example.org       hosts     /etc/mail/dkim/hosts.rsa

`find(b"mx.example.org")` gives all entries of the best match: the name itself, else ``*.`` of the nearest parent that
has one, else that parent. Entries sign as their own domain (d=, i=), ``*.example.org`` as example.org; several lines
of a name make several signatures. A look-up costs one or two dictionary probes per label of the name, however long the
table is. Every key is read and checked when the table is read, one file only once, so a bad one is reported with the
line that names it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.dkim.keys import ALGORITHMS, KeyFile, KeyProblem
from filter_api.errors import ConfigError
from filter_api.files.reloading import ReloadingFile
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

_LABEL: Final = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*\Z")
_MAX_NAME: Final = 253  # RFC 1035 §3.1, as text without the final dot

_RETIRED: Final = "rsa-sha1"  # the C filter took it; RFC 8301 §3.1 forbids it, so it means rsa-sha256


class Entry:
    """A line of the table: what a signature needs."""

    __slots__ = ("domain", "key", "pattern", "selector", "tags")

    def __init__(self, pattern: bytes, selector: bytes, key: KeyFile) -> None:
        """Raises ValueError for names that cannot be in DNS."""
        self.pattern = pattern
        self.domain = pattern.removeprefix(b"*.")
        self.selector = selector
        self.key = key
        check_names(self.domain, selector)
        tags = (b"a=" + key.algorithm.encode(), b"d=" + self.domain, b"i=@" + self.domain, b"s=" + selector)
        self.tags = b"; ".join(tags) + b";"

    @property
    def record_name(self) -> str:
        """Where the public key is published."""
        return f"{self.selector.decode()}._domainkey.{self.domain.decode()}"

    def sign(self, data: bytes) -> bytes:
        """The signature of `data` by the newest good key of this entry."""
        return self.key.current().sign(data)

    def __repr__(self) -> str:
        return f"Entry({self.pattern!r}, {self.selector!r}, {self.key.path!r})"


def is_domain(name: bytes) -> bool:
    """Whether this is a domain name in lower case, without a final dot."""
    return len(name) <= _MAX_NAME and _NAME.match(name) is not None


def check_names(domain: bytes, selector: bytes) -> None:
    """Raises ValueError unless ``selector._domainkey.domain`` can be a name in DNS (lower case, A-labels)."""
    for what, name in (("domain", domain), ("selector", selector)):
        if not _NAME.match(name):
            raise ValueError(f'"{printable(name)}" is not a {what} name')
    record = selector + b"._domainkey." + domain
    if len(record) > _MAX_NAME:
        raise ValueError(f"{printable(record)} has {len(record)} bytes, a name in DNS at most {_MAX_NAME}")


def parse_algorithm(text: str) -> str:
    """The algorithm of option -a or of a table's fourth column. Raises ValueError."""
    if text == _RETIRED:
        return "rsa-sha256"
    if text not in ALGORITHMS:
        raise ValueError(f'"{printable(text)}" is not an algorithm: {" or ".join(ALGORITHMS)}')
    return text


class KeyStore:
    """Key files by path and algorithm, each loaded once, however many domains share it."""

    def __init__(self, *, guard: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._files: dict[tuple[str, str | None], KeyFile] = {}
        self._guard = guard
        self._clock = clock

    def get(self, path: str, algorithm: str | None) -> KeyFile:
        """Raises KeyProblem."""
        wanted = (path, algorithm)
        found = self._files.get(wanted)
        if found is None:
            found = self._files[wanted] = KeyFile(path, algorithm, guard=self._guard, clock=self._clock)
        return found

    def keep(self, used: set[KeyFile]) -> None:
        """Forget what no table refers to any more."""
        self._files = {wanted: key for wanted, key in self._files.items() if key in used}

    def __iter__(self) -> Iterator[KeyFile]:
        return iter(self._files.values())


class Entries:
    """An immutable set of entries, ready to be asked."""

    __slots__ = ("_by_pattern", "first")

    def __init__(self, entries: Sequence[Entry]) -> None:
        grouped: dict[bytes, list[Entry]] = {}
        for entry in entries:
            grouped.setdefault(entry.pattern, []).append(entry)
        self._by_pattern = {pattern: tuple(group) for pattern, group in grouped.items()}
        self.first: tuple[Entry, ...] = self._by_pattern[entries[0].pattern] if entries else ()

    def find(self, domain: bytes) -> tuple[Entry, ...]:
        """The entries for a name in lower case; nothing if neither it nor a parent is listed."""
        known = self._by_pattern
        if domain in known:
            return known[domain]
        if len(domain) > _MAX_NAME:
            return ()
        parent = domain.partition(b".")[2]
        while parent:
            found = known.get(b"*." + parent) or known.get(parent)
            if found:
                return found
            parent = parent.partition(b".")[2]
        return ()

    def __iter__(self) -> Iterator[Entry]:
        return (entry for group in self._by_pattern.values() for entry in group)


class KeyTable:
    """The file of option -K, followed when it changes; a bad new version is logged and the old one stays."""

    def __init__(self, path: str, store: KeyStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError with file:line."""
        self._store = store
        self._folder = os.path.dirname(path)
        self._file = ReloadingFile(path, self._parse, clock=clock)

    def current(self) -> Entries:
        """The newest good version."""
        return self._file.current()

    def _parse(self, lines: Sequence[Line]) -> Entries:
        entries = [self._entry(line) for line in lines]
        _refuse_twins(entries, lines)
        if not entries:
            raise LineError(1, "the table is empty")
        self._store.keep({entry.key for entry in entries})
        return Entries(entries)

    def _entry(self, line: Line) -> Entry:
        """Raises LineError."""
        columns = line.text.split()
        if len(columns) not in {3, 4}:
            raise LineError(line.number, "a line is: domain selector keyfile [algorithm]")
        pattern, selector, path = columns[0].lower().rstrip(b"."), columns[1].lower(), os.fsdecode(columns[2])
        try:
            algorithm = parse_algorithm(columns[3].decode("ascii", "replace")) if columns[3:] else None
            return Entry(pattern, selector, self._store.get(os.path.join(self._folder, path), algorithm))
        except ValueError as error:  # a KeyProblem is one, too
            raise LineError(line.number, str(error)) from None


def _refuse_twins(entries: Sequence[Entry], lines: Sequence[Line]) -> None:
    """Two entries of a domain under one selector would sign with two keys where one is published."""
    seen: dict[tuple[bytes, bytes], int] = {}
    for entry, line in zip(entries, lines, strict=True):
        name = (entry.pattern, entry.selector)
        if name in seen:
            raise LineError(line.number, f"{entry.record_name} is in line {seen[name]} already")
        seen[name] = line.number


class DomainList(NamedTuple):
    """What -d, -D, -s, -k and -a say: domains that share one selector and one key."""

    domains: tuple[str, ...]
    file: str | None
    selector: str
    key: str
    algorithm: str | None


class SharedKey:
    """Entries made from a `DomainList`; the file of -D is followed when it changes."""

    def __init__(self, given: DomainList, store: KeyStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError."""
        try:
            self._key = store.get(given.key, given.algorithm)
        except KeyProblem as error:
            raise ConfigError(str(error)) from None
        self._selector = given.selector.lower().encode("ascii", "replace")
        try:
            fixed = [self._entry(os.fsencode(name)) for name in given.domains]
        except ValueError as error:
            raise ConfigError(f"option -d or -s: {error}") from None
        self._fixed = fixed
        self._entries = Entries(fixed)
        self._file = ReloadingFile(given.file, self._parse, clock=clock) if given.file else None

    def current(self) -> Entries:
        """The newest good version."""
        return self._file.current() if self._file else self._entries

    def _parse(self, lines: Sequence[Line]) -> Entries:
        entries = list(self._fixed)
        for line in lines:
            try:
                entries.append(self._entry(line.text))
            except ValueError as error:
                raise LineError(line.number, str(error)) from None
        if not entries:
            raise LineError(1, "there is no domain")
        return Entries(list({entry.pattern: entry for entry in entries}.values()))

    def _entry(self, domain: bytes) -> Entry:
        return Entry(domain.lower().rstrip(b"."), self._selector, self._key)
