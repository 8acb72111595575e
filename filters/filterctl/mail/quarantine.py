"""``filterctl quarantine``: refused messages that were kept (options -q of filter-spamassassin and filter-clamav).

filterctl quarantine [-q directory] command ...

list [-1] [-m condition] ...
show [-r] id
release [-fn] [-a address] [-s sender] [-t recipient] ... [-m condition] ... [id ...]
delete [-n] [-m condition] ... [id ...]
digest [-n] [-a address] [-e sender] [-l prefix] [-m condition] ...
expire [-t days]
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from filter_api.commands import Command, choose, described
from filter_api.errors import UsageError, reason
from filter_api.options import letters_of, options_of, split_options
from filter_api.quarantine.directory import NoSuchMessage, time_of
from filter_api.quarantine.keeper import Limits
from filter_api.text.escape import format_pairs, printable
from filterctl.mail.digest import digest
from filterctl.mail.kept import Quarantine, is_complete, recipients_of, sender_of, text_of, why_of
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
from filterctl.mail.search import parse_condition

_LINE_LIMIT: Final = 4000
_PLAIN: Final = ("program", "session", "client", "result", "score", "virus", "size", RELEASED)
"""Facts of ours, which are text or numbers."""

OPTIONS: Final = "-q directory   where they are; may be given several times (default /var/spool/quarantine)\n"
SEARCH: Final = "-m condition    only those with from=text, to=text, date=day, score>=number ...\n"
LIST: Final = f"-1              a line of keys and values for each message\n{SEARCH}"
SHOW: Final = "-r   the message as it was received\n"
RELEASE: Final = f"""\
-a address      our listener without filters (default 127.0.0.1:10026)
-f              even what was released before
{SEARCH}-n              only say which messages would be released
-s sender       the sender, where it is not known
-t recipient    whom it is for; may be given several times
"""
DELETE: Final = f"{SEARCH}-n              only say which messages would be deleted\n"
EXPIRE: Final = "-t days   how old messages get (default 30)\n"


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError, OSError."""
    options, rest = split_options(letters_of(OPTIONS), arguments, OPTIONS, described(_commands([])))
    return choose(rest, _commands([value for _, value in options]))


def _commands(paths: Sequence[str]) -> dict[str, Command]:
    """The commands for the quarantine in these directories, which is opened once its arguments are read."""

    def with_it(action: Callable[[Quarantine, list[str]], int]) -> Callable[[list[str]], int]:
        def act(arguments: list[str]) -> int:
            with closing(Quarantine(paths)) as quarantine:
                return action(quarantine, arguments)

        return act

    search = "[-m condition] ..."
    return {
        "list": Command(with_it(_list), f"[-1] {search}", "a table of the messages"),
        "show": Command(with_it(_show), "[-r] id", "one message"),
        "release": Command(
            with_it(_release),
            f"[-fn] [-a address] [-s sender] [-t recipient] ... {search} [id ...]",
            "give messages to whom they were for",
        ),
        "delete": Command(with_it(_delete), f"[-n] {search} [id ...]", "remove messages for good"),
        "digest": Command(
            with_it(digest), f"[-n] [-a address] [-e sender] [-l prefix] {search}", "tell recipients what was kept"
        ),
        "expire": Command(with_it(_expire), "[-t days]", "remove old messages"),
    }


def _list(quarantine: Quarantine, arguments: list[str]) -> int:
    """A table, or with -1 one line of key=value pairs a message."""
    pairs, rest = split_options(letters_of(LIST), arguments, LIST)
    if rest:
        raise UsageError("list takes no id, but conditions with -m")
    conditions = [parse_condition(value) for option, value in pairs if option == "-m"]
    in_pairs = ("-1", "") in pairs
    if not in_pairs:
        print(_row("ID", "SIZE", "WHY", "CLIENT", "FROM", "TO", "SUBJECT"))
    for name, facts in quarantine.found(conditions):
        print(_pairs(name, facts) if in_pairs else _table_row(name, facts))
    return _unread(quarantine)


def _unread(quarantine: Quarantine) -> int:
    for complaint in quarantine.unread:
        _complain(complaint)
    return 1 if quarantine.unread else 0


def _pairs(name: str, facts: Mapping[str, object]) -> str:
    text = {key: text_of(facts, key) for key in ("subject", "msgid", "rdns", "helo")}
    plain = {key: facts.get(key) for key in _PLAIN}
    to = b",".join(b"<" + address + b">" for address in recipients_of(facts))
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_of(name)))
    known = {key: value for key, value in plain.items() if value is not None}
    gaps = {} if is_complete(facts) else {"complete": "no"}
    return format_pairs({"id": name, "time": when, **known, "from": sender_of(facts), "to": to, **gaps, **text})


def _table_row(name: str, facts: Mapping[str, object]) -> str:
    to = recipients_of(facts)
    more = (f" +{len(to) - 1}" if len(to) > 1 else "") + ("" if is_complete(facts) else " +?")
    return _row(
        name,
        printable(str(facts.get("size", "-")), 12),
        why_of(facts) + (", released" if RELEASED in facts else ""),
        printable(str(facts.get("client", "-")), 39),
        printable(sender_of(facts), 52),
        f"<{printable(to[0], 50)}>{more}" if to else f"-{more}",
        decoded(text_of(facts, "subject"), 60),
    )


