"""What smtpd's grammar refuses in filter lines, each with the remedy: the rules of parse.y in OpenSMTPD 6.8 and 7.6.

A statement is looked at by itself here; names that are defined twice or not at all are smtpdconf's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from filterctl.conf.keywords import KEYWORDS
from filterctl.conf.lexer import Token

PHASES = ("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data", "commit", "auth")
"""Phases of builtin filters; ``auth`` is not documented, and acts at connect."""

MIGRATING = "see docs/migrating.md, smtpd.conf"
_OF_2015 = frozenset(("accept", "reject", "deliver", "expire", "limit", "max-message-size", "bounce-warn"))
_BEFORE_6_6 = frozenset(("builtin", "smtp-in", "smtp-out", "on"))
_CONDITIONS = {
    "rdns": "connect",
    "fcrdns": "connect",
    "src": "connect",
    "helo": "helo",
    "auth": "mail-from",
    "mail-from": "mail-from",
    "rcpt-to": "rcpt-to",
}
"""What a builtin filter can match, and from which phase on."""

_TABLE_ONLY = ("src", "helo", "mail-from", "rcpt-to")
_PROCESS_OPTIONS = ("user", "group", "chroot")


def faults(statement: Sequence[Token]) -> Iterator[str]:
    """Why smtpd would refuse a statement, with the remedy; nothing for what is right or not about filters."""
    keyword = _word(statement[0])
    if any(token.text == "\r" and not token.quoted for token in statement):
        yield "the line ends with a carriage return: save the file with Unix line ends"
        return
    yield from _unquoted(statement)
    if keyword in _OF_2015:
        yield f"{keyword} is of the grammar before OpenSMTPD 6.4, which is action and match now: {MIGRATING}"
    elif keyword in ("filter", "proc") and len(statement) < 3:
        yield f"{keyword} wants a name and {'a command' if keyword == 'proc' else 'proc, proc-exec, chain or phase'}"
    elif keyword == "filter":
        yield from _name(statement[1])
        yield from _filter(statement[1].text, statement[2], statement[3:])
    elif keyword == "proc":
        yield from _name(statement[1])
        yield from _process(statement[2:])
    elif keyword in ("listen", "action"):
        yield from _use(statement)


def defines_nothing(statement: Sequence[Token]) -> bool:
    """Whether a ``filter`` line is cut short or of a grammar that smtpd no longer reads: `faults` tells which."""
    if len(statement) < 3 or statement[2].quoted or statement[2].text in _BEFORE_6_6:
        return True
    return len(statement) == 3 and statement[2].text in ("proc", "proc-exec", "phase")


def _unquoted(statement: Sequence[Token]) -> Iterator[str]:
    """Words of smtpd's begin with a letter, a digit, ``:`` or ``_``; anything else in front is a syntax error."""
    for token in statement:
        first = token.text[:1]
        if not token.quoted and first not in "{}()!=,<>:_-" and not first.isalnum():
            yield f'{token.text} begins with {first}: quote it, "{token.text}" (a macro with it has to be written out)'


def _word(token: Token) -> str:
    return "" if token.quoted else token.text


def _name(token: Token) -> Iterator[str]:
    if _word(token) in KEYWORDS:
        yield f'{token.text} is a word of smtpd.conf, not a name: quote it, "{token.text}"'
    elif _word(token).isdecimal():
        yield f'{token.text} is a number, not a name: quote it, "{token.text}"'


def _filter(name: str, kind: Token, rest: Sequence[Token]) -> Iterator[str]:
    if kind.quoted:
        yield f"filter {name}: a command without proc-exec is of OpenSMTPD 5: {MIGRATING}"
    elif kind.text in _BEFORE_6_6:
        yield f"filter {name}: {kind.text} is of the grammar before OpenSMTPD 6.6, phase and proc-exec now: {MIGRATING}"
    elif kind.text == "proc-exec":
        yield from _process(rest)
    elif kind.text in ("proc", "phase") and not rest:
        wanted = "the name of a proc" if kind.text == "proc" else "the name of a phase"
        yield f"filter {name}: {kind.text} wants {wanted} behind it"
    elif kind.text == "proc":
        yield from (fault for token in rest[:1] for fault in _name(token))
        if len(rest) > 1:
            yield f"filter {name}: {rest[1].text} behind the name of a proc: its options stand on the proc line"
    elif kind.text == "chain":
        yield from _chain(rest, f"filter {name}")
    elif kind.text == "phase":
        yield from _phase(name, rest)


