"""``filterctl report``: of decisions, in `decided`; of messages, what the scanning filters did with each, here.

    filterctl report decisions [-Hj] [-n count] [-s since] [-u until] [maillog ...]
    filterctl report messages [-dHjr] [-k key] [-m condition] ... [-n count] [-s since] [-u until] [maillog ...]

The columns are those of mlog, the script many a smarthost had for amavisd, so that ``sort -n -k 10`` still sorts by
score: date, time, size, client, sender, recipient, score, result, subject.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from filter_api.commands import Command, choose
from filter_api.errors import UsageError
from filter_api.options import letters_of, split_options
from filter_api.text.escape import printable
from filter_api.text.sizes import parse_bytes
from filterctl.mail import daily, decided, messagepage, messagetable
from filterctl.mail.logfile import default_logs
from filterctl.mail.maillog import Message, read
from filterctl.mail.mailtext import logged, shown
from filterctl.mail.timestamps import Span, span_of

OPTIONS: Final = """\
-d             a summary of each day
-H             a page in HTML, with charts
-j             print JSON
-k key         sort by time, score, size, from or client (default time)
-m condition   only those with result=text, from=text, score>=number ...
-n count       how long the lists of -d and of -H are (default 10)
-r             reverse the order
-s since       from this time on: today, yesterday, 2026-11-20 ...
-u until       before this time, or up to the end of this day
"""

Condition = Callable[[Message], bool]

KNOWN: Final = frozenset(
    {"action", "client", "delay", "from", "helo", "id", "msgid", "rdns", "reason", "reply", "required", "result"}
    | {"score", "size", "subject", "tests", "to", "virus"}
)
"""Keys of the lines of scanners, which a log may lack for now."""

_CONDITION: Final = re.compile(r"([a-z]+)(>=|<=|=|>|<)(.*)")
_KEYS: Final = {
    "score": lambda message: (message.score is not None, message.score or 0.0),
    "size": lambda message: message.size,
    "from": lambda message: message.sender.lower(),
    "client": lambda message: message.pairs.get("client", ""),
}


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError, ConfigError, OSError."""
    if not arguments:
        raise UsageError("a report of what? decisions or messages")
    return choose(arguments, COMMANDS)


def of_messages(arguments: list[str]) -> int:
    """What the scanning filters did with each message. Raises UsageError, ConfigError, OSError."""
    options, paths = split_options(letters_of(OPTIONS), arguments, OPTIONS)
    values = dict(options)
    if len(values.keys() & {"-d", "-H", "-j"}) > 1:
        raise UsageError("one of -d, -H and -j")
    conditions = [_condition(value) for option, value in options if option == "-m"]
    count = decided.count_of(values)
    if values.get("-s") in {"time", *_KEYS}:  # as it was before there were dates
        values["-k"] = values.pop("-s")
    key = values.get("-k", "time")
    if key != "time" and key not in _KEYS:
        raise UsageError(f"-k takes time, {', '.join(_KEYS)}; not {printable(key)}")
    span = span_of(values)
    bad: list[str] = []
    found = read(paths or _default(span), bad.append, span)
    bad += _nowhere([value for option, value in options if option == "-m"], found)
    messages = [message for message in found if all(test(message) for test in conditions)]
    if key != "time":
        messages.sort(key=_KEYS[key])
    if "-r" in values:
        messages.reverse()
    _print(messages, values, count)
    for complaint in bad:
        print(f"filterctl: report: {complaint}", file=sys.stderr)
    return 1 if bad else 0


def _nowhere(conditions: Sequence[str], found: Sequence[Message]) -> list[str]:
    """What to say of a key that no line of the log has: it is misspelt, or not what was meant."""
    keys = {condition[1] for condition in map(_CONDITION.fullmatch, conditions) if condition}
    unknown = [key for key in sorted(keys - KNOWN) if not any(key in message.pairs for message in found)]
    return [f"-m: no message in the log has {key}; dates are for -s and -u" for key in unknown] if found else []


def _default(span: Span) -> Sequence[str]:
    """The system's log; with -s also what was rotated out of it."""
    logs = default_logs(span)
    return logs if span.since else logs[-1:]


def _print(messages: Sequence[Message], values: dict[str, str], count: int) -> None:
    lines: Iterable[str]
    if "-H" in values:
        lines = (piece.rstrip("\n") for piece in messagepage.page(messages, count))
    elif "-j" in values:
        lines = [json.dumps([_data(message) for message in messages], indent=1).replace("\x7f", "\\u007f")]
    elif "-d" in values:
        lines = daily.summary(messages, count)
    elif sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        lines = messagetable.table(messages, width, [_when(message.time) for message in messages])
    else:
        lines = map(_line, messages)
    for line in lines:
        print(line)


def _data(message: Message) -> dict[str, object]:
    return {"time": message.when, "session": message.session, "filters": sorted(message.filters), **message.pairs}


def _condition(text: str) -> Condition:
    """``result=spam`` (the value holds that text), ``score>=5``, ``size<100k``. Raises UsageError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(f"-m takes key=text, score>=number or size<bytes, not {printable(text)}")
    key, sign, value = found.groups()
    if sign == "=":
        wanted = value.lower()
        return lambda message: wanted in message.pairs.get(key, "").lower()
    if key not in {"score", "size"}:
        raise UsageError(f"-m: only score and size can be compared by {sign}")
    try:
        bound = float(value) if key == "score" else parse_bytes(value)
    except ValueError:
        raise UsageError(f"-m: no number: {printable(value)}") from None
    return lambda message: _compare(message.score if key == "score" else message.size, sign, bound)


def _compare(value: float | None, sign: str, bound: float) -> bool:
    if value is None:
        return False
    return {">": value > bound, "<": value < bound, ">=": value >= bound, "<=": value <= bound}[sign]


def _line(message: Message) -> str:
    to = message.recipients
    first = (shown(to[0], 40) if to else "-") + (f" +{len(to) - 1}" if len(to) > 1 else "")
    score = "      -" if message.score is None else f"{message.score:7.3f}"
    note = message.pairs.get("virus") or message.pairs.get("id") or ""
    outcome = f"{message.result}{message.mark}"
    sender = shown(message.sender[-50:], 50).replace(" ", "_") or "<>"
    return (
        f"{_when(message.time)}  {message.size:>9} B  {shown(message.pairs.get('client', '-'), 39):<15}  "
        f"{sender:>30} -> {first.replace(' ', '_'):<30}  {score} hits  "
        f'{outcome:<9} "{logged(message.pairs.get("subject", ""), 65)}"{" " + shown(note, 100) if note else ""}'
    )


def _when(time: str) -> str:
    """``Nov 20 09:53:11`` in three words, whatever the log has."""
    if not time[:1].isdigit():
        return time
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    month = int(time[5:7])
    return f"{months[month - 1] if 1 <= month <= 12 else '???'} {int(time[8:10]):2} {time[11:19]}"


COMMANDS: Final = {
    "decisions": Command(
        decided.run, "[-Hj] [-n count] [-s since] [-u until] [maillog ...]", "what all filters decided, in figures"
    ),
    "messages": Command(
        of_messages,
        "[-dHjr] [-k key] [-m condition] ... [-n count] [-s since] [-u until] [maillog ...]",
        "what scanners found, a line for each message",
    ),
}
