"""Option ``-W file``: whom a filter never applies to.

One entry a line, five kinds::

    192.0.2.0/24            the client's address or network, or a range: 192.0.2.1 - 192.0.2.9
    host:mx.example.org     its name, if smtpd confirmed it forwards; host:.example.org for every name below
    from:example.org        the sender's domain, if SPF passes strongly for this client
    dkim:example.org        the author's domain, if a signature of it holds (filter-auth has looked)
    to:bob@example.net      the recipient; a domain stands for all of its addresses

Behind any of them, ``until 2026-12-31`` says that it counts up to the end of that day (UTC). A filter that decides
before it knows the recipient or the message, or that cannot check SPF, refuses a file with such entries when it
starts, naming file and line: an entry that silently never matches would be worse. The sender alone is never enough,
as anybody can write a MAIL FROM, nor is a PTR name alone, as whoever owns an address can write any.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Protocol

from filter_api.files.networks import NetworkSet, networks_of
from filter_api.files.reloading import Clock, ReloadingFile
from filter_api.files.rules import Rules
from filter_api.text.addresses import Network, strip_source_route
from filter_api.text.escape import printable
from filter_api.text.lines import Line, LineError

_KIND = re.compile(rb"(host|from|to|dkim):(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(rb".*[a-z][^.]*\.?\Z", re.IGNORECASE | re.DOTALL)


class Client(Protocol):
    """What is asked of a session."""

    @property
    def address(self) -> IPv4Address | IPv6Address | None: ...
    @property
    def rdns(self) -> bytes | None: ...
    @property
    def fcrdns(self) -> str: ...


class _Entries(NamedTuple):
    networks: NetworkSet
    hosts: Rules[None]
    senders: Rules[None]
    authors: Rules[None]
    recipients: Rules[None]


class ExemptTable:
    """The entries of ``-W`` files, following their changes."""

    def __init__(
        self,
        *paths: str,
        allow_from: bool = False,
        allow_to: bool = False,
        allow_dkim: bool = False,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        """`allow_from`: the filter asks `sender_if_spf_passes`. `allow_to`: it knows the recipient when it decides.

        `allow_dkim`: it decides when filter-auth has looked at the message, and asks `author_if_signed`.
        Raises ConfigError with ``file:line:`` for a bad entry and for a kind that is not allowed.
        """

        kinds = {b"host": True, b"from": allow_from, b"to": allow_to, b"dkim": allow_dkim}

        def parse(lines: Sequence[Line]) -> _Entries:
            return _parse(lines, kinds)

        #: The kinds of named entries, and whether they are taken: tables with the same ones take the same files.
        self.kinds: Mapping[bytes, bool] = kinds
        #: The files, in the order they were given.
        self.files = [ReloadingFile(path, parse, clock=clock, expiring=True, wall=wall) for path in paths]

    def client(self, session: Client) -> bool:
        """Whether the client itself is exempt: by its address, or by a name smtpd confirmed (fcrdns ``pass``)."""
        name = session.rdns if session.fcrdns == "pass" else None
        for entries in self._entries():
            if session.address in entries.networks:
                return True
            if name is not None and entries.hosts.find_domain(name) is not None:
                return True
        return False

    def recipient(self, recipient: bytes) -> bool:
        """Whether mail to this recipient is exempt."""
        address = strip_source_route(recipient)
        return any(entries.recipients.find_address(address) is not None for entries in self._entries())

    def sender_if_spf_passes(self, sender: bytes) -> bool:
        """Whether mail of this sender is exempt *if* SPF passes strongly for the client, which the caller checks."""
        address = strip_source_route(sender)
        return any(entries.senders.find_address(address) is not None for entries in self._entries())

    def author_if_signed(self, domain: bytes) -> bool:
        """Whether mail by authors in this domain is exempt *if* a signature of it holds, which the caller knows."""
        return any(entries.authors.find_domain(domain) is not None for entries in self._entries())

    @property
    def has_authors(self) -> bool:
        """Whether there is any ``dkim:`` entry."""
        return any(len(entries.authors) for entries in self._entries())

    def _entries(self) -> list[_Entries]:
        return [file.current() for file in self.files]


def parse_entries(lines: Sequence[Line]) -> None:
    """Whether some filter could take these entries. Raises LineError for one that none takes."""
    _parse(lines, dict.fromkeys((b"host", b"from", b"to", b"dkim"), True))


def _parse(lines: Sequence[Line], allowed: Mapping[bytes, bool]) -> _Entries:
    """allowed: the kinds of named entries, and whether this filter can tell when they match."""
    networks: list[Network] = []
    named: dict[bytes, list[tuple[Line, None]]] = {kind: [] for kind in allowed}
    for line in lines:
        kind = _KIND.match(line.text)
        if kind is None:
            networks.extend(_networks(line))
            continue
        name = kind[1].lower()
        if not allowed[name]:
            raise LineError(line.number, _why_not(name))
        named[name].append((_pattern(line.number, name, kind[2].strip()), None))
    rules = (Rules(named[kind]) for kind in (b"host", b"from", b"dkim", b"to"))
    return _Entries(NetworkSet(networks), *rules)


def _networks(line: Line) -> Iterable[Network]:
    try:
        return networks_of(line.text.decode("ascii", "surrogateescape"))
    except ValueError as error:
        raise LineError(line.number, f"{error}, nor host:, from:, to: or dkim: with a name") from None


def _pattern(number: int, kind: bytes, text: bytes) -> Line:
    """The name after ``kind:``. A host must be a name: a PTR that looks like an address passes smtpd's check."""
    if kind == b"host" and (b"@" in text or not _HOST.match(text)):
        raise LineError(number, f'"{printable(text)}" is no host name')
    if kind == b"dkim" and b"@" in text:
        raise LineError(number, f'"{printable(text)}" is an address: who signs is a domain, as in dkim:example.org')
    return Line(number, text)


def _why_not(kind: bytes) -> str:
    if kind == b"from":
        return "from: cannot be used here: this filter decides before it knows the sender, or does not check SPF"
    if kind == b"dkim":
        return "dkim: cannot be used here: this filter decides before filter-auth has looked at the message"
    return "to: cannot be used here: this filter decides before it knows the recipient"
