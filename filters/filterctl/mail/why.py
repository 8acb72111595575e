"""``filterctl why``: the story of each mail that has to do with something, from smtpd's lines and every filter's.

    filterctl why [-j] [-f smtpd.conf] [-s since] [-u until] what [maillog ...]

Logs are read in one pass, by `sessions`; `mails` makes mails of sessions and `retries` stories of mails. Where what
was asked for names only the last attempt, as a Message-ID does, the logs are read once more for its sender.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from filter_api.errors import ConfigError, UsageError
from filter_api.options import options_of
from filterctl.conf.lines import places_in_use
from filterctl.mail.logfile import Complain, default_logs, in_order, lines, read_once
from filterctl.mail.mails import mails, visit
from filterctl.mail.mailtext import logged, shown
from filterctl.mail.near import Near
from filterctl.mail.records import Mail
from filterctl.mail.retries import joined
from filterctl.mail.sessions import Found, Session, find
from filterctl.mail.telling import data, story
from filterctl.mail.timestamps import Span, days_ago, span_of
from filterctl.mail.what import What

OPTIONS: Final = """\
-f file    the configuration of smtpd, whose lines are named
-j         print JSON
-s since   from this time on: today, yesterday, 2026-11-20 ...
-u until   before this time, or up to the end of this day
"""

_DAYS: Final = 7
"""How far the system's own logs are looked through without -s."""

_SENDERS: Final = 20
"""Of so many senders earlier attempts are looked for where only the last one was found."""


class Answer(NamedTuple):
    """What the logs have."""

    stories: list[Mail]
    found: Found
    near: Near


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError, OSError."""
    given, operands = options_of(arguments, OPTIONS)
    if not operands or not operands[0].strip():
        raise UsageError("what mail? A sender, a recipient, an address, a session, a Message-ID, an id")
    what = What(operands[0])
    span = span_of(given, "" if operands[1:] else days_ago(_DAYS))
    paths = in_order(operands[1:] or default_logs(span))
    bad: list[str] = []
    places = _places(given.get("-f", ""), bad.append)
    answer = ask(what, paths, span, bad.append)
    if "-j" in given:
        print(as_json(what, answer, places))
    else:
        _print(_told(what, paths, answer, places))
    for complaint in bad:
        print(f"filterctl: why: {complaint}", file=sys.stderr)
    return 0 if answer.stories and not bad else 1


def ask(what: What, paths: Sequence[str], span: Span, complain: Complain) -> Answer:
    """Look for it in some logs."""
    near = Near(what)
    found = find(lines(paths, complain, span), what.in_line, near.take)
    stories = _stories(what, found.sessions)
    senders = _senders(what, stories)
    if senders and not any(map(read_once, paths)):
        around = find(
            lines(paths, lambda _: None, span),
            lambda line: any(sender in line for sender in senders),
            lambda _: None,
        )
        known = {(session.host, session.name) for session in found.sessions}
        others = [session for session in around.sessions if (session.host, session.name) not in known]
        stories = _stories(what, [*found.sessions, *others])
    return Answer(stories, found, near)


def _senders(what: What, stories: Sequence[Mail]) -> list[str]:
    """Whose mails may have earlier attempts that were not found, as they do not hold what was asked for."""
    if what.kind == "domain":
        return []
    whole = [mail for mail in stories if what.text not in {each.lower() for each in mail.recipients}]
    senders = {mail.sender.lower() for mail in whole if mail.sender} - {what.text}
    return sorted(f"<{sender}>" for sender in senders)[:_SENDERS]


def _stories(what: What, sessions: Sequence[Session]) -> list[Mail]:
    attempts: list[Mail] = []
    for session in sessions:
        attempts += list(mails(session)) or [visit(session)]
    return [mail for mail in joined(attempts) if what.fits(mail)]


def _places(path: str, complain: Complain) -> dict[str, str]:
    """Where the configuration has its filters; one that cannot be read keeps no story back.

    That of the system is often root's to read, while logs are read by others: only of -f it is told.
    """
    try:
        return places_in_use(path)
    except ConfigError as error:
        if path:
            complain(f"lines of the configuration are not named: {error}")
        return {}


def as_json(what: What, answer: Answer, places: Mapping[str, str] = MappingProxyType({})) -> str:
    """Everything as one object; ASCII, so that no terminal is driven by it."""
    found: dict[str, object] = {
        "what": what.text,
        "kind": what.kind,
        "first": answer.found.first or None,
        "last": answer.found.last or None,
        "complete": not answer.found.more,
        "mails": [data(mail, places) for mail in answer.stories],
    }
    if not answer.stories:
        found["near"] = {
            "refused-at-mail-from": [each._asdict() for each in answer.near.early()],
            "alike": answer.near.alike(),
        }
    return json.dumps(found, indent=1).replace("\x7f", "\\u007f")


def _told(what: What, paths: Sequence[str], answer: Answer, places: Mapping[str, str]) -> Iterator[str]:
    for mail in answer.stories:
        yield from story(mail, places)
        yield ""
    span = f"{answer.found.first} to {answer.found.last}".replace("T", " ") if answer.found.first else "no line of mail"
    where = f"{', '.join(shown(path, 200) for path in paths)} ({span})"
    yield f"{len(answer.stories)} {'mail' if len(answer.stories) == 1 else 'mails'} in {where}"
    if answer.found.more:
        yield "There are more than are kept at a time: ask for a shorter time with -s and -u."
    if left_out := sum(session.left_out for session in answer.found.sessions):
        yield f"{left_out} lines of very long sessions were left out."
    if not answer.stories:
        yield from _nothing(what, answer.near)


def _nothing(what: What, near: Near) -> Iterator[str]:
    yield f"Nothing has {shown(what.text, 320)} as {what.kind}."
    if alike := near.alike():
        yield f"Of the same domain there are: {', '.join(shown(each, 100) for each in alike)}"
    if near.refusals and what.kind in {"address", "domain"}:
        times = "One mail was" if near.refusals == 1 else f"{near.refusals} mails were"
        yield f"{times} refused at MAIL FROM, before a recipient was named: if it is among them, ask for its sender."
        for each in near.early():
            yield f"    {each.times} from {shown(each.sender, 100) or '<>'}: {logged(each.reply, 200)}"
    yield "If it should be there: did it reach another server, another MX, or an older log?"


def _print(told: Iterator[str]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    wrap = textwrap.TextWrapper(width or 1, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False)
    for line in told:
        command = line.startswith(" " * 8)  # it is to be pasted whole
        print(line if command or width < 40 else wrap.fill(line))
