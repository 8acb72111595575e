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

MARKS_WITH = {
    "filter-rdns": ("fHmp:r:S", "m"),
    "filter-dyndns": ("e:f:j:mp:r:s:x", "mj"),
}
"""Filters of this suite that may answer junk, which they do at mail-from: their letters, and those that make them."""

_ENDING = {"junk": "mark", "rewrite": "rewrite", "bypass": "bypass"}


class Member(NamedTuple):
    """A filter of a chain: its command (empty if builtin), the phases it decides, a builtin's decision."""

    name: str
    command: Sequence[str]
    phases: frozenset[str]
    decision: str = ""


class Remark(NamedTuple):
    """Something to tell: severity is ``error``, ``warning`` or ``note``."""

    severity: str
    text: str


def remarks(chain: Sequence[Member], *, masquerade: bool) -> list[Remark]:
    """What is wrong with a chain, or surprising."""
    found = [remark for phase in PHASES for remark in _phase_remarks(chain, phase)]
    return found + _signing_remarks(chain, masquerade=masquerade)


def is_signer(member: Member) -> bool:
    """Whether it signs what passes, so that nothing may change behind it."""
    return bool(member.command) and "dkimsign" in os.path.basename(member.command[0])


def _phase_remarks(chain: Sequence[Member], phase: str) -> list[Remark]:
    asked = [member for member in chain if phase in member.phases and member.decision != "report"]
    found = []
    for index, member in enumerate(asked[:-1]):
        later = ", ".join(other.name for other in asked[index + 1 :])
        kind = _ending(member, phase)
        if kind == "bypass":
            found.append(Remark("note", f"at {phase} a bypass by {member.name} spares the client {later}"))
        elif kind:
            found.append(
                Remark("warning", f"at {phase} a {kind} by {member.name} hides the client from {later}: put it behind")
            )
    if len(asked) > 1:
        order = ", ".join(member.name for member in asked)
        found.append(Remark("note", f"at {phase} asked in this order until one does not proceed: {order}"))
    return found


def _ending(member: Member, phase: str) -> str:
    if not member.command:
        return _ENDING.get(member.decision, "")
    known = MARKS_WITH.get(os.path.basename(member.command[0]))
    if known is None or phase != "mail-from":
        return ""
    letters, marking = known
    try:
        options, _ = getopt.getopt(list(member.command[1:]), letters + COMMON_LETTERS)
    except getopt.GetoptError:
        return ""  # the dry run tells
    return "mark" if any(letter[1] in marking for letter, _ in options) else ""


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
