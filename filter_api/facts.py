"""smtpd's reports and requests → the facts of `Session`.

Reports and message lines race each other, several transactions share a session, and an event may be missing: every
function here takes what it gets, in any order, and never raises on a field it cannot read. When transactions begin and
end is decided here and nowhere else:

- one begins at the mail-from request (which alone carries a sender over 254 bytes) or at tx-begin, whichever is first;
- it ends at tx-reset, which smtpd sends after every commit and rollback, or when the mail-from was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from filter_api.session import Session, Transaction
from filter_api.text.addresses import login

#: Reports every filter subscribes to: what `Session` is folded from.
FOLDED: Final = (
    "link-connect",
    "link-identify",
    "link-tls",
    "link-auth",
    "link-disconnect",
    "tx-begin",
    "tx-mail",
    "tx-envelope",
    "tx-rcpt",
    "tx-reset",
)


_CONFIRMED: Final = {b"pass": "pass", b"fail": "fail", b"error": "error"}


def _link_connect(session: Session, parts: list[bytes]) -> None:
    name = parts[6]
    session.rdns = None if name in {b"", b"<unknown>"} else name
    session.fcrdns = _CONFIRMED.get(parts[7]) or parts[7].decode("ascii", "replace")
    session.source = parts[8]
    session.destination = parts[9]


def _link_greeting(session: Session, parts: list[bytes]) -> None:
    session.hostname = parts[6]


def _link_identify(session: Session, parts: list[bytes]) -> None:
    session.ehlo = parts[6].upper() == b"EHLO"
    session.identity = parts[7]


def _link_tls(session: Session, parts: list[bytes]) -> None:
    session.tls = parts[6]


def _link_auth(session: Session, parts: list[bytes]) -> None:
    if parts[6] == b"pass":
        session.user = login(parts[7])


def _tx_begin(session: Session, parts: list[bytes]) -> None:
    _running(session, parts[6])


def _tx_mail(session: Session, parts: list[bytes]) -> None:
    if parts[7] != b"ok":
        mail_from_refused(session)
        return
    transaction = session.transaction
    if transaction is None or transaction.id != parts[6]:
        transaction = _running(session, parts[6])
    transaction.sender = parts[8]


def _tx_rcpt(session: Session, parts: list[bytes]) -> None:
    transaction = session.transaction
    if transaction is None or transaction.id != parts[6]:
        if parts[7] != b"ok":
            return  # refused in a transaction we know nothing of
        transaction = _running(session, parts[6])
    transaction.recipient_told(parts[8], parts[7] == b"ok")


def _tx_envelope(session: Session, parts: list[bytes]) -> None:
    transaction = session.transaction
    if transaction is None or transaction.id != parts[6]:
        transaction = _running(session, parts[6])
    transaction.envelope_made()


def _running(session: Session, message_id: bytes) -> Transaction:
    """The transaction of that id; the one its mail-from request began, if it has no id yet; else a new one."""
    transaction = session.transaction
    if transaction is None or (transaction.id is not None and transaction.id != message_id):
        transaction = session.transaction = Transaction()
    transaction.id = message_id
    return transaction


#: Report → what it tells of its session. These take the whole line, split: its own fields begin at ``parts[6]``.
FOLD: Final[dict[bytes, Callable[[Session, list[bytes]], None]]] = {
    b"link-connect": _link_connect,
    b"link-greeting": _link_greeting,
    b"link-identify": _link_identify,
    b"link-tls": _link_tls,
    b"link-auth": _link_auth,
    b"tx-begin": _tx_begin,
    b"tx-mail": _tx_mail,
    b"tx-envelope": _tx_envelope,
    b"tx-rcpt": _tx_rcpt,
}


def connect_request(session: Session, argument: bytes) -> None:
    """The connect request tells name and address again: used where link-connect was not seen."""
    if not session.source:
        name, _, address = argument.partition(b"|")
        session.rdns = None if name in {b"", b"<unknown>"} else name
        session.source = address


def mail_from_request(session: Session, sender: bytes) -> None:
    """A transaction begins, unless smtpd told of it already."""
    transaction = session.transaction
    if transaction is None or transaction.id is None:
        transaction = session.transaction = Transaction()
    if transaction.sender is None:
        transaction.sender = sender


def rcpt_to_request(session: Session, recipient: bytes) -> None:
    """A recipient that the transaction may get; its report follows, unless it is too long for one."""
    transaction = session.transaction
    if transaction is not None:
        transaction.recipient_asked(recipient)


#: Request → what its argument tells of its session.
REQUEST_FOLD: Final[dict[bytes, Callable[[Session, bytes], None]]] = {
    b"connect": connect_request,
    b"mail-from": mail_from_request,
    b"rcpt-to": rcpt_to_request,
}


def mail_from_refused(session: Session) -> None:
    """The client got no transaction; one that smtpd announced keeps running."""
    if session.transaction is not None and session.transaction.id is None:
        session.transaction = None


def tx_reset(session: Session) -> None:
    """The transaction is over."""
    session.transaction = None
