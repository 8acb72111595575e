"""From spamd's numbers to a judgement: points, threshold, tests. Pure: no clock, no network, no protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from filter_api.decision import Reject
from filter_spamassassin.spamd import Scan

SENDER_TEST: Final = "SENDER_SCORE"

REFUSAL: Final = Reject(550, "5.7.1", "message refused as spam")
COME_ALONE: Final = Reject(
    452,
    "4.5.3",
    "this recipient has spam settings of its own, send it a copy of its own",
    facts={"reason": "other-user"},
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """spam: to be marked. score: spamd's and the sender's points. required: from where it is spam. tests: what hit."""

    spam: bool
    score: float
    required: float
    tests: tuple[str, ...]

    def reaches(self, threshold: float | None) -> bool:
        """Whether option -r refuses it."""
        return threshold is not None and self.score >= threshold


def judge(scan: Scan, points: float | None) -> Judgement:
    """Add the sender's points. Without any, spamd's own word on spam stands: it knows more digits than it shows."""
    if not points:
        return Judgement(scan.spam, scan.score, scan.required, scan.tests)
    score = round(scan.score + points, 3)
    return Judgement(score >= scan.required, score, scan.required, (*scan.tests, f"{SENDER_TEST}={points:g}"))


def refused(judgements: Sequence[Judgement], threshold: float | None) -> bool:
    """Whether a message is refused: only if it is for every user, as there is but one answer for all of them."""
    return bool(judgements) and all(judgement.reaches(threshold) for judgement in judgements)


def number(value: float) -> str:
    """A score as SpamAssassin shows it: one digit behind the point."""
    return f"{value:.1f}"
