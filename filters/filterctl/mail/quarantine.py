"""``filterctl quarantine``: refused messages that were kept (options -q of filter-spamassassin and filter-clamav).

filterctl quarantine [-q directory] list [-1]
filterctl quarantine [-q directory] show [-r] id
filterctl quarantine [-q directory] release [-f] [-a address] [-s sender] [-t recipient ...] id ...
filterctl quarantine [-q directory] delete id ...
filterctl quarantine [-q directory] expire [-t days]
"""

from __future__ import annotations

import getopt
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Final

from filter_api.errors import UsageError, reason
from filter_api.quarantine.directory import NoSuchMessage, QuarantineDirectory, as_bytes, time_of
from filter_api.quarantine.keeper import Limits
from filter_api.text.escape import format_pairs, printable
from filterctl.mail.mailtext import decoded
from filterctl.mail.release import (
    AS_KNOWN,
    DEFAULT_ADDRESS,
    RELEASED,
    NotMarked,
    NotReleased,
    parse_given,
    parse_listener,
    release,
)

DEFAULT_DIRECTORY: Final = "/var/spool/quarantine"
_LINE_LIMIT: Final = 4000
_PLAIN: Final = ("program", "session", "client", "result", "score", "virus", "size", RELEASED)
"""Facts of ours, which are text or numbers."""


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError, OSError."""
    try:
        options, rest = getopt.getopt(arguments, "q:")
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    if not rest:
        raise UsageError("list, show, release, delete or expire?")
    action = ACTIONS.get(rest[0])
    if action is None:
        raise UsageError(f"unknown: {printable(rest[0])} (known: {', '.join(ACTIONS)})")
    with ExitStack() as opened:
        paths = [value for _, value in options] or _inside(DEFAULT_DIRECTORY)
        return action(
            Quarantine([opened.enter_context(closing(QuarantineDirectory(path))) for path in paths]), rest[1:]
        )


def _inside(path: str) -> list[str]:
    """The directories in a directory, or itself if there are none."""
    try:
        found = sorted(entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))
    except OSError:
        found = []
    return found or [path]


class Quarantine:
    """Some quarantine directories as one."""

    def __init__(self, directories: Sequence[QuarantineDirectory]) -> None:
        self.directories = directories

    def messages(self) -> list[tuple[str, QuarantineDirectory]]:
        """Every id and where it is, oldest first."""
        found = [(name, directory) for directory in self.directories for name in directory.ids()]
        return sorted(found, key=lambda message: message[0])

    def holder(self, name: str) -> QuarantineDirectory:
        """Where a message is. Raises NoSuchMessage."""
        for directory in self.directories:
            if directory.has(name):
                return directory
        raise NoSuchMessage(printable(name))


def _options(arguments: Sequence[str], letters: str) -> tuple[dict[str, str], list[str]]:
    try:
        found, rest = getopt.getopt(list(arguments), letters)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return dict(found), rest


def _list(quarantine: Quarantine, arguments: list[str]) -> int:
    """A table, or with -1 one line of key=value pairs a message."""
    options, rest = _options(arguments, "1")
    if rest:
        raise UsageError("list takes no id")
    if "-1" not in options:
        print(_row("ID", "SIZE", "WHY", "CLIENT", "FROM", "TO", "SUBJECT"))
    status = 0
    for name, directory in quarantine.messages():
        try:
            facts = directory.facts(name)
        except NoSuchMessage:
            continue  # deleted by somebody else meanwhile
        except OSError as error:  # a link, a bad block: the others are shown all the same
            status = _complain(f"{name}: {reason(error)}")
            continue
        print(_pairs(name, facts) if "-1" in options else _table_row(name, facts))
    return status


def _pairs(name: str, facts: Mapping[str, object]) -> str:
    text = {key: _text(facts, key) for key in ("subject", "msgid", "rdns", "helo")}
    plain = {key: facts.get(key) for key in _PLAIN}
    to = b",".join(b"<" + address + b">" for address in _recipients(facts))
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_of(name)))
    known = {key: value for key, value in plain.items() if value is not None}
    gaps = {} if _is_complete(facts) else {"complete": "no"}
    return format_pairs({"id": name, "time": when, **known, "from": _sender(facts), "to": to, **gaps, **text})


def _table_row(name: str, facts: Mapping[str, object]) -> str:
    why = facts.get("virus") or (f"spam {facts['score']}" if "score" in facts else facts.get("result") or "-")
    to = _recipients(facts)
    more = (f" +{len(to) - 1}" if len(to) > 1 else "") + ("" if _is_complete(facts) else " +?")
    return _row(
        name,
        printable(str(facts.get("size", "-")), 12),
        printable(str(why), 30) + (", released" if RELEASED in facts else ""),
        printable(str(facts.get("client", "-")), 39),
        printable(_sender(facts), 52),
        f"<{printable(to[0], 50)}>{more}" if to else f"-{more}",
        decoded(_text(facts, "subject"), 60),
    )


def _row(*cells: str) -> str:
    widths = (24, 9, 30, 15, 30, 30, 0)
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _sender(facts: Mapping[str, object]) -> bytes:
    """The sender in angle brackets, a hyphen if it is not known."""
    return b"-" if facts.get("from") is None else b"<" + _text(facts, "from") + b">"


def _is_complete(facts: Mapping[str, object]) -> bool:
    """Whether the envelope is not known to have gaps."""
    return facts.get("complete") is not False


def _text(facts: Mapping[str, object], key: str) -> bytes:
    """A value that came over the wire; empty where the facts are damaged."""
    try:
        return as_bytes(facts.get(key))
    except ValueError:
        return b""


def _recipients(facts: Mapping[str, object]) -> list[bytes]:
    to = facts.get("to")
    found = []
    for value in to if isinstance(to, list) else []:
        try:
            found.append(as_bytes(value))
        except ValueError:
            continue
    return found


def _show(quarantine: Quarantine, arguments: list[str]) -> int:
    """Facts and message, escaped; with -r the message as it is, but never to a terminal."""
    options, rest = _options(arguments, "r")
    if len(rest) != 1:
        raise UsageError("show takes one id")
    try:
        directory = quarantine.holder(rest[0])
        facts = directory.facts(rest[0])
        with directory.message(rest[0]) as file:
            if "-r" in options:
                if sys.stdout.isatty():
                    raise UsageError("show -r writes the mail as it is: not to a terminal")
                shutil.copyfileobj(file, sys.stdout.buffer)
                return 0
            for key, value in facts.items():
                values = value if isinstance(value, list) else [value]
                for one in values:
                    print(f"{printable(key)}: {printable(str(one).encode('latin-1', 'backslashreplace'))}")
            print()
            for line in file:
                print(printable(line.rstrip(b"\n").removesuffix(b"\r"), _LINE_LIMIT))
    except NoSuchMessage as error:
        return _complain(f"no such message: {error}")
    return 0


def _release(quarantine: Quarantine, arguments: list[str]) -> int:
    """Give back to whom it was for; -s and -t say that for one message of which smtpd did not tell it."""
    try:
        pairs, names = getopt.getopt(list(arguments), "a:fs:t:")
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    options = dict(pairs)
    listener = parse_listener(options.get("-a", DEFAULT_ADDRESS))
    given = parse_given(options.get("-s"), [value for option, value in pairs if option == "-t"])
    if given != AS_KNOWN and len(names) != 1:
        raise UsageError("-s and -t are for one message")

    def act(name: str) -> str:
        return f"released: {release(quarantine.holder(name), name, listener, given, again='-f' in options)}"

    return _each(names, act)


def _delete(quarantine: Quarantine, arguments: list[str]) -> int:
    _, names = _options(arguments, "")

    def act(name: str) -> str:
        quarantine.holder(name).delete(name)
        return "deleted"

    return _each(names, act)


def _each(names: Sequence[str], act: Callable[[str], str]) -> int:
    """Do it with each message; 1 if it failed with any."""
    if not names:
        raise UsageError("which id?")
    status = 0
    for name in names:
        try:
            print(f"{name}: {act(name)}")
        except NoSuchMessage as error:
            status = _complain(f"no such message: {error}")
        except NotReleased as error:
            status = _complain(f"{name}: not released: {error}")
        except OSError as error:
            status = _complain(f"{name}: {reason(error)}")
        except NotMarked as error:
            print(f"{name}: released: {error.said}")
            status = _complain(f"{name}: released, but this could not be written down: {error.why}")
    return status


def _expire(quarantine: Quarantine, arguments: list[str]) -> int:
    """Delete what is older than -t days; filters do it themselves, once an hour when they keep a message."""
    options, rest = _options(arguments, "t:")
    days = options.get("-t", str(Limits().days))
    if rest or not (days.isascii() and days.isdigit() and len(days) <= 5):
        raise UsageError("expire takes -t and a number of days")
    expired = sum(directory.expire(int(days), time.time()) for directory in quarantine.directories)
    print(f"{expired} expired")
    return 0


def _complain(text: str) -> int:
    sys.stderr.write(f"filterctl: quarantine: {text}\n")
    return 1


ACTIONS: Final[dict[str, Callable[[Quarantine, list[str]], int]]] = {
    "list": _list,
    "show": _show,
    "release": _release,
    "delete": _delete,
    "expire": _expire,
}
