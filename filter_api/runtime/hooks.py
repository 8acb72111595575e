"""From events to the hooks of one filter: which to call, with which arguments. Tables are built once, at start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from filter_api import facts
from filter_api.filter import PHASES_OF, REPORT_OF, Filter
from filter_api.protocol.parser import FIELDS
from filter_api.session import Session
from filter_api.trust import UNTOLD, is_untold

Ask: TypeAlias = Callable[[Session, bytes], object]
Saw: TypeAlias = Callable[[Session, list[bytes]], None]


_SOURCE: Final = FIELDS + 2  # of link-connect


def _text(field: bytes) -> str:
    return field.decode("ascii", "replace")


def asks(filter_: Filter) -> dict[bytes, Ask]:
    """Phase → the call that asks the filter; every phase it registered for, except data-line.

    The arguments of connect, mail-from and rcpt-to also carry session facts, so these phases are always in the table.
    """
    on_connect, on_mail_from, on_rcpt_to = filter_.on_connect, filter_.on_mail_from, filter_.on_rcpt_to

    def connect(session: Session, argument: bytes) -> object:
        facts.connect_request(session, argument)
        return on_connect(session)

    def mail_from(session: Session, sender: bytes) -> object:
        facts.mail_from_request(session, sender)
        return on_mail_from(session, sender)

    def rcpt_to(session: Session, recipient: bytes) -> object:
        if session.transaction is not None:
            session.transaction.recipient_asked(recipient)
        return on_rcpt_to(session, recipient)

    table: dict[str, Ask] = {
        "on_helo": filter_.on_helo,
        "on_starttls": lambda session, _argument: filter_.on_starttls(session),
        "on_data": lambda session, _argument: filter_.on_data(session),
        "on_commit": lambda session, _argument: filter_.on_commit(session),
    }
    wanted = {
        phase.encode("ascii"): ask
        for hook, ask in table.items()
        if filter_.overrides(hook)
        for phase in PHASES_OF[hook]
    }
    return {b"connect": connect, b"mail-from": mail_from, b"rcpt-to": rcpt_to, **wanted}


def _size(field: bytes) -> int:
    return int(field) if field.isdigit() and len(field) < 20 else 0


def saws(filter_: Filter) -> dict[bytes, Saw]:
    """Report → the call that tells the filter; only those it overrides."""
    f = filter_
    table: dict[str, Saw] = {
        "saw_connect": lambda s, _: f.saw_connect(s),
        "saw_greeting": lambda s, x: f.saw_greeting(s, x[0]),
        "saw_identify": lambda s, _: f.saw_identify(s),
        "saw_tls": lambda s, _: f.saw_tls(s),
        "saw_auth": lambda s, x: f.saw_auth(s, _text(x[0]), x[1]),
        "saw_disconnect": lambda s, _: f.saw_disconnect(s),
        "saw_begin": lambda s, _: f.saw_begin(s),
        "saw_mail": lambda s, x: f.saw_mail(s, _text(x[1]), x[2]),
        "saw_rcpt": lambda s, x: f.saw_rcpt(s, _text(x[1]), x[2]),
        "saw_envelope": lambda s, x: f.saw_envelope(s, x[1]),
        "saw_data": lambda s, x: f.saw_data(s, _text(x[1])),
        "saw_commit": lambda s, x: f.saw_commit(s, _size(x[1])),
        "saw_rollback": lambda s, _: f.saw_rollback(s),
        "saw_reset": lambda s, _: f.saw_reset(s),
        "saw_timeout": lambda s, _: f.saw_timeout(s),
        "saw_protocol_client": lambda s, x: f.saw_protocol_client(s, x[0]),
        "saw_protocol_server": lambda s, x: f.saw_protocol_server(s, x[0]),
        "saw_filter_report": lambda s, x: f.saw_filter_report(s, _text(x[0]), x[1], x[2]),
        "saw_filter_response": lambda s, x: f.saw_filter_response(s, _text(x[0]), *_response(x[1])),
    }
    return {REPORT_OF[hook].encode("ascii"): saw for hook, saw in table.items() if filter_.overrides(hook)}


def told(filter_: Filter, failed: Callable[[Session, str, BaseException], None]) -> dict[bytes, Saw]:
    """Report → the call that takes it in, a line split at ``|``: the facts first, then the hook behind its barrier."""
    table: dict[bytes, Saw] = {**facts.FOLD, b"link-connect": _connected(filter_)}
    for name, saw in saws(filter_).items():
        table[name] = _guarded(name.decode("ascii"), table.get(name), saw, failed)
    return table


def _connected(filter_: Filter) -> Saw:
    """link-connect, with a line in the log where smtpd cannot tell who the client is: what judges it cannot."""
    fold = facts.FOLD[b"link-connect"]

    def connected(session: Session, parts: list[bytes]) -> None:
        fold(session, parts)
        usual = parts[_SOURCE][:1].isdigit() or parts[_SOURCE].startswith(b"[")  # to read the address takes longer
        if not usual and is_untold(session) and not session.outgoing:
            filter_.log.warning(session, "untold", source=session.source, reason=UNTOLD)

    return connected


def _guarded(name: str, fold: Saw | None, saw: Saw, failed: Callable[[Session, str, BaseException], None]) -> Saw:
    def tell(session: Session, parts: list[bytes]) -> None:
        if fold is not None:
            fold(session, parts)
        try:
            saw(session, parts[FIELDS:])
        except BaseException as error:  # noqa: BLE001 - the barrier: nothing a hook throws may end the process
            failed(session, name, error)

    return tell


def _response(field: bytes) -> tuple[str, bytes]:
    """``reject|550 no`` → (``reject``, ``550 no``)."""
    word, _, parameter = field.partition(b"|")
    return _text(word), parameter
