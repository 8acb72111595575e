"""``filterctl quarantine digest``: what was kept, as a text for the postmaster, or as a mail to each recipient.

A mail tells of his own messages only. It releases nothing: what scanners of mail do with a link must have no effect,
so a link, if there is one, is for a page that shows a message.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from filter_api.bounds import DIGEST_LINES, DIGESTS
from filter_api.errors import UsageError
from filter_api.options import letters_of, split_options
from filter_api.quarantine.directory import time_of
from filter_api.text.escape import printable
from filterctl.mail.kept import Facts, Quarantine, is_complete, recipients_of, sender_of, text_of, why_of
from filterctl.mail.mailtext import decoded
from filterctl.mail.release import DEFAULT_ADDRESS, NotReleased, deliver, parse_given, parse_listener
from filterctl.mail.search import parse_condition
from filterctl.mail.timestamps import local

OPTIONS: Final = """\
-a address      our listener without filters (default 127.0.0.1:10026)
-e sender       mail each recipient a digest of his own messages, from this address
-l prefix       a link to each message: this text and its id; behind it a page may only show
-m condition    only those with from=text, to= and the like (default date=yesterday)
-n              only say which mails would be sent
"""


class Kept(NamedTuple):
    """A message of the digest."""

    name: str
    facts: Facts


def digest(quarantine: Quarantine, arguments: list[str]) -> int:
    """The command. Raises UsageError, ConfigError, OSError."""
    pairs, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    options = dict(pairs)
    if rest:
        raise UsageError("digest takes no id, but conditions with -m")
    if "-n" in options and "-e" not in options:
        raise UsageError("-n goes with -e: without it nothing is sent")
    prefix = _prefix(options.get("-l", ""))
    given = [value for option, value in pairs if option == "-m"] or ["date=yesterday"]
    listener = parse_listener(options.get("-a", DEFAULT_ADDRESS))
    sender = parse_given(options["-e"], ()).sender if "-e" in options else None
    found = [Kept(*one) for one in quarantine.found([parse_condition(value) for value in given])]
    for complaint in quarantine.unread:
        print(f"filterctl: quarantine: {complaint}", file=sys.stderr)
    status = 1 if quarantine.unread else 0
    if sender is None:
        for line in _told(found, prefix, named=True):
            print(line)
        return status
    for to, own in _by_recipient(found).items():
        if "-n" in options:
            print(f"{to}: {_many(len(own))}")
            continue
        try:
            deliver(listener, sender, [to], _mail(sender, to, own, prefix))
        except NotReleased as error:
            print(f"filterctl: quarantine: digest to {to}: {error}", file=sys.stderr)
            status = 1
    return status


def _prefix(text: str) -> str:
    """What a link begins with. Raises UsageError."""
    if text and not (text.startswith(("https://", "http://")) and text.isascii() and text.isprintable()):
        raise UsageError(
            f"-l takes what a link begins with, like https://mail.example.org/kept/, not {printable(text, 100)}"
        )
    return text


def _by_recipient(found: Sequence[Kept]) -> dict[str, list[Kept]]:
    """The messages of each recipient; addresses that no digest can be sent to are left out."""
    by_recipient: dict[str, list[Kept]] = {}
    for kept in found:
        for address in recipients_of(kept.facts):
            try:
                (to,) = parse_given(None, [address.decode("ascii")]).recipients
            except (UsageError, UnicodeDecodeError):
                continue
            if to in by_recipient or len(by_recipient) < DIGESTS:
                by_recipient.setdefault(to, []).append(kept)
    return by_recipient


def _told(found: Sequence[Kept], prefix: str, *, named: bool) -> Iterator[str]:
    """The text. named: with recipients."""
    yield f"{_many(len(found))} kept in the quarantine"
    for name, facts in found[:DIGEST_LINES]:
        yield ""
        yield f"{local(time_of(name)):%Y-%m-%d %H:%M}  {why_of(facts)}{_released(facts)}"
        yield f"  from     {printable(sender_of(facts), 100)}"
        if named:
            yield f"  to       {_recipients(facts)}"
        yield f"  subject  {decoded(text_of(facts, 'subject'), 100)}"
        yield f"  id       {name}"
        if prefix:
            yield f"  {prefix}{name}"
    if len(found) > DIGEST_LINES:
        yield f"\n{len(found) - DIGEST_LINES} more are not listed"


def _released(facts: Facts) -> str:
    return ", released" if "released" in facts else ""


def _recipients(facts: Facts) -> str:
    to = recipients_of(facts)
    more = (f" +{len(to) - 1}" if len(to) > 1 else "") + ("" if is_complete(facts) else " +?")
    return (f"<{printable(to[0], 100)}>" if to else "-") + more


def _many(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def _mail(sender: str, to: str, own: Sequence[Kept], prefix: str) -> bytes:
    """The mail to one recipient, with CRLF line ends. Nothing of a stranger's stands in its header."""
    from email.utils import formatdate, make_msgid

    header = [
        f"From: <{sender}>",
        f"To: <{to}>",
        f"Subject: {_many(len(own))} kept in the quarantine",
        f"Date: {formatdate(time.time(), localtime=True)}",
        f"Message-ID: {make_msgid(domain=sender.rpartition('@')[2] or 'localhost')}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    ending = ["", f"If one of them is wanted, write to {sender or 'postmaster'} and name its id."]
    body = "\n".join([*_told(own, prefix, named=False), *ending]).splitlines()
    return "\r\n".join([*header, "", *body, ""]).encode("utf-8", "backslashreplace")
