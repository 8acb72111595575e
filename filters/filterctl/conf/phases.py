"""What smtpd's grammar refuses in a builtin filter, ``filter NAME phase …``, each with the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from filterctl.conf.lexer import Token, is_string, word_of

PHASES = ("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data", "commit", "auth")
"""Phases of builtin filters; ``auth`` is not documented, and acts at connect."""

_ALWAYS = ("rdns", "fcrdns", "src")
_AT_MAIL = (*_ALWAYS, "helo", "auth", "mail-from")
CONDITIONS = {
    "connect": _ALWAYS,
    "helo": (*_ALWAYS, "helo"),
    "ehlo": (*_ALWAYS, "helo"),
    "auth": (*_ALWAYS, "helo", "auth"),
    "mail-from": _AT_MAIL,
    "rcpt-to": (*_AT_MAIL, "rcpt-to"),
    "data": _AT_MAIL,
    "commit": _AT_MAIL,
}
"""phase: what a builtin filter can match there."""

_TABLE_ONLY = ("src", "helo", "mail-from", "rcpt-to")


def phase_faults(name: str, tokens: Sequence[Token]) -> Iterator[str]:
    """``PHASE match [!]CONDITION DECISION``"""
    phase, words = word_of(tokens[0]), [word_of(token) for token in tokens]
    if phase not in PHASES:
        yield f"filter {name}: {tokens[0].text} is no phase of a builtin filter: {', '.join(PHASES[:-1])} are"
        return
    if words[1:2] != ["match"]:
        yield f"filter {name}: match and a condition stand behind the phase"
        return
    start = 3 if words[2:3] == ["!"] else 2
    condition = words[start] if start < len(words) else ""
    if condition not in CONDITIONS[phase]:
        known = ", ".join(CONDITIONS[phase])
        yield f"filter {name}: {condition or 'nothing'} cannot be matched at {phase}: {known} can"
        return
    regex = words[start + 1 : start + 2] == ["regex"]
    at = _behind_table(tokens, start + 1 + regex)
    has_table = at > start + 1 + regex
    if has_table and condition == "fcrdns":
        yield f"filter {name}: fcrdns takes no table: leave it out, or match rdns with it"
    elif not has_table and (regex or condition in _TABLE_ONLY):
        yield f"filter {name}: {'regex' if regex else condition} wants a table behind it, as <name>"
    else:
        yield from _decision(name, phase, tokens[at:])


def _behind_table(tokens: Sequence[Token], at: int) -> int:
    """Where the decision begins: behind ``<table>`` or a table in place, if there is one."""
    words = [word_of(token) for token in tokens]
    ends = {"<": ">", "{": "}"}
    end = ends.get(words[at]) if at < len(words) else None
    if end is not None:
        return words.index(end, at) + 1 if end in words[at:] else len(words)
    return at + 1 if at < len(words) and is_string(tokens[at]) else at


def _decision(name: str, phase: str, tokens: Sequence[Token]) -> Iterator[str]:
    word = word_of(tokens[0]) if tokens else ""
    if word in ("junk", "bypass"):
        if phase == "commit":
            yield f"filter {name}: no {word} at commit: do it at data"
        behind = tokens[1:]
    elif word in ("reject", "disconnect", "rewrite", "report"):
        if len(tokens) == 1 or not is_string(tokens[1]):
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
