"""From events to the hooks of the members: which to call, with which arguments. Tables are built once, at start.

Facts are folded here, once for each report, whoever wants to be told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from filter_api import facts
from filter_api.filter import Filter
from filter_api.log import Logger
from filter_api.protocol.events import FIELDS, PHASES
from filter_api.runtime.asking import Calls
from filter_api.runtime.guard import Guarded, Saw
from filter_api.session import Session
from filter_api.trust import UNTOLD, is_untold
from filter_api.wanted import PHASES_OF, REPORT_OF

_SOURCE: Final = FIELDS + 2  # of link-connect


def _text(field: bytes) -> str:
    return field.decode("ascii", "replace")


def _size(field: bytes) -> int:
    return int(field) if field.isdigit() and len(field) < 20 else 0


def _response(field: bytes) -> tuple[str, bytes]:
    """``reject|550 no`` → (``reject``, ``550 no``)."""
    word, _, parameter = field.partition(b"|")
    return _text(word), parameter


def calls_of(members: Sequence[Guarded]) -> dict[bytes, Calls]:
    """Phase → what is done at it, for all phases but data-line."""
    calls = {phase: Calls(facts.REQUEST_FOLD.get(phase)) for phase in PHASES}
    for member in members:
        for hook, ask in _questions(member.filter).items():
            if hook in member.wanted:
                for phase in PHASES_OF[hook]:
                    calls[phase.encode("ascii")].add(member, phase, ask)
    return calls


def _questions(filter_: Filter) -> dict[str, Callable[[Session, bytes], object]]:
    """Hook → its call with the argument of the request, which most hooks do not take."""
    return {
        "on_connect": lambda session, _: filter_.on_connect(session),
        "on_helo": filter_.on_helo,
        "on_starttls": lambda session, _: filter_.on_starttls(session),
        "on_mail_from": filter_.on_mail_from,
        "on_rcpt_to": filter_.on_rcpt_to,
        "on_data": lambda session, _: filter_.on_data(session),
        "on_commit": lambda session, _: filter_.on_commit(session),
    }


def _saws(filter_: Filter) -> dict[str, Saw]:
    """Hook → its call with the fields of the report."""
    f = filter_
    return {
        "saw_connect": lambda s, _: f.saw_connect(s),
        "saw_greeting": lambda s, x: f.saw_greeting(s, x[6]),
        "saw_identify": lambda s, _: f.saw_identify(s),
        "saw_tls": lambda s, _: f.saw_tls(s),
        "saw_auth": lambda s, x: f.saw_auth(s, _text(x[6]), x[7]),
        "saw_disconnect": lambda s, _: f.saw_disconnect(s),
        "saw_begin": lambda s, _: f.saw_begin(s),
        "saw_mail": lambda s, x: f.saw_mail(s, _text(x[7]), x[8]),
        "saw_rcpt": lambda s, x: f.saw_rcpt(s, _text(x[7]), x[8]),
        "saw_envelope": lambda s, x: f.saw_envelope(s, x[7]),
        "saw_data": lambda s, x: f.saw_data(s, _text(x[7])),
        "saw_commit": lambda s, x: f.saw_commit(s, _size(x[7])),
        "saw_rollback": lambda s, _: f.saw_rollback(s),
        "saw_reset": lambda s, _: f.saw_reset(s),
        "saw_timeout": lambda s, _: f.saw_timeout(s),
        "saw_protocol_client": lambda s, x: f.saw_protocol_client(s, x[6]),
        "saw_protocol_server": lambda s, x: f.saw_protocol_server(s, x[6]),
        "saw_filter_report": lambda s, x: f.saw_filter_report(s, _text(x[6]), x[7], x[8]),
        "saw_filter_response": lambda s, x: f.saw_filter_response(s, _text(x[6]), *_response(x[7])),
    }


def told(members: Sequence[Guarded], log: Logger, *, outgoing: bool) -> dict[bytes, Saw]:
    """Report → the call that takes it in, a line split at ``|``: the facts first, then the hooks, in order.

    outgoing: for smtp-out, of which only members that watch it are told.
    """
    steps: dict[bytes, list[Saw]] = {name: [fold] for name, fold in facts.FOLD.items()}
    if not outgoing:
        steps[b"link-connect"] = [_connected(log)]
    for member in members:
        if member.wanted.outgoing or not outgoing:
            for hook, saw in _saws(member.filter).items():
                if hook in member.wanted:
                    name = REPORT_OF[hook]
                    steps.setdefault(name.encode("ascii"), []).append(member.telling(name, saw))
    return {name: each[0] if len(each) == 1 else in_order(each) for name, each in steps.items()}


def in_order(steps: Sequence[Saw]) -> Saw:
    """One call for several."""

    def tell(session: Session, parts: list[bytes]) -> None:
        for step in steps:
            step(session, parts)

    return tell


def _connected(log: Logger) -> Saw:
    """link-connect, with a line in the log where smtpd cannot tell who the client is: what judges it cannot."""
    fold = facts.FOLD[b"link-connect"]

    def connected(session: Session, parts: list[bytes]) -> None:
        fold(session, parts)
        usual = parts[_SOURCE][:1].isdigit() or parts[_SOURCE].startswith(b"[")  # to read the address takes longer
        if not usual and is_untold(session):
            log.warning(session, "untold", source=session.source, reason=UNTOLD)

    return connected
