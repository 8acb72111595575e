"""What the order of a filter chain hides: pure rules over the chain and what each member registered for.

smtpd asks the filters of a chain one after the other in each phase, and any decision but proceed ends that phase: a
mark (junk), a rewrite, a bypass as well as a refusal. Message lines pass through all of them, each sees its
predecessor's.
"""

from __future__ import annotations

import getopt
import os
from collections.abc import Sequence
from typing import NamedTuple

from filter_api.options import COMMON_LETTERS

PHASES = ("connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "commit")

LETTERS = {
    "filter-rdns": "fHmp:r:S",
    "filter-dnsbl": "ab:f:k:mp:qr:s:",
    "filter-dyndns": "e:f:j:mp:r:s:x",
    "filter-lists": "5c:d:mp:",
    "filter-greylist": "5a:b:c:f:G:k:l:M:os:t:uwx",
    "filter-dkimsign": "A:a:c:D:d:h:K:k:m:oR:s:tux:zS",
}
"""Filters of this suite whose options matter here, with their own letters."""

MARKS_WITH = {"filter-rdns": "m", "filter-dnsbl": "m", "filter-dyndns": "mj", "filter-lists": "m"}
"""Letters that make a filter answer junk, which these do at mail-from."""

_LOOKS_AT_NO_MESSAGE = {"filter-rdns", "filter-dyndns", "filter-lists", "filter-greylist"}
_WILDCARDS = {"0.0.0.0", "::", "[::]"}  # noqa: S104 - compared with, nothing listens here
_ENDING = {"junk": "mark", "rewrite": "rewrite", "bypass": "bypass"}


class Member(NamedTuple):
    """A filter of a chain: the commands of what runs in its process, none if it is builtin (program and options; one,
    or several in filter-chain(8)), the phases it decides, a builtin's decision.
    """

    name: str
    commands: Sequence[Sequence[str]]
    phases: frozenset[str]
    decision: str = ""


class Remark(NamedTuple):
    """Something to tell: severity is ``error``, ``warning`` or ``note``."""

    severity: str
    text: str


def remarks(chain: Sequence[Member], *, masquerade: bool, where: str = "") -> list[Remark]:
    """What is wrong with a chain, or surprising. where: the address or interface of its listener."""
    found = [remark for phase in PHASES for remark in _phase_remarks(chain, phase)]
    found += _signing_remarks(chain, masquerade=masquerade)
    return found + _judging_remarks(chain) + _trap_remarks(chain, where)


def is_signer(member: Member) -> bool:
    """Whether it signs what passes, so that nothing may change behind it."""
    return any("dkimsign" in name_of(command) for command in member.commands)


def _judging_remarks(chain: Sequence[Member]) -> list[Remark]:
    """filter-auth judges signatures, which are broken by what changes a message before it."""
    before: list[str] = []
    for member in chain:
        for command in member.commands:
            name = name_of(command)
            if name == "filter-auth" and before:
                return [
                    Remark(
                        "warning", f"{', '.join(before)} may change what {member.name} judges: put filter-auth before"
                    )
                ]
            if "data-line" in member.phases and name not in _LOOKS_AT_NO_MESSAGE:
                before.append(name if len(member.commands) > 1 else member.name)
    return []


def _phase_remarks(chain: Sequence[Member], phase: str) -> list[Remark]:
    asked = [member for member in chain if phase in member.phases and member.decision != "report"]
    found = []
    for index, member in enumerate(asked[:-1]):
        later = ", ".join(other.name for other in asked[index + 1 :])
        kind = _ending(member, phase)
        if kind == "bypass":
            found.append(Remark("note", f"at {phase} a bypass by {member.name} spares the client {later}"))
        elif kind:
            hidden = f"at {phase} a {kind} by {member.name} hides the client from {later}"
            found.append(Remark("warning", f"{hidden}: put it behind, or all of them into one filter-chain"))
    if len(asked) > 1:
        order = ", ".join(member.name for member in asked)
        found.append(Remark("note", f"at {phase} asked in this order until one does not proceed: {order}"))
    return found


def _ending(member: Member, phase: str) -> str:
    if not member.commands:
        return _ENDING.get(member.decision, "")
    if phase != "mail-from":
        return ""
    return "mark" if any(map(_marks, member.commands)) else ""


def _marks(command: Sequence[str]) -> bool:
    """Whether this filter marks clients; one that observes (-n) marks none."""
    letters = given(command)
    return "n" not in letters and bool(letters & set(MARKS_WITH.get(name_of(command), "")))


def given(command: Sequence[str]) -> set[str]:
    """The letters of the options given to a filter of this suite; none for others."""
    letters = LETTERS.get(name_of(command))
    if letters is None:
        return set()
    try:
        options, _ = getopt.getopt(list(command[1:]), letters + COMMON_LETTERS)
    except getopt.GetoptError:
        return set()  # the dry run tells
    return {letter[1] for letter, _ in options}


def _trap_remarks(chain: Sequence[Member], where: str) -> list[Remark]:
    """filter-greylist -M compares the address of the listener, and a wildcard has none."""
    if where not in _WILDCARDS:
        return []
    return [
        Remark("error", f"{member.name} has -M, which needs listeners with an address of their own, not {where}")
        for member in chain
        if any(name_of(command) == "filter-greylist" and "M" in given(command) for command in member.commands)
    ]


def name_of(command: Sequence[str]) -> str:
    """The program of a command, without its directory."""
    return os.path.basename(command[0]) if command else ""


def _signing_remarks(chain: Sequence[Member], *, masquerade: bool) -> list[Remark]:
    found = []
    for index, member in enumerate(chain):
        if not is_signer(member):
            continue
        if masquerade:
            found.append(
                Remark("error", f"masquerade rewrites From after {member.name} signed it: every signature fails")
            )
        later = [other.name for other in chain[index + 1 :] if "data-line" in other.phases]
        if later:
            found.append(Remark("warning", f"{', '.join(later)} may change what {member.name} signed: put it last"))
    return found
