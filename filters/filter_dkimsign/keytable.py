"""Which domain is signed with which keys: the table of option -K, and the one that -d, -D, -s and -k amount to.

    # domain            selector  key file                         [algorithm]
    example.org         2026a     /etc/mail/dkim/example.org.rsa
    example.org         2026e     /etc/mail/dkim/example.org.ed    ed25519-sha256
    *.example.org       hosts     /etc/mail/dkim/hosts.rsa

`find(b"mx.example.org")` gives all entries of the best match: the name itself, else ``*.`` of the nearest parent that
has one, else that parent. Entries sign as their own domain (d=, i=), ``*.example.org`` as example.org; several lines
of a name make several signatures. A look-up costs one or two dictionary probes per label of the name, however long the
table is. Every key is read and checked when the table is read, one file only once, so a bad one is reported with the
line that names it. A new version of the table that names a key which cannot be used is tried again every second, as
the key may have become usable meanwhile; what is in use stays in use till then.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from filter_api.dkim.keys import ALGORITHMS, LOOK_INTERVAL, KeyFile, KeyProblem
from filter_api.errors import ConfigError
from filter_api.files.reloading import ReloadingFile
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

_LABEL: Final = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*\Z")
_MAX_NAME: Final = 253  # RFC 1035 §3.1, as text without the final dot

SHOWN: Final = 20
"""Entries of which the log says anything at start or after a change; more are counted."""

NEWS_KEPT: Final = 100
"""Lines for the log that wait for the next message."""

_RETIRED: Final = "rsa-sha1"  # the C filter took it; RFC 8301 §3.1 forbids it, so it means rsa-sha256


class Entry:
    """A line of the table: what a signature needs."""

    __slots__ = ("__weakref__", "domain", "key", "pattern", "selector", "tags")

    def __init__(self, pattern: bytes, selector: bytes, key: KeyFile) -> None:
        """Raises ValueError for names that cannot be in DNS."""
        self.pattern = pattern
        self.domain = pattern.removeprefix(b"*.")
        self.selector = selector
        self.key = key
        check_names(self.domain, selector)
        tags = (b"a=" + key.algorithm.encode(), b"d=" + self.domain, b"i=@" + self.domain, b"s=" + selector)
        self.tags = b"; ".join(tags) + b";"
        key.users.add(self)

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
    """Key files by path and algorithm, each loaded once while anything signs with it, however many domains do."""

    def __init__(self, *, guard: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._files: WeakValueDictionary[tuple[str, str | None], KeyFile] = WeakValueDictionary()
        self._guard = guard
        self._clock = clock
        self.news: deque[str] = deque(maxlen=NEWS_KEPT)

    def tell(self, news: Iterable[str]) -> None:
        """Keep what has changed for the log of the filter, which takes it from `news`."""
        self.news.extend(news)

    def get(self, path: str, algorithm: str | None) -> KeyFile:
        """Raises KeyProblem."""
        wanted = (path, algorithm)
        found = self._files.get(wanted)
        if found is None:
            found = self._files[wanted] = KeyFile(
                path, algorithm, guard=self._guard, clock=self._clock, tell=self.news.append
            )
        return found

    def __iter__(self) -> Iterator[KeyFile]:
        return iter(list(self._files.values()))


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


def changes(before: Entries | None, after: Entries) -> list[str]:
    """What a new version of a table changes, a line each, at most `SHOWN`; nothing for the first version."""
    if before is None:
        return []
    old, new = ({(entry.record_name, entry.key.path): entry for entry in version} for version in (before, after))
    lines = [
        f"signs as {name} with {printable(path)}, {new[name, path].key.current()}"
        for name, path in new.keys() - old.keys()
    ]
    lines += [f"signs no more as {name} with {printable(path)}" for name, path in old.keys() - new.keys()]
    more = len(lines) - SHOWN
    return sorted(lines) if more <= 0 else [*sorted(lines)[:SHOWN], f"and {more} more changes"]


class KeyTable:
    """The file of option -K, followed when it changes; a bad new version is logged and the old one stays."""

    def __init__(self, path: str, store: KeyStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError with file:line."""
        self._store = store
        self._path = path
        self._folder = os.path.dirname(path)
        self._clock = clock
        self._entries: Entries | None = None
        self._wanted: tuple[str, str | None] | None = None  # the key that keeps a new version from being used
        self._next_try = 0.0
        self._read: list[Entry] = []  # of that version, so that no key is loaded twice
        self._file = ReloadingFile(path, self._parse, clock=clock, in_thread=False)

    def current(self) -> Entries:
        """The newest good version."""
        if self._wanted is not None:
            self._try_again(*self._wanted)
        return self._file.current()

    def _try_again(self, path: str, algorithm: str | None) -> None:
        """Read the table anew if the key it lacked can be used now; asked at most once a second."""
        now = self._clock()
        if now < self._next_try:
            return
        self._next_try = now + LOOK_INTERVAL
        try:
            key = self._store.get(path, algorithm)
            self._file = ReloadingFile(self._path, self._parse, clock=self._clock, in_thread=False)
        except (KeyProblem, ConfigError):
            return  # told when the table was read; another key may be the next to be waited for
        self._store.tell((f"{printable(self._path)}: reloaded, as {printable(key.path)} can be used now",))

    def _parse(self, lines: Sequence[Line]) -> Entries:
        self._wanted = None
        entries: list[Entry] = []
        self._read = entries
        entries.extend(map(self._entry, lines))
        _refuse_twins(entries, lines)
        if not entries:
            raise LineError(1, "the table is empty")
        self._read = []
        self._entries, before = Entries(entries), self._entries
        self._store.tell(f"{printable(self._path)}: {text}" for text in changes(before, self._entries))
        return self._entries

    def _entry(self, line: Line) -> Entry:
        """Raises LineError."""
        columns = line.text.split()
        if len(columns) not in {3, 4}:
            raise LineError(line.number, "a line is: domain selector keyfile [algorithm]")
        pattern, selector, path = columns[0].lower().rstrip(b"."), columns[1].lower(), os.fsdecode(columns[2])
        try:
            algorithm = parse_algorithm(columns[3].decode("ascii", "replace")) if columns[3:] else None
            return Entry(pattern, selector, self._key(os.path.join(self._folder, path), algorithm))
        except ValueError as error:  # a KeyProblem is one, too
            raise LineError(line.number, str(error)) from None

    def _key(self, path: str, algorithm: str | None) -> KeyFile:
        """Raises KeyProblem, and remembers what it was about."""
        try:
            return self._store.get(path, algorithm)
        except KeyProblem:
            self._wanted = (path, algorithm)
            self._next_try = self._clock() + LOOK_INTERVAL
            raise


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
        self._store = store
        self._path = given.file or ""
        self._listed: Entries | None = None
        self._entries = Entries(fixed)
        file = given.file
        self._file = ReloadingFile(file, self._parse, clock=clock, in_thread=False) if file else None

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
        self._listed, before = Entries(list({entry.pattern: entry for entry in entries}.values())), self._listed
        self._store.tell(f"{printable(self._path)}: {text}" for text in changes(before, self._listed))
        return self._listed

    def _entry(self, domain: bytes) -> Entry:
        return Entry(domain.lower().rstrip(b"."), self._selector, self._key)
