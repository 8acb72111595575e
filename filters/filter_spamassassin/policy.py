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


def judge(scan: Scan, points: float | None) -> Judgement:
    """Add the sender's points. Without any, spamd's own word on spam stands: it knows more digits than it shows."""
    if not points:
        return Judgement(scan.spam, scan.score, scan.required, scan.tests)
    score = round(scan.score + points, 3)
    return Judgement(score >= scan.required, score, scan.required, (*scan.tests, f"{SENDER_TEST}={points:g}"))


def refused(judged: Sequence[tuple[Judgement, float]]) -> bool:
    """Whether a message is refused: only if every score reaches the one of -r, as there is one answer for all."""
    return bool(judged) and all(judgement.score >= threshold for judgement, threshold in judged)


def number(value: float) -> str:
    """A score as SpamAssassin shows it: one digit behind the point."""
    return f"{value:.1f}"
