"""Whose mail is signed with what: pure functions from facts to a choice.

The rules, in the order they are asked:

1. A client that is exempt (-W) is left alone. Mail of authenticated sessions, of the unix socket and of the networks of
   -N is ours; all other mail passes unsigned.
2. From holds exactly one address; its domain decides which entries of the key table sign (option -u: the first entry
   signs what no entry matches).
3. A login listed in -m signs for its domains only.
4. On loopback and the unix socket, where list servers, content filters, Sieve and procmail hand mail of others back to
   smtpd, only what is sent from here is signed: mail without a Received of an earlier hop. Programs that re-inject what
   is to be signed all the same are named with -R.
5. On loopback, and for what -R lets through, the domain of the envelope sender must be the signing domain, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from filter_api.dkim.mailboxes import parse_mailboxes
from filter_api.errors import UsageError
from filter_api.files.networks import NetworkSet, parse_network
from filter_api.session import Session
from filter_api.text.addresses import domain_of, login, parse_source, strip_source_route
from filter_api.text.escape import printable
from filter_api.text.idn import a_labels
from filter_api.text.lines import Line, LineError
from filter_api.trust import Origin, is_sent_from_here
from filter_dkimsign.keytable import Entries, Entry, is_domain

UNSIGNED: Final = (
    *("no-from", "no-from-address", "several-from-fields", "several-from-addresses"),
    *("malformed-from", "malformed-header", "header-too-long", "bare-cr", "unsettled-addresses"),
    *("no-key-for-domain", "domain-not-allowed-for-login", "re-injected"),
    *("loopback-sender-not-in-domain", "sender-not-in-domain"),
    *("no-results", "failed-before", "too-many-sets"),
)
"""Why a message is not signed, or not sealed."""


class Unsigned(Exception):
    """This message passes unsigned; the text is the reason as the log shows it."""


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
        return max(found, key=lambda entries: _closeness(entries[0]))
    if sign_unknown:
        return next(source.first for source in sources)
    raise Unsigned("no-key-for-domain")


def _closeness(entry: Entry) -> tuple[int, bool]:
    """The name itself is closest, then the longest parent, there its wildcard, which does not cover the name itself."""
    return len(entry.domain), entry.pattern != entry.domain


def check_way(
    session: Session, origin: Origin, received: Sequence[bytes], entries: Sequence[Entry], reinjectors: Reinjectors
) -> None:
    """On loopback and the socket, sign what is sent from here and what a known program hands back. Raises Unsigned.

    received: the values of the Received fields. Anybody can choose the envelope sender of mail that comes back, so it
    is a condition only, never a proof.
    """
    if origin is not Origin.SOCKET and origin is not Origin.LOOPBACK:
        return
    transaction = session.transaction
    from_here = is_sent_from_here(received, None if transaction is None else transaction.id)
    if not from_here and not reinjectors.has(session):
        raise Unsigned("re-injected")
    if origin is Origin.LOOPBACK or not from_here:
        domain = domain_of(strip_source_route(session.sender or b""))
        if any(entry.domain != domain for entry in entries):
            raise Unsigned("loopback-sender-not-in-domain" if origin is Origin.LOOPBACK else "sender-not-in-domain")


@dataclass(frozen=True, slots=True)
class Reinjectors:
    """Option -R: the programs of this host whose mail is signed though it was received before.

    networks: by their address. ports: by the port of the listener they come to. socket: all that use the unix socket.
    """

    networks: NetworkSet = field(default_factory=NetworkSet)
    ports: frozenset[int] = frozenset()
    socket: bool = False

    def has(self, session: Session) -> bool:
        """Whether a client is one of them."""
        if session.local:
            return self.socket
        return session.address in self.networks or parse_source(session.destination)[1] in self.ports


def parse_reinjectors(values: Sequence[str]) -> Reinjectors:
    """The values of -R: comma lists of ``socket``, addresses, networks, ``:port`` of a listener. Raises UsageError."""
    networks, ports, socket = [], set(), False
    for item in (item for value in values for item in value.split(",")):
        if item == "socket":
            socket = True
        elif item.startswith(":") and not item.startswith("::"):
            ports.add(_port(item))
        else:
            try:
                networks.append(parse_network(item))
            except ValueError as error:
                raise UsageError(f"-R takes socket, :port, addresses and networks: {error}") from None
    return Reinjectors(NetworkSet(networks), frozenset(ports), socket)


def _port(item: str) -> int:
    number = item[1:]
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and 0 < int(number) <= 65535):
        raise UsageError(f"-R: {printable(item)} is no port of a listener")
    return int(number)


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
    """The file of -m: ``user domain…`` lines; ``*.domain`` is every name below, ``*`` everything or everybody.

    Users are compared as smtpd does it, in lower case.
    """
    users: UserDomains = {}
    for line in lines:
        name, *domains = line.text.split()
        user = login(name)
        if not domains:
            raise LineError(line.number, f'"{printable(name)}" has no domain')
        if user in users:
            raise LineError(line.number, f'"{printable(name)}" is listed twice')
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
    reinjectors: Reinjectors = field(default_factory=Reinjectors)

    def choose(
        self, session: Session, origin: Origin, from_values: Sequence[bytes], received: Sequence[bytes]
    ) -> tuple[bytes, tuple[Entry, ...]]:
        """From domain and entries for a message of ours; the values are those of its fields. Raises Unsigned."""
        domain = author_domain(from_values)
        entries = choose_entries(self.sources(), domain, sign_unknown=self.sign_unknown)
        check_login(self.users(), session.user, domain)
        check_way(session, origin, received, entries, self.reinjectors)
        return domain, entries