def _row(*cells: str) -> str:
    """Whole values in columns; on a terminal what fits its width, the id always whole."""
    if not sys.stdout.isatty():
        widths = (24, 9, 30, 15, 30, 30, 0)
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    name, _, why, _, sender, to, subject = cells  # size and client are for -1 and show
    room = max(shutil.get_terminal_size().columns - len(f"{name:<24}") - 5, 40) // 4
    return "  ".join([f"{name:<24}", " ".join(_cut(cell, room) for cell in (why, sender, to, subject))]).rstrip()


def _cut(text: str, room: int) -> str:
    return f"{text:<{room}}" if len(text) <= room else text[: room - 2] + ".."


def _show(quarantine: Quarantine, arguments: list[str]) -> int:
    """Facts and message, escaped; with -r the message as it is, but never to a terminal."""
    options, rest = options_of(arguments, SHOW)
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
                for one in value if isinstance(value, list) else [value]:
                    print(f"{printable(key)}: {_shown_fact(key, one)}")
            print()
            for line in file:
                print(_shown_line(line.rstrip(b"\n").removesuffix(b"\r")))
    except NoSuchMessage as error:
        return _complain(f"no such message: {error}")
    return 0


def _shown_fact(key: str, value: object) -> str:
    """A fact for people: a time as a date, too."""
    if key == "time" and isinstance(value, int | float) and 0 <= value < 1 << 33:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    return printable(str(value).encode("latin-1", "backslashreplace"))


def _shown_line(line: bytes) -> str:
    """A line of a message; the tab that a folded field begins with stays what it looks like."""
    tab = line[:1] == b"\t"
    return ("\t" if tab else "") + printable(line[tab:], _LINE_LIMIT)


def _chosen(quarantine: Quarantine, pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """The ids that are given, or those of the messages that meet the conditions of -m. Raises UsageError."""
    conditions = [parse_condition(value) for option, value in pairs if option == "-m"]
    if conditions and names:
        raise UsageError("conditions of -m or ids, not both")
    if not conditions and not names:
        raise UsageError("which id? Or which ones, by -m")
    return [name for name, _ in quarantine.found(conditions)] if conditions else list(names)


def _release(quarantine: Quarantine, arguments: list[str]) -> int:
    """Give back to whom it was for; -s and -t say that for one message of which smtpd did not tell it."""
    pairs, names = split_options(letters_of(RELEASE), arguments, RELEASE)
    options = dict(pairs)
    listener = parse_listener(options.get("-a", DEFAULT_ADDRESS))
    given = parse_given(options.get("-s"), [value for option, value in pairs if option == "-t"])
    if given != AS_KNOWN and len(names) != 1:
        raise UsageError("-s and -t are for one message, by its id")

    def act(name: str) -> str:
        holder = quarantine.holder(name)
        before = holder.facts(name).get(RELEASED)
        said = release(holder, name, listener, given, again="-f" in options)
        return f"released: {said}" if before is None else f"released once more, after {printable(str(before))}: {said}"

    def what(name: str) -> str:
        done = RELEASED in quarantine.holder(name).facts(name) and "-f" not in options
        return "was released before, and would not be again without -f" if done else "would be released"

    return _each(quarantine, pairs, names, what if "-n" in options else act)


def _delete(quarantine: Quarantine, arguments: list[str]) -> int:
    pairs, names = split_options(letters_of(DELETE), arguments, DELETE)

    def act(name: str) -> str:
        quarantine.holder(name).delete(name)
        return "deleted"

    def what(name: str) -> str:
        quarantine.holder(name)
        return "would be deleted"

    return _each(quarantine, pairs, names, what if ("-n", "") in pairs else act)


def _each(
    quarantine: Quarantine, pairs: Sequence[tuple[str, str]], names: Sequence[str], act: Callable[[str], str]
) -> int:
    """Do it with each message that is meant; 1 if it failed with any, or none could be meant."""
    chosen = _chosen(quarantine, pairs, names)
    status = _unread(quarantine)
    for name in chosen:
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
    if not names:
        print(f"{len(chosen)} message{'' if len(chosen) == 1 else 's'}")
    return status


def _expire(quarantine: Quarantine, arguments: list[str]) -> int:
    """Delete what is older than -t days; filters do it themselves, once an hour when they keep a message."""
    options, rest = options_of(arguments, EXPIRE)
    days = options.get("-t", str(Limits().days))
    if rest or not (days.isascii() and days.isdigit() and len(days) <= 5):
        raise UsageError("expire takes -t and a number of days")
    expired = sum(directory.expire(int(days), time.time()) for directory in quarantine.directories)
    print(f"{expired} expired")
    return 0


def _complain(text: str) -> int:
    sys.stderr.write(f"filterctl: quarantine: {text}\n")
    return 1
