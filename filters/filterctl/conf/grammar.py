"""What smtpd's grammar refuses in filter lines, each with the remedy: the rules of parse.y in OpenSMTPD 6.8 and 7.6.

A statement is looked at by itself here; names that are defined twice or not at all are smtpdconf's, tables are those of
tables.py. A line that begins with an unknown word is let pass, as a later smtpd may know it, unless it is a known one
misspelt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from filterctl.conf.keywords import KEYWORDS, LISTENER_OPTIONS, RELAY_OPTIONS, SOCKET_OPTIONS, STATEMENTS
from filterctl.conf.lexer import Token, is_string, word_of
from filterctl.conf.phases import phase_faults

MIGRATING = "see docs/migrating.md, smtpd.conf"
_OF_2015 = frozenset(("accept", "reject", "deliver", "expire", "limit", "max-message-size", "bounce-warn"))
_BEFORE_6_6 = frozenset(("builtin", "smtp-in", "smtp-out", "on"))
_KINDS = ("proc", "proc-exec", "chain", "phase")
_TYPOGRAPHIC = frozenset("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb")
_PROCESS_OPTIONS = ("user", "group", "chroot")


def faults(statement: Sequence[Token]) -> Iterator[str]:
    """Why smtpd would refuse a statement, with the remedy; nothing for what is right or not about filters."""
    keyword = word_of(statement[0])
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
    elif keyword in ("pki", "listen") and "certificate" in map(word_of, statement):
        yield f"certificate is of the grammar before OpenSMTPD 6.4, which is pki NAME cert now: {MIGRATING}"
    elif keyword == "listen":
        yield from _listener(statement)
    elif keyword == "action":
        yield from _action(statement)
    elif keyword == "include" and (len(statement) != 2 or not is_string(statement[1])):
        yield 'include wants the path of a file and nothing behind it: include "/etc/mail/filters.conf"'
    elif keyword == "match":
        if "filter" in map(word_of, statement):
            yield "a filter stands on a listener or a relay action, not on match: name it there"
    elif keyword not in STATEMENTS:
        yield from _begin(statement[0])


def defines_nothing(statement: Sequence[Token]) -> bool:
    """Whether a ``filter`` line is cut short, or of no kind that smtpd reads: `faults` tells."""
    if len(statement) < 3 or statement[2].quoted or statement[2].text not in _KINDS:
        return True
    return len(statement) == 3 and statement[2].text in ("proc", "proc-exec", "phase")


def _unquoted(statement: Sequence[Token]) -> Iterator[str]:
    """Words of smtpd's begin with a letter, a digit, ``:`` or ``_``; anything else in front is a syntax error."""
    for token in statement:
        first, text = token.text[:1], token.text
        if token.quoted or text in tuple("{}()!=,<>"):
            continue
        if not _TYPOGRAPHIC.isdisjoint(text):
            yield 'typographic quotes, which smtpd does not know: write plain ones, "'
        elif not text.isascii():
            yield f'{text} is more than plain letters and digits: quote it, "{text}"'
        elif not (first.isalnum() or first in ":_" or (first == "-" and text[1:].isdecimal())):
            yield f'{text} begins with {first}: quote it, "{text}" (a macro with it has to be written out)'


def _begin(token: Token) -> Iterator[str]:
    """Why no statement begins with this."""
    near = get_close_matches(word_of(token).lower(), STATEMENTS, 1, 0.75)
    if token.text in KEYWORDS and not token.quoted:
        yield f"{token.text} begins no line: it goes on with the one above, which has to end with a backslash"
    elif not is_string(token) or token.quoted:
        yield f"{token.text} begins no line: a word such as filter, listen, action or match does"
    elif near:
        yield f"{token.text} begins no line: did you mean {near[0]}?"


def _name(token: Token) -> Iterator[str]:
    if is_string(token):
        return
    if token.text in KEYWORDS:
        yield f'{token.text} is a word of smtpd.conf, not a name: quote it, "{token.text}"'
    elif token.text.removeprefix("-").isdecimal():
        yield f'{token.text} is a number, not a name: quote it, "{token.text}"'


