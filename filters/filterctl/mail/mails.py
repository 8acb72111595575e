"""The mails of a session: what was offered, who refused it and why, what the filters found, where it went.

smtpd does not log where a transaction begins or ends, so a recipient that was refused is a mail of its own, and a
message belongs to what the filters said of the sender in the same session. A filter's refusal and smtpd's line about
the command that failed are one refusal: they have the same reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from filter_api.text.escape import parse_pairs
from filterctl.mail import smtpdlines
from filterctl.mail.logfile import SMTPD, Line
from filterctl.mail.records import Client, Mail, Refusal, Step
from filterctl.mail.sessions import Session
from filterctl.mail.smtpdlines import Delivery, Envelope, Failed

_REFUSE: Final = {"reject", "disconnect"}
_OUT_OF_ORDER: Final = ("500 5.5.", "502 ", "503 ")
"""Replies to a command that came too early, which follow from an earlier refusal."""


@dataclass(slots=True)
class _Content:
    """A message that filters looked at: their lines."""

    index: int
    sender: str
    recipients: list[str]
    steps: list[Step]
    refusal: Refusal | None = None

    def same(self, who: str, pairs: dict[str, str]) -> bool:
        ids = {pairs.get("msgid", ""), *(step.pairs.get("msgid", "") for step in self.steps)} - {""}
        subjects = {pairs.get("subject", "")} <= {step.pairs.get("subject", "") for step in self.steps}
        again = any(step.who == who for step in self.steps)
        emptied = self.refusal is not None and pairs.get("size") == "0"
        return self.sender == _bare(pairs.get("from", "")) and not again and (emptied or (len(ids) < 2 and subjects))


def _bare(address: str) -> str:
    return address.removeprefix("<").removesuffix(">")


def _addresses(text: str) -> list[str]:
    return [_bare(each) for each in text.split(",")] if text else []


class _Reading:
    """The lines of a session sorted by what they are."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.client = Client(since=min(line.when for line in session.lines + session.deliveries))
        self.refusals: list[Refusal] = []
        self.failed: list[tuple[int, str, Failed]] = []
        self.contents: list[_Content] = []
        self.notes: list[Step] = []
        self.messages: dict[str, str] = {}
        self.envelopes: list[Envelope] = []
        for index, line in enumerate(session.lines):
            (self._smtpd if line.who == SMTPD else self._filter)(index, line)

    def _smtpd(self, index: int, line: Line) -> None:
        text = line.text
        if failed := smtpdlines.failed_command(text):
            self.failed.append((index, line.when, failed))
        elif envelope := smtpdlines.envelope(text):
            self.envelopes.append(envelope)
            self.messages.setdefault(envelope.evpid[:8], line.when)
        elif message := smtpdlines.message(text):
            self.messages.setdefault(message[0], line.when)
        else:
            self._of_client(line)

    def _of_client(self, line: Line) -> None:
        pairs = parse_pairs(line.text)
        if line.text.startswith("smtp connected"):
            self.client.address = _unbracketed(pairs.get("address", "-"))
            self.client.name, self.client.since = pairs.get("host", "-"), line.when
        elif line.text.startswith("smtp authentication") and pairs.get("result") == "ok":
            self.client.user = pairs.get("user", "")
        elif line.text.startswith("smtp disconnected"):
            self.client.left = pairs.get("reason", "")

    def _filter(self, index: int, line: Line) -> None:
        what, _, rest = line.text.partition(" ")
        pairs = parse_pairs(rest)
        self.client.said = self.client.said or pairs.get("helo", "")
        if self.client.address == "-":
            self.client.address = pairs.get("client", "-")
            self.client.name = pairs.get("rdns", "-")
        refusal = None
        if pairs.get("action") in _REFUSE:
            refusal = Refusal(line.when, line.who, what, pairs.get("reply", ""), pairs)
        step = Step(line.when, line.who, what, pairs)
        if what == "message":
            self._message(index, step, refusal)
        elif refusal is not None:
            self.refusals.append(refusal)
        else:
            self.notes.append(step)

    def _message(self, index: int, step: Step, refusal: Refusal | None) -> None:
        if not self.contents or not self.contents[-1].same(step.who, step.pairs):
            sender, to = _bare(step.pairs.get("from", "")), _addresses(step.pairs.get("to", ""))
            self.contents.append(_Content(index, sender, to, []))
        content = self.contents[-1]
        content.steps.append(step)
        content.refusal = content.refusal or refusal


def _unbracketed(address: str) -> str:
    return address.strip("[]").removeprefix("IPv6:")


def mails(session: Session) -> Iterator[Mail]:
    """The mails of a session, in no order; none if the client offered none."""
    reading = _Reading(session)
    unexplained = _unexplained(reading)
    for refusal in reading.refusals:
        sender, to = refusal.pairs.get("from"), refusal.pairs.get("to")
        yield _mail(reading, refusal.when, None if sender is None else _bare(sender), _addresses(to or ""), refusal)
    yield from _refused_by_smtpd(reading, [each for each in unexplained if each[2].phase != "message"])
    yield from _with_content(reading, [each for each in unexplained if each[2].phase == "message"])
    if session.deliveries and not reading.messages:  # it was taken before the log begins
        yield from _delivered_only(reading)


