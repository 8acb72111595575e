"""A mail's story as text for a terminal and as data. What strangers wrote cannot drive a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from filterctl.mail.logfile import SMTPD
from filterctl.mail.mailtext import logged, shown
from filterctl.mail.records import Client, Mail, Refusal, Step
from filterctl.mail.remedies import commands, remedy
from filterctl.mail.smtpdlines import Delivery

_AT: Final = {
    "connect": "when it connected",
    "mail-from": "at MAIL FROM",
    "rcpt-to": "at RCPT TO",
    "data": "at DATA",
    "message": "after the message",
    "input": "for what it sent",
}
_SHOWN: Final = ("virus", "score", "required", "tests", "id", "reason", "selector", "domain", "lists", "spf", "why")
"""Keys of a filter's line that a story repeats."""

_RESULTS: Final = {"Ok": "delivered", "TempFail": "not delivered for now", "PermFail": "not deliverable"}
_OUTCOMES: Final = {
    "queued": "taken, not yet delivered",
    "deferred": "put off, has not come back",
    "unfinished": "neither taken nor refused",
}

Told = tuple[str, str]
"""When, and what."""


def story(mail: Mail, places: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """The lines of a story, without newlines. places: where the configuration has a filter, by its name."""
    yield f"{title(mail)}: {verdict(mail)}"
    for when, what in _events(mail):
        yield f"    {when.replace('T', ' ')}  {what}"
    if mail.refusal is not None:
        yield from _remedy(mail, mail.refusal, places)


def title(mail: Mail) -> str:
    """From whom to whom."""
    if mail.sender is None and not mail.recipients:
        return f"a session of {shown(mail.client.address, 60)}"
    sender = "(sender not logged)" if mail.sender is None else _address(mail.sender)
    to = ", ".join(_address(each) for each in mail.recipients[:5]) or "(recipient not yet named)"
    more = f" and {len(mail.recipients) - 5} more" if len(mail.recipients) > 5 else ""
    return f"{sender} -> {to}{more}"


def verdict(mail: Mail) -> str:
    """What became of it, in a few words."""
    if mail.refusal is not None and not mail.refusal.for_now:
        return f"refused by {shown(mail.refusal.who, 60)}"
    if mail.outcome == "unfinished" and mail.sender is None and not mail.recipients:
        return "no mail was offered"
    return _OUTCOMES.get(mail.outcome, mail.outcome)


def _events(mail: Mail) -> Iterator[Told]:
    for each in mail.earlier:
        yield from _attempt(each)
    yield from _attempt(mail)
    if mail.taken:
        yield mail.taken, f"smtpd took it as {mail.msgid}"
    yield from ((each.when, _delivered(each)) for each in mail.deliveries)
    if mail.outcome == "undeliverable":
        when, sender = mail.deliveries[-1].when, _address(mail.sender or "")
        yield when, f"smtpd tells the sender so: see the mail from <> to {sender}"
    if mail.outcome == "unfinished" and mail.client.left:
        yield mail.when, f"the client left: {shown(mail.client.left, 100)}"


def _attempt(mail: Mail) -> Iterator[Told]:
    if mail.client.since:
        yield mail.client.since, _connected(mail.client, mail)
    if mail.steps and (subject := mail.fact("subject")):
        name = logged(mail.fact("msgid"), 200) or "without a Message-ID"
        yield mail.steps[0].when, f'message {name}: "{logged(subject)}"'
    said = mail.refusal.pairs if mail.refusal else None
    for step in mail.steps:
        if step.pairs is not said:
            yield step.when, _step(step)
    if mail.refusal is not None:
        yield mail.refusal.when, _refused(mail.refusal)


def _connected(client: Client, mail: Mail) -> str:
    name = f" ({shown(client.name, 100)})" if client.name not in {"-", ""} else ""
    said = f", HELO {shown(client.said, 100)}" if client.said not in {"-", ""} else ""
    user = f", logged in as {shown(client.user, 100)}" if client.user else ""
    return f"{shown(client.address, 60)}{name} connected to {shown(mail.host, 60)}{said}{user}, session {mail.session}"


def _refused(refusal: Refusal) -> str:
    at = _AT.get(refusal.phase, f"at {shown(refusal.phase, 20).upper()}")
    did = "put it off" if refusal.for_now else "refused it"
    return f"{shown(refusal.who, 60)} {did} {at}: {logged(refusal.reply, 400)}{_facts(refusal.pairs)}"


def _step(step: Step) -> str:
    action = step.pairs.get("action", "")
    what = step.pairs.get("result") or step.what
    if action.startswith("observe-"):
        found = f"{shown(step.pairs['result'], 40)}, " if "result" in step.pairs else ""
        what = f"{found}would have said {shown(action[8:], 40)} (-n), did nothing"
    elif action in {"junk", "mark"}:
        what = "marked it (X-Spam)"
    elif what == "spam":
        what = "spam, marked and let pass"
    return f"{shown(step.who, 60)}: {shown(what, 60)}{_facts(step.pairs)}"


def _facts(pairs: dict[str, str]) -> str:
    found = [f"{key} {logged(pairs[key], 120)}" for key in _SHOWN if pairs.get(key)]
    return f" ({', '.join(found)})" if found else ""


def _delivered(each: Delivery) -> str:
    to = f"user {shown(each.where, 100)}" if not each.relayed else f"by relay {shown(each.where, 100)}"
    expanded = f" (as {shown(each.expanded, 100)})" if each.expanded not in {"", each.recipient} else ""
    said = "" if each.said == "Delivered" else f": {shown(each.said, 300)}"
    result = _RESULTS.get(each.result, shown(each.result, 20))
    return f"{result} to {_address(each.recipient)}{expanded}, {to}{said}"


def _remedy(mail: Mail, refusal: Refusal, places: Mapping[str, str]) -> Iterator[str]:
    found = remedy(refusal)
    by = f"; decided by {logged(found.by, 200)}" if found.by else ""
    at = f", {shown(places[refusal.who], 300)}" if refusal.who in places else ""
    filter_ = "" if refusal.who == SMTPD else f" (filter {shown(refusal.who, 60)}{at}{by})"
    yield f"    why: {logged(found.meaning, 200)}{filter_ or by}"
    yield f"    what would let it in: {logged(found.cure, 200)}"
    for command in commands(mail, refusal):
        yield f"        {command}"


def _address(text: str) -> str:
    return shown(text, 320) or "<>"


def data(mail: Mail, places: Mapping[str, str] = MappingProxyType({})) -> dict[str, object]:
    """A story for -j. places: as for `story`."""
    return {
        "from": mail.sender,
        "to": mail.recipients,
        "outcome": mail.outcome,
        "msgid": mail.msgid or None,
        "message-id": mail.fact("msgid") or None,
        "attempts": [_attempt_data(each) for each in (*mail.earlier, mail)],
        "deliveries": [each._asdict() for each in mail.deliveries],
        "remedy": _remedy_data(mail, places),
    }


def _attempt_data(mail: Mail) -> dict[str, object]:
    refusal, client = mail.refusal, mail.client
    return {
        "host": mail.host,
        "session": mail.session,
        "time": mail.when,
        "client": {"address": client.address, "name": client.name, "helo": client.said, "user": client.user or None},
        "steps": [{"time": step.when, "by": step.who, "at": step.what, **step.pairs} for step in mail.steps],
        "refused": refusal
        and {"by": refusal.who, "at": refusal.phase, "reply": refusal.reply, "reason": refusal.reason},
    }


def _remedy_data(mail: Mail, places: Mapping[str, str]) -> dict[str, object] | None:
    if mail.refusal is None:
        return None
    found = remedy(mail.refusal)
    return {
        "meaning": found.meaning,
        "by": found.by or None,
        "configured": places.get(mail.refusal.who),
        "cure": found.cure,
        "commands": commands(mail, mail.refusal),
    }
