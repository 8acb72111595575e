"""What is counted: decisions of each filter, and how long smtpd waited for its answers.

A command that all filters let through at once is counted by a number alone (`Calls.plain`), and as answered at once:
nothing in here is called for it. Whoever reads the counts adds it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from filter_api.bounds import MAX_REPLY_CODES
from filter_api.control.classes import CLASSES
from filter_api.decision import Decision, Disconnect, Proceed, Reject

#: Seconds: the lowest class.
AT_ONCE: Final = CLASSES[0]

_REFUSALS: Final = (Reject, Disconnect)

OTHER: Final = ("other", "other")


class Counts:
    """Of one filter. decisions: by phase and verdict; replies: by code and enhanced code; timed_out: part of failed.

    passed: messages that it let through, which are not among the decisions.
    """

    __slots__ = ("decisions", "exceptions", "failed", "passed", "replies", "timed_out")

    def __init__(self) -> None:
        self.decisions: dict[tuple[str, str], int] = {}
        self.replies: dict[tuple[str, str], int] = {}
        self.failed = self.timed_out = self.exceptions = self.passed = 0

    def examined(self, decision: Decision, *, observe: bool) -> None:
        """One verdict on a message, most of which pass."""
        if type(decision) is Proceed:
            self.passed += 1
        else:
            self.decided("message", decision, observe=observe)

    def decided(self, phase: str, decision: Decision, *, observe: bool) -> None:
        """One decision on a command."""
        word = decision.word
        key = (phase, word if word == "proceed" or not observe else f"observe-{word}")
        self.decisions[key] = self.decisions.get(key, 0) + 1
        if isinstance(decision, _REFUSALS):
            code = (str(decision.code), decision.enhanced or "-")
            if code not in self.replies and len(self.replies) >= MAX_REPLY_CODES:
                code = OTHER
            self.replies[code] = self.replies.get(code, 0) + 1


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
