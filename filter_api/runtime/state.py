"""What a process tells of itself over its control socket: a `Status` of the dispatcher and its members, and a session.

It is made when somebody asks, from what is there anyway. Names are escaped and cut here.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from filter_api import in_use
from filter_api.bounds import LOG_LINE, MAX_CONTROL_NAMES, MAX_FIGURES
from filter_api.control.document import Answers, Backend, Decided, Figured, File, Member, Status, Waiting
from filter_api.figures import Figure
from filter_api.runtime.counters import NO_REASON
from filter_api.runtime.dispatch import Dispatcher
from filter_api.runtime.guard import Guarded
from filter_api.session import Session, client_of
from filter_api.text.escape import printable
from filter_api.version import VERSION

Kind = TypeVar("Kind")

_RECIPIENTS: Final = 20  # of a session, that are named


class Process(NamedTuple):
    """What does not change. name: of its socket; started: seconds since 1970; clock: seconds when it started."""

    name: str
    program: str
    words: Sequence[str]
    pid: int
    started: float
    clock: float


def status_of(dispatcher: Dispatcher, process: Process, *, ready: bool, unwritten: int, dropped: int) -> Status:
    """Everything. unwritten: bytes that smtpd has not taken; dropped: lines that the log has lost."""
    context = dispatcher.context
    return {
        "process": process.name,
        "program": printable(process.program),
        "command": _command(process.program, process.words),
        "version": VERSION,
        "pid": process.pid,
        "ready": ready,
        "started": round(process.started, 3),
        "uptime": round(context.monotonic() - process.clock, 3),
        "cpu_seconds": round(time.process_time(), 3),
        "smtpd": printable(context.server.version, 40),
        "confinement": printable(context.confined),
        "verbose": context.log.verbose,
        "sessions": dispatcher.sessions.seen,
        "sessions_open": len(dispatcher.sessions),
        "messages": dispatcher.held.begun,
        "messages_held": len(dispatcher.held),
        "questions_open": len(dispatcher.ledger),
        "library_refusals": dispatcher.refused,
        "held_bytes": context.spool.held,
        "memory_bytes": context.spool.in_memory,
        "unwritten_bytes": unwritten,
        "log_dropped": dropped,
        "commands": _commands(dispatcher),
        "examined": _answers(dispatcher.examining.durations.classes, dispatcher.examining.durations.seconds),
        "members": [_member(dispatcher, member, process.program) for member in dispatcher.members],
        "files": files(),
        "backends": _backends(),
        "queues": _queues(),
        "figures": _figured(figure for each in in_use.FIGURES.now() for figure in each.figures()),
    }


def files() -> list[File]:
    """The files in use, by their paths; two that follow the same one are one, and the one in trouble is told of."""
    found: dict[str, File] = {}
    for each in in_use.FILES.now():
        state = each.state
        path = printable(state.path)
        if path not in found or state.error:
            found[path] = {
                "path": path,
                "size": state.size,
                "modified": round(state.modified, 3),
                "loaded": round(state.loaded, 3),
                "error": printable(state.error, LOG_LINE),
            }
    return _some([found[path] for path in sorted(found)])


def session_of(dispatcher: Dispatcher, session: Session) -> dict[str, object]:
    """What is known of a session, and who is asked what about it just now."""
    now = dispatcher.context.monotonic()
    transaction = session.transaction
    recipients = [] if transaction is None else transaction.recipients
    held = dispatcher.held.open.get(session.id)
    return {
        "client": printable(client_of(session)),
        "rdns": _text(session.rdns),
        "helo": _text(session.identity),
        "tls": _text(session.tls),
        "user": _text(session.user),
        "sender": _text(session.sender),
        "recipients": [printable(each) for each in recipients[:_RECIPIENTS]],
        "recipient_count": 0 if transaction is None else transaction.recipient_count,
        "seconds": round(now - session.connected_at, 1),
        "held_bytes": 0 if held is None else held.message.wire_size,
        "held": "" if held is None else held.state.name.lower(),
        "questions": [
            {"filter": each.asked.member.label or each.asked.member.filter.name, "what": each.asked.what}
            for each in dispatcher.ledger.open.get(session.id, [])
        ],
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else printable(value)


def _command(program: str, words: Iterable[str]) -> str:
    return printable(shlex.join([program, *words]), LOG_LINE)


def _commands(dispatcher: Dispatcher) -> Answers:
    """Those that took their time, those in slow reads, and all others, which were answered at once."""
    asked, slow = dispatcher.asking.durations, dispatcher.slow
    classes = [one + other for one, other in zip(asked.classes, slow.classes, strict=True)]
    plain = sum(calls.plain for calls in dispatcher.calls.values())
    classes[0] += max(plain - sum(slow.classes), 0)
    return _answers(classes, asked.seconds + slow.seconds)


def _answers(classes: Sequence[int], seconds: float) -> Answers:
    return {"classes": list(classes), "seconds": round(seconds, 6)}


def _member(dispatcher: Dispatcher, member: Guarded, program: str) -> Member:
    counts = member.counts
    decisions = dict(counts.decisions)
    if counts.passed:
        decisions["message", "proceed", NO_REASON] = counts.passed
    for phase, calls in dispatcher.calls.items():
        if calls.plain and member in calls.members:
            key = (phase.decode("ascii"), "proceed", NO_REASON)
            decisions[key] = decisions.get(key, 0) + calls.plain
    return {
        "name": printable(member.label or program),
        "options": printable(shlex.join(member.filter.options.given), LOG_LINE),
        "failure": member.filter.failure.value,
        "observe": member.observe,
        "decisions": _decided(decisions),
        "replies": [
            {"code": code, "enhanced": enhanced, "count": count}
            for (code, enhanced), count in sorted(counts.replies.items())
        ],
        "failed": counts.failed,
        "timed_out": counts.timed_out,
        "exceptions": counts.exceptions,
        "figures": _figured(member.figures()),
    }


def _decided(decisions: Mapping[tuple[str, str, str], int]) -> list[Decided]:
    return [
        {"phase": phase, "verdict": verdict, "reason": reason, "count": count}
        for (phase, verdict, reason), count in sorted(decisions.items())
    ]


def _figured(figures: Iterable[Figure]) -> list[Figured]:
    """Figures as they are told; those of the same name and labels, as two resolvers have them, are added up."""
    found: dict[tuple[str, ...], Figured] = {}
    for figure in islice(figures, MAX_FIGURES):
        labels = {key: printable(value) for key, value in figure.labels.items()}
        key = (figure.name, *labels.values())
        if key in found:
            found[key]["value"] += figure.value
        else:
            found[key] = {**figure._asdict(), "labels": labels, "value": float(figure.value)}  # type: ignore[typeddict-item]  # the fields of both are the same
    return [found[key] for key in sorted(found)]


def _backends() -> list[Backend]:
    """Two breakers of one daemon are one: it is up if none of them is open."""
    down: dict[str, bool] = {}
    for each in in_use.BREAKERS.now():
        name = printable(each.name)
        down[name] = down.get(name, False) or each.is_open
    return _some([{"name": name, "up": not down[name]} for name in sorted(down)])


def _queues() -> list[Waiting]:
    found: dict[str, Waiting] = {}
    for each in in_use.QUEUES.now():
        name = printable(each.name)
        before = found.setdefault(name, {"name": name, "waiting": 0, "asking": 0})
        before["waiting"] += each.waiting
        before["asking"] += each.asking
    return _some([found[name] for name in sorted(found)])


def _some(values: list[Kind]) -> list[Kind]:
    return values[:MAX_CONTROL_NAMES]
