"""What filter-dyndns makes of a client: evidence in, decision out. Nothing here asks anybody anything."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from filter_api.bases.phase import Phase
from filter_api.bounds import CUT_NAME
from filter_api.decision import Decision, Junk, Proceed
from filter_api.names.dynamic import Evidence, score
from filter_dyndns.options import Options


class Action(enum.Enum):
    """What a score is good for."""

    PASS = "accepted"  # noqa: S105 - no password
    MARK = "marked"
    REFUSE = "refused"


def needs_whole_name(name: bytes) -> bool:
    """Whether smtpd may have cut the name."""
    return len(name) >= CUT_NAME


def whole_name(cut: bytes, names: Iterable[str]) -> list[bytes]:
    """The names of the client that the cut one may stand for; all of its names if none of them begins like it."""
    known = [name.encode("latin-1", "replace") for name in names]
    return [name for name in known if name.startswith(cut.lower())] or known


def judge(names: list[bytes], address: IPv4Address | IPv6Address | None, options: Options) -> tuple[bytes, Evidence]:
    """The mildest evidence among the names of a client (mostly there is one), and the name it is of."""
    own = options.own.current() if options.own else None
    judged = [(name, score(name, address, own)) for name in names]
    return min(judged, key=lambda pair: pair[1].total)


def action(total: int, options: Options) -> Action:
    """What the thresholds -s and -j, and -m, make of a score."""
    if total >= options.refuse:
        return Action.MARK if options.mark else Action.REFUSE
    if options.junk is not None and total >= options.junk:
        return Action.MARK
    return Action.PASS


def decide(name: bytes, evidence: Evidence, options: Options, phase: Phase) -> Decision:
    """The decision at a phase. Marks are made at mail-from only, refusals at the phase of -p only."""
    facts = {"reason": "dynamic", "score": evidence.total, "signs": evidence.kinds, "name": name}
    wanted = action(evidence.total, options)
    if wanted is Action.REFUSE and phase is options.phase:
        return phase.refuse(550, "5.7.1", options.text, facts=facts)
    if wanted is Action.MARK and phase is Phase.MAIL_FROM:
        return Junk(facts=facts)
    return Proceed()
