"""What filter-lists makes of a client: what the lists say in, decision out. Nothing here asks anybody anything."""

from __future__ import annotations

from filter_api.bases.phase import Phase
from filter_api.decision import Decision, Junk, Proceed
from filter_lists.book import Judgement
from filter_lists.options import Options


def decide(found: Judgement, options: Options, phase: Phase) -> Decision:
    """The decision at a phase: the first list that refuses the client tells it so, all are logged."""
    if not found.hits:
        return Proceed()
    facts = {"reason": "listed", "lists": ",".join(name for name, _ in found.hits)}
    if options.mark:
        return Junk(facts=facts)
    code, enhanced = (550, "5.7.1") if options.permanent else (450, "4.7.1")
    return phase.refuse(code, enhanced, found.hits[0][1], facts=facts)
