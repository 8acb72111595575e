"""The facts of a connection and of its mail transaction, as far as smtpd has told them.

`Session` and `Transaction` are folded from smtpd's reports and requests by `filter_api.facts`; a filter only
reads them. Everything that came over the wire is bytes, as it was sent; None means "not known (yet)".

State of a filter's own hangs on them by `PerSession` and `PerTransaction`, class attributes of the filter::

    class Score(Filter):
        points = PerSession(Counter)

        def on_helo(self, session: Session, identity: bytes) -> Decision:
            self.points[session]["helo"] += 1
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, Generic, Self, TypeVar

from filter_api.bounds import MAX_RECIPIENT_BYTES, MAX_RECIPIENTS, MAX_REPORTED_ADDRESS
from filter_api.text.addresses import Address, is_local_source, parse_source

State = TypeVar("State")

asking: Final = ContextVar("asking", default=b"")
"""The id of the session for which a hook runs: whose question to the DNS this is. Empty outside of hooks that wait."""


class Transaction:
    """One mail transaction (RFC 5321, 3.3): from the mail-from request or tx-begin to tx-reset.

    id: smtpd's message id (8 hex digits) once tx-begin told it. sender: the reverse-path without angle brackets,
    ``b""`` for the null sender, None while unknown. recipients: those smtpd accepted, in order, as far as
    `filter_api.bounds` goes; recipient_count counts them all.

    smtpd reports no address over 254 bytes, though it delivers to it. The requests carry such addresses, but a filter
    before this one may have answered them. So ask `sender_known` and `recipients_complete` before you conclude
    anything from what is *not* here.
    """

    __slots__ = (
        "_asked",
        "_envelopes",
        "_hidden",
        "_kept_bytes",
        "_long_asked",
        "_state",
        "id",
        "recipient_count",
        "recipients",
        "sender",
    )

    def __init__(self) -> None:
        self.id: bytes | None = None
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.recipient_count = 0
        self._state: dict[object, Any] | None = None
        self._asked: bytes | None = None  # the recipient of the last request, until its report
        self._envelopes = -1  # those of nobody we know; -1: smtpd has told of none at all
        self._hidden = self._long_asked = False
        self._kept_bytes = 0

    @property
    def sender_known(self) -> bool:
        """Whether `sender` is the sender; if not, smtpd did not tell it."""
        return self.sender is not None

    @property
    def recipients_complete(self) -> bool:
        """Whether `recipients` are certainly all of them, each reported by smtpd.

        False as soon as one is longer than smtpd reports, even if a request told it, or may have been hidden by a
        filter before this one, or is beyond the bounds.
        """
        kept = self.recipient_count == len(self.recipients)
        untold = self._envelopes > 0 or (self._envelopes < 0 and self._long_asked)
        return kept and not untold and not self._hidden

    def add_recipient(self, recipient: bytes) -> None:
        """Keep an accepted recipient, or only count it beyond the bounds."""
        self.recipient_count += 1
        self._kept_bytes += len(recipient)
        if self.recipient_count <= MAX_RECIPIENTS and self._kept_bytes <= MAX_RECIPIENT_BYTES:
            self.recipients.append(recipient)

    def recipient_asked(self, recipient: bytes) -> None:
        """smtpd asks for a decision on RCPT TO. Its outcome follows, unless the address is too long for a report."""
        if self._envelopes > 0:  # those of a recipient that was neither asked for nor reported
            self._hidden = True
            self._envelopes = 0
        self._asked = recipient
        if len(recipient) > MAX_REPORTED_ADDRESS:
            self._long_asked = True

    def envelope_made(self) -> None:
        """smtpd made an envelope: the recipient of this RCPT TO is as good as accepted (one or more for each)."""
        if self._envelopes == -1:
            self._envelopes = 0
        if self._asked is None:
            self._envelopes += 1
        elif len(self._asked) > MAX_REPORTED_ADDRESS:
            self._hidden = True
            self.add_recipient(self._asked)
            self._asked = None

    def recipient_told(self, recipient: bytes, accepted: bool) -> None:
        """smtpd reports the outcome of an RCPT TO.

        Two envelopes without a request may be those of an alias, or of a recipient that is not reported and this one.
        """
        self._asked = None
        if self._envelopes > 0:
            if self._envelopes > 1 or not accepted:
                self._hidden = True
            self._envelopes = 0
        if accepted:
            self.add_recipient(recipient)


class Session:
    """One SMTP connection.

    id: 16 hex digits. outgoing: True for smtp-out, where smtpd is the client. rdns: the client's name by reverse DNS as
    smtpd saw it, cut to 64 bytes on Linux; None if it saw none, or DNS was in trouble. fcrdns: ``pass``, ``fail``,
    ``error`` or ``""``. source, destination: as reported (``192.0.2.1:4711``, ``[2001:db8::1]:25``,
    ``unix:/var/run/smtpd.sock``); destination is the address the listener was configured with. hostname: what the
    greeting said (only for filters with `saw_greeting`). identity: the HELO/EHLO argument. tls: version and cipher.
    user: the authenticated user name as smtpd compares it, in lower case (vis(3) encoded, as it is reported).
    connected_at: monotonic seconds.
    """

    __slots__ = (
        "_address",
        "_state",
        "connected_at",
        "destination",
        "ehlo",
        "fcrdns",
        "hostname",
        "id",
        "identity",
        "outgoing",
        "rdns",
        "source",
        "tls",
        "transaction",
        "user",
    )

    def __init__(self, session_id: bytes, outgoing: bool = False, connected_at: float = 0.0) -> None:
        self.id = session_id
        self.outgoing = outgoing
        self.connected_at = connected_at
        self.rdns: bytes | None = None
        self.fcrdns = ""
        self.source = b""
        self.destination = b""
        self.hostname: bytes | None = None
        self.identity: bytes | None = None
        self.ehlo = False
        self.tls: bytes | None = None
        self.user: bytes | None = None
        self.transaction: Transaction | None = None
        self._address: tuple[bytes, Address | None] | None = None
        self._state: dict[object, Any] | None = None

    @property
    def address(self) -> Address | None:
        """The client's address; None on the unix socket, or where smtpd cannot tell it (`filter_api.trust`)."""
        if self._address is None or self._address[0] != self.source:
            self._address = (self.source, parse_source(self.source)[0])
        return self._address[1]

    @property
    def port(self) -> int | None:
        """The client's port, if it has one."""
        return parse_source(self.source)[1]

    @property
    def destination_address(self) -> Address | None:
        """The address of the listener as configured (``0.0.0.0`` for a wildcard one); for smtp-out the MX."""
        return _listener(self.destination)

    @property
    def local(self) -> bool:
        """Whether the client came through smtpd's unix socket: sendmail(8), and smtpd's own bounces.

        A client that spoke with a proxy (proxy-v2) over a unix socket looks the same, except that smtpd tries to look
        up its name, which fails.
        """
        return is_local_source(self.source) and self.fcrdns != "error"

    @property
    def sender(self) -> bytes | None:
        """The sender of the running transaction."""
        return None if self.transaction is None else self.transaction.sender

    def __repr__(self) -> str:
        return f"<Session {self.id.decode('ascii', 'replace')} {self.source!r}>"