def visit(session: Session) -> Mail:
    """A session that offered no mail."""
    reading = _Reading(session)
    return _mail(reading, reading.client.since, None, [], None)


def _mail(reading: _Reading, when: str, sender: str | None, to: list[str], refusal: Refusal | None) -> Mail:
    mail = Mail(reading.session.host, reading.session.name, when, reading.client, sender, to, refusal)
    mail.steps = [note for note in reading.notes if _concerns(note, mail)]
    return mail


def _of_content(reading: _Reading, when: str, content: _Content, refusal: Refusal | None) -> Mail:
    mail = _mail(reading, when, content.sender, content.recipients, refusal)
    mail.steps = sorted([*mail.steps, *content.steps], key=lambda step: step.when)
    return mail


def _concerns(note: Step, mail: Mail) -> bool:
    sender, to = note.pairs.get("from"), note.pairs.get("to")
    return (sender is None or _bare(sender) == mail.sender) and (to is None or _bare(to) in mail.recipients)


def _unexplained(reading: _Reading) -> list[tuple[int, str, Failed]]:
    """The commands that failed and of which no filter says that it refused them."""
    said = [*reading.refusals, *(content.refusal for content in reading.contents if content.refusal)]
    rest = []
    for index, when, failed in reading.failed:
        match = next((each for each in said if _same_reply(each.reply, failed.reply)), None)
        if match is not None:
            said.remove(match)
        elif index == reading.failed[0][0] or not failed.reply.startswith(_OUT_OF_ORDER):
            rest.append((index, when, failed))
    return rest


def _same_reply(logged: str, sent: str) -> bool:
    if logged.endswith("..."):
        return sent.startswith(logged[:-3])
    return logged == sent or (len(sent) > 60 and logged.startswith(sent))


def _refused_by_smtpd(reading: _Reading, failures: list[tuple[int, str, Failed]]) -> Iterator[Mail]:
    sender: str | None = None
    for _, when, failed in failures:
        refusal = Refusal(when, SMTPD, failed.phase, failed.reply, {})
        if failed.phase == "rcpt-to":
            sender = _sender_of(reading, when)
            yield _mail(reading, when, sender, [failed.argument or ""], refusal)
        elif failed.phase == "mail-from":
            yield _mail(reading, when, failed.argument or "", [], refusal)
        elif failed.phase in {"connect", "ehlo", "helo", "input"}:
            yield _mail(reading, when, None, [], refusal)


def _sender_of(reading: _Reading, when: str) -> str | None:
    """Whose recipient was refused: smtpd does not log that, but the session may have one sender only."""
    senders = {content.sender for content in reading.contents} | {each.sender for each in reading.envelopes}
    senders |= {_bare(each.pairs["from"]) for each in reading.refusals if "from" in each.pairs and each.when <= when}
    return senders.pop() if len(senders) == 1 else None


def _with_content(reading: _Reading, failures: list[tuple[int, str, Failed]]) -> Iterator[Mail]:
    """Messages: refused by a filter or by smtpd, taken, or neither."""
    left = []
    for content in reading.contents:
        if content.refusal is not None:
            yield _of_content(reading, content.refusal.when, content, content.refusal)
        else:
            left.append(content)
    for index, when, failed in failures:
        before = next((each for each in left if each.index < index), None)
        refusal = Refusal(when, SMTPD, "message", failed.reply, {})
        if before is not None:
            left.remove(before)
            yield _of_content(reading, when, before, refusal)
        elif not reading.contents and not reading.refusals:
            yield _mail(reading, when, _sender_of(reading, when), [], refusal)
    yield from _taken(reading, left)
    for content in left:
        yield _of_content(reading, content.steps[-1].when, content, None)


def _taken(reading: _Reading, contents: list[_Content]) -> Iterator[Mail]:
    """Messages smtpd took. Their contents are removed from the list."""
    for msgid, when in reading.messages.items():
        envelopes = [each for each in reading.envelopes if each.evpid.startswith(msgid)]
        sender = envelopes[0].sender if envelopes else None
        content = next((each for each in contents if sender in {None, each.sender}), None)
        to = list(dict.fromkeys(each.recipient for each in envelopes))
        if content is None:
            mail = _mail(reading, when, sender, to, None)
        else:
            contents.remove(content)
            mail = _of_content(reading, when, content, None)
            mail.recipients = to or content.recipients
        mail.taken, mail.msgid, mail.envelopes = when, msgid, len(envelopes)
        mail.deliveries = [each for _, each in _deliveries(reading.session) if each.evpid.startswith(msgid)]
        yield mail


def _deliveries(session: Session) -> list[tuple[str, Delivery]]:
    return [found for line in session.deliveries if (found := smtpdlines.delivery(line.when, line.text))]


def _delivered_only(reading: _Reading) -> Iterator[Mail]:
    by_message: dict[str, list[tuple[str, Delivery]]] = {}
    for sender, each in _deliveries(reading.session):
        by_message.setdefault(each.evpid[:8], []).append((sender, each))
    for msgid, found in by_message.items():
        to = list(dict.fromkeys(each.recipient for _, each in found))
        mail = _mail(reading, found[0][1].when, found[0][0], to, None)
        mail.taken, mail.msgid, mail.deliveries = mail.when, msgid, [each for _, each in found]
        yield mail