def _process(tokens: Sequence[Token]) -> Iterator[str]:
    """The command of ``proc`` and ``proc-exec``, and its options."""
    if not tokens:
        yield "the command is missing: name the program in quotes"
        return
    given: set[str] = set()
    at = 1
    while at < len(tokens):
        option = _word(tokens[at])
        if option not in _PROCESS_OPTIONS:
            yield _no_option(tokens[at], first=at == 1)
            return
        if at + 1 == len(tokens):
            yield f"{option} wants a value behind it"
            return
        if option in given:
            yield f"{option} is given twice: leave one"
        given.add(option)
        yield from _name(tokens[at + 1])
        at += 2


def _no_option(token: Token, *, first: bool) -> str:
    if first and (token.text[:1] in "-/" or token.quoted):
        return "the command is several words: put all of it in quotes on this line, as a macro is read word by word"
    return f"{token.text} is no option of a command: user, group and chroot are"


def _chain(tokens: Sequence[Token], whose: str) -> Iterator[str]:
    """``{ a, b }``"""
    if not tokens or _word(tokens[0]) != "{":
        yield f"{whose}: a chain stands in braces: chain {{ a, b }}"
        return
    names: list[str] = []
    comma = True
    for token in tokens[1:]:
        word = _word(token)
        if word == "}":
            break
        if word == ",":
            if comma:
                yield f"{whose}: a comma without a name before it: take it out"
            comma = True
            continue
        yield from _name(token)
        if token.text in names:
            yield f"{whose}: {token.text} stands twice in the chain: leave one"
        names.append(token.text)
        comma = False
    if not names:
        yield f"{whose}: the chain is empty: name a filter in it"
    elif comma:
        yield f"{whose}: a comma behind the last name: take it out"


def _phase(name: str, tokens: Sequence[Token]) -> Iterator[str]:
    """``PHASE match [!]CONDITION DECISION``"""
    phase, words = _word(tokens[0]), [_word(token) for token in tokens]
    if phase not in PHASES:
        yield f"filter {name}: {tokens[0].text} is no phase of a builtin filter: {', '.join(PHASES[:-1])} are"
        return
    if words[1:2] != ["match"]:
        yield f"filter {name}: match and a condition stand behind the phase"
        return
    start = 3 if words[2:3] == ["!"] else 2
    condition = words[start] if start < len(words) else ""
    since = _CONDITIONS.get(condition)
    if since is None or PHASES.index(phase) < PHASES.index(since):
        known = [word for word, first in _CONDITIONS.items() if PHASES.index(first) <= PHASES.index(phase)]
        yield f"filter {name}: {condition or 'nothing'} cannot be matched at {phase}: {', '.join(known)} can"
        return
    at = _behind_table(words, start + 1)
    if at == start + 1 and condition in _TABLE_ONLY:
        yield f"filter {name}: {condition} wants a table behind it, as <name>"
    else:
        yield from _decision(name, phase, tokens[at:])


def _behind_table(words: Sequence[str], at: int) -> int:
    """Where the decision begins: behind ``[regex] <table>`` or a table in place, if there is one."""
    at += words[at : at + 1] == ["regex"]
    ends = {"<": ">", "{": "}"}
    end = ends.get(words[at]) if at < len(words) else None
    if end is not None:
        return words.index(end, at) + 1 if end in words[at:] else len(words)
    return at + 1 if at < len(words) and words[at] not in KEYWORDS else at


def _decision(name: str, phase: str, tokens: Sequence[Token]) -> Iterator[str]:
    word = _word(tokens[0]) if tokens else ""
    if word in ("junk", "bypass"):
        if phase == "commit":
            yield f"filter {name}: no {word} at commit: do it at data"
        behind = tokens[1:]
    elif word in ("reject", "disconnect", "rewrite", "report"):
        if len(tokens) == 1:
            yield f'filter {name}: {word} wants its text behind it, as {word} "550 no"'
        behind = tokens[2:]
    else:
        shown = tokens[0].text if tokens else "the end of the line"
        yield (
            f"filter {name}: {shown} stands where one condition is followed by a decision: "
            "reject, disconnect, rewrite, report, junk or bypass"
        )
        return
    if behind:
        yield f"filter {name}: {behind[0].text} stands behind the decision: take it out"


def _use(statement: Sequence[Token]) -> Iterator[str]:
    """The ``filter`` options of a listener or a relay action."""
    places = [at for at, token in enumerate(statement) if _word(token) == "filter" and at > 1]
    if len(places) > 1:
        yield "filter is given twice: name all of them in one, filter { a, b }"
    for at in places:
        rest = statement[at + 1 :]
        if not rest:
            yield "filter wants the name of a filter behind it"
        elif _word(rest[0]) == "{":
            yield from _chain(rest, "filter")
        else:
            yield from _name(rest[0])
            if len(rest) > 1 and _word(rest[1]) == ",":
                yield "several filters of a listener stand in braces: filter { a, b }"