def _filter(name: str, kind: Token, rest: Sequence[Token]) -> Iterator[str]:
    if kind.quoted:
        yield f"filter {name}: a command without proc-exec is of OpenSMTPD 5: {MIGRATING}"
    elif kind.text in _BEFORE_6_6:
        yield f"filter {name}: {kind.text} is of the grammar before OpenSMTPD 6.6, phase and proc-exec now: {MIGRATING}"
    elif kind.text not in _KINDS:
        near = get_close_matches(kind.text, _KINDS, 1, 0.75)
        of_2015 = "the filters of 2015 were such: see docs/migrating.md, Filters of 2015"
        yield (
            f"filter {name}: {kind.text} is no kind of filter, as {', '.join(_KINDS)} are: "
            + (f"did you mean {near[0]}?" if near else of_2015)
        )
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
        yield from phase_faults(name, rest)


def _process(tokens: Sequence[Token]) -> Iterator[str]:
    """The command of ``proc`` and ``proc-exec``, and its options."""
    if not tokens:
        yield "the command is missing: name the program in quotes"
        return
    if not is_string(tokens[0]) and tokens[0].text[:1].isalnum():
        yield f'{tokens[0].text} is no command: name the program in quotes, "{tokens[0].text}"'
    given: set[str] = set()
    at = 1
    while at < len(tokens):
        option = word_of(tokens[at])
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
    if not tokens or word_of(tokens[0]) != "{":
        yield f"{whose}: a chain stands in braces: chain {{ a, b }}"
        return
    names: list[str] = []
    comma = True
    for at, token in enumerate(tokens[1:], 1):
        word = word_of(token)
        if word == "}":
            if whose != "filter" and len(tokens) > at + 1:
                yield f"{whose}: {tokens[at + 1].text} stands behind the chain: take it out"
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


def _listener(statement: Sequence[Token]) -> Iterator[str]:
    words = [word_of(token) for token in statement]
    on = statement[2] if words[1:2] == ["on"] and len(statement) > 2 else None
    if on is None or not (is_string(on) or words[2] == "socket"):
        yield "listen wants an interface, an address or socket, one a line: listen on lo, listen on 192.0.2.25"
        return
    if len(statement) > 3 and words[3] not in KEYWORDS:
        yield f"{statement[3].text} stands where an option of the listener does: each address has a line of its own"
    known = SOCKET_OPTIONS if words[2] == "socket" else LISTENER_OPTIONS
    yield from (
        f"{word} is not for the listener on the socket: take it out"
        for word in words[3:]
        if word in LISTENER_OPTIONS - known
    )
    yield from _use(statement, known)


def _action(statement: Sequence[Token]) -> Iterator[str]:
    words = [word_of(token) for token in statement]
    yield from (fault for token in statement[1:2] for fault in _name(token))
    if "relay" in words[2:]:
        yield from _use(statement, RELAY_OPTIONS)
    elif "filter" in words[2:]:
        yield "only a relay action takes a filter: mail for users of this host is filtered where it comes in"


def _use(statement: Sequence[Token], options: Collection[str]) -> Iterator[str]:
    """The ``filter`` options of a listener or a relay action, and what stands behind."""
    words = [word_of(token) for token in statement]
    places = [at for at, word in enumerate(words) if word == "filter" and at > 1]
    if len(places) > 1:
        yield "filter is given twice: name all of them in one, filter { a, b }"
    for at in places:
        rest = statement[at + 1 :]
        if not rest:
            yield "filter wants the name of a filter behind it"
            continue
        end = at + 2
        if words[at + 1] == "{":
            yield from _chain(rest, "filter")
            end = words.index("}", at) + 1 if "}" in words[at:] else len(words)
        else:
            yield from _name(rest[0])
        if end < len(words) and words[end] not in options:
            yield from _behind(statement[end])


def _behind(token: Token) -> Iterator[str]:
    """What is no option stands behind the filter."""
    if word_of(token) == "," or token.quoted or is_string(token):
        yield "several filters of a listener stand in braces: filter { a, b }"
    else:
        yield f"{token.text} stands behind the filter, and is no option there: take it out"
