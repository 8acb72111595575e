"""Who is ours, who is exempt, who vouches, what is sent from here: one rule each, for all filters.

opensmtpd-filters(7), TRUST, has the same rules as a table. Nobody is ours, exempt or vouched for by words of his own:

- **ours** (`origin_of`): who has authenticated, the unix socket, the networks of ``-N``;
- **exempt** (`message_exemption`): who is in ``-W``, each kind of entry with its proof. Recipients are exempt only if
  all of them are known, a sender only if SPF vouches for it (`filter_api.net.vouching`), an author only if a signature
  of his domain holds (`filter_api.authenticated`), whoever has authenticated;
- **vouching**: SPF that passes strongly. A login vouches for senders of its own domain (`login_vouches`), which counts
  for points and never exempts;
- **sent from here** (`is_sent_from_here`): what carries no Received of an earlier hop.

A client whose address smtpd cannot tell (`is_untold`) is not ours and not exempt, except by its login. What would judge
its address cannot be checked, so the failure policy (``-F``) answers.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from filter_api.session import Session
from filter_api.text.addresses import Address, domain_of, strip_source_route

if TYPE_CHECKING:
    from filter_api.files.exempt import ExemptTable
    from filter_api.files.networks import Networks, NetworkSet

UNTOLD: Final = "smtpd cannot tell the client's address"
"""Why such a client cannot be judged: for the log."""

_OWN_RECEIVED: Final = re.compile(rb"\bwith E?SMTPS?A? id ([0-9a-f]{8})\b")


class Origin(enum.Enum):
    """How a client came to us; the first that fits."""

    AUTHENTICATED = "authenticated"
    SOCKET = "socket"  # sendmail(8), and smtpd's own bounces
    LOOPBACK = "loopback"  # in -N, and on this host
    NETWORK = "network"  # in -N
    UNTOLD = "untold"  # smtpd cannot tell its address
    FOREIGN = "foreign"

    @property
    def is_ours(self) -> bool:
        """Whether the client is one of ours."""
        return self is not Origin.UNTOLD and self is not Origin.FOREIGN


class Exemption(enum.Enum):
    """What ``-W`` says of a message."""

    NO = "no"
    IF_VOUCHED = "if-vouched"  # its sender is listed: exempt if SPF vouches for it
    YES = "yes"


def origin_of(session: Session, networks: Networks | NetworkSet) -> Origin:
    """How the client came to us; `networks` are those of ``-N``."""
    if session.user is not None:
        return Origin.AUTHENTICATED
    if session.local:
        return Origin.SOCKET
    address = session.address
    if address is None:
        return Origin.UNTOLD
    if address not in networks:
        return Origin.FOREIGN
    on_this_host = address.is_loopback or address == session.destination_address
    return Origin.LOOPBACK if on_this_host else Origin.NETWORK


def is_ours(session: Session, networks: Networks | NetworkSet) -> bool:
    """Whether the client is one of ours: it has authenticated, is on the unix socket, or in ``-N``."""
    return session.user is not None or session.local or (session.address is not None and session.address in networks)


def is_untold(session: Session) -> bool:
    """Whether smtpd cannot tell who the client is: no address, and not the unix socket."""
    return session.address is None and not session.local


def client_at(address: Address, name: bytes = b"") -> Session:
    """The session of a client as smtpd would report it, with a confirmed name if it has one: to explain decisions."""
    session = Session(b"")
    session.source = f"[{address}]".encode() if address.version == 6 else str(address).encode()
    if name:
        session.rdns, session.fcrdns = name, "pass"
    return session


def client_is_exempt(table: ExemptTable, session: Session) -> bool:
    """Whether the client is in ``-W``: by its address, or by a name that leads back to it."""
    return not is_untold(session) and table.client(session)


def sender_is_listed(table: ExemptTable, sender: bytes | None) -> bool:
    """Whether ``-W`` has this sender. It is exempt only if SPF vouches for it; ``<>`` and an unknown one never are."""
    return bool(sender) and table.sender_if_spf_passes(sender or b"")


def message_exemption(table: ExemptTable, session: Session, signed: str = "") -> Exemption:
    """What ``-W`` says of a whole message. signed: the domain of its author, where a signature of it holds.

    For its recipients all of them must be listed, and all of them known: one that smtpd did not report gets the message
    as well.
    """
    if client_is_exempt(table, session):
        return Exemption.YES
    if signed and table.author_if_signed(signed.encode("ascii")):
        return Exemption.YES
    transaction = session.transaction
    if transaction is None:
        return Exemption.NO
    recipients = transaction.recipients
    if recipients and transaction.recipients_complete and all(map(table.recipient, recipients)):
        return Exemption.YES
    return Exemption.IF_VOUCHED if sender_is_listed(table, transaction.sender) else Exemption.NO


def login_vouches(session: Session, sender: bytes | None) -> bool:
    """Whether the client's login vouches for a sender: for points only, never for an exemption.

    A login with a domain (``alice@example.org``) vouches for senders in that domain. One without belongs to no domain
    in particular, so it vouches for all: the option ``senders`` of smtpd.conf(5) says which it may use.
    """
    if session.user is None or not sender:
        return False
    return b"@" not in session.user or domain_of(strip_source_route(sender)) == domain_of(session.user)


def is_own_received(value: bytes, message_id: bytes | None) -> bool:
    """Whether a Received field is the one that smtpd has written for the transaction of that id.

    A client cannot know the id before, and what smtpd writes is above all that a client sends: so whatever stands above
    this field is of a filter.
    """
    own = _OWN_RECEIVED.search(value)
    return own is not None and message_id is not None and own[1] == message_id


def is_sent_from_here(received: Sequence[bytes], message_id: bytes | None) -> bool:
    """Whether a message starts its way on this host: it has no Received but smtpd's own.

    received: the values of its Received fields from the top. message_id: the transaction's. smtpd puts its own field on
    top, with that id in it; should a filter have removed it, the first one left has another.
    """
    if not received:
        return True
    own = _OWN_RECEIVED.search(received[0])
    is_own = own is None or message_id is None or own[1] == message_id
    return is_own and len(received) == 1
