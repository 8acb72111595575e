"""Whose mail is signed with what: pure functions from facts to a choice.

The rules, in the order they are asked:

1. A client that is exempt (-W) is left alone. Mail of authenticated sessions, of the unix socket and of the networks of
   -N is ours; all other mail passes unsigned.
2. From holds exactly one address; its domain decides which entries of the key table sign (option -u: the first entry
   signs what no entry matches).
3. A login listed in -m signs for its domains only.
4. On loopback, where list servers and content filters hand mail of others back to smtpd, the domain of the envelope
   sender must be the signing domain, too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.session import Address, Session
from filter_api.text.addresses import domain_of, strip_source_route
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels
from filter_api.text.lines import Line, LineError
from filter_dkimsign.keytable import Entries, Entry, is_domain


class Origin(enum.Enum):
    """How a client came to us."""

    AUTHENTICATED = "authenticated"
    SOCKET = "socket"
    LOOPBACK = "loopback"
    NETWORK = "network"
    FOREIGN = "foreign"


class Unsigned(Exception):
    """This message passes unsigned; the text is the reason as the log shows it."""


def origin_of(session: Session, ours: bool) -> Origin:
    """The origin of a session; `ours` is what the library says of it."""
    if session.user is not None:
        return Origin.AUTHENTICATED
    if session.local:
        return Origin.SOCKET
    if not ours:
        return Origin.FOREIGN
    return Origin.LOOPBACK if is_loopback(session.address) else Origin.NETWORK


def is_loopback(address: Address | None) -> bool:
    """Whether a client runs on this host."""
    return address is not None and address.is_loopback


def author_domain(values: Sequence[bytes]) -> bytes:
    """The domain, in lower case and with A-labels, of the one address in the one From field. Raises Unsigned.

    values: those of all From fields.
    """
    if not values:
        raise Unsigned("no-from")
    if len(values) > 1:
        raise Unsigned("several-from-fields")
    addresses = parse_mailboxes(values[0])
    if addresses is None:
        raise Unsigned("malformed-from")
    if len(addresses) != 1:
        raise Unsigned("several-from-addresses" if addresses else "no-from-address")
    return a_labels(domain_of(addresses[0]))


def choose_entries(sources: Sequence[Entries], domain: bytes, *, sign_unknown: bool) -> tuple[Entry, ...]:
    """The entries that sign for a From domain. Raises Unsigned."""
    found = [entries for source in sources if (entries := source.find(domain))]
    if len(found) == 1:
        return found[0]
    if found:
        return max(found, key=lambda entries: _closeness(entries[0], domain))
    if sign_unknown:
        return next(source.first for source in sources)
    raise Unsigned("no-key-for-domain")


def _closeness(entry: Entry, domain: bytes) -> tuple[bool, int, bool]:
    """The name itself is closest, then the longest parent, there its wildcard."""
    return entry.pattern == domain, len(entry.domain), entry.pattern != entry.domain


def check_loopback(origin: Origin, sender: bytes | None, entries: Sequence[Entry]) -> None:
    """What comes back over loopback is signed only if its sender is in the signing domain. Raises Unsigned."""
    if origin is Origin.LOOPBACK:
        domain = a_labels(domain_of(strip_source_route(sender or b"")))
        if any(entry.domain != domain for entry in entries):
            raise Unsigned("loopback-sender-not-in-domain")


UserDomains: TypeAlias = dict[bytes, frozenset[bytes]]
ANY: Final = b"*"


def check_login(users: UserDomains | None, login: bytes | None, domain: bytes) -> None:
    """With -m a login signs for the From domains of its line only, or of the line ``*``. Raises Unsigned."""
    if users is None or login is None:
        return
    allowed = users.get(login, users.get(ANY, frozenset()))
    parents = (b"*." + parent for parent in _parents(domain))
    if domain not in allowed and ANY not in allowed and allowed.isdisjoint(parents):
        raise Unsigned("domain-not-allowed-for-login")


def _parents(domain: bytes) -> Sequence[bytes]:
    labels = domain.split(b".")
    return [b".".join(labels[start:]) for start in range(1, len(labels))]


def parse_users(lines: Sequence[Line]) -> UserDomains:
    """The file of -m: ``user domain…`` lines; ``*.domain`` is every name below, ``*`` everything or everybody."""
    users: UserDomains = {}
    for line in lines:
        user, *domains = line.text.split()
        if not domains:
            raise LineError(line.number, f'"{printable(user)}" has no domain')
        if user in users:
            raise LineError(line.number, f'"{printable(user)}" is listed twice')
        users[user] = frozenset(_pattern(line.number, domain.lower().rstrip(b".")) for domain in domains)
    return users


def _pattern(number: int, domain: bytes) -> bytes:
    if domain != ANY and not is_domain(domain.removeprefix(b"*.")):
        raise LineError(number, f'"{printable(domain)}" is not a domain name')
    return domain


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that decide: where keys are, who may sign for what, what happens to unknown domains."""

    sources: Callable[[], Sequence[Entries]]
    users: Callable[[], UserDomains | None]
    sign_unknown: bool = False

    def choose(self, session: Session, origin: Origin, from_values: Sequence[bytes]) -> tuple[bytes, tuple[Entry, ...]]:
        """From domain and entries for a message of ours. Raises Unsigned."""
        domain = author_domain(from_values)
        entries = choose_entries(self.sources(), domain, sign_unknown=self.sign_unknown)
        check_login(self.users(), session.user, domain)
        check_loopback(origin, session.sender, entries)
        return domain, entries
