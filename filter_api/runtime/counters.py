"""What is counted: decisions of each filter, and how long smtpd waited for its answers.

A command that all filters let through at once is counted by a number alone (`Calls.plain`), and as answered at once:
nothing in here is called for it. Whoever reads the counts adds it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from typing import Final

from filter_api.bounds import MAX_REPLY_CODES
from filter_api.control.classes import CLASSES
from filter_api.decision import NO_FACTS, Decision, Disconnect, Facts, Proceed, Reject, Verdict

#: Seconds: the lowest class.
AT_ONCE: Final = CLASSES[0]

_REFUSALS: Final = (Reject, Disconnect)

OTHER: Final = ("other", "other")

NO_REASON: Final = "-"
FAILED: Final = "failed"

_OF_LIBRARY: Final = frozenset({"line-too-long", "header-too-long", "too-many-fields"})
"""Why no filter can see a message, see `refusals`."""


class Counts:
    """Of one filter. decisions: by phase, verdict and reason; replies: by code and enhanced code.

    timed_out: part of failed. passed: messages that it let through without a word, which are not among the decisions.
    reasons: those of the filter (`Filter.reasons`); there are no others but a few of ours, so they need no bound.
    """

    __slots__ = ("_reasons", "decisions", "exceptions", "failed", "passed", "replies", "timed_out")

    def __init__(self, reasons: Collection[str] = ()) -> None:
        self._reasons = _OF_LIBRARY.union(reasons)
        self.decisions: dict[tuple[str, str, str], int] = {}
        self.replies: dict[tuple[str, str], int] = {}
        self.failed = self.timed_out = self.exceptions = self.passed = 0

    def examined(self, verdict: Verdict, *, observe: bool) -> None:
        """One verdict on a message, most of which pass."""
        if verdict.facts is NO_FACTS and type(verdict.decision) is Proceed:
            self.passed += 1
        else:
            self.decided("message", verdict.decision, verdict.facts, observe=observe)

    def decided(self, phase: str, decision: Decision, facts: Facts = NO_FACTS, *, observe: bool) -> None:
        """One decision on a command, or with further facts on a message."""
        word = decision.word
        own = decision.facts
        reason = NO_REASON if own is NO_FACTS and facts is NO_FACTS else self._reason(own, facts)
        key = (phase, word if word == "proceed" or not observe else f"observe-{word}", reason)
        self.decisions[key] = self.decisions.get(key, 0) + 1
        if isinstance(decision, _REFUSALS):
            code = (str(decision.code), decision.enhanced or "-")
            if code not in self.replies and len(self.replies) >= MAX_REPLY_CODES:
                code = OTHER
            self.replies[code] = self.replies.get(code, 0) + 1

    def _reason(self, own: Facts, more: Facts) -> str:
        """The word that a decision is counted by: its reason, else its result, if these are the filter's own words.

        They are compared only where they are plain strings: what else a filter may put there can throw at it.
        """
        result = own["result"] if "result" in own else more.get("result")
        if type(result) is str and result == FAILED:
            return FAILED
        reason = own["reason"] if "reason" in own else more.get("reason")
        for word in (reason, result):
            if type(word) is str and word in self._reasons:
                return word
        return NO_REASON if reason is None and result is None else "other"


class Durations:
    """How long answers took, in the classes of `CLASSES`. seconds: in all, without those given at once."""

    __slots__ = ("classes", "seconds")

    def __init__(self) -> None:
        self.classes = [0] * (len(CLASSES) + 1)
        self.seconds = 0.0

    def took(self, seconds: float, times: int = 1) -> None:
        """So many answers took so long."""
        if seconds <= AT_ONCE:
            self.classes[0] += times
        else:
            self.classes[bisect_left(CLASSES, seconds)] += times
            self.seconds += seconds * times
