"""The log lines of decisions: one for each that is not a plain proceed, one for each message examined.

Keys (man pages of the filters list their own beside these): action, reply, the decision's facts, client, rdns, helo,
from, to; for a message client, from, to, result, size (bytes), delay (seconds), subject and msgid.
"""

from __future__ import annotations

import logging
from typing import TypeAlias

from filter_api.decision import Decision, Disconnect, Facts, Proceed, Reject, Rewrite, Verdict
from filter_api.log import Logger
from filter_api.message.message import Message
from filter_api.protocol.events import Request
from filter_api.session import Session, client_of

_MANY = 20  # recipients named in one line


def decision(log: Logger, session: Session, request: Request, decided: Decision, *, observe: bool) -> None:
    """Log a decision on a command."""
    values = {**_action(decided, observe), **decided.facts, **_client(session)}
    if request.phase == b"mail-from":
        values["from"] = b"<" + request.argument + b">"
    elif session.sender is not None:
        values["from"] = b"<" + session.sender + b">"
    if request.phase == b"rcpt-to":
        values["to"] = b"<" + request.argument + b">"
    log.line(logging.INFO, session, request.phase.decode("ascii"), values)


Line: TypeAlias = tuple[int, Session, str, dict[str, object]]
"""The arguments of `Logger.line`."""


def of_message(session: Session, held: Message, verdict: Verdict, *, delay: float, observe: bool) -> Line:
    """The line about a message, made while its header can still be read."""
    decided = verdict.decision
    transaction = session.transaction
    recipients = [] if transaction is None else transaction.recipients
    header = _header(held, verdict.facts)
    values: dict[str, object] = {
        **verdict.facts,
        **decided.facts,
        **_action(decided, observe),
        "client": client_of(session),
        "from": None if session.sender is None else b"<%b>" % session.sender,  # unknown is not the null sender
        "to": b",".join([b"<%b>" % recipient for recipient in recipients[:_MANY]]),
        "size": held.wire_size,
        "delay": f"{delay:.1f}",
    }
    word = verdict.facts.get("action")
    if isinstance(decided, Proceed) and isinstance(word, str):  # the filter's own word for what it has let pass
        values["action"] = _word(word, observe)
    for key, value in header.items():
        values.pop(key, None)  # at the end, wherever it came from
        values[key] = value
    return logging.INFO, session, "message", values


def refusal(log: Logger, session: Session, held: Message, decided: Reject | Disconnect) -> None:
    """Log that a message cannot be taken, whatever the filter said of it or would have said."""
    log.line(*of_message(session, held, Verdict(decided), delay=0.0, observe=False))


def _header(held: Message, facts: Facts) -> Facts:
    """Subject and Message-ID: from the filter, which may know them, else from the message."""
    if "subject" in facts and "msgid" in facts:
        return {"subject": facts["subject"], "msgid": facts["msgid"]}
    try:
        header = held.header
        return {"subject": header.get("Subject") or b"", "msgid": header.get("Message-ID") or b""}
    except Exception:  # noqa: BLE001 - a message that cannot be read any more is still worth its line
        return {}


def _action(decided: Decision, observe: bool) -> dict[str, object]:
    values: dict[str, object] = {"action": _word(decided.word, observe)}
    if isinstance(decided, Reject | Disconnect):
        values["reply"] = decided.reply
    elif isinstance(decided, Rewrite):
        values["argument"] = decided.argument
    return values


def _word(word: str, observe: bool) -> str:
    return f"observe-{word}" if observe else word


def _client(session: Session) -> dict[str, object]:
    return {
        "client": client_of(session),
        "rdns": session.rdns,
        "helo": session.identity,
    }