@lru_cache(maxsize=64)
def _listener(destination: bytes) -> Address | None:
    """The address of a listener, of which there are few."""
    return parse_source(destination)[0]


def client_of(session: Session) -> str:
    """The client as the log and the quarantine name it: its address, ``local`` or ``unknown``."""
    if session.address is not None:
        return str(session.address)
    return "local" if session.local else "unknown"


class _Attached(Generic[State]):
    """Values of a filter's own, one per owner, made at first use and freed with it.

    As an attribute of a class it gives each filter of that class an attachment of its own, at the first use: two
    filters of one class in a process do not see each other's values.
    """

    __slots__ = ("_make", "_name")

    def __init__(self, make: Callable[[], State]) -> None:
        """make: what makes the value, such as ``list`` or a class. Raises TypeError for a value."""
        if not callable(make):
            raise TypeError(f"{type(self).__name__} takes what makes a value, such as list, not {type(make).__name__}")
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        if instance is None:
            return self
        own = vars(instance)[self._name] = type(self)(self._make)  # found there from now on, without this detour
        return own

    def _owner(self, session: Session) -> Session | Transaction | None:
        raise NotImplementedError

    def _values(self, session: Session) -> dict[object, Any]:
        owner = self._owner(session)
        if owner is None:
            raise LookupError("no transaction is running in this session")
        if owner._state is None:
            owner._state = {}
        return owner._state

    def __getitem__(self, session: Session) -> State:
        values = self._values(session)
        value: State
        if self in values:
            value = values[self]
        else:
            value = values[self] = self._make()
        return value

    def __setitem__(self, session: Session, value: State) -> None:
        self._values(session)[self] = value

    def __contains__(self, session: Session) -> bool:
        owner = self._owner(session)
        return owner is not None and owner._state is not None and self in owner._state

    def pop(self, session: Session) -> State | None:
        """Take the value away; None where there was none."""
        value: State | None = None
        if session in self:
            value = self._values(session).pop(self)
        return value


class PerSession(_Attached[State]):
    """``scores = PerSession(Score)`` in a filter: ``self.scores[session]`` lives as long as the session."""

    __slots__ = ()

    def _owner(self, session: Session) -> Session:
        return session


class PerTransaction(_Attached[State]):
    """``marks = PerTransaction(list)`` in a filter: ``self.marks[session]`` lives as long as its transaction.

    Outside a transaction reading or writing one raises LookupError; ``session in self.marks`` is then False.
    """

    __slots__ = ()

    def _owner(self, session: Session) -> Transaction | None:
        return session.transaction
